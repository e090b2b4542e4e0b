"""A large change: one beyond one transaction, as rows. docs/storage.md has its states as a table.

Its parts, which are numbered, are written first and name its memberships. The transaction that decides it writes the
resource's own new state and the row `pending:{resource id}`: from then on the change is pending. Steps apply it. Each
step is a transaction that updates this row: it writes how many ids are done, and demands the row's ETag. So no step
happens twice. The last transaction deletes the row and the parts. The deciding transaction can make the first step, and
the last step can be the last transaction, if there is room.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import batched, groupby
from operator import attrgetter
from typing import Any

from scim_core.clock import instant_text
from scim_core.model import Column, Membership, MembershipEdits, StoredResource
from scim_core.storage.feed_port import FeedChange
from scim_core.storage.port import ChangeNote, TooLarge
from scim_core.storage.tables import changes, keys
from scim_core.storage.tables.entities import joined, pending_property, split, stamp_property
from scim_core.storage.tables.gone_rows import kept_edges
from scim_core.storage.tables.outbox import OutboxRow, stamp
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.service_limits import TRANSACTION_OPERATIONS

STEP = (TRANSACTION_OPERATIONS - 3) // changes.OPERATIONS_EACH
"""Memberships of one step: as many as fit a transaction with the row of the change, the one that says so, and the one
that keeps them."""

PART_IDS = 10_000
"""Member ids in one part: 37 characters each come to 740 KB of the 1 MiB that a row holds."""

MAX_PARTS = 80
"""Parts of a change: 800,000 memberships. The last transaction deletes them all, and could take some more."""

PARTS_AT_ONCE = 4
"""Parts of one transaction: 3 MB of the 4 MiB it holds."""


DECISION_OPERATIONS = 2
"""What a decision adds to the change of the resource: the row of the large change, and the touch of its first part."""


class ChangeKind(StrEnum):
    """Whether memberships of a group are edited, or those of a deleted resource removed."""

    EDIT = "edit"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Part:
    """Ids, in order, that all join the group or all leave it, and are resources of one type."""

    joins: bool
    member_type: str
    ids: tuple[str, ...]

    def edits(self, group: "LargeChange", start: int, count: int | None = None) -> MembershipEdits:
        """The edits of the group of this change by `count` of the ids, or of all, after the first `start` ids."""
        end = None if count is None else start + count
        group_id, group_type = group.resource_id, group.resource_type
        edges = tuple(Membership(group_id, id_, self.member_type, group_type) for id_ in self.ids[start:end])
        return MembershipEdits(add=edges) if self.joins else MembershipEdits(remove=edges)


@dataclass(frozen=True, slots=True)
class LargeChange:
    """The row of a pending change: whose it is, how many ids each part has, how many of all are done.

    `change_id` is a text no other change has. It becomes the version of each resource at the other end. `stamp` is that
    of the last step, or of the decision; empty if version 0.2 made it. `kept` is the key of the row that keeps the
    document of a deleted resource, if one does: its steps keep the memberships. `trace_parent` is that of the
    request, if known.
    """

    resource_type: str
    resource_id: str
    change_id: str
    kind: ChangeKind
    now: str
    lengths: tuple[int, ...] = ()
    done: int = 0
    stamp: str = ""
    etag: str = ""
    kept: str = ""
    trace_parent: str = ""

    @property
    def next_part(self) -> tuple[int, int] | None:
        """The number of the first part that is not done, and how many of its ids are; None when all parts are done."""
        before = 0
        for number, length in enumerate(self.lengths):
            if self.done < before + length:
                return number, self.done - before
            before += length
        return None

    def insertion(self) -> RowOperation:
        """The row is inserted: a resource has one pending change at a time."""
        properties: dict[str, Column] = {
            "type": self.resource_type,
            "id": self.resource_id,
            "mark": self.change_id,
            "kind": self.kind.value,
            "version": self.change_id,  # version 0.1, which may run at the same time, takes it from here
            "lastModified": self.now,
            "lengths": " ".join(map(str, self.lengths)),
            "done": str(self.done),
            **stamp_property(self.stamp),
            **({"kept": self.kept} if self.kept else {}),
            **({"traceparent": self.trace_parent} if self.trace_parent else {}),
        }
        return self._row(Verb.INSERT, properties)

    def at(self, now: datetime) -> "LargeChange":
        """The change with the stamp of a step that is made now."""
        return replace(self, stamp=stamp(now, self.stamp))

    def ends_after(self, count: int) -> bool:
        """Whether all ids are done once `count` more are."""
        return self.done + count == sum(self.lengths)

    def can_end_with(self, memberships: Collection[Membership]) -> bool:
        """Whether one transaction can hold both a step of these memberships and the end of the change."""
        return changes.fits(len(self.ending()) + 1 + bool(self.kept), memberships)

    def step(self, edits: MembershipEdits, count: int, now: datetime, *, last: bool) -> list[RowOperation]:
        """The edits are made, and `count` more ids are done. The `last` step ends the change."""
        own_key = keys.resource(self.resource_type, self.resource_id)
        said = self._said(FeedChange.MEMBERS, now).having(edits)
        edges = changes.edge_operations(own_key, edits, self.change_id)
        return [*self._progress(count, last=last), *edges, said.insertion()]

    def severing_step(self, memberships: Sequence[Membership], now: datetime, *, last: bool) -> list[RowOperation]:
        """These memberships of the deleted resource are gone. The `last` step ends the change."""
        ends = (resource_id for _, resource_id in changes.other_ends(self.resource_id, memberships))
        said = self._said(FeedChange.SEVERED, now).parting(ends)
        severed = changes.severance(
            keys.resource(self.resource_type, self.resource_id),
            self.resource_id,
            memberships,
            change_id=self.change_id,
            version=f"{self.change_id}-{self.done}",  # two groups can be members of each other: two steps touch one
            now=self.now,
        )
        kept = kept_edges(self.kept, self.resource_id, memberships, done=self.done, time=said.time) if self.kept else []
        return [*self._progress(len(memberships), last=last), *severed, said.insertion(), *kept]

    def after(self, count: int, etag: str) -> "LargeChange":
        """The row once a step of `count` ids has been made, with the ETag that it has then."""
        return replace(self, done=self.done + count, etag=etag)

    def ending(self) -> list[RowOperation]:
        """The row and the parts are gone, and the resource, if it is there, has no pending change.

        Its stamp stays: the change may have demanded no state of it, and then it may have a later one.
        """
        key = keys.resource(self.resource_type, self.resource_id)
        applied = RowOperation(Verb.MERGE, Role.RESOURCE, key, pending_property(""))
        return [
            self._row(Verb.DELETE, {}),
            *([applied] if self.kind is ChangeKind.EDIT else []),
            *(RowOperation(Verb.DELETE, Role.PENDING, self.part_key(number)) for number in range(len(self.lengths))),
        ]

    def part_insertions(self, parts: Sequence[Part]) -> Iterator[RowOperation]:
        """The rows of the parts."""
        for number, part in enumerate(parts):
            properties: dict[str, Column] = {"joins": part.joins, "type": part.member_type}
            yield RowOperation(
                Verb.UPSERT, Role.PENDING, self.part_key(number), properties | split("p", "\n".join(part.ids))
            )

    def decision(self) -> list[RowOperation]:
        """The row is inserted if the first part still exists. Whoever abandons a change deletes that part first.

        So a decision that is repeated, or comes late, fails once the change has been applied or abandoned.
        """
        return [self.insertion(), RowOperation(Verb.MERGE, Role.PENDING, self.part_key(0), {"decided": True})]

    def part_key(self, number: int) -> str:
        """The row key of a part."""
        return keys.pending_part(self.resource_id, self.change_id, number)

    def _progress(self, count: int, *, last: bool) -> list[RowOperation]:
        """The row of the change comes first: if it is in another state, the step fails there."""
        if last:
            return self.ending()
        return [self._row(Verb.MERGE, {"done": str(self.done + count), **stamp_property(self.stamp)})]

    def _said(self, change: FeedChange, now: datetime) -> OutboxRow:
        return OutboxRow(
            stamp=self.stamp,
            change_id=f"{self.change_id}-{self.done}",
            time=instant_text(now),
            change=change,
            resource_type=self.resource_type,
            resource_id=self.resource_id,
            part_of=self.change_id,
            note=ChangeNote(trace_parent=self.trace_parent),
        )

    def _row(self, verb: Verb, properties: dict[str, Column]) -> RowOperation:
        return RowOperation(verb, Role.PENDING, keys.pending(self.resource_id), properties, self.etag)


def editing(change: changes.Change) -> tuple[LargeChange, list[Part]]:
    """The large change of a group's memberships, and its parts. Raises TooLarge beyond MAX_PARTS."""
    parts = [*_parts(change.edits.remove, joins=False), *_parts(change.edits.add, joins=True)]
    if len(parts) > MAX_PARTS:
        raise TooLarge(f"The change names more than {MAX_PARTS * PART_IDS} members; send several requests.")
    group = change.resource
    lengths = tuple(len(part.ids) for part in parts)
    large = LargeChange(
        group.resource_type,
        group.id,
        change.change_id,
        ChangeKind.EDIT,
        group.last_modified,
        lengths,
        stamp=change.said.stamp,
        trace_parent=change.said.note.trace_parent,
    )
    return large, parts


def first_step(parts: Sequence[Part], change: LargeChange, opening: Collection[RowOperation]) -> MembershipEdits:
    """The edits of a large change that the deciding transaction has room for, if `opening` is the rest of it.

    They are of one part. Nothing keeps them from being made there: a decision that is repeated, or comes late, fails as
    a whole.
    """
    room = changes.room(len(opening) + DECISION_OPERATIONS)
    return parts[0].edits(change, 0, max(room, 0))


def deleting(resource: StoredResource, said: OutboxRow, now: str, kept: str = "") -> tuple[LargeChange, list[Part]]:
    """The large change that removes all memberships of a deleted resource, and its one part, which has no ids.

    The steps find out which memberships these are.
    """
    large = LargeChange(
        resource.resource_type,
        resource.id,
        said.change_id,
        ChangeKind.DELETE,
        now,
        lengths=(0,),
        stamp=said.stamp,
        kept=kept,
        trace_parent=said.note.trace_parent,
    )
    return large, [Part(joins=False, member_type="", ids=())]


def to_large_change(entity: Mapping[str, Any], etag: str) -> LargeChange:
    """The pending change of a row."""
    return LargeChange(
        resource_type=entity["type"],
        resource_id=entity["id"],
        change_id=entity["mark"],
        kind=ChangeKind(entity["kind"]),
        now=entity["lastModified"],
        lengths=tuple(map(int, entity["lengths"].split())),
        done=int(entity["done"]),
        stamp=entity.get("stamp") or "",
        etag=etag,
        kept=entity.get("kept") or "",
        trace_parent=entity.get("traceparent") or "",
    )


def to_part(entity: Mapping[str, Any]) -> Part:
    """The part of a row."""
    return Part(entity["joins"], entity["type"], tuple("".join(joined("p", entity)).split("\n")))


def _parts(edges: Sequence[Membership], *, joins: bool) -> Iterator[Part]:
    by_type = sorted(edges, key=attrgetter("member_type", "member_id"))
    for member_type, same in groupby(by_type, key=attrgetter("member_type")):
        for some in batched(same, PART_IDS, strict=False):
            yield Part(joins, member_type, tuple(edge.member_id for edge in some))
