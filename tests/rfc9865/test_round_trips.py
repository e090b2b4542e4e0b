"""What a page by cursor costs: round trips that wait for each other, and rows. It is the same wherever the walk is."""

from typing import Any

import pytest

from scim_core.storage.tables import TableStorage
from tests.memory_rows import memory_storage
from tests.scim import Client, Clock, Json, add, path, references
from tests.transcript import Transcript, transcript
from tests.walking import page, walker

USERS = 240


@pytest.fixture(scope="module")
async def directory() -> tuple[Client, TableStorage, Json]:
    """A client of a directory of users, its storage, and a group of all of them."""
    storage = memory_storage()
    client = walker(storage, Clock())
    users = [await client.user(f"user{number:03}", externalId="same", active=True) for number in range(USERS)]
    group = await client.group("group")
    for first in range(0, USERS, 80):
        await client.patch(path(group), add("members", references(*users[first : first + 80])))
    await page(client, count=20)  # from here on it is known how large the resources are, and how many
    return client, storage, group


async def recorded(directory: tuple[Client, TableStorage, Json], **query: Any) -> list[Transcript]:
    """The calls of each page of a walk by twenty."""
    client, storage, group = directory
    text = query.get("filter", "").replace("{group}", group["id"])
    query |= {"filter": text} if text else {}
    cursor, found = "", list[Transcript]()
    while True:
        with transcript(storage) as calls:
            shown = await page(client, count=20, cursor=cursor, **query)
        found.append(calls)
        cursor = shown.get("nextCursor", "")
        if not cursor:
            return found


PAGES: dict[str, tuple[int, int, Json]] = {
    "all users": (1, 1, {"excludedAttributes": "groups"}),
    "all users with their groups": (2, 2, {}),
    "a test that storage makes": (1, 1, {"excludedAttributes": "groups", "filter": "active eq true"}),
    "an index": (2, 2, {"excludedAttributes": "groups", "filter": 'externalId eq "same"'}),
    "members of a group": (2, 2, {"excludedAttributes": "groups", "filter": 'groups eq "{group}"'}),
}


@pytest.mark.parametrize(("first", "later", "query"), PAGES.values(), ids=PAGES)
async def test_every_page_takes_as_many(
    directory: tuple[Client, TableStorage, Json], first: int, later: int, query: Json
) -> None:
    walked = await recorded(directory, **query)
    assert [calls.round_trips for calls in walked] == [first] + [later] * (USERS // 20 - 1)


@pytest.mark.parametrize(("first", "later", "query"), PAGES.values(), ids=PAGES)
async def test_no_page_writes_a_row_or_reads_a_position(
    directory: tuple[Client, TableStorage, Json], first: int, later: int, query: Json
) -> None:
    del first, later
    for calls in await recorded(directory, **query):
        assert "transact" not in calls.kinds
        assert not any("bookmark" in key for call in calls.calls for key in call.keys)


async def test_a_later_page_reads_no_more_than_an_early_one(directory: tuple[Client, TableStorage, Json]) -> None:
    for _, _, query in PAGES.values():
        walked = await recorded(directory, **query)
        calls = [len(one.calls) for one in walked[1:-1]]
        assert len(set(calls)) == 1, calls


async def test_a_walk_by_cursor_takes_fewer_than_one_by_start_index(
    directory: tuple[Client, TableStorage, Json],
) -> None:
    client, storage, _ = directory
    by_cursor = sum(one.round_trips for one in await recorded(directory, excludedAttributes="groups"))
    by_index = 0
    for start in range(1, USERS, 20):
        with transcript(storage) as calls:
            await client.get("/Users", startIndex=start, count=20, excludedAttributes="groups")
        by_index += calls.round_trips
    assert by_cursor == USERS // 20 < by_index


async def test_a_cursor_that_does_not_open_reads_nothing(directory: tuple[Client, TableStorage, Json]) -> None:
    client, storage, _ = directory
    cursor = (await page(client, count=20))["nextCursor"]
    with transcript(storage) as calls:
        assert (await client.get("/Users", cursor=cursor[:-4], count=20)).status == 400
    assert calls.calls == []
