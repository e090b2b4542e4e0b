"""RFC 9865 section 2.1: what is refused, with which scimType; and a service without a master key has no cursors."""

from typing import Any

import pytest

from scim_core.service.list_cursors import CURSOR_SECONDS
from scim_core.storage.tables import TableStorage
from tests.memory_rows import memory_storage
from tests.scim import Client, Clock, Json, endpoint_over, sentence
from tests.walking import ask, page, walker


@pytest.fixture(scope="module")
async def six() -> Client:
    client = walker(memory_storage(), Clock())
    for number in range(6):
        await client.user(f"user{number}")
    return client


@pytest.mark.parametrize("url", ["/Users", "/Users/.search", "/.search"])
@pytest.mark.parametrize("start", [1, 3, "1"])
async def test_cursor_and_start_index_exclude_each_other(six: Client, url: str, start: Any) -> None:
    following = (await page(six, url, count=2))["nextCursor"]
    for cursor in ("", following):
        answer = await ask(six, url, {"cursor": cursor, "startIndex": start, "count": 2})
        assert (answer.status, answer.document["scimType"]) == (400, "invalidValue")
        assert sentence(answer) == "cursor and startIndex exclude each other: send one of them."


@pytest.mark.parametrize("url", ["/Users", "/Groups", "/Users/.search", "/.search"])
@pytest.mark.parametrize("cursor", ["x", "1", "YQ", "a=b", "ä", " ", "a" * 3000])
async def test_what_is_no_cursor_of_ours_is_invalid(six: Client, url: str, cursor: str) -> None:
    answer = await ask(six, url, {"cursor": cursor})
    assert (answer.status, answer.document["scimType"]) == (400, "invalidCursor")


@pytest.mark.parametrize("cursor", [1, True, ["x"], {}, []])
async def test_a_cursor_in_a_body_is_a_string(six: Client, cursor: Any) -> None:
    answer = await six.post("/Users/.search", {"cursor": cursor})
    assert (answer.status, answer.document["scimType"]) == (400, "invalidCursor")


async def test_a_cursor_expires_and_the_service_says_when(storage: TableStorage, clock: Clock) -> None:
    client = walker(storage, clock)
    for number in range(6):
        await client.user(f"user{number}")
    announced = (await client.get("/ServiceProviderConfig")).document["pagination"]["cursorTimeout"]
    assert announced == CURSOR_SECONDS
    cursor = (await page(client, count=2))["nextCursor"]
    clock.advance(seconds=announced - 1)
    following = (await page(client, count=2, cursor=cursor))["nextCursor"]
    clock.advance(seconds=2)
    answer = await client.get("/Users", cursor=cursor, count=2)
    assert (answer.status, answer.document["scimType"]) == (400, "expiredCursor")
    assert "Start again with an empty cursor" in answer.document["detail"]
    assert len((await page(client, count=2, cursor=following))["Resources"]) == 2


@pytest.mark.parametrize("count", [1, 3, 0, -1, 1000])
async def test_another_count_than_that_of_the_walk_is_invalid(six: Client, count: int) -> None:
    cursor = (await page(six, count=2))["nextCursor"]
    answer = await six.get("/Users", cursor=cursor, count=count)
    assert (answer.status, answer.document["scimType"]) == (400, "invalidCount")
    assert "count must be 2" in answer.document["detail"]


@pytest.mark.parametrize("count", ["x", "1.5", "½"])
async def test_a_count_that_is_no_integer_is_invalid(six: Client, count: str) -> None:
    answer = await six.get("/Users", cursor="", count=count)
    assert (answer.status, answer.document["scimType"]) == (400, "invalidCount")


async def test_other_errors_are_those_of_every_list(six: Client) -> None:
    for query, scim_type in (({"filter": "x x"}, "invalidFilter"), ({"sortBy": "name"}, "invalidPath")):
        answer = await six.get("/Users", cursor="", **query)
        assert (answer.status, answer.document["scimType"]) == (400, scim_type)


async def test_without_a_master_key_a_cursor_is_refused(storage: TableStorage, clock: Clock) -> None:
    client = Client(endpoint_over(storage, clock))
    pagination: Json = (await client.get("/ServiceProviderConfig")).document["pagination"]
    assert (pagination["cursor"], pagination["index"], "cursorTimeout" in pagination) == (False, True, False)
    for url in ("/Users", "/Users/.search", "/.search", "/Groups"):
        for cursor in ("", "x"):
            answer = await ask(client, url, {"cursor": cursor})
            assert (answer.status, answer.document["scimType"]) == (400, "invalidValue")
            assert "SCIM_MASTER_KEY" in answer.document["detail"]
    assert (await client.get("/Users")).status == 200


async def test_with_a_master_key_cursors_are_announced(six: Client) -> None:
    assert (await six.get("/ServiceProviderConfig")).document["pagination"] == {
        "cursor": True,
        "index": True,
        "defaultPaginationMethod": "index",
        "defaultPageSize": 100,
        "maxPageSize": 1000,
        "cursorTimeout": CURSOR_SECONDS,
    }


async def test_discovery_ignores_a_cursor(six: Client) -> None:
    for url in ("/ServiceProviderConfig", "/ResourceTypes", "/Schemas"):
        assert (await six.get(url, cursor="x")).body == (await six.get(url)).body
