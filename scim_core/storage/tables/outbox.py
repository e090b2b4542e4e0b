"""The row that every change inserts in its own transaction, to say what it did: `change:{stamp}:{change id}`.

A stamp is a place in the order of changes: microseconds, as text of fixed width. The stamp of a change is later than
the clock, and later than the stamp of the resource's row as the change read it. So the changes of a resource are in
order, whatever the clocks of their instances say. The row of a resource has the stamp of its last change. Additions and
removals of members without a condition leave it as it is. They have no order among themselves.

The relay (relay.py) moves these rows to the feed and to the log.
"""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from scim_core.clock import instant_text
from scim_core.model import NO_EDITS, Column, MembershipEdits
from scim_core.storage.feed_port import FeedChange
from scim_core.storage.port import NO_NOTE, ChangeNote
from scim_core.storage.tables import keys
from scim_core.storage.tables.entities import joined, split
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb

STAMP_DIGITS = 16
"""Microseconds since 1970: 16 digits last until the year 2286."""

_CHANGE_ID_BYTES = 12
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def stamp(now: datetime, after: str) -> str:
    """The stamp of a change that is made now, of a resource whose row has the stamp `after`; empty: none."""
    clock = (now - _EPOCH) // _MICROSECOND
    return f"{max(clock, int(after or 0) + 1):0{STAMP_DIGITS}}"


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """What a change did. No other change has its `change_id`. A step of a large change is `part_of` that change.

    `joined` and `left` are ids of members; for a resource that is deleted, `left` are the other ends of what it was in.
    `former` are the keys of unique index rows that the resource gives up.
    """

    stamp: str
    change_id: str
    time: str
    change: FeedChange
    resource_type: str
    resource_id: str
    joined: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    former: tuple[str, ...] = ()
    part_of: str = ""
    note: ChangeNote = NO_NOTE

    @property
    def key(self) -> str:
        """The key of the row."""
        return keys.change(self.stamp, self.change_id)

    @property
    def in_feed(self) -> bool:
        """Whether the feed has an entry for it. If not, only the log has."""
        match self.change:
            case FeedChange.MEMBERS:
                return bool(self.joined or self.left)
            case FeedChange.SEVERED:
                return False
        return True

    def having(self, edits: MembershipEdits) -> "OutboxRow":
        """The same with these edits of its memberships."""
        joined, left = _ids(edits)
        return self if (joined, left) == (self.joined, self.left) else replace(self, joined=joined, left=left)

    def parting(self, ends: Iterable[str], index_keys: Iterable[str] = ()) -> "OutboxRow":
        """The same, for a resource that is gone: with the ids at the other ends of its memberships, and with the
        unique ones of these index rows.
        """
        return replace(self, left=tuple(dict.fromkeys(ends)), former=_unique(index_keys))

    def giving_up(self, index_keys: Iterable[str]) -> "OutboxRow":
        """The same, with the unique ones of these index rows, which are deleted."""
        former = _unique(index_keys)
        return self if former == self.former else replace(self, former=former)

    def insertion(self) -> RowOperation:
        """The row is inserted. If it is there already, the change has happened, and only its answer was lost."""
        return RowOperation(Verb.INSERT, Role.OUTBOX, self.key, self.properties())

    def properties(self) -> dict[str, Column]:
        """The properties of the row. `lastModified` is when it happened: version 0.2 has no other name for it."""
        lines = {
            "joined": self.joined,
            "left": self.left,
            "former": self.former,
            "attributes": self.note.attributes,
            "marks": self.note.marks,
        }
        return {
            "id": self.resource_id,
            "type": self.resource_type,
            "change": self.change.value,
            "lastModified": self.time,
            **({"partOf": self.part_of} if self.part_of else {}),
            **({"lostBy": self.note.lost_by} if self.note.lost_by else {}),
            **({"traceparent": self.note.trace_parent} if self.note.trace_parent else {}),
            **{name: "\n".join(values) for name, values in lines.items() if values},
            **split("n", self.note.text),
        }


def to_outbox_row(entity: Mapping[str, Any]) -> OutboxRow:
    """The change of a row that was read whole."""
    _, place, change_id = entity["RowKey"].split(":")
    return OutboxRow(
        stamp=place,
        change_id=change_id,
        time=entity["lastModified"],
        change=FeedChange(entity["change"]),
        resource_type=entity["type"],
        resource_id=entity["id"],
        joined=lines_of(entity, "joined"),
        left=lines_of(entity, "left"),
        former=lines_of(entity, "former"),
        part_of=entity.get("partOf") or "",
        note=ChangeNote(
            lines_of(entity, "attributes"),
            "".join(joined("n", entity)),
            entity.get("lostBy") or "",
            entity.get("traceparent") or "",
            lines_of(entity, "marks"),
        ),
    )


def _ids(edits: MembershipEdits) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The ids of the members that join, and of those that leave."""
    return tuple(edge.member_id for edge in edits.add), tuple(edge.member_id for edge in edits.remove)


def _unique(index_keys: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(filter(keys.is_unique_index, index_keys)))


def new_change_id() -> str:
    """An id that no change has had."""
    return secrets.token_hex(_CHANGE_ID_BYTES)


def lines_of(entity: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """The lines of a property; none where there is no such property."""
    return tuple((entity.get(name) or "").splitlines())


def outbox_row(
    change: FeedChange,
    resource_type: str,
    resource_id: str,
    *,
    change_id: str,
    now: datetime,
    after: str,
    edits: MembershipEdits = NO_EDITS,
    note: ChangeNote = NO_NOTE,
) -> OutboxRow:
    """The row of a change that is made now; `after` is the stamp of the resource's row as it was read."""
    place, time = stamp(now, after), instant_text(now)
    return OutboxRow(place, change_id, time, change, resource_type, resource_id, *_ids(edits), note=note)
