"""Pages that are shorter than a client asked for: a walk still meets every resource exactly once.

A walk by startIndex, a walk by cursor and the unpaged list are equal.
"""

import asyncio
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scim_core.service import cursor_search, list_cursors, portions, root_search, sorted_search
from tests.memory_rows import memory_storage
from tests.scim import Client, Clock, Json, path
from tests.walking import ids, walker
from tests.walking import pages as pages_by_cursor

ROOM = 1_500
"""Characters of an answer here. The users have from 100 to some more than this."""

ANSWERING = (portions, root_search, sorted_search, cursor_search)
"""The modules that know how large an answer may be."""

WALKS: dict[str, tuple[str, Json]] = {
    "all users": ("/Users", {}),
    "all users without their groups": ("/Users", {"excludedAttributes": "groups"}),
    "a scan": ("/Users", {"filter": "title pr"}),
    "a scan that storage tests": ("/Users", {"filter": "active eq true"}),
    "a filter on groups": ("/Users", {"filter": "groups pr or title pr"}),
    "an index": ("/Users", {"filter": 'externalId eq "same"'}),
    "a prefix": ("/Users", {"filter": 'userName sw "user"'}),
    "a prefix and more": ("/Users", {"filter": 'userName sw "user" and title co "x"'}),
    "members of a group": ("/Users", {"filter": 'groups eq "{group}"'}),
    "sorted": ("/Users", {"sortBy": "title", "sortOrder": "descending"}),
    "sorted by an extension": (
        "/Users",
        {"sortBy": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:division"},
    ),
    "all groups": ("/Groups", {}),
    "groups without members": ("/Groups", {"excludedAttributes": "members"}),
    "groups by members": ("/Groups", {"filter": "members pr"}),
    "sorted groups": ("/Groups", {"sortBy": "displayName"}),
    "everything": ("/.search", {}),
    "everything sorted": ("/.search", {"sortBy": "meta.created", "sortOrder": "descending"}),
    "everything by a filter": ("/.search", {"filter": "displayName pr"}),
}


@pytest.fixture(autouse=True)
def _small_answers() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module in ANSWERING:
            patch.setattr(module, "MAX_ANSWER_BYTES", ROOM)
        patch.setattr(sorted_search, "MAX_KEPT_CHARACTERS", ROOM)
        patch.setattr(list_cursors, "MAX_VALUE_CHARACTERS", 2_000)  # titles are as long
        patch.setattr(portions, "FIRST_PORTION", 3)
        patch.setattr(portions, "PORTION_CHARACTERS", ROOM)
        yield


async def directory(lengths: list[int], members: list[int]) -> tuple[Client, Json]:
    """A client of a directory with users with titles of these lengths, and groups with so many of them."""
    client = walker(memory_storage(), Clock())
    users = [
        await client.user(
            f"user{number:02}",
            externalId="same",
            displayName="x",
            active=True,
            **({"title": "x" * length} if length else {}),
        )
        for number, length in enumerate(lengths)
    ]
    groups = [await client.group(f"group{number}", *users[:most]) for number, most in enumerate(members)]
    return client, groups[0]


async def walk(client: Client, url: str, query: Json, count: int) -> tuple[list[list[str]], set[int]]:
    """The ids of each page of a walk, and the totals that were told."""
    pages, totals, start = list[list[str]](), set[int](), 1
    while True:
        asked = {**query, "startIndex": start, "count": count}
        answer = await (client.post(url, asked) if url == "/.search" else client.get(url, **asked))
        assert answer.status == 200, answer.document
        shown = [item["id"] for item in answer.document["Resources"]]
        assert answer.document["itemsPerPage"] == len(shown) <= count
        totals.add(answer.document["totalResults"])
        if not shown:
            return pages, totals
        pages.append(shown)
        start += len(shown)


@pytest.mark.parametrize(("url", "query"), WALKS.values(), ids=WALKS)
@settings(max_examples=settings().max_examples // 2)
@given(
    lengths=st.lists(st.integers(0, 2_000), min_size=1, max_size=9),
    members=st.lists(st.integers(0, 9), min_size=1, max_size=4),
    count=st.integers(1, 12),
)
def test_a_walk_over_short_pages_meets_every_resource_once(
    url: str, query: Json, lengths: list[int], members: list[int], count: int
) -> None:
    async def check() -> None:
        client, group = await directory(lengths, members)
        filled: dict[str, Any] = {name: text.replace("{group}", group["id"]) for name, text in query.items()}
        pages, totals = await walk(client, url, filled, count)
        with pytest.MonkeyPatch.context() as patch:
            for module in ANSWERING:
                patch.setattr(module, "MAX_ANSWER_BYTES", 10_000_000)
            whole, whole_totals = await walk(client, url, filled, 1000)
        assert len(whole) <= 1
        assert list(chain(*pages)) == list(chain(*whole))
        assert totals == whole_totals
        by_cursor = await pages_by_cursor(client, url, count=count, **filled)
        assert ids(by_cursor) == list(chain(*whole))
        assert {one["totalResults"] for one in by_cursor if "totalResults" in one} <= whole_totals

    asyncio.run(check())


async def test_a_page_ends_where_its_answer_is_full() -> None:
    client, _ = await directory([400] * 6, [0])
    pages, totals = await walk(client, "/Users", {}, 100)
    assert [len(page) for page in pages] == [2, 2, 2]
    assert totals == {6}


async def test_a_single_resource_is_shown_whatever_its_size() -> None:
    client, _ = await directory([2_000, 5, 2_000, 2_000], [0])
    pages, _ = await walk(client, "/Users", {}, 100)
    assert [len(page) for page in pages] == [1, 1, 1, 1]


async def test_a_group_counts_with_its_members() -> None:
    client, group = await directory([5] * 9, [9, 0, 0, 9, 2, 2])
    pages, _ = await walk(client, "/Groups", {}, 100)
    assert [len(page) for page in pages] == [1, 2, 1, 2]
    assert len((await client.document(path(group)))["members"]) == 9
    pages, _ = await walk(client, "/Groups", {"excludedAttributes": "members"}, 100)
    assert [len(page) for page in pages] == [6]
