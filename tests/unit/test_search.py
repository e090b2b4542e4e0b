"""What a search reads of storage, and where it stops."""

import asyncio
from typing import Any

import pytest

from scim_core.model import Membership, StoredResource
from scim_core.service import lookups, page_positions, portions
from scim_core.storage.port import Count, Page
from scim_core.storage.tables import TableStorage
from tests.memory_rows import MemoryRows
from tests.scim import Client, Clock, Json, endpoint_over


class Counting(TableStorage):
    """Storage that counts the resources it hands out, and notes its calls."""

    def __init__(self) -> None:
        super().__init__(MemoryRows())
        self.calls: list[str] = []
        self.handed_out = 0
        self.ids_found = 0
        self.under_way = 0
        self.most_under_way = 0

    async def find(self, *args: Any, **options: Any) -> list[str]:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        found = await super().find(*args, **options)
        self.ids_found += len(found)
        return found

    async def members_of(self, *args: Any, **options: Any) -> list[Membership]:
        found = await super().members_of(*args, **options)
        self.ids_found += len(found)
        return found

    async def page(self, *args: Any, **options: Any) -> Page:
        page = await super().page(*args, **options)
        self.calls.append(f"page {options['limit']}")
        self.handed_out += len(page.resources)
        return page

    async def count(self, *args: Any, **options: Any) -> Count:
        self.calls.append("count")
        return await super().count(*args, **options)

    async def seek(self, *args: Any, **options: Any) -> str | None:
        self.calls.append("seek")
        return await super().seek(*args, **options)

    async def read(self, *args: Any) -> list[StoredResource | None]:
        found = await super().read(*args)
        self.handed_out += len(found)
        return found


@pytest.fixture
def storage() -> Counting:
    return Counting()


@pytest.fixture
async def thirty(client: Client, storage: Counting) -> Counting:
    """Thirty users, of whom every third is titled."""
    for number in range(30):
        await client.user(f"user{number:02}", **({"title": "x"} if number % 3 == 0 else {}))
    storage.handed_out = 0
    storage.calls.clear()
    return storage


async def test_a_walk_reads_each_resource_once_and_counts_once(client: Client, thirty: Counting) -> None:
    start = 1
    while start <= 30:
        start += (await client.get("/Users", startIndex=start, count=5)).document["itemsPerPage"]
    assert thirty.handed_out == 30
    assert thirty.calls == ["count"] + ["page 5"] * 6


async def test_a_first_page_that_holds_all_is_not_counted(client: Client, thirty: Counting, clock: Clock) -> None:
    async def total(count: int) -> int:
        thirty.calls.clear()
        number: int = (await client.get("/Users", count=count)).document["totalResults"]
        return number

    assert [await total(100), "count" in thirty.calls] == [30, True]  # nothing was known
    assert [await total(100), thirty.calls] == [30, ["page 100"]]
    other = Client(endpoint_over(thirty, clock))  # another instance
    await other.user("another")
    assert [await total(100), thirty.calls] == [31, ["page 100"]]
    assert [await total(31), "count" in thirty.calls] == [31, False]
    await other.user("one more")
    assert [await total(31), "count" in thirty.calls] == [32, True]
    assert [await total(10), "count" in thirty.calls] == [32, True]
    for found in (await client.get("/Users", count=3)).document["Resources"]:
        assert (await other.delete(f"/Users/{found['id']}")).status == 204
    assert [await total(100), thirty.calls] == [29, ["page 100"]]


async def test_a_page_out_of_the_blue_is_sought(client: Client, thirty: Counting) -> None:
    page = (await client.get("/Users", startIndex=11, count=5)).document
    assert [item["userName"] for item in page["Resources"]] == [f"user{number}" for number in range(10, 15)]
    assert thirty.handed_out == 5
    assert thirty.calls == ["count", "seek", "page 5"]


async def test_only_totals_are_counted_without_reading(client: Client, thirty: Counting) -> None:
    assert (await client.get("/Users", count=0)).document["totalResults"] == 30
    assert (thirty.handed_out, thirty.calls) == (0, ["count"])


async def test_a_page_of_an_index_reads_that_page(client: Client, storage: Counting) -> None:
    for number in range(30):
        await client.user(f"user{number}", externalId="same")
    storage.handed_out = 0
    page = (await client.get("/Users", filter='externalId eq "same"', count=5)).document
    assert (page["totalResults"], page["itemsPerPage"], storage.handed_out) == (30, 5, 5)


@pytest.mark.parametrize(
    "query",
    [{"filter": "title pr"}, {"sortBy": "userName"}, {"filter": 'userName sw "user"'}, {"filter": 'externalId eq "x"'}],
)
async def test_a_search_that_would_examine_too_much_is_refused(
    client: Client, monkeypatch: pytest.MonkeyPatch, query: Json
) -> None:
    monkeypatch.setattr(lookups, "MAX_SCAN", 10)
    monkeypatch.setattr(portions, "FIRST_PORTION", 4)
    for number in range(13):
        await client.user(f"user{number}", externalId="x")
    answer = await client.get("/Users", **query)
    assert (answer.status, answer.document["scimType"]) == (400, "tooMany")
    assert "userName" in answer.document["detail"]
    assert (await client.get("/Users", filter='userName eq "user7"')).document["totalResults"] == 1
    assert (await client.get("/Users", count=2)).document["totalResults"] == 13


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("/Users", 'members eq "018f0000-0000-7000-8000-000000000000"'),
        ("/Users", 'members[type ne "x"] and title pr'),
        ("/Groups", "userName pr or emails pr"),
    ],
)
async def test_an_attribute_that_the_type_lacks_is_not_looked_for(
    client: Client, thirty: Counting, url: str, text: str
) -> None:
    await client.group("group")
    assert await client.found(url, text) == []
    assert (thirty.handed_out, thirty.calls) == (0, [])


@pytest.mark.parametrize("text", ['userName sw "user"', 'externalId eq "x"', 'groups eq "{group}"'])
async def test_no_more_ids_are_read_than_show_that_there_are_too_many(
    client: Client, storage: Counting, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    users = [await client.user(f"user{number}", externalId="x") for number in range(30)]
    group = await client.group("group", *users)
    monkeypatch.setattr(lookups, "MAX_SCAN", 10)
    storage.ids_found = 0
    answer = await client.get("/Users", filter=text.format(group=group["id"]))
    assert (answer.status, answer.document["scimType"], storage.ids_found) == (400, "tooMany", 11)


async def test_the_terms_of_a_long_or_are_looked_up_some_at_a_time(
    client: Client, thirty: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = " or ".join(f'userName eq "user{number:02}"' for number in range(30))
    assert len(await client.found("/Users", f"{text} or {text}")) == 30
    assert (thirty.most_under_way, thirty.ids_found) == (lookups.LOOKUPS_AT_ONCE, 30)
    monkeypatch.setattr(lookups, "MAX_SCAN", 10)
    thirty.ids_found = 0
    answer = await client.get("/Users", filter=text)
    assert (answer.status, answer.document["scimType"]) == (400, "tooMany")
    assert thirty.ids_found == lookups.LOOKUPS_AT_ONCE


async def test_a_walk_with_a_filter_goes_on_where_it_stopped(client: Client, thirty: Counting) -> None:
    first = (await client.get("/Users", filter="title pr", count=4)).document
    assert (first["totalResults"], thirty.handed_out) == (10, 30)
    thirty.handed_out = 0
    second = (await client.get("/Users", filter="title pr", count=4, startIndex=5)).document
    assert [item["userName"] for item in second["Resources"]] == ["user12", "user15", "user18", "user21"]
    assert thirty.handed_out < 30


@pytest.mark.parametrize(
    ("text", "count", "most"), [('userName sw "user"', 5, 6), ('userName sw "user" and title pr', 2, 12)]
)
async def test_the_pages_of_a_walk_over_candidates_read_no_more_of_them_than_they_show(
    client: Client, thirty: Counting, text: str, count: int, most: int
) -> None:
    page = (await client.get("/Users", filter=text, count=count)).document
    total, seen, thirty.handed_out = page["totalResults"], page["Resources"], 0
    while len(seen) < total:
        page = (await client.get("/Users", filter=text, count=count, startIndex=len(seen) + 1)).document
        assert (page["totalResults"], page["itemsPerPage"]) == (total, count)
        assert thirty.handed_out <= most
        seen += page["Resources"]
        thirty.handed_out = 0
    assert seen == await client.found("/Users", text)


async def test_what_is_remembered_in_process_is_bounded(
    clock: Clock, storage: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_positions, "MAX_REMEMBERED_POSITIONS", 5)
    kept = page_positions.PagePositions(storage, clock)
    for number in range(20):
        await kept.save("contoso", str(number), "id", 20)
    assert [number for number in range(20) if kept.remembered("contoso", str(number))] == [15, 16, 17, 18, 19]
    assert await kept.load("contoso", "0") is not None


async def test_a_position_that_is_stored_already_is_not_written_again_while_it_is_young(
    clock: Clock, storage: Counting
) -> None:
    """A client that looks at the first page again and again costs reads. What another process has written is seen."""
    one, other = (page_positions.PagePositions(storage, clock) for _ in range(2))
    saved: list[str] = []

    async def save(kept: page_positions.PagePositions, last_id: str, total: int) -> bool:
        """Whether it was written."""
        await kept.save("contoso", "key", last_id, total)
        stored = await kept.load("contoso", "key")
        assert stored is not None
        assert (stored.last_id, stored.total_results) == (last_id, total)
        saved.append(stored.expires)
        return saved[-2:-1] != saved[-1:]

    assert await save(one, "a", 7)
    clock.advance(seconds=page_positions.SAVED_AGAIN_AFTER.total_seconds() - 1)
    assert not await save(one, "a", 7)
    clock.advance(seconds=2)
    assert await save(one, "a", 7)
    clock.advance(seconds=1)
    assert await save(one, "b", 7)
    clock.advance(seconds=1)
    assert await save(one, "b", 8)
    clock.advance(seconds=1)
    assert await save(other, "c", 8)
    clock.advance(seconds=1)
    assert await save(one, "b", 8)


async def test_a_page_position_that_another_process_moved_is_obeyed(clock: Clock, storage: Counting) -> None:
    """The process's own position is only a guess at what the stored one says."""
    one, other = (Client(endpoint_over(storage, clock)) for _ in range(2))
    for number in range(10):
        await one.user(f"user{number}")
    first = (await one.get("/Users", count=4)).document["Resources"]
    await one.delete(f"/Users/{first[0]['id']}")
    await other.get("/Users", count=4)
    page = (await one.get("/Users", count=4, startIndex=5)).document
    assert [item["userName"] for item in page["Resources"]] == ["user5", "user6", "user7", "user8"]
