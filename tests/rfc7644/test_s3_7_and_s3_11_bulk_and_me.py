"""RFC 7644 sections 3.7 and 3.11: /Bulk and /Me are announced as, and answer that they are, not supported."""

import pytest

from tests.scim import Client


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("url", ["/Me", "/me/"])
async def test_me_is_not_implemented(client: Client, method: str, url: str) -> None:
    answer = await client.send(method, url)
    assert answer.status == 501
    assert "/Me" in answer.document["detail"]


@pytest.mark.parametrize("body", [b"", b"{}", b"{", b'{"Operations": [{"method": "POST", "path": "/Users"}]}'])
async def test_bulk_is_not_implemented(client: Client, body: bytes) -> None:
    answer = await client.send("POST", "/Bulk", body)
    assert answer.status == 501
    assert (await client.get("/ServiceProviderConfig")).document["bulk"]["supported"] is False
    assert (await client.get("/Users")).document["totalResults"] == 0
