"""A hook with `format: set`: all kinds of changes as the events of RFC 9967, one token a request, and none is lost."""

import asyncio
import json
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import jwt
import pytest

from scim_core import ScimRequest, ScimResponse
from scim_core.clock import instant_text
from scim_core.feed.hooks import schedule, tokens
from scim_core.feed.hooks.delivery import KNOWN_SECONDS, LEASE
from scim_core.feed.hooks.sending import HttpSender, Sender
from scim_core.protocol.schemas import load_catalogue
from scim_core.storage.hook_port import Hook, HookCursor, Stream
from scim_core.storage.tables import TableStorage
from scim_core.storage.tables.hook_rows import hook_written, to_hook
from scim_core.storage.tables.rows import Row
from tests.contract.builders import TENANT, also_on_azurite, create, stored, user
from tests.faults.disturbed_rows import Death, MortalRows, ProcessDied
from tests.feed.described import deviations
from tests.hooks.receiver import FAILED, GONE, HOOK, MASTER, TAKEN, add_hook, due, hooks_over
from tests.hooks.set_receiver import ISSUER, SET_HOOK, SetReceiver
from tests.hooks.set_rules import violations
from tests.hooks.test_sending import SECONDS, Answering, saying, sender, server
from tests.memory_rows import MemoryRows
from tests.rfc7643.test_s6_types_with_members import EXAMPLES, device, fleet
from tests.scim import ENTERPRISE, GROUP, USER, Client, Clock, endpoint_over, references
from tests.tenancy import Timer
from tests.transcript import transcript

DIRECTORY = "default"
COST_CENTER = f"{ENTERPRISE}:costCenter"
SECRETS = ("bjensen@example.com", "Jensen", "ext-4711", "boss@example.com", "+1 555", "Employees", "Cost 7")
"""What people can be known by: no notice may hold it."""


async def keys_of(storage: TableStorage, clock: Clock) -> dict[str, Any]:
    return await hooks_over(storage, SetReceiver({}), clock).key_set()


async def set_hook(storage: TableStorage, clock: Clock, tenant: str = TENANT, hook: Hook = SET_HOOK) -> SetReceiver:
    """There is the hook, and a receiver that has fetched its keys."""
    await add_hook(storage, replace(hook, tenant=tenant), tenant)
    return SetReceiver(await keys_of(storage, clock))


def replace_op(path: str, value: Any) -> dict[str, Any]:
    return {"op": "replace", "path": path, "value": value}


async def changes_of_all_kinds(client: Client) -> list[tuple[str, dict[str, Any]]]:
    """What was done, as relative paths of resources, and which events must come of it."""
    ann = await client.user(
        "bjensen@example.com",
        externalId="ext-4711",
        name={"familyName": "Jensen"},
        emails=[{"value": "boss@example.com"}],
        phoneNumbers=[{"value": "+1 555"}],
        **{"schemas": [USER, ENTERPRISE], ENTERPRISE: {"costCenter": "Cost 7"}},
    )
    of_ann = f"/Users/{ann['id']}"
    told: list[tuple[str, dict[str, Any]]] = [
        (
            of_ann,
            {
                "prov:create:notice": {
                    "attributes": ["active", "emails", "externalId", "name", "phoneNumbers", "userName", COST_CENTER]
                }
            },
        )
    ]

    def expect(path: str, *names: str, **attributes: list[str]) -> None:
        kinds = {name: {"attributes": attributes[name]} if name in attributes else {} for name in names}
        told.append((path, {f"prov:{name.replace('_', ':')}": payload for name, payload in kinds.items()}))

    await client.patch(of_ann, replace_op("title", "Boss"))
    expect(of_ann, "patch_notice", patch_notice=["title"])
    await client.patch(of_ann, replace_op("active", value=False))
    expect(of_ann, "patch_notice", "deactivate", patch_notice=["active"])
    await client.put(of_ann, {"schemas": [USER], "userName": "bjensen@example.com", "active": True, "title": "Boss"})
    gone = ["active", "emails", "externalId", "name", "phoneNumbers", COST_CENTER]
    expect(of_ann, "put_notice", "activate", put_notice=gone)
    staff = await client.group("Employees")
    of_staff = f"/Groups/{staff['id']}"
    expect(of_staff, "create_notice", create_notice=["displayName"])
    await client.patch(of_staff, {"op": "add", "path": "members", "value": references(ann)})
    expect(of_staff, "patch_notice", patch_notice=["members"])
    await client.put(of_staff, {"schemas": [GROUP], "displayName": "Everybody"})
    expect(of_staff, "put_notice", put_notice=["displayName", "members"])
    await client.delete(of_ann)
    expect(of_ann, "delete")
    return told


@also_on_azurite
async def test_each_kind_of_change_is_the_event_that_the_rfc_has_for_it(storage: TableStorage, clock: Clock) -> None:
    receiver = await set_hook(storage, clock, DIRECTORY)
    told = await changes_of_all_kinds(Client(endpoint_over(storage, clock)))
    await hooks_over(storage, receiver, clock).deliver(DIRECTORY)
    found = [(claims["sub_id"]["uri"], events) for claims, events in zip(receiver.tokens, receiver.events, strict=True)]
    sets = [(path, _unordered(events)) for path, events in found]
    assert sets == [(path, _unordered(events)) for path, events in told]
    epoch = (await storage.feed_head(DIRECTORY)).epoch
    assert [claims["txn"] for claims in receiver.tokens] == [f"default:{epoch}:{n}" for n in range(1, len(told) + 1)]


def _unordered(events: dict[str, Any]) -> dict[str, Any]:
    return {name: {key: sorted(value) for key, value in payload.items()} for name, payload in events.items()}


async def test_a_notice_holds_nothing_by_which_somebody_is_known(storage: TableStorage, clock: Clock) -> None:
    receiver = await set_hook(storage, clock, DIRECTORY)
    await changes_of_all_kinds(Client(endpoint_over(storage, clock)))
    await hooks_over(storage, receiver, clock).deliver(DIRECTORY)
    text = json.dumps(receiver.tokens)
    assert [secret for secret in SECRETS if secret in text] == []


async def test_a_change_in_a_bulk_is_an_event_of_its_own_method(storage: TableStorage, clock: Clock) -> None:
    receiver = await set_hook(storage, clock, DIRECTORY)
    client = Client(endpoint_over(storage, clock))
    ann = await client.user("ann@example.com")
    operations = [
        {"method": "PATCH", "path": f"/Users/{ann['id']}", "data": {"Operations": [replace_op("active", value=False)]}},
        {"method": "DELETE", "path": f"/Users/{ann['id']}"},
    ]
    operations[0]["data"]["schemas"] = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"]  # type: ignore[index]
    bulk = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations}
    assert (await client.post("/Bulk", bulk)).status == 200
    await hooks_over(storage, receiver, clock).deliver(DIRECTORY)
    assert [sorted(events) for events in receiver.events[1:]] == [
        ["prov:deactivate", "prov:patch:notice"],
        ["prov:delete"],
    ]


async def test_members_of_a_type_of_its_own_are_named_by_its_own_attribute(storage: TableStorage, clock: Clock) -> None:
    receiver = await set_hook(storage, clock, DIRECTORY)
    catalogue = load_catalogue(EXAMPLES)
    client = Client(endpoint_over(storage, clock, SCIM_SCHEMA_DIRECTORY=str(EXAMPLES)))
    floor = await fleet(client)
    member = {"value": (await device(client))["id"], "type": "Device"}
    await client.patch(f"/Fleets/{floor['id']}", {"op": "add", "path": "devices", "value": [member]})
    await hooks_over(storage, receiver, clock, catalogue=catalogue).deliver(DIRECTORY)
    assert receiver.events[-1] == {"prov:patch:notice": {"attributes": ["devices"]}}
    assert receiver.tokens[-1]["sub_id"] == {"format": "scim", "uri": f"/Fleets/{floor['id']}"}


async def test_a_change_whose_log_is_gone_is_an_update_and_claims_no_more(storage: TableStorage, clock: Clock) -> None:
    receiver = await set_hook(storage, clock)
    await create(storage, user(1))
    await storage.update(TENANT, replace(await stored(storage, user(1)), index=user(1).index))
    await hooks_over(storage, receiver, clock).deliver(TENANT)
    assert [list(events) for events in receiver.events] == [["prov:create:notice"], ["prov:put:notice"]]


async def test_one_token_is_one_request_and_comes_in_order(storage: TableStorage, clock: Clock) -> None:
    receiver = await set_hook(storage, clock)
    await create(storage, *(user(number) for number in range(1, 8)))
    done = await hooks_over(storage, receiver, clock).deliver(TENANT)
    assert (done.taken, done.left) == (7, 0)
    assert receiver.processed == list(range(1, 8))
    assert len(set(receiver.ids)) == 7
    assert all(claims["aud"] == [f"{ISSUER}/feed/v1/hooks/{HOOK.id}"] for claims in receiver.tokens)


async def test_a_repetition_is_the_same_token(storage: TableStorage, clock: Clock) -> None:
    receiver = await set_hook(storage, clock)
    receiver.answers = lambda number: FAILED if number < 3 else TAKEN
    await create(storage, user(1), user(2))
    hooks = hooks_over(storage, receiver, clock)
    await hooks.deliver(TENANT)
    while len(receiver.processed) < 2:
        now = await stored(storage, user(1))
        await storage.update(TENANT, replace(now, document=now.document | {"title": "x"}, index=user(1).index))
        await due(storage, clock)
        await hooks.deliver(TENANT)
    assert receiver.tokens[0] == receiver.tokens[1] == receiver.tokens[2] == receiver.tokens[3]
    assert receiver.processed[:2] == [1, 2]


async def test_a_receiver_that_dies_after_processing_gets_the_token_again_and_knows_it(
    storage: TableStorage, clock: Clock
) -> None:
    receiver = await set_hook(storage, clock)
    receiver.answers, receiver.processes = lambda number: FAILED if number == 0 else TAKEN, lambda _: True
    await create(storage, user(1), user(2))
    await hooks_over(storage, receiver, clock).deliver(TENANT)
    assert receiver.ids[0] == receiver.ids[1] != receiver.ids[2]
    assert receiver.processed == [1, 2]


async def test_a_token_that_is_never_taken_is_kept_and_the_receiver_is_told_before_any_other(
    storage: TableStorage, clock: Clock
) -> None:
    dies = len(schedule.SCHEDULE) + 1
    receiver = await set_hook(storage, clock)
    receiver.answers = lambda number: FAILED if number < dies + 1 else TAKEN
    await create(storage, user(1), user(2))
    hooks = hooks_over(storage, receiver, clock)
    done = await hooks.deliver(TENANT)
    while receiver.processed != [2]:
        await due(storage, clock)
        done += await hooks.deliver(TENANT)
    assert (done.dead, receiver.resyncs) == (1, [1])
    [dead] = await storage.dead_batches(TENANT, HOOK.id)
    assert (dead.first, dead.last) == (1, 1)
    told = receiver.tokens[dies]
    assert told["sub_id"] == {"format": "uri", "uri": f"{ISSUER}/feed/v1/changes?tenant={TENANT}"}
    assert told["events"] == {f"{ISSUER}/feed/v1/events/resync": {"number": 1}}


async def test_a_replay_is_another_token_of_the_same_transaction(storage: TableStorage, clock: Clock) -> None:
    receiver = await set_hook(storage, clock)
    await create(storage, user(1), user(2))
    hooks = hooks_over(storage, receiver, clock)
    await hooks.deliver(TENANT)
    epoch = (await storage.feed_head(TENANT)).epoch
    await storage.save_hook_cursor(TENANT, HOOK.id, Stream.REPLAY, HookCursor(epoch, 0, start=1, end=2))
    await hooks.deliver(TENANT)
    once, again = receiver.tokens[:2], receiver.tokens[2:]
    assert [claims["txn"] for claims in once] == [claims["txn"] for claims in again]
    assert [claims["events"] for claims in once] == [claims["events"] for claims in again]
    assert len(set(receiver.ids)) == 4
    assert receiver.processed == [1, 2]
    assert await storage.hook_cursor(TENANT, HOOK.id, Stream.REPLAY) is None


async def test_another_epoch_is_told_of(storage: TableStorage, clock: Clock) -> None:
    receiver = await set_hook(storage, clock)
    await create(storage, user(1))
    hooks = hooks_over(storage, receiver, clock)
    await hooks.deliver(TENANT)
    await storage.new_epoch(TENANT)
    await create(storage, user(2))
    await storage.relay(TENANT)
    await hooks.deliver(TENANT)
    assert (receiver.resyncs, receiver.processed) == ([2], [1])


@pytest.mark.parametrize("after", [False, True])
async def test_a_process_that_dies_at_any_call_of_the_storage_loses_no_token_and_none_changes(after: bool) -> None:
    start = MemoryRows()
    storage = TableStorage(start)
    keys = (await set_hook(storage, Clock())).keys
    await create(storage, *(user(number) for number in range(1, 4)))
    life = Death()
    await hooks_over(TableStorage(MortalRows(start.copy(), life)), SetReceiver(keys), Clock()).deliver(TENANT)
    assert len(life.calls) > 20
    for number in range(len(life.calls)):
        rows, clock, receiver = start.copy(), Clock(), SetReceiver(keys)
        with pytest.raises(ProcessDied):
            await hooks_over(TableStorage(MortalRows(rows, Death(number, after=after))), receiver, clock).deliver(
                TENANT
            )
        survivor = hooks_over(TableStorage(rows), receiver, clock)
        for _ in range(2):
            clock.advance(seconds=10 * LEASE.total_seconds())
            await survivor.turn(await survivor.marked())
        assert receiver.processed == [1, 2, 3]
        by_id = {claims["jti"]: claims for claims in receiver.tokens}
        assert len(by_id) == 3, "a repetition has the id of what it repeats"
        assert all(claims == by_id[claims["jti"]] for claims in receiver.tokens)


async def test_410_ends_the_hook(storage: TableStorage, clock: Clock) -> None:
    receiver = await set_hook(storage, clock)
    receiver.answers = lambda _: GONE
    await create(storage, user(1), user(2))
    await hooks_over(storage, receiver, clock).deliver(TENANT)
    assert len(receiver.tokens) == 1
    assert [hook.disabled for hook in await storage.hooks()] == ["answered 410 on 2026-11-23"]


@pytest.mark.parametrize("hours", [0, 1])
async def test_a_key_that_is_replaced_in_mid_stream_breaks_no_receiver(
    storage: TableStorage, clock: Clock, hours: int
) -> None:
    receiver = await set_hook(storage, clock)

    async def delivered(number: int) -> str:
        await create(storage, user(number))
        await hooks_over(storage, receiver, clock).deliver(TENANT)
        return receiver.key_ids[-1]

    assert await delivered(1) == "h1.1"
    [hook] = await storage.hooks()
    until = instant_text(clock.now + timedelta(hours=hours))
    await storage.save_hook(replace(hook, secret=2, former_until=until))
    assert await delivered(2) == "h1.2", "the receiver still has the keys from before the rotation"
    published = [key["kid"] for key in (await keys_of(storage, clock))["keys"]]
    assert published == ["h1.2", "h1.3", *(["h1.1"] if hours else [])]
    clock.advance(hours=hours)
    assert [key["kid"] for key in (await keys_of(storage, clock))["keys"]] == ["h1.2", "h1.3"]
    assert receiver.processed == [1, 2]


async def test_a_token_under_way_at_a_rotation_keeps_its_id_and_gets_the_new_signature(
    storage: TableStorage, clock: Clock
) -> None:
    receiver = await set_hook(storage, clock)
    receiver.answers = lambda number: FAILED if number < 2 else TAKEN
    await create(storage, user(1))
    await hooks_over(storage, receiver, clock).deliver(TENANT)
    [hook] = await storage.hooks()
    await storage.save_hook(replace(hook, secret=2, former_until=instant_text(clock.now + timedelta(days=1))))
    await due(storage, clock)
    await hooks_over(storage, receiver, clock).deliver(TENANT)
    assert receiver.key_ids == ["h1.1", "h1.1", "h1.2"]
    assert len(set(receiver.ids)) == 1


def test_each_hook_and_each_rotation_has_a_key_of_its_own_and_no_private_part_is_shown() -> None:
    clock = Clock()
    keys = [key for name in ("h1", "h2") for key in tokens.public_keys(MASTER, replace(SET_HOOK, id=name), clock())]
    assert len({key["x"] for key in keys}) == len(keys) == 4
    assert {frozenset(key) for key in keys} == {frozenset({"kty", "crv", "x", "y", "use", "alg", "kid"})}
    assert keys == [
        key for name in ("h1", "h2") for key in tokens.public_keys(MASTER, replace(SET_HOOK, id=name), clock())
    ]


def test_a_token_of_another_hook_or_with_another_key_is_refused() -> None:
    claims = {"iss": ISSUER, "aud": ["x"], "jti": "1", "iat": 1, "events": {"urn:x": {}}}
    token = tokens.signed(MASTER, SET_HOOK, claims)
    [key, *_] = tokens.public_keys(MASTER, replace(SET_HOOK, id="h2"), Clock()())
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, jwt.PyJWK(key), algorithms=["ES256"], audience="x")


async def test_who_asks_for_the_keys_gets_those_of_all_hooks_without_a_credential(
    storage: TableStorage, clock: Clock
) -> None:
    receiver = await set_hook(storage, clock, DIRECTORY)
    await add_hook(storage, replace(HOOK, id="h2"), DIRECTORY)
    await add_hook(storage, replace(SET_HOOK, id="h3"), DIRECTORY)
    await add_hook(storage, replace(SET_HOOK, id="h4", disabled="answered 410"), DIRECTORY)
    master = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    answer = await _jwks(storage, clock, SCIM_MASTER_KEY=master)
    assert answer.status == 200
    assert answer.headers == {"Content-Type": "application/jwk-set+json", "Cache-Control": "max-age=300"}
    assert deviations("/feed/v1/jwks", 200, answer.headers, answer.body) == []
    keys = json.loads(answer.body)
    assert [key["kid"] for key in keys["keys"]] == ["h1.1", "h1.2", "h3.1", "h3.2"]
    assert keys["keys"][:2] == receiver.keys["keys"]
    assert json.loads((await _jwks(storage, clock)).body) == {"keys": []}, "without a master key there is none"


async def _jwks(storage: TableStorage, clock: Clock, **settings: str) -> ScimResponse:
    return await endpoint_over(storage, clock, **settings).handle(ScimRequest("GET", "/feed/v1/jwks"))


async def test_many_who_ask_for_the_keys_cost_one_look_at_the_hooks(storage: TableStorage, clock: Clock) -> None:
    await set_hook(storage, clock, DIRECTORY)
    timer = Timer()
    hooks = hooks_over(storage, SetReceiver({}), clock, timer=timer)
    with transcript(storage) as recorded:
        keys = [await hooks.key_set() for _ in range(5)]
    assert len(recorded.calls) == 1
    assert keys == [keys[0]] * 5
    await add_hook(storage, replace(SET_HOOK, id="h2"), DIRECTORY)
    assert await hooks.key_set() == keys[0]
    timer.now += KNOWN_SECONDS
    assert len((await hooks.key_set())["keys"]) == 4


async def test_a_hook_of_tokens_sends_to_no_address_that_is_not_public(storage: TableStorage, clock: Clock) -> None:
    async def inside(_host: str, _port: int) -> list[str]:
        return ["169.254.169.254"]

    await set_hook(storage, clock)
    await create(storage, user(1))
    await hooks_over(storage, HttpSender(to_loopback=False, resolve=inside), clock).deliver(TENANT)
    cursor = await storage.hook_cursor(TENANT, HOOK.id, Stream.EVENTS)
    assert cursor is not None
    assert cursor.outcome == "refused: The host of the hook's URL has an address that is not public."


@pytest.mark.parametrize("has_key", [True, False])
async def test_what_can_be_sent_is_announced(storage: TableStorage, clock: Clock, has_key: bool) -> None:
    settings = {"SCIM_MASTER_KEY": "A" * 43 + "="} if has_key else {}
    answer = await Client(endpoint_over(storage, clock, **settings)).get("/ServiceProviderConfig")
    prefix = "urn:ietf:params:scim:event:prov:"
    names = ("create:notice", "patch:notice", "put:notice", "delete", "activate", "deactivate")
    expected = {"asyncRequest": "none", "eventUris": [f"{prefix}{name}" for name in names]}
    assert answer.document.get("securityEvents") == (expected if has_key else None)


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        ({"typ": "JWT", "alg": "ES256"}, {}),
        ({"typ": "secevent+jwt", "alg": "none"}, {}),
        ({}, {"sub": "ann"}),
        ({}, {"jti": ""}),
        ({}, {"iat": "now"}),
        ({}, {"txn": None}),
        ({}, {"sub_id": {"format": "opaque", "id": "1"}}),
        ({}, {"sub_id": {"format": "scim"}}),
        ({}, {"sub_id": {"format": "scim", "uri": "https://scim.example.com/Users/1"}}),
        ({}, {"events": {}}),
        ({}, {"events": {"urn:ietf:params:scim:event:prov:put:notice": {}}}),
        ({}, {"events": {"urn:ietf:params:scim:event:prov:put:notice": {"attributes": [], "data": {}}}}),
        ({}, {"events": {"urn:ietf:params:scim:event:prov:delete": {"attributes": []}}}),
        ({}, {"events": {"urn:ietf:params:scim:event:prov:removed": {}}}),
        ({}, {"events": {"urn:ietf:params:scim:event:prov:patch:notice": {"attributes": ["a b"]}}}),
    ],
)
def test_the_rules_find_what_is_wrong(header: dict[str, Any], claims: dict[str, Any]) -> None:
    good = {
        "iss": ISSUER,
        "iat": 1,
        "jti": "1",
        "aud": ["x"],
        "txn": "1",
        "sub_id": {"format": "scim", "uri": "/Users/1"},
        "events": {"urn:ietf:params:scim:event:prov:delete": {}},
    }
    usual = {"typ": "secevent+jwt", "alg": "ES256"}
    assert violations(usual, good) == []
    changed = {name: value for name, value in (good | claims).items() if value is not None}
    assert violations(usual | header, changed)


async def _silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()  # until the sender gives up


async def _late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    with suppress(OSError):
        await saying("202 Accepted")(reader, writer)


async def _reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


def _refusing(body: bytes, *headers: str, status: str = "400 Bad Request") -> Answering:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = f"Content-Length: {len(body)}"
        writer.write("\r\n".join([f"HTTP/1.1 {status}", *headers, length, "", ""]).encode() + body)
        await writer.drain()

    return answer


JSON = "Content-Type: application/json"
SAID = b'{"err": "invalid_key", "description": "The key is unknown."}'


@pytest.mark.parametrize(
    ("failing", "outcome"),
    [
        (saying("500 Oh"), "answered 500"),
        (saying("307 Temporary Redirect", "Location: http://localhost:1/"), "answered 307"),
        (_reset, "no answer ("),
        (_silent, "no answer in 0.3 seconds"),
        (_late, "no answer in 0.3 seconds"),
        (_refusing(SAID, JSON), "answered 400 (invalid_key: The key is unknown.)"),
    ],
    ids=["500", "redirect", "reset", "silent", "late", "400"],
)
async def test_whatever_a_receiver_does_the_same_token_comes_again_and_then_the_next(
    storage: TableStorage, clock: Clock, failing: Answering, outcome: str
) -> None:
    """Over real sockets: the receiver behaves once, fails once, and takes what comes then."""
    bodies: list[bytes] = []

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        bodies.append(await reader.read(100_000))
        await (failing if len(bodies) == 2 else saying("202 Accepted"))(reader, writer)

    async with server(receive) as (url, seen):
        await set_hook(storage, clock, hook=replace(SET_HOOK, url=url))
        await create(storage, user(1), user(2), user(3))
        outcomes: list[str] = []

        class Noting(Sender):
            async def send(self, *given: Any) -> Any:
                is_short = len(outcomes) == 1 and failing in (_silent, _late)
                attempt = await sender(SECONDS if is_short else 30).send(*given)
                outcomes.append(attempt.outcome)
                return attempt

        await hooks_over(storage, Noting(), clock).deliver(TENANT)
    assert len(seen) == 4
    assert outcomes[1].startswith(outcome)
    assert [said for number, said in enumerate(outcomes) if number != 1] == ["answered 202"] * 3
    claims = [jwt.decode(body, options={"verify_signature": False}) for body in bodies]
    assert claims[1] == claims[2]
    assert [claim["txn"].rpartition(":")[2] for claim in claims] == ["1", "2", "2", "3"]


@pytest.mark.parametrize(
    ("answering", "said"),
    [
        (_refusing(b'{"err": "access_denied"}', JSON), " (access_denied)"),
        (_refusing(b'{"err": "x", "description": "a\\u001b[2Jb\\nc"}', JSON), " (x: a [2Jb c)"),
        (_refusing(b'{"err": "x", "description": "' + b"y" * 1_000 + b'"}', JSON), f" (x: {'y' * 197})"),
        (_refusing(b'{"err": "x", "description": "' + b"y" * 9_000 + b'"}', JSON), ""),
        (_refusing(SAID, "Content-Type: text/html"), ""),
        (_refusing(SAID, JSON, status="500 Oh"), ""),
        (_refusing(b'{"err": ["x"]}', JSON), ""),
        (_refusing(b'{"err": "two words"}', JSON), ""),
        (_refusing(b'{"err": "x", "description": 7}', JSON), ""),
        (_refusing(b"[1]", JSON), ""),
        (_refusing(b"[" * 4_000, JSON), ""),
        (_refusing(b"\xff", JSON), ""),
        (_refusing(b"", JSON), ""),
    ],
)
async def test_what_a_receiver_says_is_wrong_is_kept_short_and_readable(answering: Answering, said: str) -> None:
    async with server(answering) as (url, _):
        attempt = await sender().send(url, {"Accept": "application/json"}, b"x")
        unasked = await sender().send(url, {}, b"x")
    status = attempt.outcome[9:12]
    assert attempt.outcome == f"answered {status}{said}"
    assert unasked.outcome == f"answered {status}"


async def test_a_word_of_what_is_wrong_that_comes_in_chunks_is_read() -> None:
    async def chunked(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 400 Bad\r\n{JSON}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        writer.write(head + b"%x\r\n%b\r\n" % (10, SAID[:10]) + b"%x\r\n%b\r\n0\r\n\r\n" % (len(SAID) - 10, SAID[10:]))
        await writer.drain()

    async with server(chunked) as (url, _):
        attempt = await sender().send(url, {"Accept": "application/json"}, b"x")
    assert attempt.outcome == "answered 400 (invalid_key: The key is unknown.)"


def test_a_hook_whose_row_says_nothing_of_its_format_sends_events() -> None:
    properties = dict(hook_written(HOOK).properties)
    del properties["format"]
    assert to_hook(Row(properties, "")) == HOOK
    assert to_hook(Row(dict(hook_written(SET_HOOK).properties), "")) == SET_HOOK
