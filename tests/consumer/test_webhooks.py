"""Calls of the service are believed if, and only if, they were signed with the secret, and just now."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

import pytest

from scim_core.feed.hooks.sending import Sender, Tried
from scim_core.feed.hooks.signatures import secret as hook_secret
from scim_core.feed.hooks.signatures import shown
from scim_core.storage.tables import TableStorage
from scim_feed import InvalidSignature, Put, changes_of, verify
from tests.contract.builders import create, user
from tests.hooks.receiver import MASTER, TAKEN, add_hook, hooks_over
from tests.memory_rows import MemoryRows
from tests.scim import Clock

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEXT_SECRET = "whsec_" + base64.b64encode(b"the one after it, 32 bytes long.").decode()
NOW = 1614265330
ENTRY = {"number": 41, "change": "created", "type": "User", "id": "u", "resource": {"id": "u"}}
EVENT = {
    "specversion": "1.0",
    "id": "contoso:e1:41",
    "source": "https://scim.example.com/contoso",
    "type": "scim.user.created",
    "subject": "Users/u",
    "time": "2026-11-26T16:00:00.123Z",
    "data": ENTRY,
}


def signature(body: bytes, secret: str = SECRET, id_: str = "msg_1", timestamp: int | str = NOW) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{id_}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def headers(body: bytes, **replaced: str) -> dict[str, str]:
    usual = {"Webhook-Id": "msg_1", "Webhook-Timestamp": str(NOW), "Webhook-Signature": signature(body)}
    return usual | {f"Webhook-{name.title()}": value for name, value in replaced.items()}


def body_of(*events: Any) -> bytes:
    return json.dumps(events).encode()


BODY = body_of(EVENT)


def test_a_call_is_its_events_and_an_event_asks_for_the_same_as_an_entry_of_the_feed() -> None:
    missing = {"id": "contoso:e2:7:resync", "source": "s", "type": "scim.resync", "data": {"number": 7}}
    body = body_of(EVENT, EVENT | {"replay": True}, missing)
    delivery = verify(headers(body), body, SECRET, now=NOW)
    first, replayed, resync = delivery.events
    assert delivery.id == "msg_1"
    assert (first.id, first.source, first.type) == (EVENT["id"], EVENT["source"], EVENT["type"])
    assert (first.subject, first.time) == (EVENT["subject"], EVENT["time"])
    assert list(changes_of(first.data)) == [Put("User", "u", {"id": "u"})]
    assert (first.is_replay, replayed.is_replay) == (False, True)
    assert (first.epoch, first.number) == ("e1", 41)
    assert (resync.type, resync.epoch, resync.number) == ("scim.resync", "e2", 7)


async def test_what_the_service_sends_names_its_epoch_and_its_number() -> None:
    storage, clock = TableStorage(MemoryRows()), Clock()
    await add_hook(storage)
    await create(storage, user(1), user(2))
    sent: list[tuple[dict[str, str], bytes]] = []

    class Keeping(Sender):
        async def send(self, _: str, given: Mapping[str, str], body: bytes) -> Tried:
            sent.append((dict(given), body))
            return TAKEN

    hooks = hooks_over(storage, Keeping(), clock)
    await hooks.deliver("contoso")
    first = (await storage.feed_head("contoso")).epoch
    epoch = (await storage.new_epoch("contoso")).epoch
    await hooks.deliver("contoso")
    secret = shown(hook_secret(MASTER, "h1", 1))
    events = [event for given, body in sent for event in verify(given, body, secret, now=clock.now.timestamp()).events]
    assert [(event.type, event.epoch, event.number) for event in events] == [
        ("scim.user.created", first, 1),
        ("scim.user.created", first, 2),
        ("scim.resync", epoch, 2),
    ]


def test_a_test_of_a_hook_has_no_number_and_a_number_that_is_none_is_refused() -> None:
    body = body_of({"id": "contoso::test:1", "source": "s", "type": "scim.test", "data": {}})
    [event] = verify(headers(body), body, SECRET, now=NOW).events
    assert (event.epoch, event.number) == ("", 0)
    body = body_of(EVENT | {"data": ENTRY | {"number": "41"}})
    with pytest.raises(ValueError, match="number"):
        verify(headers(body), body, SECRET, now=NOW)


def test_a_single_event_is_a_call_too() -> None:
    body = json.dumps(EVENT).encode()
    [event] = verify(headers(body), body, SECRET, now=NOW).events
    assert event.data == ENTRY


def test_the_signature_is_the_one_of_standard_webhooks() -> None:
    """What the library `standardwebhooks` makes of this secret, id, time and body."""
    body = b'{"id": "1", "source": "s", "type": "t"}'
    given = headers(
        body, id="msg_p5jXN8AQM9LWM0D4loKWxJek", signature="v1,uUCjnRgkhZMsNYv/04/u2bD2HcM5wIeVgk+4gxezAyY="
    )
    assert verify(given, body, SECRET, now=NOW).id == "msg_p5jXN8AQM9LWM0D4loKWxJek"


@pytest.mark.parametrize("secret", [SECRET, NEXT_SECRET, SECRET.removeprefix("whsec_"), NEXT_SECRET.rstrip("=")])
def test_while_a_secret_is_rotated_both_verify(secret: str) -> None:
    both = f"v1a,ed25519== {signature(BODY, NEXT_SECRET)} {signature(BODY)}"
    assert verify(headers(BODY, signature=both), BODY, secret, now=NOW).events


@pytest.mark.parametrize(
    "replaced",
    [
        {"signature": ""},
        {"signature": "v1,"},
        {"signature": "v1"},
        {"signature": "v1,\xff\udcff"},
        {"signature": signature(BODY).replace("v1,", "v2,")},
        {"signature": signature(BODY).removeprefix("v1,")},
        {"signature": signature(BODY).rstrip("=")},
        {"signature": signature(BODY, NEXT_SECRET)},
        {"signature": signature(BODY + b" ")},
        {"id": "msg_2"},
        {"id": ""},
        {"id": "\udcff"},
        {"timestamp": str(NOW + 1)},
        {"timestamp": ""},
        {"timestamp": "now"},
        {"timestamp": "-1"},
        {"timestamp": f"{NOW}.0"},
        {"timestamp": "\u0661\u0662"},
        {"timestamp": "1" * 5000},
    ],
)
def test_any_other_call_is_refused(replaced: dict[str, str]) -> None:
    with pytest.raises(InvalidSignature):
        verify(headers(BODY, **replaced), BODY, SECRET, now=NOW)


@pytest.mark.parametrize("name", ["Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"])
def test_a_call_without_one_of_the_headers_is_refused(name: str) -> None:
    given = {key: value for key, value in headers(BODY).items() if key != name}
    with pytest.raises(InvalidSignature):
        verify(given, BODY, SECRET, now=NOW)


@pytest.mark.parametrize(("seconds", "is_believed"), [(-301, False), (-300, True), (300, True), (301, False)])
def test_a_call_is_believed_for_five_minutes(seconds: int, is_believed: bool) -> None:
    if is_believed:
        assert verify(headers(BODY), BODY, SECRET, now=NOW + seconds).id
    else:
        with pytest.raises(InvalidSignature, match="too long ago"):
            verify(headers(BODY), BODY, SECRET, now=NOW + seconds)


def test_by_default_now_is_now() -> None:
    with pytest.raises(InvalidSignature, match="too long ago"):
        verify(headers(BODY), BODY, SECRET)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_?", "whsec_a"])
def test_a_secret_that_is_none_verifies_nothing(secret: str) -> None:
    given = headers(BODY, signature="v1," + base64.b64encode(hmac.digest(b"", b"msg_1." + BODY, "sha256")).decode())
    with pytest.raises(ValueError, match="whsec_"):
        verify(given, BODY, secret, now=NOW)


@pytest.mark.parametrize("body", [b"", b"{", b"[7]", b"7", b"\xff", b"[{}]", body_of(EVENT | {"data": 1}), b"[" * 9999])
def test_a_signed_body_that_is_no_event_is_an_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"not JSON|missing, or of another kind"):
        verify(headers(body), body, SECRET, now=NOW)
