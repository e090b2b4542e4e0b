"""What a cursor of the feed and a page of the snapshot say, as texts that only this service reads."""

import base64
import binascii
import re
from dataclasses import dataclass

_CURSOR = re.compile(r"c\.(?P<epoch>[0-9a-f]{1,32})\.(?P<number>[0-9]{1,15})")
_HEAD = re.compile(r"t\.(?P<time>[0-9T:.Z-]{1,40})/(?P<tenant>[!-~]{1,100})")
_PAGE = re.compile(
    r"p\.(?P<epoch>[0-9a-f]{1,32})\.(?P<number>[0-9]{1,15})\.(?P<part>[0-9A-Za-z]*)\.(?P<after>[0-9a-f-]*)(/(?P<member>[0-9a-f-]+))?"
)


@dataclass(frozen=True, slots=True)
class Cursor:
    """The next entry is the one after this number, in a feed of this epoch."""

    epoch: str
    number: int

    def __str__(self) -> str:
        """The text that a reader keeps."""
        return _opaque(f"c.{self.epoch}.{self.number}")


@dataclass(frozen=True, slots=True)
class SnapshotPosition:
    """A page of a snapshot whose changes go on at `cursor`: of a resource type, after an id.

    With an empty `part` it is a page of memberships, after the one of this group and this member.
    """

    cursor: Cursor
    part: str
    after: str = ""
    member: str = ""

    def __str__(self) -> str:
        """The text that a reader sends back."""
        after = f"{self.after}/{self.member}" if self.member else self.after
        return _opaque(f"p.{self.cursor.epoch}.{self.cursor.number}.{self.part}.{after}")


@dataclass(frozen=True, slots=True, order=True)
class HeadPosition:
    """Where a tenant is among those that moved: by the time at which it did (UTC text)."""

    time: str
    tenant: str

    def __str__(self) -> str:
        """The text that a reader sends back."""
        return _opaque(f"t.{self.time}/{self.tenant}")


def read_head_position(text: str) -> HeadPosition | None:
    """The position of a text; None for a text that is none of ours."""
    found = _HEAD.fullmatch(_plain(text))
    return HeadPosition(found["time"], found["tenant"]) if found else None


def read_cursor(text: str) -> Cursor | None:
    """The cursor of a text; None for a text that is none of ours."""
    found = _CURSOR.fullmatch(_plain(text))
    return Cursor(found["epoch"], int(found["number"])) if found else None


def read_position(text: str) -> SnapshotPosition | None:
    """The position of a text; None for a text that is none of ours."""
    found = _PAGE.fullmatch(_plain(text))
    if found is None:
        return None
    return SnapshotPosition(
        Cursor(found["epoch"], int(found["number"])), found["part"], found["after"], found["member"] or ""
    )


def _opaque(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _plain(text: str) -> str:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return ""
