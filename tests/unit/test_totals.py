"""totalResults of directories that are too large to be counted for each page."""

from typing import Any

import pytest

from scim_core.ids import uuid7
from scim_core.service.totals import COUNTED_AT_ONCE, Totals
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
