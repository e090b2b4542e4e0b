"""totalResults of directories that are too large to be counted for each page."""

from datetime import timedelta
from typing import Any

import pytest

from scim_core.ids import uuid7
from scim_core.service.totals import COUNTED_AT_ONCE, PARTS, Totals
from scim_core.storage.port import Count
from scim_core.storage.tables import TableStorage
from tests.contract.builders import NOW, TENANT, stored, user
from tests.scim import Clock


@pytest.fixture
async def large(storage: TableStorage) -> TableStorage:
    """One user more than are counted for each page."""
    for number in range(COUNTED_AT_ONCE + 1):
        await storage.create(TENANT, user(number))
    return storage


async def delete(storage: TableStorage, number: int) -> None:
    await storage.delete(TENANT, await stored(storage, user(number)), [], now=NOW)


async def test_a_small_directory_is_always_counted(storage: TableStorage, clock: Clock) -> None:
    totals = Totals(storage, clock)
    assert await totals.of(TENANT, "User") == 0
    for number in range(3):
        await storage.create(TENANT, user(number))
        assert await totals.of(TENANT, "User") == number + 1
    await delete(storage, 1)
    assert await totals.of(TENANT, "User") == 2


async def test_what_is_created_counts_at_once(large: TableStorage, clock: Clock) -> None:
    ours, others = Totals(large, clock), Totals(large, clock)
    assert await ours.of(TENANT, "User") == COUNTED_AT_ONCE + 1
    for number in range(COUNTED_AT_ONCE + 1, COUNTED_AT_ONCE + 4):
        await large.create(TENANT, user(number, id=uuid7(clock())))
        assert await ours.of(TENANT, "User") == number + 1
        assert await others.of(TENANT, "User") == number + 1


async def test_what_is_deleted_counts_for_another_minute_at_most(large: TableStorage, clock: Clock) -> None:
    totals = Totals(large, clock)
    assert await totals.of(TENANT, "User") == COUNTED_AT_ONCE + 1
    await delete(large, 5)
    assert await totals.of(TENANT, "User") in (COUNTED_AT_ONCE, COUNTED_AT_ONCE + 1)
    clock.advance(seconds=61)
    assert await totals.of(TENANT, "User") == COUNTED_AT_ONCE


async def test_it_is_counted_once_a_minute_for_all_processes(
    large: TableStorage, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[int] = []
    count = large.count

    async def noted(tenant: str, resource_type: str, *, after: str | None = None, **options: Any) -> Count:
        found = await count(tenant, resource_type, after=after, **options)
        counted.append(found.number)
        return found

    monkeypatch.setattr(large, "count", noted)
    ours, others = Totals(large, clock), Totals(large, clock)
    for totals in (ours, ours, others, others):
        await totals.of(TENANT, "User")
    assert counted == [COUNTED_AT_ONCE, 1, 0, 0, COUNTED_AT_ONCE, 0, 0]


async def test_what_is_stored_later_than_others_with_greater_ids_counts_at_once(
    large: TableStorage, clock: Clock
) -> None:
    """A request gets its id at once and may take 40 seconds to store its resource; others are quicker."""
    slow = uuid7(clock.now)
    clock.advance(seconds=39)
    await large.create(TENANT, user(1, "quick", id=uuid7(clock.now)))
    totals = Totals(large, clock)
    assert await totals.of(TENANT, "User") == COUNTED_AT_ONCE + 2
    await large.create(TENANT, user(2, "slow", id=slow))
    assert await totals.of(TENANT, "User") == COUNTED_AT_ONCE + 3
    clock.advance(seconds=61)
    assert await totals.of(TENANT, "User") == COUNTED_AT_ONCE + 3


async def test_a_directory_that_is_all_new_is_counted_each_time(storage: TableStorage, clock: Clock) -> None:
    totals = Totals(storage, clock)
    ids = sorted(uuid7(clock()) for _ in range(COUNTED_AT_ONCE + 3))
    for number, resource_id in enumerate(ids[1:]):
        await storage.create(TENANT, user(number, id=resource_id))
    assert await totals.of(TENANT, "User") == COUNTED_AT_ONCE + 2
    await storage.create(TENANT, user(COUNTED_AT_ONCE + 5, id=ids[0]))
    assert await totals.of(TENANT, "User") == COUNTED_AT_ONCE + 3


async def test_tenants_and_types_are_counted_apart(large: TableStorage, clock: Clock) -> None:
    totals = Totals(large, clock)
    assert await totals.of(TENANT, "User") == COUNTED_AT_ONCE + 1
    assert await totals.of(TENANT, "Group") == 0
    assert await totals.of("fabrikam", "User") == 0


@pytest.fixture
async def imported(large: TableStorage, clock: Clock) -> list[str]:
    """The ids of users that were just created, more than two reads of them. Others have been there for long."""
    ids = [uuid7(clock()) for _ in range(2 * COUNTED_AT_ONCE + 501)]
    for number, resource_id in enumerate(ids):
        await large.create(TENANT, user(COUNTED_AT_ONCE + 1 + number, id=resource_id))
    return ids


ALL = 3 * COUNTED_AT_ONCE + 502
"""Users, with those that were imported."""


@pytest.fixture
def counted(large: TableStorage, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What each call has counted, in the order of the calls."""
    found: list[int] = []
    count = large.count

    async def noted(*args: Any, **options: Any) -> Count:
        place = len(found)
        found.append(-1)
        answer = await count(*args, **options)
        found[place] = answer.number
        return answer

    monkeypatch.setattr(large, "count", noted)
    return found


async def delete_by_id(storage: TableStorage, resource_id: str) -> None:
    [found] = await storage.read(TENANT, "User", [resource_id])
    assert found is not None
    await storage.delete(TENANT, found, [], now=NOW)


async def test_what_was_imported_lately_is_counted_in_parts_side_by_side(
    large: TableStorage, imported: list[str], clock: Clock, counted: list[int]
) -> None:
    totals = Totals(large, clock)
    assert await totals.of(TENANT, "User") == ALL
    assert counted == [COUNTED_AT_ONCE, 1, 2 * COUNTED_AT_ONCE + 501]
    counted.clear()
    assert await totals.of(TENANT, "User") == ALL
    assert counted == [COUNTED_AT_ONCE, COUNTED_AT_ONCE, 501]
    await large.create(TENANT, user(ALL, id=uuid7(clock())))
    assert await totals.of(TENANT, "User") == ALL + 1
    for number in (0, COUNTED_AT_ONCE, 2 * COUNTED_AT_ONCE, -1):
        await delete_by_id(large, imported[number])
    for _ in range(2):
        assert await totals.of(TENANT, "User") == ALL - 3


async def test_a_late_creation_within_a_part_counts_at_once(
    large: TableStorage, imported: list[str], clock: Clock
) -> None:
    totals = Totals(large, clock)
    for late in range(3):
        assert await totals.of(TENANT, "User") == ALL + late
        await large.create(TENANT, user(9_000 + late, id=uuid7(clock.now - timedelta(seconds=1))))
    assert imported[0] < uuid7(clock.now - timedelta(seconds=1)) < imported[-1]


async def test_however_much_is_new_there_are_few_parts(
    large: TableStorage, imported: list[str], clock: Clock, counted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scim_core.storage.tables.rows.PAGE_ROWS", 50)
    totals = Totals(large, clock)
    for _ in range(3):
        counted.clear()
        assert await totals.of(TENANT, "User") == ALL
    assert len(counted) <= PARTS
    assert sum(counted) == len(imported)


async def test_what_is_old_enough_by_now_is_not_counted_again(
    large: TableStorage, imported: list[str], clock: Clock, counted: list[int]
) -> None:
    ours, others = Totals(large, clock), Totals(large, clock)
    clock.advance(seconds=30)
    assert await ours.of(TENANT, "User") == ALL
    clock.advance(seconds=40)  # the import is older than a minute now, and the count is not
    assert await ours.of(TENANT, "User") == ALL
    for totals in (ours, others):
        counted.clear()
        assert await totals.of(TENANT, "User") == ALL
        assert counted[-1] == 0
    await delete_by_id(large, imported[0])
    clock.advance(seconds=21)  # the count has expired, although it has advanced
    assert await ours.of(TENANT, "User") == ALL - 1
