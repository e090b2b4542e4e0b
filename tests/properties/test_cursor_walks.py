"""Walks by cursor while others write: what matches all the time is seen exactly once, whatever else happens."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.memory_rows import memory_storage
from tests.scim import Client, Clock, Json, path, replace
from tests.walking import ids, pages, walker

LISTS: dict[str, tuple[str, Json]] = {
    "all users": ("/Users", {}),
    "a scan": ("/Users", {"filter": "title pr"}),
    "a scan that storage tests": ("/Users", {"filter": "active eq true"}),
    "an index": ("/Users", {"filter": 'externalId eq "in"'}),
    "an index and more": ("/Users", {"filter": 'externalId eq "in" and title pr'}),
    "a prefix": ("/Users", {"filter": 'displayName sw "in"'}),
    "two indexes": ("/Users", {"filter": 'externalId eq "in" or displayName eq "in"'}),
    "everything": ("/.search", {"filter": "displayName eq in or title pr"}),
    "sorted": ("/Users", {"filter": "active eq true", "sortBy": "nickName"}),
    "sorted descending": ("/Users", {"filter": 'externalId eq "in"', "sortBy": "nickName", "sortOrder": "descending"}),
}

type Change = tuple[str, int]

CHANGES = st.tuples(st.sampled_from(["create", "delete", "leave", "enter", "touch"]), st.integers(0, 30))
MATCHING: Json = {"externalId": "in", "displayName": "in", "title": "in", "active": True}
OUTSIDE: Json = {"externalId": "out", "displayName": "out", "title": None, "active": False}


class Directory:
    """Users that match or not, and which of them have matched since the beginning."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.users: list[Json] = []
        self.throughout: set[str] = set()

    async def create(self, *, matching: bool) -> None:
        number = len(self.users)
        attributes = {name: value for name, value in (MATCHING if matching else OUTSIDE).items() if value is not None}
        self.users.append(await self.client.user(f"user{number}", nickName=f"{number % 3}", **attributes))

    async def apply(self, change: Change) -> None:
        kind, number = change
        if kind == "create":
            await self.create(matching=number % 2 == 0)
            return
        user = self.users[number % len(self.users)]
        if kind == "delete":
            await self.client.delete(path(user))
        elif kind == "touch":
            await self.client.patch(path(user), replace("locale", str(number)))
        else:
            values = MATCHING if kind == "enter" else OUTSIDE
            await self.client.patch(path(user), {"op": "replace", "value": values})
        if kind in ("delete", "leave"):
            self.throughout.discard(user["id"])


@pytest.mark.parametrize(("url", "query"), LISTS.values(), ids=LISTS)
@settings(max_examples=settings().max_examples // 2)
@given(
    matching=st.lists(st.booleans(), min_size=1, max_size=10),
    batches=st.lists(st.lists(CHANGES, max_size=4), max_size=6),
    count=st.integers(1, 5),
)
def test_what_matches_throughout_is_seen_exactly_once(
    url: str, query: Json, matching: list[bool], batches: list[list[Change]], count: int
) -> None:
    async def check() -> None:
        directory = Directory(walker(memory_storage(), Clock()))
        for matches in matching:
            await directory.create(matching=matches)
        directory.throughout = {
            user["id"] for user, matches in zip(directory.users, matching, strict=True) if matches or not query
        }

        async def between(number: int) -> None:
            for change in batches[number - 1] if number <= len(batches) else ():
                await directory.apply(change)

        seen = ids(await pages(directory.client, url, between=between, count=count, **query))
        assert directory.throughout <= set(seen)
        assert len(seen) == len(set(seen))  # who leaves and enters again keeps its value, so also in a sorted list

    asyncio.run(check())
