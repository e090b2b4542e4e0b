"""Many security event tokens are sent in a row: with few calls of the storage, in order, and none is lost."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from scim_core.clock import instant_text
from scim_core.feed.hooks.batches import MAX_TOKENS
from scim_core.feed.hooks.delivery import LEASE, TURN_SECONDS
from scim_core.feed.hooks.runs import RUN_SECONDS
from scim_core.feed.hooks.sending import SEND_SECONDS, Tried
from scim_core.storage.hook_port import HookCursor, Stream
from scim_core.storage.tables import TableStorage, keys
from scim_core.storage.tables.reading import read_range
from tests.contract.builders import TENANT, create, user
from tests.faults.disturbed_rows import ProcessDied
from tests.hooks.receiver import FAILED, HOOK, MASTER, TAKEN, add_hook, due, hooks_over
from tests.hooks.set_receiver import SET_HOOK, SetReceiver
from tests.scim import Client, Clock, endpoint_over
from tests.tenancy import Timer
from tests.transcript import transcript

DIRECTORY = "default"


async def set_receiver(storage: TableStorage, clock: Clock, tenant: str = TENANT) -> SetReceiver:
    await add_hook(storage, replace(SET_HOOK, tenant=tenant), tenant)
    return SetReceiver(await hooks_over(storage, SetReceiver({}), clock).key_set())


async def cursor_of(storage: TableStorage) -> HookCursor:
    found = await storage.hook_cursor(TENANT, HOOK.id, Stream.EVENTS)
    assert found is not None
    return found


@pytest.mark.parametrize(("tokens", "calls"), [(1, 14), (MAX_TOKENS, 14), (3 * MAX_TOKENS, 14 + 2 * 6)])
async def test_so_many_tokens_cost_so_many_calls(storage: TableStorage, clock: Clock, tokens: int, calls: int) -> None:
    receiver = await set_receiver(storage, clock)
    await create(storage, *(user(number) for number in range(1, tokens + 1)))
    await storage.relay(TENANT)
    with transcript(storage) as recorded:
        done = await hooks_over(storage, receiver, clock).deliver(TENANT)
    assert (done.taken, done.left, receiver.processed) == (tokens, 0, list(range(1, tokens + 1)))
    assert len(recorded.calls) <= calls
    assert len(set(receiver.ids)) == tokens


async def test_what_fails_comes_alone_again_and_then_the_rest(storage: TableStorage, clock: Clock) -> None:
    receiver = await set_receiver(storage, clock)
    receiver.answers = lambda number: FAILED if number in (3, 4) else TAKEN
    await create(storage, *(user(number) for number in range(1, 8)))
    hooks = hooks_over(storage, receiver, clock)
    done = await hooks.deliver(TENANT)
    assert (done.taken, done.failed, done.left) == (3, 2, 1)
    cursor = await cursor_of(storage)
    assert (cursor.number, cursor.last, cursor.attempts) == (3, 4, 2), "the attempts are its own"
    await due(storage, clock)
    await hooks.deliver(TENANT)
    numbers = [int(claims["txn"].rpartition(":")[2]) for claims in receiver.tokens]
    assert numbers == [1, 2, 3, 4, 4, 4, 5, 6, 7]
    assert receiver.tokens[3] == receiver.tokens[4] == receiver.tokens[5]
    assert receiver.tokens[6]["iat"] > receiver.tokens[5]["iat"], "what was not sent before is issued when it is"
    assert receiver.processed == list(range(1, 8))


@pytest.mark.parametrize("sent", [1, 5, MAX_TOKENS - 1])
async def test_a_process_that_dies_in_a_row_repeats_the_same_tokens_and_no_more_than_the_bound(
    storage: TableStorage, clock: Clock, sent: int
) -> None:
    receiver = await set_receiver(storage, clock)
    receiver.processes = lambda _: True
    receiver.answers = lambda number: ProcessDied() if number == MAX_TOKENS + sent else TAKEN
    last = 2 * MAX_TOKENS + 3
    await create(storage, *(user(number) for number in range(1, last + 1)))
    with pytest.raises(ProcessDied):
        await hooks_over(storage, receiver, clock).deliver(TENANT)
    assert receiver.processed == list(range(1, MAX_TOKENS + sent + 2))
    receiver.answers = lambda _: TAKEN
    assert (await hooks_over(storage, receiver, clock).deliver(TENANT)).taken == 0, "the lease is not over"
    clock.advance(seconds=LEASE.total_seconds())
    await hooks_over(storage, receiver, clock).deliver(TENANT)
    assert receiver.processed == list(range(1, last + 1))
    by_id = {claims["jti"]: claims for claims in receiver.tokens}
    assert len(by_id) == last
    assert all(claims == by_id[claims["jti"]] for claims in receiver.tokens)
    assert len(receiver.tokens) - last == sent + 1 <= MAX_TOKENS


async def dead_at_the_eighth_of_ten(storage: TableStorage, clock: Clock) -> SetReceiver:
    """The receiver of ten tokens, of which a process has sent eight before it died. Its lease has ended."""
    receiver = await set_receiver(storage, clock)
    receiver.processes = lambda _: True
    receiver.answers = lambda number: ProcessDied() if number == 7 else TAKEN
    await create(storage, *(user(number) for number in range(1, 11)))
    with pytest.raises(ProcessDied):
        await hooks_over(storage, receiver, clock).deliver(TENANT)
    clock.advance(seconds=LEASE.total_seconds())
    return receiver


@pytest.mark.parametrize("trouble", ["fails", "is slow"])
async def test_what_a_dead_process_may_have_sent_keeps_its_id_whatever_happens_to_those_before(
    storage: TableStorage, clock: Clock, trouble: str
) -> None:
    receiver = await dead_at_the_eighth_of_ten(storage, clock)
    timer = Timer()

    def answers(number: int) -> Tried:
        timer.now += RUN_SECONDS if trouble == "is slow" else 0
        return FAILED if trouble == "fails" and number in (10, 11, 14) else TAKEN

    receiver.answers = answers
    hooks = hooks_over(storage, receiver, clock, timer=timer)
    while (await hooks.deliver(TENANT)).left:
        await due(storage, clock)
    assert receiver.processed == list(range(1, 11))
    by_id = {claims["jti"]: claims for claims in receiver.tokens}
    assert len(by_id) == 10, "a token that may have been sent before is the same token"
    assert all(claims == by_id[claims["jti"]] for claims in receiver.tokens)
    await create(storage, user(11))
    await hooks.deliver(TENANT)
    assert receiver.tokens[-1]["iat"] > receiver.tokens[-2]["iat"]


async def test_after_a_death_too_only_the_token_that_is_never_taken_is_dead(
    storage: TableStorage, clock: Clock
) -> None:
    receiver = await set_receiver(storage, clock)
    receiver.answers = lambda number: ProcessDied() if number == 2 else TAKEN
    await create(storage, *(user(number) for number in range(1, 5)))
    with pytest.raises(ProcessDied):
        await hooks_over(storage, receiver, clock).deliver(TENANT)
    clock.advance(seconds=LEASE.total_seconds())
    receiver.answers = lambda number: FAILED if receiver.tokens[number]["txn"].endswith(":2") else TAKEN
    hooks = hooks_over(storage, receiver, clock)
    while (await hooks.deliver(TENANT)).left:
        await due(storage, clock)
    [dead] = await storage.dead_batches(TENANT, HOOK.id)
    assert (dead.first, dead.last, receiver.resyncs) == (2, 2, [2])
    assert receiver.processed == [1, 2, 3, 4], "the dead process has sent the second one"


@pytest.mark.parametrize("refused", [(3,), (3, 4), (3, 5, 8)])
@pytest.mark.parametrize("dies_again", [False, True])
async def test_what_a_dead_process_may_have_sent_keeps_its_id_behind_a_token_that_is_never_taken(
    storage: TableStorage, clock: Clock, refused: tuple[int, ...], dies_again: bool
) -> None:
    receiver = await dead_at_the_eighth_of_ten(storage, clock)
    deaths = [ProcessDied()] if dies_again else []

    def answers(number: int) -> Tried | ProcessDied:
        txn = receiver.tokens[number]["txn"]
        if deaths and txn.endswith("resync"):
            return deaths.pop()
        return FAILED if txn.endswith(tuple(f":{entry}" for entry in refused)) else TAKEN

    receiver.answers = answers
    receiver.processes = None
    while True:
        try:
            if not (await hooks_over(storage, receiver, clock).deliver(TENANT)).left:
                break
        except ProcessDied:
            clock.advance(seconds=LEASE.total_seconds())
        await due(storage, clock)
    assert (set(receiver.resyncs), receiver.processed) == (set(refused), list(range(1, 11)))
    by_txn = {claims["txn"]: claims for claims in receiver.tokens}
    assert len(by_txn) == 10 + len(refused)
    assert all(claims == by_txn[claims["txn"]] for claims in receiver.tokens)
    assert (await cursor_of(storage)).known == 0
    await create(storage, user(11))
    await hooks_over(storage, receiver, clock).deliver(TENANT)
    assert receiver.tokens[-1]["iat"] > receiver.tokens[-2]["iat"]


async def test_a_slow_receiver_is_sent_nothing_when_the_lease_could_be_over(
    storage: TableStorage, clock: Clock
) -> None:
    timer, began = Timer(), list[float]()
    keys_of = await set_receiver(storage, clock)

    class Slow(SetReceiver):
        async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Tried:
            cursor = await cursor_of(storage)
            began.append((clock.now.fromisoformat(cursor.lease) - clock.now).total_seconds())
            timer.now += 7
            clock.advance(seconds=7)
            return await super().send(url, headers, body)

    receiver = Slow(keys_of.keys)
    await create(storage, *(user(number) for number in range(1, 21)))
    hooks = hooks_over(storage, receiver, clock, timer=timer)
    started = timer.now
    done = await hooks.deliver(TENANT)
    assert done.left == 1
    assert timer.now - started <= TURN_SECONDS + SEND_SECONDS
    while (await hooks.deliver(TENANT)).left:
        pass
    assert receiver.processed == list(range(1, 21))
    assert len(receiver.tokens) == 20, "nothing was repeated"
    assert min(began) >= LEASE.total_seconds() - RUN_SECONDS - 1 > SEND_SECONDS


async def test_only_the_token_that_is_never_taken_is_dead(storage: TableStorage, clock: Clock) -> None:
    receiver = await set_receiver(storage, clock)
    refused: list[int] = []

    def answers(number: int) -> Tried:
        is_second = receiver.tokens[number]["txn"].endswith(":2")
        refused.extend([number] * is_second)
        return FAILED if is_second else TAKEN

    receiver.answers = answers
    await create(storage, *(user(number) for number in range(1, 5)))
    hooks = hooks_over(storage, receiver, clock)
    done = await hooks.deliver(TENANT)
    while receiver.processed != [1, 3, 4]:
        await due(storage, clock)
        done += await hooks.deliver(TENANT)
    [dead] = await storage.dead_batches(TENANT, HOOK.id)
    assert (dead.first, dead.last, receiver.resyncs, done.dead) == (2, 2, [2], 1)
    assert len(refused) == 10
    assert len({receiver.tokens[number]["jti"] for number in refused}) == 1


async def test_a_replay_of_many_is_sent_in_a_row_and_ends_where_it_must(storage: TableStorage, clock: Clock) -> None:
    receiver = await set_receiver(storage, clock)
    last = MAX_TOKENS + 20
    await create(storage, *(user(number) for number in range(1, last + 1)))
    hooks = hooks_over(storage, receiver, clock)
    await hooks.deliver(TENANT)
    epoch = (await storage.feed_head(TENANT)).epoch
    wanted = HookCursor(epoch, 4, start=5, end=last - 5)
    await storage.save_hook_cursor(TENANT, HOOK.id, Stream.REPLAY, wanted)
    await hooks.deliver(TENANT)
    again = receiver.tokens[last:]
    assert [int(claims["txn"].rpartition(":")[2]) for claims in again] == list(range(5, last - 4))
    assert len(set(receiver.ids)) == len(receiver.ids)
    assert await storage.hook_cursor(TENANT, HOOK.id, Stream.REPLAY) is None


async def test_another_process_that_looks_in_the_middle_of_a_row_sends_nothing(
    storage: TableStorage, clock: Clock
) -> None:
    keys_of = await set_receiver(storage, clock)
    other = SetReceiver(keys_of.keys)

    class Looking(SetReceiver):
        async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Tried:
            await hooks_over(storage, other, clock).deliver(TENANT)
            return await super().send(url, headers, body)

    receiver = Looking(keys_of.keys)
    await create(storage, *(user(number) for number in range(1, 6)))
    await hooks_over(storage, receiver, clock).deliver(TENANT)
    assert (other.tokens, receiver.processed) == ([], [1, 2, 3, 4, 5])


def replacing(value: Any) -> dict[str, Any]:
    return {"op": "replace", "path": "active", "value": value}


async def test_a_deactivation_is_told_once_and_its_end_too_also_when_the_log_is_gone(
    storage: TableStorage, clock: Clock
) -> None:
    receiver = await set_receiver(storage, clock, DIRECTORY)
    client = Client(endpoint_over(storage, clock))
    ann = f"/Users/{(await client.user('ann@example.com'))['id']}"
    removing = {"op": "remove", "path": "active"}  # as users of version 0.2 are stored
    for operation in (
        replacing(value=False),
        removing,
        replacing(value=False),
        replacing(value=True),
        removing,
        replacing(value=True),
        removing,
        replacing(value=False),
    ):
        await client.patch(ann, operation)
    await storage.relay(DIRECTORY)
    for row in await read_range(storage.rows, DIRECTORY, keys.of_kind("log")):
        await storage._remove(DIRECTORY, keys.KeyRange(row.properties["RowKey"], row.properties["RowKey"] + "!"))
    await hooks_over(storage, receiver, clock).deliver(DIRECTORY)
    assert [sorted(events) for events in receiver.events] == [
        ["prov:create:notice"],
        ["prov:deactivate", "prov:patch:notice"],
        ["prov:activate", "prov:patch:notice"],
        ["prov:deactivate", "prov:patch:notice"],
        ["prov:activate", "prov:patch:notice"],
        ["prov:patch:notice"],
        ["prov:patch:notice"],
        ["prov:patch:notice"],
        ["prov:deactivate", "prov:patch:notice"],
    ]


async def test_a_rotation_in_a_row_changes_no_id(storage: TableStorage, clock: Clock) -> None:
    receiver = await set_receiver(storage, clock)
    receiver.processes = lambda _: True
    receiver.answers = lambda number: ProcessDied() if number == 2 else TAKEN
    await create(storage, *(user(number) for number in range(1, 6)))
    with pytest.raises(ProcessDied):
        await hooks_over(storage, receiver, clock).deliver(TENANT)
    [hook] = await storage.hooks()
    await storage.save_hook(replace(hook, secret=2, former_until=instant_text(clock.now + timedelta(days=1))))
    receiver.answers = lambda _: TAKEN
    clock.advance(seconds=LEASE.total_seconds())
    await hooks_over(storage, receiver, clock, master=MASTER).deliver(TENANT)
    assert receiver.key_ids == ["h1.1"] * 3 + ["h1.2"] * 5
    assert receiver.ids[:3] == receiver.ids[3:6]
