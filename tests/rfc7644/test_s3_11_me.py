"""RFC 7644 section 3.11: /Me answers that it is not supported."""

import pytest

from tests.scim import Client


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("url", ["/Me", "/me/"])
async def test_me_is_not_implemented(client: Client, method: str, url: str) -> None:
    answer = await client.send(method, url)
    assert answer.status == 501
    assert "/Me" in answer.document["detail"]
