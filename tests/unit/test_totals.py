"""totalResults of directories that are too large to be counted for each page."""

import pytest

from scim_core.memory import MemoryStorage
from scim_core.totals import COUNTED_AT_ONCE, Totals
from tests.contract.builders import NOW, TENANT, id_of, stored, user
from tests.scim import Clock


@pytest.fixture
async def large(storage: MemoryStorage) -> MemoryStorage:
    """One user more than are counted for each page."""
    for number in range(COUNTED_AT_ONCE + 1):
        await storage.create(TENANT, user(number))
    return storage


async def delete(storage: MemoryStorage, number: int) -> None:
    await storage.delete(TENANT, await stored(storage, user(number)), [], now=NOW)


async def test_a_small_directory_is_always_counted(storage: MemoryStorage, clock: Clock) -> None:
    totals = Totals(storage, clock)
    assert await totals.of(TENANT, "User") == 0
    for number in range(3):
        await storage.create(TENANT, user(number))
        assert await totals.of(TENANT, "User") == number + 1
    await delete(storage, 1)
    assert await totals.of(TENANT, "User") == 2


async def test_what_is_created_counts_at_once(large: MemoryStorage, clock: Clock) -> None:
    ours, others = Totals(large, clock), Totals(large, clock)
    assert await ours.of(TENANT, "User") == COUNTED_AT_ONCE + 1
    for number in range(COUNTED_AT_ONCE + 1, COUNTED_AT_ONCE + 4):
        await large.create(TENANT, user(number))
        assert await ours.of(TENANT, "User") == number + 1
        assert await others.of(TENANT, "User") == number + 1


async def test_what_is_deleted_counts_for_another_minute_at_most(large: MemoryStorage, clock: Clock) -> None:
    totals = Totals(large, clock)
    assert await totals.of(TENANT, "User") == COUNTED_AT_ONCE + 1
    await delete(large, 5)
    assert await totals.of(TENANT, "User") in (COUNTED_AT_ONCE, COUNTED_AT_ONCE + 1)
    clock.advance(seconds=61)
    assert await totals.of(TENANT, "User") == COUNTED_AT_ONCE


async def test_it_is_counted_once_a_minute_for_all_processes(large: MemoryStorage, clock: Clock) -> None:
    counted: list[str | None] = []
    count = large.count

    async def noted(tenant: str, resource_type: str, *, after: str | None = None, limit: int | None = None) -> object:
        counted.append(after)
        return await count(tenant, resource_type, after=after, limit=limit)

    large.count = noted  # type: ignore[method-assign, assignment]
    ours, others = Totals(large, clock), Totals(large, clock)
    for totals in (ours, ours, others, others):
        await totals.of(TENANT, "User")
    whole, new = id_of(COUNTED_AT_ONCE - 1), id_of(COUNTED_AT_ONCE)
    assert counted == [None, whole, new, None, new, new]


async def test_tenants_and_types_are_counted_apart(large: MemoryStorage, clock: Clock) -> None:
    totals = Totals(large, clock)
    assert await totals.of(TENANT, "User") == COUNTED_AT_ONCE + 1
    assert await totals.of(TENANT, "Group") == 0
    assert await totals.of("fabrikam", "User") == 0
