"""The id of a request in the detail of an error: no client can make it say something else, or lose it."""

import re

import pytest

from scim_core.endpoint.error_responses import MAX_DETAIL_CHARACTERS
from tests.scim import Client, sentence

NAMES_THE_REQUEST = re.compile(r" \(request ([0-9a-f]{32}|[0-9a-f-]{36})\)")


@pytest.mark.parametrize("length", [MAX_DETAIL_CHARACTERS - 60, MAX_DETAIL_CHARACTERS, 20_000])
async def test_a_long_value_does_not_cut_it(client: Client, length: int) -> None:
    answer = await client.post("/Users", {"userName": "ann", "active": "x" * length})
    assert answer.status == 400
    assert len(sentence(answer)) <= MAX_DETAIL_CHARACTERS
    found = NAMES_THE_REQUEST.search(answer.document["detail"])
    assert found is not None
    assert found.end() == len(answer.document["detail"])


@pytest.mark.parametrize(
    "header",
    [
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nX: 1",
        "00-<script>alert(1)</script>-b7ad6b7169203331-01",
        "0" * 10_000,
        "",
    ],
)
async def test_a_header_of_the_client_is_no_id_unless_it_has_the_form_of_a_trace(client: Client, header: str) -> None:
    answer = await client.get("/Users/nobody", headers={"traceparent": header})
    found = NAMES_THE_REQUEST.search(answer.document["detail"])
    assert found is not None
    assert len(found[1]) == 36, "one of ours"


async def test_a_value_that_looks_like_an_id_comes_before_the_one_that_counts(client: Client) -> None:
    answer = await client.post("/Users", {"userName": "ann", "active": "x (request 0)"})
    assert "(request 0)" in sentence(answer)
    assert NAMES_THE_REQUEST.search(answer.document["detail"]) is not None
