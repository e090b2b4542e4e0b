"""A hook's receiver has every entry in order, at least once, whatever it answers and whoever dies."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from scim_core.clock import instant_text
from scim_core.feed.hooks import batches, schedule
from scim_core.feed.hooks.batches import MAX_BATCH_BYTES, MAX_EVENTS
from scim_core.feed.hooks.delivery import ALL_SECONDS, LEASE
from scim_core.feed.hooks.sending import Tried
from scim_core.storage.hook_port import ALL_TENANTS, Stream
from scim_core.storage.port import StorageBusy
from scim_core.storage.tables import TableStorage, keys
from scim_core.storage.tables.reading import read_range
from tests.contract.builders import NOW, TENANT, also_on_azurite, create, edge, group, id_of, stored, user
from tests.faults.disturbed_rows import Death, Fault, FaultyRows, MortalRows, ProcessDied
from tests.hooks.receiver import FAILED, GONE, HOOK, TAKEN, Receiver, add_hook, due, hooks_over
from tests.memory_rows import MemoryRows
from tests.scim import Clock, endpoint_over
from tests.tenancy import Timer


@also_on_azurite
async def test_events_come_in_order_and_say_what_the_feed_says(storage: TableStorage, clock: Clock) -> None:
    await add_hook(storage)
    await create(storage, user(1))
    await storage.create(TENANT, group(50), [edge(50, 1)])
    await storage.delete(TENANT, await stored(storage, user(1)), [edge(50, 1)], now=NOW)
    receiver = Receiver()
    done = await hooks_over(storage, receiver, clock).deliver(TENANT)
    assert (done.taken, done.left) == (1, 0)
    [(headers, events)] = receiver.requests
    assert headers["Content-Type"] == "application/cloudevents-batch+json"
    epoch = (await storage.feed_head(TENANT)).epoch
    assert [event["id"] for event in events] == [f"contoso:{epoch}:{number}" for number in (1, 2, 3)]
    assert [event["type"] for event in events] == ["scim.user.created", "scim.group.created", "scim.user.deleted"]
    assert events[1]["subject"] == f"Groups/{id_of(50)}"
    assert events[1]["data"]["resource"]["displayName"] == "group 50"
    assert events[1]["source"] == "https://scim.example.com/feed/v1/changes?tenant=contoso"
    assert {event["specversion"] for event in events} == {"1.0"}
    assert (await hooks_over(storage, receiver, clock).deliver(TENANT)).taken == 0


async def test_many_entries_come_in_batches(storage: TableStorage, clock: Clock) -> None:
    await add_hook(storage)
    await create(storage, *(user(number) for number in range(1, 251)))
    receiver = Receiver()
    await hooks_over(storage, receiver, clock).deliver(TENANT)
    assert [len(numbers) for numbers in receiver.numbers] == [MAX_EVENTS, MAX_EVENTS, 50]
    assert receiver.processed == {TENANT: list(range(1, 251))}
    assert len(set(receiver.ids)) == 3


async def test_a_batch_is_no_larger_than_it_may_be_and_what_never_fits_is_omitted(
    storage: TableStorage, clock: Clock
) -> None:
    await add_hook(storage)
    for number in range(1, 6):
        large = user(number)
        await storage.create(TENANT, replace(large, document=large.document | {"title": "x" * 300_000}))
    bodies: list[int] = []

    class Measuring(Receiver):
        async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Tried:
            bodies.append(len(body))
            return await super().send(url, headers, body)

    receiver = Measuring(lambda number: FAILED if number == 0 else TAKEN)
    hooks = hooks_over(storage, receiver, clock)
    await create(storage, user(9))
    assert (await hooks.deliver(TENANT)).taken > 1
    assert max(bodies) <= MAX_BATCH_BYTES
    assert receiver.processed == {TENANT: [1, 2, 3, 4, 5, 6]}


async def test_a_repetition_has_the_same_range_though_its_resources_have_grown(
    storage: TableStorage, clock: Clock
) -> None:
    await add_hook(storage)
    await create(storage, *(user(number) for number in range(1, 6)))
    receiver = Receiver(lambda number: FAILED if number < 2 else TAKEN)
    hooks = hooks_over(storage, receiver, clock)
    await hooks.deliver(TENANT)
    for number in range(1, 6):
        now = await stored(storage, user(number))
        await storage.update(
            TENANT, replace(now, document=now.document | {"title": "x" * 300_000}, index=user(number).index)
        )
    await due(storage, clock)
    await hooks.deliver(TENANT)
    assert receiver.numbers[:3] == [[1, 2, 3, 4, 5]] * 3
    assert len(set(receiver.ids[:3])) == 1
    _, events = receiver.requests[2]
    assert [event["data"].get("omitted") for event in events] == [None, None, True, True, True]


async def test_what_fails_is_repeated_by_the_schedule_with_one_webhook_id(storage: TableStorage, clock: Clock) -> None:
    await add_hook(storage)
    await create(storage, user(1))
    receiver = Receiver(lambda number: FAILED if number < 9 else TAKEN)
    hooks = hooks_over(storage, receiver, clock)
    began, waits = clock.now, []
    await hooks.deliver(TENANT)
    while (cursor := await storage.hook_cursor(TENANT, HOOK.id, Stream.EVENTS)) and cursor.due:
        waits.append(clock.now.fromisoformat(cursor.due) - clock.now)
        await create(storage, user(100 + len(waits)))
        await hooks.deliver(TENANT)
        assert len(receiver.requests) == 1 + len(waits), "nothing is sent before it is due"
        await due(storage, clock)
        await hooks.deliver(TENANT)
    for wait, planned in zip(waits, schedule.SCHEDULE[1:], strict=True):
        assert planned * 0.99 <= wait <= planned * (1 + schedule.JITTER)
    assert receiver.numbers[:10] == [[1]] * 10
    assert len(set(receiver.ids[:10])) == 1
    assert receiver.processed == {TENANT: list(range(1, 10))}
    assert timedelta(days=3) < clock.now - began < timedelta(days=4)


async def test_the_first_repetition_is_made_by_the_same_process(storage: TableStorage, clock: Clock) -> None:
    await add_hook(storage)
    await create(storage, user(1))
    receiver = Receiver(lambda number: FAILED if number == 0 else TAKEN)
    before = clock.now
    done = await hooks_over(storage, receiver, clock).deliver(TENANT)
    assert (done.failed, done.taken, done.left) == (1, 1, 0)
    assert timedelta(seconds=5) <= clock.now - before < timedelta(seconds=10)


async def test_a_batch_that_is_never_taken_is_kept_and_the_receiver_is_told(
    storage: TableStorage, clock: Clock
) -> None:
    await add_hook(storage)
    await create(storage, user(1), user(2))
    dies = len(schedule.SCHEDULE) + 1
    receiver = Receiver(lambda number: FAILED if number < dies + 2 else TAKEN)
    hooks = hooks_over(storage, receiver, clock)
    done = await hooks.deliver(TENANT)
    for _ in range(dies):
        await due(storage, clock)
        done += await hooks.deliver(TENANT)
    await create(storage, user(3))
    await due(storage, clock)
    done += await hooks.deliver(TENANT)
    assert (done.dead, receiver.resyncs) == (1, [2])
    assert receiver.numbers[-1] == [3]
    assert receiver.processed == {TENANT: [3]}
    assert len(set(receiver.ids[dies:-1])) == 1, "the word of missing entries is repeated as a batch is"
    [dead] = await storage.dead_batches(TENANT, HOOK.id)
    assert (dead.first, dead.last, dead.reason) == (1, 2, FAILED.outcome)


async def test_the_word_of_missing_entries_is_sent_until_it_is_taken(storage: TableStorage, clock: Clock) -> None:
    await add_hook(storage)
    await create(storage, user(1))
    receiver = Receiver(lambda number: FAILED if number < 40 else TAKEN)
    hooks = hooks_over(storage, receiver, clock)
    await hooks.deliver(TENANT)
    while not receiver.resyncs:
        await due(storage, clock)
        assert (await hooks.deliver(TENANT)).dead <= 1
    assert len(await storage.dead_batches(TENANT, HOOK.id)) == 1


async def test_a_hook_behind_the_feed_or_of_another_epoch_is_told(storage: TableStorage, clock: Clock) -> None:
    await add_hook(storage)
    await create(storage, user(1))
    receiver = Receiver()
    hooks = hooks_over(storage, receiver, clock)
    await hooks.deliver(TENANT)
    await storage.new_epoch(TENANT)
    await create(storage, user(2))
    await storage.relay(TENANT)
    await hooks.deliver(TENANT)
    await create(storage, user(3))
    await hooks.deliver(TENANT)
    assert receiver.resyncs == [2]
    assert receiver.processed == {TENANT: [1, 3]}


async def test_410_ends_a_hook(storage: TableStorage, clock: Clock) -> None:
    await add_hook(storage)
    await create(storage, user(1))
    receiver = Receiver(lambda _: GONE)
    hooks = hooks_over(storage, receiver, clock)
    await hooks.deliver(TENANT)
    [hook] = await storage.hooks()
    assert hook.disabled == "answered 410 on 2026-11-23"
    clock.advance(days=1)
    await hooks.deliver(TENANT)
    assert await hooks.marked() == []
    assert len(receiver.requests) == 1


async def test_a_hook_of_the_deployment_has_every_tenant_and_each_in_its_own_order(
    storage: TableStorage, clock: Clock
) -> None:
    await storage.save_hook(replace(HOOK, tenant=ALL_TENANTS))
    for tenant in ("contoso", "fabrikam"):
        for number in (1, 2):
            await storage.create(tenant, user(number))
    receiver = Receiver()
    hooks = hooks_over(storage, receiver, clock)
    await hooks.turn(await hooks.marked())
    assert receiver.processed == {"contoso": [1, 2], "fabrikam": [1, 2]}


async def test_a_tenant_that_is_deleted_gets_no_row_again(storage: TableStorage, clock: Clock) -> None:
    await storage.save_hook(replace(HOOK, tenant=ALL_TENANTS))
    await storage.mark_due("gone", instant_text(clock()))
    receiver = Receiver()
    hooks = hooks_over(storage, receiver, clock)
    await hooks.turn(await hooks.marked())
    assert await read_range(storage.rows, "gone", keys.everything()) == []
    assert await storage.tenants_to_deliver() == []


async def test_a_hook_that_is_being_removed_gets_nothing_again(storage: TableStorage, clock: Clock) -> None:
    await add_hook(storage)
    await create(storage, user(1), user(2))
    receiver = Receiver()
    hooks = hooks_over(storage, receiver, clock)
    await hooks.deliver(TENANT)
    [hook] = await storage.hooks()
    await storage.remove_hook(hook, [TENANT])
    await create(storage, user(3))
    await hooks.deliver(TENANT)
    assert receiver.numbers == [[1, 2]], "the process still believes that there is the hook"
    assert await storage.hook_cursor(TENANT, HOOK.id, Stream.EVENTS) is None


async def test_a_removal_that_is_interrupted_has_ended_the_hook_first(clock: Clock) -> None:
    rows = MemoryRows()
    await add_hook(TableStorage(rows))
    await create(TableStorage(rows), user(1))
    [hook] = await TableStorage(rows).hooks()
    with pytest.raises(ProcessDied):
        await TableStorage(MortalRows(rows, Death(1))).remove_hook(hook, [TENANT])
    assert await TableStorage(rows).hooks() == []
    receiver = Receiver()
    await hooks_over(TableStorage(rows), receiver, clock).deliver(TENANT)
    assert receiver.requests == []


async def test_a_hook_of_a_tenant_gets_nothing_of_another(storage: TableStorage, clock: Clock) -> None:
    await add_hook(storage)
    await storage.create("fabrikam", user(1))
    receiver = Receiver()
    hooks = hooks_over(storage, receiver, clock)
    await hooks.deliver("fabrikam")
    assert await hooks.marked() == []
    await hooks.turn(["fabrikam"])
    assert receiver.requests == []


async def test_without_a_master_secret_nothing_is_sent_and_the_log_names_the_setting(
    storage: TableStorage, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    await add_hook(storage)
    await create(storage, user(1))
    receiver = Receiver()
    await hooks_over(storage, receiver, clock, master=None).deliver(TENANT)
    assert receiver.requests == []
    caplog.set_level(logging.INFO, "scim_core.endpoint")
    await endpoint_over(storage, clock).tend_feeds()
    assert "SCIM_MASTER_KEY is not set" in caplog.records[-1].getMessage()
    assert vars(caplog.records[-1])["operation"] == "hooks"


async def test_while_a_batch_is_sent_no_other_process_sends_one(storage: TableStorage, clock: Clock) -> None:
    await add_hook(storage)
    await create(storage, user(1))
    receiver = Receiver()
    other = hooks_over(storage, receiver, clock)
    others: list[int] = []

    class Slow(Receiver):
        async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Tried:
            await create(storage, user(2))
            others.append((await other.deliver(TENANT)).left)
            return await super().send(url, headers, body)

    slow = Slow()
    await hooks_over(storage, slow, clock).deliver(TENANT)
    assert others[0] == 1
    assert receiver.requests == []
    assert slow.processed == {TENANT: [1, 2]}


@also_on_azurite
async def test_two_processes_that_deliver_at_once_send_each_batch_once(storage: TableStorage, clock: Clock) -> None:
    await add_hook(storage)
    await create(storage, *(user(number) for number in range(1, 31)))
    receiver = Receiver()
    await asyncio.gather(*(hooks_over(storage, receiver, clock).deliver(TENANT) for _ in range(4)))
    assert receiver.processed == {TENANT: list(range(1, 31))}
    assert len(receiver.requests) == 1


@pytest.fixture
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "MAX_EVENTS", 3)


@pytest.mark.usefixtures("_small_batches")
@pytest.mark.parametrize("after", [False, True])
async def test_a_process_that_dies_at_any_call_of_the_storage_loses_nothing(after: bool) -> None:
    start = MemoryRows()
    storage = TableStorage(start)
    await add_hook(storage)
    await create(storage, *(user(number) for number in range(1, 6)))
    life = Death()
    answers = [FAILED, TAKEN, TAKEN]
    await hooks_over(
        TableStorage(MortalRows(start.copy(), life)), Receiver(lambda number: answers[number]), Clock()
    ).deliver(TENANT)
    assert len(life.calls) > 15
    for number in range(len(life.calls)):
        rows, clock = start.copy(), Clock()
        receiver = Receiver(lambda number: FAILED if number == 0 else TAKEN)
        with pytest.raises(ProcessDied):
            await hooks_over(TableStorage(MortalRows(rows, Death(number, after=after))), receiver, clock).deliver(
                TENANT
            )
        survivor = hooks_over(TableStorage(rows), receiver, clock)
        for _ in range(3):
            clock.advance(seconds=10 * LEASE.total_seconds())
            await survivor.turn(await survivor.marked())
        assert receiver.processed == {TENANT: list(range(1, 6))}
        of_range = {numbers[0]: numbers for numbers in receiver.numbers}
        assert all(numbers == of_range[numbers[0]] for numbers in receiver.numbers)
        assert len(set(receiver.ids)) == 2, "a repetition has the id of what it repeats"


@pytest.mark.usefixtures("_small_batches")
@pytest.mark.parametrize("fault", [Fault.RESET, Fault.BUSY, Fault.TIMED_OUT, Fault.CONFLICT, Fault.EMPTY_PAGE])
async def test_behind_a_faulty_network_nothing_is_lost_and_the_order_holds(fault: Fault) -> None:
    start = MemoryRows()
    await add_hook(TableStorage(start))
    await create(TableStorage(start), *(user(number) for number in range(1, 6)))
    counting = FaultyRows(start.copy())
    await hooks_over(TableStorage(counting), Receiver(), Clock()).deliver(TENANT)
    for call in range(counting.calls):
        rows, clock, receiver = start.copy(), Clock(), Receiver()

        def at_call(number: int, _: int, wanted: int = call) -> Fault | None:
            return fault if number == wanted else None

        await hooks_over(TableStorage(FaultyRows(rows, at_call)), receiver, clock).deliver(TENANT)
        survivor = hooks_over(TableStorage(rows), receiver, clock)
        for _ in range(2):
            clock.advance(seconds=10 * LEASE.total_seconds())
            await survivor.turn(await survivor.marked())
        assert receiver.processed == {TENANT: list(range(1, 6))}


async def test_a_receiver_that_dies_after_processing_gets_the_batch_again_and_knows_it(
    storage: TableStorage, clock: Clock
) -> None:
    await add_hook(storage)
    await create(storage, user(1), user(2))
    receiver = Receiver(lambda number: FAILED if number == 0 else TAKEN, processes=lambda _: True)
    await hooks_over(storage, receiver, clock).deliver(TENANT)
    assert receiver.numbers == [[1, 2], [1, 2]]
    assert receiver.ids[0] == receiver.ids[1]
    assert receiver.processed == {TENANT: [1, 2]}


async def test_the_timer_delivers_what_no_process_has_and_says_what_it_did(
    storage: TableStorage, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    await add_hook(storage)
    await create(storage, user(1))
    receiver = Receiver()
    endpoint = endpoint_over(storage, clock, SCIM_MASTER_KEY="A" * 43 + "=")
    endpoint._hooks = hooks_over(storage, receiver, clock)
    caplog.set_level(logging.INFO, "scim_core.endpoint")
    await endpoint.tend_feeds()
    assert receiver.processed == {TENANT: [1]}
    record = caplog.records[-1]
    assert record.getMessage() == "hooks: 1 batches taken, 0 attempts failed, 0 blocked, 0 dead"
    assert (vars(record)["operation"], record.levelno) == ("hooks", logging.INFO)


async def test_a_blocked_hook_is_told_of_each_minute(
    storage: TableStorage, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    await add_hook(storage)
    await create(storage, user(1))
    endpoint = endpoint_over(storage, clock, SCIM_MASTER_KEY="A" * 43 + "=")
    endpoint._hooks = hooks_over(storage, Receiver(lambda _: FAILED), clock)
    for _ in range(4):
        await endpoint.tend_feeds()
        await due(storage, clock)
    await endpoint.tend_feeds()
    caplog.clear()
    await endpoint.tend_feeds()
    [record] = [record for record in caplog.records if vars(record).get("operation") == "hooks"]
    assert (vars(record)["blocked"], vars(record)["failed"], record.levelno) == (1, 0, logging.WARNING)


async def test_once_an_hour_every_tenant_is_looked_at(storage: TableStorage, clock: Clock) -> None:
    await add_hook(storage)
    await create(storage, user(1))
    await storage.relay(TENANT)
    waiting = keys.waiting(TENANT)
    assert isinstance(storage.rows, MemoryRows)
    storage.rows._partitions[keys.SWEEP].delete(waiting)
    timer = Timer()
    hooks = hooks_over(storage, Receiver(), clock, timer=timer)
    for seconds, found in ((0, [TENANT]), (ALL_SECONDS - 1, []), (1, [TENANT]), (1, [])):
        timer.now += seconds
        assert await hooks.marked() == found
        await hooks.turn(found)


async def test_a_storage_that_is_busy_leaves_the_tenant_due(clock: Clock) -> None:
    rows = MemoryRows()
    await add_hook(TableStorage(rows))
    await create(TableStorage(rows), user(1))
    await TableStorage(rows).mark_due(TENANT, instant_text(clock()))
    busy = hooks_over(TableStorage(FaultyRows(rows, lambda *_: Fault.BUSY)), Receiver(), clock)
    with pytest.raises(StorageBusy):
        await busy.deliver(TENANT)
    assert (await busy.turn([TENANT])).left == 1
    assert await TableStorage(rows).tenants_to_deliver() == [TENANT]
