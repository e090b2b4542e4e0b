"""Webhooks of the service: a signature after Standard Webhooks over a batch of CloudEvents."""

import base64
import binascii
import hashlib
import hmac
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scim_feed.pages import Malformed, member, text

TIMESTAMP_SECONDS = 300
"""A call that was signed longer ago, or so much in the future, is refused: somebody may have kept a copy of it."""

SECRET_PREFIX = "whsec_"  # noqa: S105 -- what every secret begins with

_VERSION = "v1,"


class InvalidSignature(Exception):
    """The call was not signed with this secret, or not now: answer 401, and do nothing."""


@dataclass(frozen=True, slots=True)
class Event:
    """A CloudEvent. `data` is an entry of the feed: `changes_of` says what it asks for.

    `source` is the customer's address, `type` such as `scim.user.updated`. Skip an event whose `number` is not above
    the last one that you processed of its source and `epoch`, unless it `is_replay`. Of `scim.resync` the number says
    up to which one entries may be missing; `scim.test` has 0.
    """

    id: str
    source: str
    epoch: str
    number: int
    type: str
    subject: str
    time: str
    data: dict[str, Any]
    is_replay: bool


@dataclass(frozen=True, slots=True)
class Delivery:
    """One call. `id` is the same when the call is repeated. The events are in the order of their numbers."""

    id: str
    events: tuple[Event, ...]


def verify(headers: Mapping[str, str], body: bytes, secret: str, *, now: float | None = None) -> Delivery:
    """The call, if one of its signatures is of this secret (whsec_...). `body` is as it came, byte for byte.

    `now` are the seconds since 1970, by default of this machine's clock. While a secret is rotated a call has two
    signatures, so either secret verifies it. Raises InvalidSignature; ValueError for a secret or body of no such form.
    """
    named = {name.lower(): value for name, value in headers.items()}
    id_, timestamp, signatures = (named.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not (id_ and re.fullmatch("[0-9]{1,12}", timestamp)):
        raise InvalidSignature("The headers webhook-id and webhook-timestamp are missing.")
    if abs((time.time() if now is None else now) - int(timestamp)) > TIMESTAMP_SECONDS:
        raise InvalidSignature("The call was signed too long ago, or a clock is wrong.")
    signed = hmac.new(_key(secret), f"{id_}.{timestamp}.".encode(errors="replace") + body, hashlib.sha256).digest()
    expected = _VERSION.encode() + base64.b64encode(signed)
    # Every signature is compared, each in a time that does not depend on where it differs.
    if True not in [hmac.compare_digest(expected, found.encode(errors="replace")) for found in signatures.split(" ")]:
        raise InvalidSignature("No signature is of this secret.")
    return Delivery(id_, tuple(_events(body)))


def _key(secret: str) -> bytes:
    """The bytes of a secret. Raises ValueError."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX) + "==", validate=False)
    except binascii.Error:
        key = b""
    if not key:
        raise ValueError(f"The secret of a webhook is Base64, and begins with {SECRET_PREFIX}.")
    return key


def _events(body: bytes) -> list[Event]:
    """The events of a body, which is a batch or a single one. Raises Malformed."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Malformed("The body is not JSON.") from error
    return [_event(item) for item in (found if isinstance(found, list) else [found])]


def _event(item: Any) -> Event:
    given = item if isinstance(item, dict) else {}
    data = member(item, "data", dict) if "data" in given else {}
    id_ = text(item, "id")
    return Event(
        id_,
        text(item, "source"),
        id_.split(":")[1] if id_.count(":") > 1 else "",
        member(data, "number", int) if "number" in data else 0,
        text(item, "type"),
        str(given.get("subject", "")),
        str(given.get("time", "")),
        data,
        given.get("replay") is True,
    )
