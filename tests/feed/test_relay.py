"""The relay: what it numbers, in which order, and what happens when it dies, or meets another one, at any call."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scim_core.model import Membership, MembershipEdits, StoredResource
from scim_core.storage.feed_port import FeedChange, FeedRow
from scim_core.storage.port import ChangeNote, StorageBusy
from scim_core.storage.tables import TableStorage, keys, relay
from scim_core.storage.tables.codec import BELOW_ALL
from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.reading import read_range
from scim_core.storage.tables.rows import RowPage, Rows
from tests.contract.builders import (
    NOW,
    TENANT,
    adding,
    also_on_azurite,
    create,
    edge,
    group,
    id_of,
    removing,
    stored,
    user,
)
from tests.faults.disturbed_rows import Death, Fault, FaultyRows, MortalRows, ProcessDied
from tests.memory_rows import MemoryRows
from tests.transcript import transcript
from tests.wrapped_rows import WrappedRows


async def entries(storage: TableStorage) -> list[FeedRow]:
    return list((await storage.feed(TENANT, after=None, limit=1_000)).rows)


def told(row: FeedRow) -> tuple[str, str]:
    return str(row.change), row.id


async def changed(storage: TableStorage, resource: StoredResource, **changes: Any) -> None:
    there = await stored(storage, resource)
    await storage.update(TENANT, replace(there, index=resource.index, **changes))


@also_on_azurite
async def test_every_change_has_its_entry_in_the_order_of_the_changes(storage: TableStorage) -> None:
    await storage.create(TENANT, user(1), note=ChangeNote(("userName",), "{}"))
    await storage.create(TENANT, group(50), [edge(50, 1)])
    await storage.update(TENANT, await stored(storage, user(1)), note=ChangeNote(("title", "active"), "{}"))
    target = await stored(storage, group(50))
    await storage.edit_members(TENANT, target, removing(edge(50, 1)), guarded=False)
    await storage.edit_members(TENANT, await stored(storage, group(50)), adding(edge(50, 1)), guarded=True)
    await storage.delete(TENANT, await stored(storage, user(1)), [edge(50, 1)], now=NOW)
    found = await entries(storage)
    assert [row.number for row in found] == [1, 2, 3, 4, 5, 6]
    assert [told(row) for row in found] == [
        ("created", id_of(1)),
        ("created", id_of(50)),
        ("updated", id_of(1)),
        ("members", id_of(50)),
        ("members", id_of(50)),
        ("deleted", id_of(1)),
    ]
    assert [(row.joined, row.left) for row in found[1:5]] == [
        ((id_of(1),), ()),
        ((), ()),
        ((), (id_of(1),)),
        ((id_of(1),), ()),
    ]
    assert [row.attributes for row in found[:3]] == [("userName",), (), ("title", "active")]
    assert (found[5].joined, found[5].left) == ((), ())


async def test_the_log_has_each_change_whole_and_a_pointer_under_each_member(storage: TableStorage) -> None:
    await create(storage, user(1), user(2))
    note = ChangeNote((), '{"method":"PATCH"}')
    await storage.create(TENANT, group(50), [edge(50, 1), edge(50, 2)], note=note)
    await storage.relay(TENANT)
    [whole] = await log_of(storage, 50)
    assert (whole["change"], whole["joined"], whole["n0"]) == ("created", f"{id_of(1)}\n{id_of(2)}", note.text)
    of_member = (await log_of(storage, 1))[-1]
    assert (of_member["change"], of_member["of"]) == ("joined", whole["RowKey"])
    assert "n0" not in of_member


async def log_of(storage: TableStorage, number: int) -> list[dict[str, Any]]:
    """The rows of the log of a resource, oldest first."""
    low = f"log:{id_of(number)}:"
    found = await read_range(storage.rows, TENANT, KeyRange(low, low[:-1] + ";"))
    return [row.properties for row in reversed(found)]


async def test_who_is_gone_or_renamed_is_found_by_the_name_they_had(storage: TableStorage) -> None:
    await create(storage, user(1), user(2))
    renamed = user(1, "other@example.com")
    await storage.update(TENANT, replace(await stored(storage, user(1)), index=renamed.index))
    await storage.delete(TENANT, await stored(storage, user(2)), [], now=NOW)
    await storage.relay(TENANT)
    found = await read_range(storage.rows, TENANT, keys.of_kind("was"))
    assert [row.properties["RowKey"] for row in found] == [
        f"was:user1@example.com:{id_of(1)}",
        f"was:user2@example.com:{id_of(2)}",
    ]


async def test_an_empty_outbox_costs_one_read_and_nothing_is_written(storage: TableStorage) -> None:
    await create(storage, user(1))
    await storage.relay(TENANT)
    with transcript(storage) as seen:
        assert await storage.relay(TENANT) == 0
    assert seen.kinds == ["page"]


async def test_a_relay_of_one_change_takes_three_round_trips_and_two_for_the_doorbell(storage: TableStorage) -> None:
    await create(storage, user(1))
    await storage.relay(TENANT)
    await create(storage, user(2))
    with transcript(storage) as seen:
        assert await storage.relay(TENANT) == 1
    assert seen.kinds == ["page", "page", "get", "transact", "get", "transact"]
    assert seen.round_trips == 5


@also_on_azurite
async def test_batches_are_what_a_transaction_holds(storage: TableStorage) -> None:
    await create(storage, *(user(number) for number in range(1, 71)))
    with transcript(storage) as seen:
        assert await storage.relay(TENANT) == 70
    sizes = [len(call.keys) for call in seen.calls if call.kind == "transact" and len(call.keys) > 1]
    assert sizes == [100, 100, 13]
    members = [edge(500, number) for number in range(1, 33)]
    await create(storage, group(500))
    for edits in (adding(*members), removing(*members), adding(*members)):
        await storage.edit_members(TENANT, await stored(storage, group(500)), edits, guarded=False)
    with transcript(storage) as seen:
        assert await storage.relay(TENANT) == 4
    sizes = [len(call.keys) for call in seen.calls if call.kind == "transact" and len(call.keys) > 1]
    assert sizes == [1 + 3 + 35 + 35, 1 + 35]


async def test_large_notes_make_smaller_batches(storage: TableStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "BATCH_BYTES", 400_000)
    note = ChangeNote((), '"' + "x" * 31_000 + '"')
    for number in range(1, 61):
        await storage.create(TENANT, user(number), note=note)
    with transcript(storage) as seen:
        assert await storage.relay(TENANT) == 60
    batches = [len(call.keys) for call in seen.calls if call.kind == "transact" and len(call.keys) > 1]
    assert sum(batches) == 3 * 60 + len(batches)
    assert max(batches) < 50  # with small notes it is 100
    assert (await storage.notes(TENANT, (await entries(storage))[:1])) == [note.text]


class Clocks:
    """A clock that can be set."""

    def __init__(self, seconds: float = 0) -> None:
        self.now = datetime(2026, 11, 26, tzinfo=UTC) + timedelta(seconds=seconds)

    def __call__(self) -> datetime:
        return self.now


async def test_changes_of_one_resource_are_in_order_though_the_clocks_are_not() -> None:
    rows = MemoryRows()
    fast, slow = TableStorage(rows, Clocks(5)), TableStorage(rows, Clocks(-5))
    await create(fast, user(1))
    for number in range(4):
        await changed(slow if number % 2 else fast, user(1), version=f"v{number}")
    target = await stored(slow, user(1))
    await slow.delete(TENANT, target, [], now=NOW)
    found = await entries(fast)
    assert [row.change.value for row in found] == ["created", *["updated"] * 4, "deleted"]
    assert found[0].time > found[-1].time


async def test_a_row_of_version_02_has_no_stamp_and_is_changed_all_the_same(storage: TableStorage) -> None:
    await create(storage, user(1))
    key = keys.resource("User", id_of(1))
    memory = storage.rows
    assert isinstance(memory, MemoryRows)
    held = memory._partitions[TENANT].rows[key]
    without = {name: value for name, value in held.properties.items() if name != "stamp"}
    memory._partitions[TENANT].rows[key] = replace(held, properties=without)
    await changed(storage, user(1), version="v2")
    assert [row.change.value for row in await entries(storage)] == ["created", "updated"]


class TornRows(WrappedRows):
    """Rows whose second reading of the outbox passes the place of a key, waits for something, and reads the rest."""

    def __init__(self, rows: Rows, place: str, between: Callable[[], Awaitable[object]]) -> None:
        super().__init__(rows)
        self._place = place
        self._between = between
        self._readings = 0

    async def page(self, tenant: str, key_range: KeyRange, **options: Any) -> RowPage:
        if not key_range.low.startswith("change:"):
            return await super().page(tenant, key_range, **options)
        self._readings += 1
        if self._readings != 2:
            return await super().page(tenant, key_range, **options)
        before = await super().page(tenant, KeyRange(key_range.low, self._place + BELOW_ALL), **options)
        await self._between()
        after = await super().page(tenant, KeyRange(self._place + BELOW_ALL, key_range.high), **options)
        return RowPage([*before.rows, *after.rows], after.token)


async def test_a_change_that_a_reading_has_passed_does_not_come_after_its_successor() -> None:
    rows = MemoryRows()
    clock = Clocks()
    await create(TableStorage(rows, Clocks(-60)), user(1))
    await create(TableStorage(rows, Clocks(60)), user(2))  # so the reading goes on behind the two changes
    assert await TableStorage(rows).relay(TENANT) == 2
    await create(TableStorage(rows, Clocks(60)), user(3))
    writer = TableStorage(rows, clock)

    async def two_changes() -> None:
        await changed(writer, user(1), version="v1")
        clock.now += timedelta(seconds=1)
        target = await stored(writer, user(1))
        await writer.delete(TENANT, target, [], now=NOW)

    first = f"change:{int(clock.now.timestamp() * 1_000_000):016}:~"
    assert await TableStorage(TornRows(rows, first, two_changes)).relay(TENANT) == 3
    found = await entries(writer)
    assert [told(row) for row in found[2:]] == [
        ("updated", id_of(1)),
        ("deleted", id_of(1)),
        ("created", id_of(3)),
    ]


@also_on_azurite
async def test_two_relays_at_once_number_each_change_once(storage: TableStorage) -> None:
    await create(storage, *(user(number) for number in range(1, 51)))
    numbered = await asyncio.gather(*(storage.relay(TENANT) for _ in range(4)))
    found = await entries(storage)
    assert [row.number for row in found] == list(range(1, 51))
    assert sum(numbered) == 50


async def filled() -> MemoryRows:
    """Changes of every kind that wait for the relay: more than one batch."""
    rows = MemoryRows()
    storage = TableStorage(rows)
    await create(storage, *(user(number) for number in range(1, 41)))
    await storage.create(TENANT, group(500), [edge(500, number) for number in range(1, 9)])
    await storage.edit_members(TENANT, await stored(storage, group(500)), removing(edge(500, 2)), guarded=False)
    await changed(storage, user(3), version="v2")
    await storage.delete(TENANT, await stored(storage, user(4)), [edge(500, 4)], now=NOW)
    return rows


async def logged(rows: Rows) -> list[str]:
    return [row.properties["RowKey"] for row in await read_range(rows, TENANT, keys.of_kind("log"))]


@pytest.mark.parametrize("after", [False, True])
async def test_a_relay_that_dies_at_any_call_leaves_nothing_half_done(after: bool) -> None:
    start = await filled()
    whole = start.copy()
    life = Death()
    assert await TableStorage(MortalRows(whole, life)).relay(TENANT) == 44
    expected = [(told(row), row.number) for row in await entries(TableStorage(whole))]
    for number in range(len(life.calls)):
        rows = start.copy()
        with pytest.raises(ProcessDied):
            await TableStorage(MortalRows(rows, Death(number, after=after))).relay(TENANT)
        left = await read_range(rows, TENANT, keys.of_kind("change"))
        so_far = await read_range(rows, TENANT, keys.feed_after(0))
        assert len(left) + len(so_far) == 44
        await TableStorage(rows).relay(TENANT)
        assert [(told(row), row.number) for row in await entries(TableStorage(rows))] == expected
        assert await logged(rows) == await logged(whole)


def once(fault: Fault, number: int) -> Callable[[int, int], Fault | None]:
    """The fault at this call, counted from 0."""
    return lambda call, _: fault if call == number else None


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.BUSY, Fault.TIMED_OUT, Fault.CONFLICT, Fault.EMPTY_PAGE])
async def test_a_relay_behind_a_faulty_network_numbers_each_change_once(fault: Fault) -> None:
    start = await filled()
    counting = FaultyRows(start.copy())
    await TableStorage(counting).relay(TENANT)
    for number in range(counting.calls):
        rows = start.copy()
        await TableStorage(FaultyRows(rows, once(fault, number))).relay(TENANT)
        found = await entries(TableStorage(rows))
        assert [row.number for row in found] == list(range(1, 45))
        assert len({row.entry for row in found}) == 44


async def test_who_is_always_overtaken_stops_at_last(storage: TableStorage) -> None:
    await create(storage, user(1))
    await storage.feed_head(TENANT)
    storage.rows = FaultyRows(storage.rows, lambda *_: Fault.CONFLICT)
    assert await storage.relay(TENANT) == 0


@pytest.mark.usefixtures("_small_transactions")
async def test_each_step_of_a_large_change_has_its_entry_and_a_deletion_has_one(storage: TableStorage) -> None:
    members = [edge(500, number) for number in range(1, 11)]
    await create(storage, *(user(number) for number in range(1, 11)))
    await storage.create(TENANT, group(500), members)
    await storage.edit_members(TENANT, await stored(storage, group(500)), removing(*members[:8]), guarded=False)
    target = await stored(storage, group(500))
    await storage.edit_members(TENANT, target, adding(*members[:8]), guarded=True)
    await storage.delete(TENANT, await stored(storage, group(500)), members, now=NOW)
    found = (await entries(storage))[10:]
    assert [row.change for row in found] == [
        FeedChange.CREATED,
        *[FeedChange.MEMBERS] * (3 + 3 + 3),
        FeedChange.DELETED,
    ]
    joined = [member for row in found[:4] for member in row.joined]
    assert joined == [id_of(number) for number in range(1, 11)]
    in_log = [row["change"] for row in await log_of(storage, 500)]
    assert in_log.count("severed") == 4
    assert [row["change"] for row in await log_of(storage, 1)] == ["created", "joined", "left", "joined", "left"]


async def test_additions_without_a_condition_leave_the_stamp_of_the_group(storage: TableStorage) -> None:
    await create(storage, user(1), group(50))

    async def stamp() -> str:
        row = await storage.rows.get(TENANT, keys.resource("Group", id_of(50)))
        assert row is not None
        return str(row.properties["stamp"])

    before = await stamp()
    await storage.edit_members(TENANT, await stored(storage, group(50)), adding(edge(50, 1)), guarded=False)
    assert await stamp() == before
    edits = MembershipEdits(remove=(Membership(id_of(50), id_of(1)),))
    await storage.edit_members(TENANT, await stored(storage, group(50)), edits, guarded=True)
    assert await stamp() > before


@pytest.mark.usefixtures("_small_transactions")
async def test_a_large_addition_to_an_older_reading_does_not_take_the_stamp_back() -> None:
    """It demands no state of the group. So another change, by a faster clock, may have come between."""
    rows = MemoryRows()
    fast, slow = TableStorage(rows, Clocks(5)), TableStorage(rows, Clocks(-5))
    await create(slow, *(user(number) for number in range(1, 11)), group(50))
    target = await stored(slow, group(50))
    await changed(fast, group(50), version="v2")
    edits = adding(*(edge(50, number) for number in range(1, 11)))
    await slow.edit_members(TENANT, target, edits, guarded=False)
    await changed(slow, group(50), version="v3")
    rests = [int(row.entry.split(":")[2]) for row in await entries(slow) if row.change is FeedChange.UPDATED]
    stamps = [f"{10**16 - 1 - rest}" for rest in rests]  # the newest of a log comes first
    row = await rows.get(TENANT, keys.resource("Group", id_of(50)))
    assert row is not None
    assert (len(stamps), stamps == sorted(stamps)) == (2, True)
    assert row.properties["version"] == "v3"
    assert row.properties["stamp"] == stamps[1]
    assert stamps[1] > stamps[0]


async def test_the_doorbell_rings_beside_a_change_once_a_minute_and_never_fails_it() -> None:
    clock = Clocks()
    rows = MemoryRows()
    storage = TableStorage(rows, clock)
    await create(storage, user(1))
    with transcript(storage) as seen:
        await create(storage, user(2))
        clock.now += timedelta(seconds=61)
        await create(storage, user(3))
    assert [call.keys[0] for call in seen.calls].count(keys.waiting(TENANT)) == 1
    assert seen.round_trips == 2

    class Deaf(WrappedRows):
        async def transact(self, tenant: str, *arguments: Any, **options: Any) -> list[str]:
            if tenant == keys.SWEEP:
                raise StorageBusy("deaf")
            return await super().transact(tenant, *arguments, **options)

    await create(TableStorage(Deaf(rows)), user(4))
    assert len(await entries(storage)) == 4
