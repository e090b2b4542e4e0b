"""What is too old is deleted, and the timer finds what nobody has relayed, whoever dies at which call."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from scim_core.clock import instant_text
from scim_core.feed.feed import Feed, Resync
from scim_core.storage.feed_port import MovedFeed, Retention, Tended
from scim_core.storage.port import StorageBusy
from scim_core.storage.tables import TableStorage, doorbell, keys
from scim_core.storage.tables.reading import read_range
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Rows
from scim_core.storage.tables.tending import tend
from scim_core.storage.tables.trimming import trim_feed, trim_log
from tests.contract.builders import NOW, TENANT, also_on_azurite, create, edge, group, stored, user
from tests.faults.disturbed_rows import Death, MortalRows, ProcessDied
from tests.feed.copying import CATALOGUE, KEPT, Copy, followed
from tests.memory_rows import MemoryRows
from tests.transcript import transcript
from tests.wrapped_rows import WrappedRows

BEGIN = datetime(2026, 11, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


class Days:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> datetime:
        return self.now


def kept_from(instant: datetime) -> Retention:
    return Retention(instant_text(instant), instant_text(instant))


async def numbers(rows: Rows) -> list[int]:
    return [keys.feed_number(row.properties["RowKey"]) for row in await read_range(rows, TENANT, keys.feed_after(0))]


async def logs(rows: Rows, kind: str = "log") -> int:
    return len(await read_range(rows, TENANT, keys.of_kind(kind)))


async def two_ages(rows: Rows, old: int, new: int) -> Days:
    """So many users of the first day, and so many of the tenth. All are relayed."""
    clock = Days()
    storage = TableStorage(rows, clock)
    await create(storage, *(user(number) for number in range(1, old + 1)))
    await storage.relay(TENANT)
    clock.now += 9 * DAY
    await create(storage, *(user(number) for number in range(old + 1, old + new + 1)))
    await storage.relay(TENANT)
    return clock


@also_on_azurite
async def test_entries_that_are_too_old_go_and_the_head_says_which_is_the_first(storage: TableStorage) -> None:
    await two_ages(storage.rows, old=120, new=3)
    assert await trim_feed(storage.rows, TENANT, instant_text(BEGIN + DAY)) == 120
    assert await numbers(storage.rows) == [121, 122, 123]
    head = await storage.feed_head(TENANT)
    assert (head.first, head.next) == (121, 124)
    assert await trim_feed(storage.rows, TENANT, instant_text(BEGIN + DAY)) == 0


async def test_a_reader_behind_the_trimming_begins_with_the_snapshot(storage: TableStorage) -> None:
    clock = await two_ages(storage.rows, old=3, new=2)
    feed = Feed(storage, CATALOGUE, clock, KEPT)
    page = await feed.changes(TENANT, after=None, limit=1, base_url="https://x")
    at_the_edge = await feed.changes(TENANT, after=None, limit=3, base_url="https://x")
    await trim_feed(storage.rows, TENANT, instant_text(BEGIN + DAY))
    with pytest.raises(Resync):
        await feed.changes(TENANT, after=page.cursor, limit=9, base_url="https://x")
    found = await feed.changes(TENANT, after=at_the_edge.cursor, limit=9, base_url="https://x")
    assert [entry["number"] for entry in found.entries] == [4, 5]
    found = await feed.changes(TENANT, after=None, limit=9, base_url="https://x")
    assert [entry["number"] for entry in found.entries] == [4, 5]


async def test_a_reader_behind_a_feed_that_is_trimmed_to_its_end_begins_again(storage: TableStorage) -> None:
    clock = await two_ages(storage.rows, old=3, new=0)
    feed = Feed(storage, CATALOGUE, clock, KEPT)
    page = await feed.changes(TENANT, after=None, limit=1, base_url="https://x")
    last = await feed.changes(TENANT, after=None, limit=9, base_url="https://x")
    await trim_feed(storage.rows, TENANT, instant_text(BEGIN + DAY))
    with pytest.raises(Resync):
        await feed.changes(TENANT, after=page.cursor, limit=9, base_url="https://x")
    assert (await feed.changes(TENANT, after=last.cursor, limit=9, base_url="https://x")).entries == []
    assert (await feed.changes(TENANT, after=None, limit=9, base_url="https://x")).cursor == last.cursor


@pytest.mark.parametrize("after", [False, True])
async def test_a_trimming_that_dies_at_any_call_is_finished_by_the_next(after: bool) -> None:
    start = MemoryRows()
    await two_ages(start, old=110, new=4)
    life = Death()
    await trim_feed(MortalRows(start.copy(), life), TENANT, instant_text(BEGIN + DAY))
    for number in range(len(life.calls)):
        rows = start.copy()
        with pytest.raises(ProcessDied):
            await trim_feed(MortalRows(rows, Death(number, after=after)), TENANT, instant_text(BEGIN + DAY))
        head = await TableStorage(rows).feed_head(TENANT)
        assert await numbers(rows) == list(range(head.first, head.next))
        await trim_feed(rows, TENANT, instant_text(BEGIN + DAY))
        assert await numbers(rows) == [111, 112, 113, 114]


async def test_a_relay_and_a_trimming_at_once_lose_nothing() -> None:
    rows = MemoryRows()
    clock = await two_ages(rows, old=150, new=0)
    storage = TableStorage(rows, clock)

    class Interrupted(WrappedRows):
        async def transact(
            self, tenant: str, operations: Sequence[RowOperation], *, repeatable: bool = True
        ) -> list[str]:
            if tenant == TENANT and others:
                await create(storage, user(others.pop()))
                await storage.relay(TENANT)
            return await super().transact(tenant, operations, repeatable=repeatable)

    others = [901, 902, 903]
    assert await trim_feed(Interrupted(rows), TENANT, instant_text(BEGIN + DAY)) == 150
    assert await numbers(rows) == [151, 152, 153]


@also_on_azurite
async def test_the_log_loses_what_is_too_old_and_nothing_else(storage: TableStorage) -> None:
    clock = await two_ages(storage.rows, old=5, new=3)
    writer = TableStorage(storage.rows, clock)
    await writer.create(TENANT, group(50), [edge(50, 1), edge(50, 7)])
    await writer.delete(TENANT, await stored(writer, user(2)), [], now=NOW)
    await writer.relay(TENANT)
    assert (await logs(storage.rows), await logs(storage.rows, "was")) == (8 + 3 + 1, 1)
    trimmed = [item async for item in trim_log(storage.rows, TENANT, instant_text(BEGIN + DAY), "")]
    assert sum(count for _, count in trimmed) == 5
    assert (await logs(storage.rows), await logs(storage.rows, "was")) == (7, 1)
    trimmed = [item async for item in trim_log(storage.rows, TENANT, instant_text(BEGIN + 99 * DAY), trimmed[0][0])]
    assert (await logs(storage.rows), await logs(storage.rows, "was")) == (7, 0)


async def waiting(rows: Rows) -> list[str]:
    return [tenant for tenant, _, _ in await doorbell.waiting(rows)]


async def test_the_timer_relays_for_those_that_were_rung_for_and_forgets_them_after_a_while() -> None:
    rows, clock = MemoryRows(), Days()
    await create(TableStorage(rows, clock), user(1))
    assert (await tend(rows, clock.now, kept_from(BEGIN), seconds=50)).relayed == 1
    assert await waiting(rows) == [TENANT]
    clock.now += timedelta(minutes=4)
    assert await tend(rows, clock.now, kept_from(BEGIN), seconds=50) == Tended()
    assert await waiting(rows) == []


async def test_a_change_after_the_last_ring_is_found_as_long_as_the_process_stays_silent() -> None:
    rows, clock = MemoryRows(), Days()
    storage = TableStorage(rows, clock)
    await create(storage, user(1))
    await tend(rows, clock.now, kept_from(BEGIN), seconds=50)
    clock.now += timedelta(seconds=59)
    await create(storage, user(2))
    clock.now += timedelta(seconds=60)
    assert (await tend(rows, clock.now, kept_from(BEGIN), seconds=50)).relayed == 1


async def test_once_an_hour_the_timer_looks_at_every_tenant_and_once_a_day_at_the_logs() -> None:
    rows, clock = MemoryRows(), Days()
    storage = TableStorage(rows, clock)
    await tend(rows, clock.now, kept_from(BEGIN - DAY), seconds=50)

    async def unnamed(number: int, tenant: str) -> None:
        await storage.create(tenant, user(number))
        for row in await read_range(rows, keys.SWEEP, keys.waiting_tenants()):
            await rows.transact(keys.SWEEP, [doorbell_gone(row.properties["RowKey"])])

    await unnamed(1, TENANT)
    await unnamed(1, "fabrikam")
    assert (await tend(rows, clock.now, kept_from(BEGIN - DAY), seconds=50)).relayed == 0
    clock.now += timedelta(hours=1)
    assert (await tend(rows, clock.now, kept_from(BEGIN - DAY), seconds=50)).relayed == 2
    assert {moved.tenant: moved.number for moved in await storage.moved_feeds()} == {TENANT: 1, "fabrikam": 1}
    clock.now += timedelta(hours=1)
    assert (await tend(rows, clock.now, kept_from(clock.now), seconds=50)).trimmed == 2
    assert await logs(rows) == 1
    clock.now += timedelta(hours=22)
    assert (await tend(rows, clock.now, kept_from(clock.now), seconds=50)).trimmed == 2
    assert await logs(rows) == 0


def doorbell_gone(key: str) -> RowOperation:
    return RowOperation(Verb.DELETE, Role.FEED, key)


async def test_a_round_that_has_no_time_goes_on_with_the_next() -> None:
    rows, clock = MemoryRows(), Days()
    storage = TableStorage(rows, clock)
    for number in range(5):
        await storage.create(f"tenant{number}", user(1))
    seen: list[str] = []

    class Slow(WrappedRows):
        async def partition_after(self, partition: str) -> str | None:
            seen.append(partition)
            if len(seen) == 4:
                raise TimeoutError
            return await super().partition_after(partition)

    slow = Slow(rows)
    assert (await tend(slow, clock.now, kept_from(BEGIN), seconds=50)).left
    assert not (await tend(slow, clock.now, kept_from(BEGIN), seconds=50)).left
    assert seen == ["", ":pending", "tenant0", "tenant1", "tenant1", "tenant2", "tenant3", "tenant4"]


async def test_a_tenant_that_cannot_be_reached_does_not_hold_up_the_others() -> None:
    rows, clock = MemoryRows(), Days()
    storage = TableStorage(rows, clock)
    for tenant in ("contoso", "fabrikam"):
        await storage.create(tenant, user(1))

    class Broken(WrappedRows):
        async def transact(
            self, tenant: str, operations: Sequence[RowOperation], *, repeatable: bool = True
        ) -> list[str]:
            if tenant == "contoso":
                raise StorageBusy("broken")
            return await super().transact(tenant, operations, repeatable=repeatable)

    assert await tend(Broken(rows), clock.now, kept_from(BEGIN), seconds=50) == Tended(1, 0, left=True)
    assert (await tend(rows, clock.now, kept_from(BEGIN), seconds=50)).relayed == 1


@pytest.mark.parametrize("after", [False, True])
async def test_a_timer_that_dies_at_any_call_leaves_the_rest_to_the_next(after: bool) -> None:
    start = MemoryRows()
    clock = await two_ages(start, old=4, new=2)
    await create(TableStorage(start, clock), user(90))
    kept = kept_from(BEGIN + DAY)
    life = Death()
    await tend(MortalRows(start.copy(), life), clock.now, kept, seconds=50)
    for number in range(len(life.calls)):
        rows = start.copy()
        with pytest.raises(ProcessDied):
            await tend(MortalRows(rows, Death(number, after=after)), clock.now, kept, seconds=50)
        later = clock.now + timedelta(hours=2)
        await tend(rows, later, kept, seconds=50)
        assert await numbers(rows) == [5, 6, 7]
        assert [moved.number for moved in await TableStorage(rows).moved_feeds()] == [7]
        copy = await followed(Feed(TableStorage(rows), CATALOGUE, clock, KEPT), Copy())
        assert len(copy.resources) == 7


async def test_the_newest_number_never_goes_back() -> None:
    rows = MemoryRows()
    for number in (3, 5, 4):
        await doorbell.move(rows, MovedFeed(TENANT, number, f"t{number}"))
    assert await doorbell.moved_feeds(rows) == [MovedFeed(TENANT, 5, "t5")]


async def test_an_idle_timer_makes_two_calls(storage: TableStorage) -> None:
    await storage.tend(BEGIN, kept_from(BEGIN), seconds=50)
    with transcript(storage) as seen:
        await storage.tend(BEGIN, kept_from(BEGIN), seconds=50)
    assert seen.kinds == ["page", "get"]
