"""A change beyond one transaction, as rows: what it still has to do, in an order that can be resumed anywhere.

The transaction that decides the change writes the resource's own new state and the head, `pending:{resource id}`. The
memberships that it names lie in parts beside the head. Steps follow, each a transaction that moves the head's place
forward and demands the ETag of the head, so that no step happens twice; the last one deletes the head and the parts.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import batched, groupby
from typing import Any

from scim_core.model import GROUP, Column, Membership, MembershipEdits, StoredResource
from scim_core.storage.port import TooLarge
from scim_core.storage.tables import changes, keys
from scim_core.storage.tables.entities import joined, split, unsettled_property
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.service_limits import MAX_OPERATIONS

STEP = (MAX_OPERATIONS - 1) // changes.OPERATIONS_EACH
"""Memberships of one step: as many as fit a transaction beside the head."""

PART_IDS = 10_000
"""Member ids in one part: 37 characters each come to 740 KB of the 1 MiB that a row holds."""

MAX_PARTS = 80
"""Parts of a change: what the last transaction can delete beside the head, with room to spare. 800,000 memberships."""

PARTS_AT_ONCE = 4
"""Parts of one transaction: 3 MB of the 4 MiB it holds."""


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

    def edits(self, group_id: str, start: int, count: int | None = None) -> MembershipEdits:
        """The edits of `count` of the ids, or of all, from the place `start` on."""
        end = None if count is None else start + count
        edges = tuple(Membership(group_id, member_id, self.member_type) for member_id in self.ids[start:end])
        return MembershipEdits(add=edges) if self.joins else MembershipEdits(remove=edges)


@dataclass(frozen=True, slots=True)
class Pending:
    """The head: whose change it is, what its touches write, how many ids each part has, how many of all are done."""

    resource_type: str
    resource_id: str
    mark: str
    kind: ChangeKind
    version: str
    now: str
    lengths: tuple[int, ...] = ()
    done: int = 0
    etag: str = ""

    @property
    def place(self) -> tuple[int, int] | None:
        """The number of the part in which the next id is, and the id's place in it; None when all are done."""
        before = 0
        for number, length in enumerate(self.lengths):
            if self.done < before + length:
                return number, self.done - before
            before += length
        return None

    def insertion(self) -> RowOperation:
        """The head's row is inserted: a resource has one pending change at a time."""
        properties: dict[str, Column] = {
            "type": self.resource_type,
            "id": self.resource_id,
            "mark": self.mark,
            "kind": self.kind.value,
            "version": self.version,
            "lastModified": self.now,
            "lengths": " ".join(map(str, self.lengths)),
            "done": str(self.done),
        }
        return self._head(Verb.INSERT, properties)

    def step(self, edits: MembershipEdits, count: int) -> list[RowOperation]:
        """The edits are made, and `count` ids more are done."""
        own_key = keys.resource(self.resource_type, self.resource_id)
        return [self._moved(count), *changes.edge_operations(own_key, self.version, edits, self.mark)]

    def severing_step(self, memberships: Sequence[Membership]) -> list[RowOperation]:
        """These memberships of the deleted resource are gone."""
        severed = changes.severance(
            keys.resource(self.resource_type, self.resource_id),
            self.resource_id,
            memberships,
            mark=self.mark,
            version=f"{self.version}-{self.done}",  # two groups can be members of each other, in steps of their own
            now=self.now,
        )
        return [self._moved(len(memberships)), *severed]

    def after(self, count: int, etag: str) -> "Pending":
        """The head once a step of `count` ids has been made, with the ETag that it has then."""
        return replace(self, done=self.done + count, etag=etag)

    def ending(self) -> list[RowOperation]:
        """The head and the parts are gone, and the resource, if it is there, is settled."""
        key = keys.resource(self.resource_type, self.resource_id)
        settled = RowOperation(Verb.MERGE, Role.RESOURCE, key, unsettled_property(""))
        return [
            self._head(Verb.DELETE, {}),
            *([settled] if self.kind is ChangeKind.EDIT else []),
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
        """The head is inserted, provided that the first part is there still: who abandons a change takes that first.

        So a decision that is repeated, or comes late, fails once the change has been carried out or abandoned.
        """
        return [self.insertion(), RowOperation(Verb.MERGE, Role.PENDING, self.part_key(0), {"decided": True})]

    def part_key(self, number: int) -> str:
        """The row key of a part."""
        return keys.pending_part(self.resource_id, self.mark, number)

    def _moved(self, count: int) -> RowOperation:
        return self._head(Verb.MERGE, {"done": str(self.done + count)})

    def _head(self, verb: Verb, properties: dict[str, Column]) -> RowOperation:
        return RowOperation(verb, Role.PENDING, keys.pending(self.resource_id), properties, self.etag)


def editing(change: changes.Change) -> tuple[Pending, list[Part]]:
    """The head and the parts of a change of a group's memberships. Raises TooLarge beyond MAX_PARTS."""
    parts = [*_parts(change.edits.remove, joins=False), *_parts(change.edits.add, joins=True)]
    if len(parts) > MAX_PARTS:
        raise TooLarge(f"The change names more than {MAX_PARTS * PART_IDS} members; send several requests.")
    group = change.resource
    lengths = tuple(len(part.ids) for part in parts)
    head = Pending(GROUP, group.id, change.mark, ChangeKind.EDIT, group.version, group.last_modified, lengths)
    return head, parts


def deleting(resource: StoredResource, mark: str, now: str) -> tuple[Pending, list[Part]]:
    """The head of the removal of all memberships of a resource that is deleted, and a part without ids.

    Which memberships these are, is found out on the way.
    """
    head = Pending(resource.resource_type, resource.id, mark, ChangeKind.DELETE, version=mark, now=now, lengths=(0,))
    return head, [Part(joins=False, member_type=GROUP, ids=())]


def to_head(entity: Mapping[str, Any], etag: str) -> Pending:
    """The head of a row."""
    return Pending(
        resource_type=entity["type"],
        resource_id=entity["id"],
        mark=entity["mark"],
        kind=ChangeKind(entity["kind"]),
        version=entity["version"],
        now=entity["lastModified"],
        lengths=tuple(map(int, entity["lengths"].split())),
        done=int(entity["done"]),
        etag=etag,
    )


def to_part(entity: Mapping[str, Any]) -> Part:
    """The part of a row."""
    return Part(entity["joins"], entity["type"], tuple("".join(joined("p", entity)).split("\n")))


def _parts(edges: Sequence[Membership], *, joins: bool) -> Iterator[Part]:
    by_type = sorted(edges, key=lambda edge: (edge.member_type, edge.member_id))
    for member_type, same in groupby(by_type, key=lambda edge: edge.member_type):
        for some in batched(same, PART_IDS, strict=False):
            yield Part(joins, member_type, tuple(edge.member_id for edge in some))
