"""What every implementation of the storage port promises about pages, counts, seeking in a list, and page positions."""

import asyncio
from dataclasses import replace

import pytest

from scim_core.storage.port import ColumnTest, Count, PagePosition, Storage, TooLarge
from scim_core.storage.tables import TableStorage
from tests.contract.builders import TENANT, also_on_azurite, create, group, id_of, user
from tests.transcript import transcript

MANY = 2_500


def ids(*numbers: int) -> list[str]:
    return [id_of(number) for number in numbers]


async def page_ids(storage: Storage, limit: int, *tests: ColumnTest, after: int | None = None) -> list[str]:
    page = await storage.page(TENANT, "User", after=None if after is None else id_of(after), limit=limit, tests=tests)
    return [item.id for item in page.resources]


@also_on_azurite
async def test_pages_are_in_the_order_of_the_ids_and_end_with_none(storage: Storage) -> None:
    await create(storage, user(3), user(1), group(4), user(2))
    first = await storage.page(TENANT, "User", limit=2)
    assert ([item.id for item in first.resources], first.last_id) == (ids(1, 2), id_of(2))
    last = await storage.page(TENANT, "User", after=first.last_id, limit=2)
    assert ([item.id for item in last.resources], last.last_id) == (ids(3), None)
    assert (await storage.page(TENANT, "User", limit=3)).last_id is None


async def test_a_page_after_an_id_that_is_gone_starts_where_it_was(storage: Storage) -> None:
    await create(storage, user(1), user(3))
    assert await page_ids(storage, 9, after=2) == ids(3)
    assert await page_ids(storage, 9, after=0) == ids(1, 3)
    assert await page_ids(storage, 9, after=3) == []


async def test_an_empty_list_has_an_empty_page(storage: Storage) -> None:
    page = await storage.page(TENANT, "User", limit=10)
    assert (page.resources, page.last_id) == ((), None)
    assert (await storage.count(TENANT, "User")).number == 0
    assert await storage.seek(TENANT, "User", after=None, steps=1) is None


async def test_2500_resources_are_paged_counted_and_sought(storage: Storage) -> None:
    for start in range(0, MANY, 50):
        await asyncio.gather(*(storage.create(TENANT, user(n, index=frozenset())) for n in range(start, start + 50)))
    assert (await storage.count(TENANT, "User")).number == MANY
    whole = await storage.page(TENANT, "User", limit=MANY)
    assert ([item.id for item in whole.resources], whole.last_id) == (ids(*range(MANY)), None)
    part = await storage.page(TENANT, "User", after=id_of(99), limit=2_000)
    assert ([item.id for item in part.resources], part.last_id) == (ids(*range(100, 2_100)), id_of(2_099))
    assert await storage.seek(TENANT, "User", after=None, steps=1) == id_of(0)
    assert await storage.seek(TENANT, "User", after=id_of(9), steps=1_500) == id_of(1_509)
    assert await storage.seek(TENANT, "User", after=None, steps=MANY) == id_of(MANY - 1)
    assert await storage.seek(TENANT, "User", after=id_of(0), steps=MANY) is None
    assert await page_ids(storage, 9, ColumnTest("userName", "eq", "nobody")) == []


@also_on_azurite
@pytest.mark.parametrize(
    ("column", "operator", "value", "expected"),
    [
        ("active", "eq", True, (1, 3)),
        ("active", "eq", False, (2,)),
        ("name", "eq", "it's", (2,)),
        ("name", "eq", "It's", ()),
        ("name", "gt", "a", (2, 3)),
        ("name", "ge", "a", (1, 2, 3)),
        ("name", "lt", "it's", (1,)),
        ("name", "le", "it's", (1, 2)),
        ("name.familyName", "eq", "x y", (3,)),
        ("name.familyName", "le", "zz", (3,)),
        ("lastModified", "gt", "2026-11-23T09:05:01.000000Z", (2, 3)),
        ("created", "ge", "2026-11-23T09:05:01", ()),
        ("unknown", "eq", "", ()),
    ],
)
async def test_a_page_holds_what_passes_a_test_of_a_column(
    storage: Storage, column: str, operator: str, value: str | bool, expected: tuple[int, ...]
) -> None:
    later = [f"2026-11-23T09:05:0{number}.000000Z" for number in range(4)]
    await create(
        storage,
        user(1, columns={"active": True, "name": "a"}, last_modified=later[1]),
        user(2, columns={"active": False, "name": "it's"}, last_modified=later[2]),
        user(3, columns={"active": True, "name": "straße 漢", "name.familyName": "x y"}, last_modified=later[3]),
        user(4, columns={}, last_modified=later[0]),
    )
    assert await page_ids(storage, 9, ColumnTest(column, operator, value)) == ids(*expected)


@also_on_azurite
async def test_tests_are_joined_by_and_and_the_page_is_filled_from_what_passes(storage: Storage) -> None:
    for number in range(20):
        await create(storage, user(number, columns={"active": number % 2 == 0, "name": f"{number:02d}"}))
    tests = [ColumnTest("active", "eq", value=True), ColumnTest("name", "ge", "05"), ColumnTest("name", "lt", "15")]
    page = await storage.page(TENANT, "User", limit=3, tests=tests)
    assert ([item.id for item in page.resources], page.last_id) == (ids(6, 8, 10), id_of(10))
    assert await page_ids(storage, 3, *tests, after=10) == ids(12, 14)
    assert (await storage.page(TENANT, "User", limit=5, tests=tests)).last_id is None


@also_on_azurite
async def test_whoever_is_not_inactive_is_counted_as_active_up_to_the_limit(storage: TableStorage) -> None:
    for number in range(9):
        await create(storage, user(number, columns=({"active": True}, {"active": False}, {})[number % 3]))
    assert [await storage.active(TENANT, "User", limit) for limit in (1, 5, 6, 7)] == [1, 5, 6, 6]
    with transcript(storage) as recorded:
        await storage.active(TENANT, "User", 1_000)
    assert recorded.kinds == ["page"]


async def test_twelve_tests_are_possible_and_more_are_too_large(storage: Storage) -> None:
    await create(storage, user(1))
    test = ColumnTest("active", "eq", value=True)
    assert await page_ids(storage, 9, *[test] * 12) == ids(1)
    with pytest.raises(TooLarge):
        await page_ids(storage, 9, *[test] * 13)


@pytest.mark.parametrize("key", ["plain", "d4/1?#", "x" * 1_000])
async def test_a_page_position_is_kept_until_another_takes_its_place(storage: Storage, key: str) -> None:
    assert await storage.load_page_position(TENANT, key) is None
    position = PagePosition(id_of(1), 3_000_000_000, "2026-11-23T09:05:00Z")
    await storage.save_page_position(TENANT, key, position)
    assert await storage.load_page_position(TENANT, key) == position
    later = replace(position, last_id=id_of(2))
    await storage.save_page_position(TENANT, key, later)
    assert await storage.load_page_position(TENANT, key) == later
    assert await storage.load_page_position("other", key) is None


async def test_a_count_goes_on_after_an_id_and_ends_at_its_limit(storage: Storage) -> None:
    await create(storage, *(user(number) for number in range(5)))
    assert await storage.count(TENANT, "User", limit=3) == Count(3, id_of(2))
    assert await storage.count(TENANT, "User", after=id_of(2)) == Count(2, id_of(4))
    assert await storage.count(TENANT, "User", after=id_of(4)) == Count(0, None)


async def test_a_count_ends_with_an_id_whether_it_is_there_or_not(storage: Storage) -> None:
    await create(storage, *(user(number) for number in (1, 2, 4)), group(3))
    assert await storage.count(TENANT, "User", up_to=id_of(2)) == Count(2, id_of(2))
    assert await storage.count(TENANT, "User", up_to=id_of(3)) == Count(2, id_of(2))
    assert await storage.count(TENANT, "User", after=id_of(1), up_to=id_of(4)) == Count(2, id_of(4))
    assert await storage.count(TENANT, "User", after=id_of(2), up_to=id_of(3)) == Count(0, None)


async def test_those_that_exist_are_told_from_those_that_do_not(storage: Storage) -> None:
    await create(storage, *(user(number) for number in range(0, 200, 2)))
    for asked in (range(10), range(60), range(0, 4000, 40), range(0, 200, 2), (7,), ()):
        found = await storage.existing(TENANT, "User", [id_of(number) for number in asked])
        assert found == {id_of(number) for number in asked if number in range(0, 200, 2)}
    assert await storage.existing(TENANT, "Group", [id_of(0)]) == set()
