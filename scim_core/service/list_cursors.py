"""What a cursor of a list says (RFC 9865), and how it is sealed: only this service can make one, or read it.

A cursor is all that is known of a walk. So every instance can go on with it, also after a restart. No row is written.
It is sealed with AES-GCM, under a key of the tenant, and bound to the query. It is opaque text without personal data.
"""

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from scim2_models import ExpiredCursorException, InvalidCursorException, InvalidValueException

from scim_core.clock import Clock
from scim_core.master_key import MasterKey

CURSOR_SECONDS = 3_600
"""How long a cursor can be used: a client that reads a page is back long before. Announced as cursorTimeout."""

MAX_TRAIL = 10
"""Pages that a client can go back by previousCursor. Each costs its cursors some 50 characters."""

MAX_WALK_BYTES = 3_000
"""Most bytes that a cursor holds: 4,000 characters as text, half of the request line that the Functions host takes. If
the trail is longer, its oldest pages are left out."""

MAX_VALUE_CHARACTERS = 500
"""Longest value that a sorted list can go on after: its cursor holds it. In UTF-8 it has 2,000 bytes at most."""

MAX_CURSOR_CHARACTERS = 8 * 1024
"""Longest text that is looked at: no cursor is longer."""

_NONCE_BYTES = 12
_PURPOSE = "list cursors 1 of "
_DATETIME = "datetime"


@dataclass(frozen=True, slots=True)
class WalkPlace:
    """Where a page starts: after this id of the resource type with this number. An empty id: at its first resource.

    In a sorted list `value` is what the resource with the id is sorted by; None if it has no value.
    """

    type_number: int
    after: str
    value: Any = None


START = WalkPlace(0, "")
"""Where the first page starts."""


@dataclass(frozen=True, slots=True)
class Walk:
    """A page of a walk: where it starts, how many resources each page has, and the total that the first page told.

    The total is None if it was not counted. `trail` has the starts of the pages before, the oldest first.
    """

    count: int
    total: int | None
    place: WalkPlace = START
    trail: tuple[WalkPlace, ...] = ()

    def onward(self, place: WalkPlace, total: int | None) -> "Walk":
        """The next page, which starts at the place."""
        return Walk(self.count, total, place, (*self.trail, self.place)[-MAX_TRAIL:])

    def back(self, total: int | None) -> "Walk | None":
        """The page before; None if there is none, or if it is no longer known."""
        return Walk(self.count, total, self.trail[-1], self.trail[:-1]) if self.trail else None


class ListCursors:
    """Seals walks. `nonce` makes so many random bytes: each cursor is sealed with others."""

    def __init__(self, master_key: MasterKey, clock: Clock, nonce: Callable[[int], bytes]) -> None:
        self._master_key = master_key
        self._clock = clock
        self._nonce = nonce

    def sealed(self, tenant: str, query: bytes, walk: Walk) -> str:
        """The cursor of this page, for a query of this tenant, in characters that need no escape in a URL."""
        nonce = self._nonce(_NONCE_BYTES)
        content = _content(self._now(), walk)
        while len(content) > MAX_WALK_BYTES and walk.trail:
            walk = Walk(walk.count, walk.total, walk.place, walk.trail[1:])
            content = _content(self._now(), walk)
        return _text(nonce + self._cipher(tenant).encrypt(nonce, content, query))

    def opened(self, tenant: str, query: bytes, cursor: str) -> Walk:
        """The page that the cursor leads to. Raises InvalidCursorException, ExpiredCursorException.

        A cursor of another tenant or another query is invalid, as one that was changed.
        """
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 -- only who walks by cursor needs it

        sealed = _bytes(cursor)
        try:
            content = self._cipher(tenant).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], query)
        except (InvalidTag, ValueError) as error:
            raise _invalid() from error
        since, count, total, place, trail = json.loads(content.decode("utf-8", "surrogatepass"))
        if self._now() > since + CURSOR_SECONDS:
            raise ExpiredCursorException(
                detail=f"The cursor is older than {CURSOR_SECONDS} seconds. Start again with an empty cursor."
            )
        return Walk(count, total, _place(place), tuple(map(_place, trail)))

    def _cipher(self, tenant: str) -> Any:
        """A key of its own for each tenant: a cursor of another tenant does not open, and nonces are spent apart."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 -- as above

        return AESGCM(self._master_key.derived(_PURPOSE + tenant))

    def _now(self) -> int:
        return int(self._clock().timestamp())


def holdable(place: WalkPlace) -> WalkPlace:
    """The place. Raises InvalidValueException if a cursor cannot hold the value of a sorted list."""
    kinds = (str, bool, int, float, datetime, type(None))
    if not isinstance(place.value, kinds) or len(str(place.value)) > MAX_VALUE_CHARACTERS:
        raise InvalidValueException(
            detail=f"A value of sortBy has more than {MAX_VALUE_CHARACTERS} characters, or has no order. No cursor can "
            "hold it. Sort by another attribute, or use startIndex."
        )
    return place


def _invalid() -> InvalidCursorException:
    return InvalidCursorException(
        detail="The cursor does not belong to this list: it was changed, or it is of another filter, order, choice of "
        "attributes or tenant. Send all parameters as for the first page, or start again with an empty cursor."
    )


def _content(now: int, walk: Walk) -> bytes:
    values = [now, walk.count, walk.total, _plain(walk.place), list(map(_plain, walk.trail))]
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _plain(place: WalkPlace) -> list[Any]:
    value = place.value
    return [place.type_number, place.after, [_DATETIME, value.isoformat()] if isinstance(value, datetime) else value]


def _place(plain: list[Any]) -> WalkPlace:
    type_number, after, value = plain
    return WalkPlace(type_number, after, datetime.fromisoformat(value[1]) if isinstance(value, list) else value)


def _text(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def _bytes(cursor: str) -> bytes:
    """The bytes of the text. Only one text stands for them: otherwise a changed cursor would open."""
    if len(cursor) > MAX_CURSOR_CHARACTERS:
        raise _invalid()
    try:
        sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise _invalid() from error
    if _text(sealed) != cursor:
        raise _invalid()
    return sealed
