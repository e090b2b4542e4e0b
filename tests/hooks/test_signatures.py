"""Who has a hook's secret can check every delivery, also while the secret is replaced in mid-stream."""

import base64
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from scim_core.clock import instant_text
from scim_core.feed.hooks import schedule, signatures
from scim_core.storage.tables import TableStorage
from tests.contract.builders import TENANT, create, user
from tests.hooks.receiver import HOOK, MASTER, Receiver, add_hook, hooks_over
from tests.scim import Clock

THEN = datetime(2026, 11, 27, tzinfo=UTC)


def is_signed(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """What a receiver computes (Standard Webhooks): written from the specification, without the code under test."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = f"v1,{base64.b64encode(hmac.new(key, signed, sha256).digest()).decode()}"
    return wanted in headers["webhook-signature"].split(" ")


def test_the_specifications_own_example() -> None:
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    sent = signatures.headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", datetime.fromtimestamp(1614265330, UTC), b'{"test": 2432232314}', [key]
    )
    assert sent["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert sent["webhook-timestamp"] == "1614265330"


def test_each_hook_and_each_rotation_has_a_secret_of_its_own() -> None:
    made = {signatures.secret(MASTER, hook, number) for hook in ("h1", "h2") for number in (1, 2)}
    assert len(made) == 4
    assert {len(key) for key in made} == {32}
    assert signatures.shown(bytes(24)).startswith("whsec_")


async def test_a_rotation_in_mid_stream_breaks_no_receiver(storage: TableStorage, clock: Clock) -> None:
    await add_hook(storage)
    receiver = Receiver()
    old, new = (signatures.shown(signatures.secret(MASTER, HOOK.id, number)) for number in (1, 2))

    async def delivered(number: int) -> list[bool]:
        await create(storage, user(number))
        await hooks_over(storage, receiver, clock).deliver(TENANT)
        headers, events = receiver.requests[-1]
        body = json.dumps(events, ensure_ascii=False, separators=(",", ":")).encode()
        return [is_signed(secret, headers, body) for secret in (old, new)]

    assert await delivered(1) == [True, False]
    [hook] = await storage.hooks()
    await storage.save_hook(replace(hook, secret=2, former_until=instant_text(clock.now + timedelta(days=1))))
    assert await delivered(2) == [True, True]
    clock.advance(days=2)
    assert await delivered(3) == [False, True]
    assert receiver.processed == {TENANT: [1, 2, 3]}


@pytest.mark.parametrize("attempts", range(1, 10))
def test_the_jitter_spreads_repetitions_and_is_the_same_in_every_process(attempts: int) -> None:
    planned = schedule.SCHEDULE[attempts - 1]
    found = {schedule.next_attempt(f"msg_{number}", attempts, THEN) for number in range(50)}
    assert len(found) == 50
    assert all(at is not None and planned <= at - THEN <= planned * (1 + schedule.JITTER) for at in found)
    assert schedule.next_attempt("msg_1", attempts, THEN) in found


def test_after_ten_attempts_there_is_none() -> None:
    assert schedule.next_attempt("msg_1", 10, THEN) is None
    assert schedule.at_last("msg_1", 99, THEN) >= THEN + timedelta(days=1)
