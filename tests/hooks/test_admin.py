"""The operator adds, lists, tries, replays, rotates and removes hooks. No secret is at rest, or an argument."""

import asyncio
import json
import re
from dataclasses import replace

import jwt
import pytest

from scim_core.feed.hooks import schedule, signatures
from scim_core.settings import master_key
from scim_core.storage.hook_port import Hook, HookFormat, Stream
from scim_core.storage.tables import TableStorage, keys
from scim_core.storage.tables.keys import SWEEP
from scim_core.storage.tables.reading import read_range
from tests.commands import Done, run_here
from tests.contract.builders import TENANT, create, user
from tests.faults.disturbed_rows import FaultyRows
from tests.hooks.receiver import FAILED, GONE, HOOK, MASTER, TAKEN, Receiver, add_hook, due, hooks_over
from tests.hooks.set_receiver import SET_HOOK, SetReceiver
from tests.hooks.set_rules import violations
from tests.hooks.test_sending import saying, server
from tests.scim import Clock

URL = "https://93.184.216.34/hook"
MADE = {"SCIM_MASTER_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "SCIM_PUBLIC_BASE_URL": "https://s.example"}
"""The settings; the master secret is that of the receiver."""


async def hooks(storage: TableStorage, *given: object, **settings: str) -> Done:
    return await run_here(storage.rows, "hooks", *given, **MADE | settings)


async def added(storage: TableStorage, *given: object) -> tuple[Hook, str]:
    done = await hooks(storage, "add", URL, *given)
    assert (done.returncode, done.stderr) == (0, "")
    [found] = re.findall(r"whsec_\S+", done.stdout)
    return (await storage.hooks())[-1], found


async def test_a_hook_begins_with_the_next_change_and_its_secret_is_shown_and_not_kept(
    storage: TableStorage, clock: Clock
) -> None:
    await create(storage, user(1))
    hook, secret = await added(storage, "--tenant", TENANT)
    master = master_key(MADE)
    assert master is not None
    assert secret == signatures.shown(signatures.secret(master, hook.id, 1))
    rows = [*await read_range(storage.rows, SWEEP, keys.everything())]
    rows += await read_range(storage.rows, TENANT, keys.everything())
    assert not any(secret[6:] in str(row.properties) for row in rows)
    await create(storage, user(2))
    receiver = Receiver(url=URL)
    await hooks_over(storage, receiver, clock).deliver(TENANT)
    assert receiver.processed == {TENANT: [2]}


async def test_a_hook_can_begin_with_an_older_number_and_can_have_all_tenants(
    storage: TableStorage, clock: Clock
) -> None:
    await create(storage, user(1), user(2))
    await storage.create("fabrikam", user(1))
    for tenant in (TENANT, "fabrikam"):
        await storage.relay(tenant)
    await added(storage, "--tenant", TENANT, "--from", 2)
    receiver = Receiver(url=URL)
    await hooks_over(storage, receiver, clock).deliver(TENANT)
    assert receiver.processed == {TENANT: [2]}
    await added(storage, "--all")
    await storage.create("fabrikam", user(2))
    await storage.create("newcomer", user(1))
    everywhere = Receiver(url=URL)
    timer = hooks_over(storage, everywhere, clock)
    await timer.turn(await timer.marked())
    assert everywhere.processed == {"fabrikam": [2], "newcomer": [1]}


@pytest.mark.parametrize(
    ("given", "settings", "said"),
    [
        (("add", URL, "--tenant", TENANT), {"SCIM_MASTER_KEY": ""}, "SCIM_MASTER_KEY is not set"),
        (("add", URL, "--tenant", TENANT), {"SCIM_PUBLIC_BASE_URL": ""}, "SCIM_PUBLIC_BASE_URL"),
        (("add", URL), {}, "--tenant ID, or --all"),
        (("add", URL, "--tenant", "nobody"), {}, "There is no tenant 'nobody'"),
        (("add", "http://example.com/", "--tenant", TENANT), {}, "https only"),
        (("add", "https://product..example/", "--tenant", TENANT), {}, "A hook's URL looks like"),
        (("add", f"https://{'a' * 64}.example/", "--tenant", TENANT), {}, "A hook's URL looks like"),
        (("add", "https://169.254.169.254/latest", "--tenant", TENANT), {}, "not public"),
        (("add", "https://127.0.0.1/", "--tenant", TENANT), {}, "not public"),
        (("add", "https://[::ffff:10.0.0.4]/", "--tenant", TENANT), {}, "not public"),
        (("add", "http://127.0.0.1/", "--tenant", TENANT), {"SCIM_HOOKS_TO_LOOPBACK": "yes"}, "must be true or empty"),
        (("test", "nothere"), {}, "There is no hook 'nothere'"),
        (("replay", HOOK.id, "--dead"), {}, "has no dead batch"),
        (("replay", HOOK.id, "--from", "9"), {}, "has had the entries up to 1"),
        (("replay", HOOK.id, "--from", "1", "--tenant", "fabrikam"), {}, "--tenant ID"),
        (("rotate", HOOK.id, "--keep-hours", "9999"), {}, "--keep-hours"),
    ],
)
async def test_what_cannot_be_is_refused_with_a_sentence(
    storage: TableStorage, given: tuple[str, ...], settings: dict[str, str], said: str
) -> None:
    await create(storage, user(1))
    await add_hook(storage, number=1)
    done = await hooks(storage, *given, **settings)
    assert done.returncode == 2
    assert said in done.stderr
    assert await storage.hooks() == [HOOK]


async def test_a_list_of_many_hooks_reads_each_tenant_once(storage: TableStorage) -> None:
    tenants = [f"t{number}" for number in range(5)]
    for tenant in tenants:
        await storage.create(tenant, user(1))
        await storage.relay(tenant)
    calls = list[int]()
    for number in range(1, 4):
        await storage.save_hook(replace(HOOK, id=f"h{number}", tenant=""))
        counting = FaultyRows(storage.rows)
        listed = json.loads((await run_here(counting, "--json", "hooks", "list", **MADE)).stdout)
        assert len(listed["tenants"]) == number * len(tenants)
        calls.append(counting.calls)
    assert calls[0] == calls[-1] <= 2 + len(tenants)


async def test_a_list_for_people_keeps_the_query_of_a_url_to_itself(storage: TableStorage) -> None:
    await add_hook(storage, replace(HOOK, url="https://product.example/hook?code=s3cret"))
    listed = (await hooks(storage, "list")).stdout
    assert "https://product.example/hook?…" in listed
    assert "s3cret" not in listed


async def test_a_loopback_hook_needs_the_setting_and_can_be_tried(storage: TableStorage) -> None:
    await create(storage, user(1))
    async with server(saying("204 No Content")) as (named, seen):
        url = named.replace("localhost", "127.0.0.1")
        opened = {"SCIM_HOOKS_TO_LOOPBACK": "true"}
        assert (await hooks(storage, "add", url, "--tenant", TENANT)).returncode == 2
        assert (await hooks(storage, "add", url, "--tenant", TENANT, **opened)).returncode == 0
        [hook] = await storage.hooks()
        tried = await hooks(storage, "test", hook.id, **opened)
        assert (tried.returncode, tried.stdout.strip()) == (0, "The receiver took the test: answered 204.")
        assert len(seen) == 1
    refused = await hooks(storage, "test", hook.id)
    assert (refused.returncode, "https only" in refused.stdout) == (1, True)


async def dead_hook(storage: TableStorage, clock: Clock, receiver: Receiver) -> None:
    """Entries 1 and 2 are dead, the receiver knows it, and has entry 3."""
    await add_hook(storage)
    await create(storage, user(1), user(2))
    delivering = hooks_over(storage, receiver, clock)
    await delivering.deliver(TENANT)
    while not receiver.resyncs:
        await due(storage, clock)
        await delivering.deliver(TENANT)
    await create(storage, user(3))
    await delivering.deliver(TENANT)


async def test_a_dead_batch_is_replayed_marked_and_with_another_webhook_id(storage: TableStorage, clock: Clock) -> None:
    attempts = len(schedule.SCHEDULE) + 1
    receiver = Receiver(lambda number: FAILED if number < attempts else TAKEN)
    await dead_hook(storage, clock, receiver)
    listed = json.loads((await run_here(storage.rows, "--json", "hooks", "list", **MADE)).stdout)
    assert (listed["tenants"][0]["dead"], listed["tenants"][0]["behind"]) == ("1-2", 0)
    done = await hooks(storage, "replay", HOOK.id, "--dead")
    assert (done.returncode, done.stderr) == (0, "")
    again = await hooks(storage, "replay", HOOK.id, "--dead")
    assert "A replay is under way" in again.stderr
    before = set(receiver.ids)
    timer = hooks_over(storage, receiver, clock)
    await timer.turn(await timer.marked())
    assert (receiver.replayed, receiver.processed) == ([1, 2], {TENANT: [3]})
    assert receiver.ids[-1] not in before
    assert await storage.dead_batches(TENANT, HOOK.id) == []
    assert await storage.hook_cursor(TENANT, HOOK.id, Stream.REPLAY) is None
    assert await storage.tenants_to_deliver() == [TENANT], "rung for a moment ago"


async def test_a_dead_batch_before_a_replay_stays_dead(storage: TableStorage, clock: Clock) -> None:
    attempts = len(schedule.SCHEDULE) + 1
    receiver = Receiver(lambda number: FAILED if number < attempts else TAKEN)
    await dead_hook(storage, clock, receiver)
    for first, left in ((3, ["1-2"]), (2, ["1-2"]), (1, [])):
        assert (await hooks(storage, "replay", HOOK.id, "--from", first)).returncode == 0
        await hooks_over(storage, receiver, clock).deliver(TENANT)
        assert await storage.hook_cursor(TENANT, HOOK.id, Stream.REPLAY) is None
        assert [f"{dead.first}-{dead.last}" for dead in await storage.dead_batches(TENANT, HOOK.id)] == left
    assert receiver.replayed == [3, 2, 3, 1, 2, 3]


async def test_a_replay_of_what_is_no_longer_kept_says_so_to_the_receiver(storage: TableStorage, clock: Clock) -> None:
    attempts = len(schedule.SCHEDULE) + 1
    receiver = Receiver(lambda number: FAILED if number < attempts else TAKEN)
    await dead_hook(storage, clock, receiver)
    await storage.new_epoch(TENANT)
    await hooks_over(storage, receiver, clock).deliver(TENANT)
    assert (await hooks(storage, "replay", HOOK.id, "--dead")).returncode == 0
    timer = hooks_over(storage, receiver, clock)
    await timer.turn(await timer.marked())
    assert (receiver.replayed, receiver.resyncs) == ([], [2, 3, 3])
    assert await storage.dead_batches(TENANT, HOOK.id) == []
    assert await storage.hook_cursor(TENANT, HOOK.id, Stream.REPLAY) is None


async def test_a_replay_that_is_never_taken_is_given_up_and_can_be_asked_for_again(
    storage: TableStorage, clock: Clock
) -> None:
    await add_hook(storage)
    await create(storage, user(1), user(2))
    receiver = Receiver(lambda number: TAKEN if number == 0 or number > 10 else FAILED)
    delivering = hooks_over(storage, receiver, clock)
    await delivering.deliver(TENANT)
    assert (await hooks(storage, "replay", HOOK.id, "--from", 2)).returncode == 0
    for _ in schedule.SCHEDULE:
        await delivering.deliver(TENANT)
        await due(storage, clock, stream=Stream.REPLAY)
    assert "given up" in (await hooks(storage, "list")).stdout
    assert (await hooks(storage, "replay", HOOK.id, "--from", 2)).returncode == 0
    await delivering.deliver(TENANT)
    assert (receiver.replayed, receiver.processed) == ([2], {TENANT: [1, 2]})


async def test_a_rotation_shows_the_new_secret_and_keeps_the_old_one_for_a_while(storage: TableStorage) -> None:
    await create(storage, user(1))
    hook, old = await added(storage, "--tenant", TENANT)
    done = await hooks(storage, "rotate", hook.id)
    [new] = re.findall(r"whsec_\S+", done.stdout)
    assert new != old
    assert "two secrets until" in (await hooks(storage, "list")).stdout
    assert "has two secrets" in (await hooks(storage, "rotate", hook.id)).stderr


@pytest.mark.parametrize("tenant", [TENANT, ""])
async def test_a_hook_that_its_receiver_has_ended_by_mistake_goes_on_and_has_lost_nothing(
    storage: TableStorage, clock: Clock, tenant: str
) -> None:
    receiver = Receiver(lambda number: GONE if number == 1 else TAKEN)
    await add_hook(storage, replace(HOOK, tenant=tenant))
    delivering = hooks_over(storage, receiver, clock)
    await create(storage, user(1))
    await delivering.deliver(TENANT)
    await create(storage, user(2))
    await delivering.deliver(TENANT)
    await create(storage, user(3))
    await storage.create("newcomer", user(1))
    assert "ended: answered 410" in (await hooks(storage, "list")).stdout
    done = await hooks(storage, "resume", HOOK.id)
    assert (done.returncode, done.stderr) == (0, "")
    timer = hooks_over(storage, receiver, clock)
    await timer.turn(await timer.marked())
    others = {} if tenant else {"newcomer": [1]}
    assert receiver.processed == {TENANT: [1, 2, 3], **others}
    assert "has not ended" in (await hooks(storage, "resume", HOOK.id)).stderr


async def test_a_removed_hook_leaves_nothing(storage: TableStorage, clock: Clock) -> None:
    receiver = Receiver(lambda number: FAILED if number < len(schedule.SCHEDULE) + 1 else TAKEN)
    await dead_hook(storage, clock, receiver)
    [hook] = await storage.hooks()
    await storage.save_hook(replace(hook, tenant=""))
    assert (await hooks(storage, "remove", HOOK.id)).returncode == 0
    assert await storage.hooks() == []
    assert await read_range(storage.rows, TENANT, keys.of_kind("hook")) == []


async def test_a_hook_of_tokens_says_what_its_receiver_must_know_and_has_no_secret(storage: TableStorage) -> None:
    await create(storage, user(1))
    done = await hooks(storage, "add", URL, "--tenant", TENANT, "--format", "set")
    assert (done.returncode, done.stderr) == (0, "")
    [hook] = await storage.hooks()
    assert hook.format is HookFormat.SET
    audience = f"https://s.example/feed/v1/hooks/{hook.id}"
    for told in ("Issuer    https://s.example", f"Audience  {audience}", "Keys      https://s.example/feed/v1/jwks"):
        assert told in done.stdout
    assert "whsec_" not in done.stdout
    assert " set " in (await hooks(storage, "list")).stdout
    rotated = await hooks(storage, "rotate", hook.id)
    assert "signs with a new key" in rotated.stdout
    assert "two keys until" in (await hooks(storage, "list")).stdout
    assert "has two keys until" in (await hooks(storage, "rotate", hook.id)).stderr
    as_json = json.loads((await run_here(storage.rows, "--json", "hooks", "list", **MADE)).stdout)
    assert as_json["hooks"][0]["format"] == "set"


async def test_a_hook_of_tokens_is_tried_with_an_event_that_receivers_know(storage: TableStorage) -> None:
    await create(storage, user(1))
    bodies: list[bytes] = []

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        bodies.append(await reader.read(100_000))
        await saying("202 Accepted")(reader, writer)

    async with server(receive) as (named, _):
        url = named.replace("localhost", "127.0.0.1")
        opened = {"SCIM_HOOKS_TO_LOOPBACK": "true"}
        assert (await hooks(storage, "add", url, "--tenant", TENANT, "--format", "set", **opened)).returncode == 0
        [hook] = await storage.hooks()
        tried = await hooks(storage, "test", hook.id, **opened)
        assert (tried.returncode, tried.stdout.strip()) == (0, "The receiver took the test: answered 202.")
    whole = jwt.decode_complete(bodies[0], options={"verify_signature": False})
    assert violations(whole["header"], whole["payload"]) == []
    assert list(whole["payload"]["events"]) == ["https://schemas.openid.net/secevent/ssf/event-type/verification"]
    assert whole["header"]["kid"] == f"{hook.id}.1"


async def test_a_dead_token_is_replayed(storage: TableStorage, clock: Clock) -> None:
    await add_hook(storage, SET_HOOK)
    receiver = SetReceiver(await hooks_over(storage, Receiver(), clock).key_set())
    receiver.answers = lambda number: FAILED if number < len(schedule.SCHEDULE) + 1 else TAKEN
    await create(storage, user(1), user(2))
    delivering = hooks_over(storage, receiver, clock)
    await delivering.deliver(TENANT)
    while receiver.processed != [2]:
        await due(storage, clock)
        await delivering.deliver(TENANT)
    assert receiver.resyncs == [1]
    assert (await hooks(storage, "replay", HOOK.id, "--dead")).returncode == 0
    await delivering.deliver(TENANT)
    assert receiver.processed == [2, 1]
    assert await storage.dead_batches(TENANT, HOOK.id) == []


async def test_what_is_done_with_hooks_is_in_the_audit_trail(storage: TableStorage) -> None:
    await create(storage, user(1))
    hook, _ = await added(storage, "--tenant", TENANT)
    await hooks(storage, "rotate", hook.id)
    [hook] = await storage.hooks()
    await storage.save_hook(replace(hook, disabled="answered 410"))
    await hooks(storage, "resume", hook.id)
    await hooks(storage, "remove", hook.id)
    trail = (await run_here(storage.rows, "audit")).stdout
    for event in ("hooks add ended", "hooks rotate ended", "hooks resume ended", "hooks remove ended"):
        assert event in trail
    assert "whsec_" not in trail


def test_the_receivers_master_secret_is_that_of_the_commands() -> None:
    found = master_key(MADE)
    assert found is not None
    assert found.derived("x") == MASTER.derived("x")
