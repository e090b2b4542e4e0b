"""The row operations of each change of the port. Pure: what is written is decided here, how and when in storage.py.

A membership is two rows, one seen from the group and one from the member. A change of memberships also touches the row
of the resource at the other end. This merge fails if there is no row, so no membership can name a missing resource. It
changes the row's ETag, so a delete of that resource notices it. No two changes have the same `change_id`; see
`accounts_for`. Every change inserts a row that says what it did (outbox.py).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from scim_core.model import MEMBERLESS, NO_EDITS, Column, Membership, MembershipEdits, StoredResource
from scim_core.storage.tables import keys
from scim_core.storage.tables.entities import (
    ReadState,
    base_property,
    index_keys,
    membership_properties,
    pending_property,
    stamp_property,
    to_properties,
)
from scim_core.storage.tables.outbox import OutboxRow
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.service_limits import PAGE_ROWS, TRANSACTION_OPERATIONS

OPERATIONS_EACH = 3
"""Row operations that one membership takes: its two rows, and the touch of the resource at the other end."""


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to a resource's own rows and to its memberships. The first of the own rows has the document.

    `said` is what the change says of itself.
    """

    resource: StoredResource
    said: OutboxRow
    own: tuple[RowOperation, ...]
    edits: MembershipEdits

    @property
    def change_id(self) -> str:
        """The id of the change."""
        return self.said.change_id

    @property
    def guarded(self) -> bool:
        """Whether it demands one state of the resource. Such a change cannot happen twice."""
        return bool(self.own[0].etag)

    def as_read(self) -> "Change":
        """The same change, guarded: it demands the state in which the resource was read."""
        row, *others = self.own
        return replace(self, own=(replace(row, etag=ReadState.of(self.resource).etag), *others))

    @property
    def fits(self) -> bool:
        """Whether one transaction can hold all of it."""
        return fits(len(self.own) + 1, self.edits.add + self.edits.remove)

    def operations(self, edits: MembershipEdits, gone: Collection[str] = ()) -> list[RowOperation]:
        """The whole change, with these edits, as one transaction. The members `gone` have no row to touch."""
        edges = edge_operations(key_of(self.resource), edits, self.change_id)
        return [*self.own, *without_touches(edges, gone), self.said.having(edits).insertion()]

    def opening(self, first: MembershipEdits = NO_EDITS) -> list[RowOperation]:
        """The change with the first of its edits. Until the others are made, the resource's row names it as pending."""
        row, *others = self.own
        whole = base_property(self.resource.version) | pending_property(self.change_id)
        edges = edge_operations(key_of(self.resource), first, self.change_id)
        return [replace(row, properties=row.properties | whole), *others, *edges, self.said.having(first).insertion()]


def fits(operations: int, memberships: Collection[Membership]) -> bool:
    """Whether one transaction can hold so many operations and those of the memberships."""
    return len(memberships) <= room(operations)


def room(operations: int) -> int:
    """The memberships that one transaction can hold besides so many operations; negative if these are too many."""
    return (TRANSACTION_OPERATIONS - operations) // OPERATIONS_EACH


def creation(resource: StoredResource, members: Sequence[Membership], said: OutboxRow) -> Change:
    """The resource's row, its index rows, its first members. The first failure tells a repetition from a conflict."""
    index = index_keys(resource)
    properties = to_properties(resource, index, said.change_id if members else "", said.stamp)
    row = RowOperation(Verb.INSERT, Role.RESOURCE, key_of(resource), properties)
    own = (row, *_index_insertions(resource.id, index, frozenset()))
    return Change(resource, said, own, MembershipEdits(add=tuple(members)))


def update(resource: StoredResource, edits: MembershipEdits, said: OutboxRow) -> Change:
    """The resource's row, the difference to its index rows as it was read, and the edits."""
    read = ReadState.of(resource)
    there, index = read.index_keys, index_keys(resource)
    properties = to_properties(resource, index, said.change_id if edits else read.change_id, said.stamp)
    given_up = there - index.keys()
    own = (
        RowOperation(Verb.REPLACE, Role.RESOURCE, key_of(resource), properties, read.etag),
        *_index_deletions(given_up),
        *_index_insertions(resource.id, index, there),
    )
    return Change(resource, said.giving_up(given_up), own, edits)


def membership_change(group: StoredResource, edits: MembershipEdits, said: OutboxRow, *, guarded: bool) -> Change:
    """The group's version and last_modified, and the edits. Unguarded changes at the same time do not contend."""
    properties: dict[str, Column] = {
        "version": group.version,
        "lastModified": group.last_modified,
        "edges": said.change_id,
    }
    etag = ReadState.of(group).etag if guarded else ""
    if guarded:
        properties |= base_property(group.version) | stamp_property(said.stamp)
    row = RowOperation(Verb.MERGE, Role.RESOURCE, key_of(group), properties, etag)
    return Change(group, said, (row,), edits)


def departure(resource: StoredResource, said: OutboxRow, ends: Sequence[tuple[str, str]] = ()) -> list[RowOperation]:
    """The rows of the resource and of its index are deleted, in the state in which it was read.

    `ends` are the resources at the other ends of its memberships, if these go in the same transaction.
    """
    read = ReadState.of(resource)
    there = read.index_keys
    row = RowOperation(Verb.DELETE, Role.RESOURCE, key_of(resource), etag=read.etag, about=resource.id)
    gone = said.parting((resource_id for _, resource_id in ends), there)
    return [row, *_index_deletions(there), gone.insertion()]


def severance(
    own_key: str, resource_id: str, memberships: Iterable[Membership], *, change_id: str, version: str, now: str
) -> list[RowOperation]:
    """The rows of a deleted resource's memberships are deleted. The resources at their other ends get `version`."""
    touches: dict[str, RowOperation] = {}
    rows: list[RowOperation] = []
    for edge in memberships:
        rows += _rows(edge, Verb.DELETE)
        if edge.member_id == resource_id:
            touch = _touch(
                edge.group_type, edge.group_id, {"version": version, "lastModified": now, "edges": change_id}
            )
        else:
            touch = _touch(edge.member_type, edge.member_id, {"version": version, "edges": change_id})
        # Two groups can be members of each other. A row takes one operation: the touch of a group, which says more.
        touches[touch.key] = max(touch, touches.get(touch.key, touch), key=lambda item: len(item.properties))
    touches.pop(own_key, None)
    return [*rows, *touches.values()]


def accounts_for(resource: StoredResource, memberships: Sequence[Membership]) -> bool:
    """Whether `memberships`, read at the same time as the resource, certainly are all that it had when it was read.

    Its row has the id of the last change of its memberships; no id: it never had any. If an edge has this id, the
    edges were read after that change, so they are complete. After a removal no edge has it. The edges of what can have
    members come from two reads, and many edges come in pages: one of these may be older than the change.
    """
    change_id = ReadState.of(resource).change_id
    if not change_id:
        return not memberships
    one_read = resource.resource_type in MEMBERLESS and len(memberships) < PAGE_ROWS
    return one_read and any(edge.change_id == change_id for edge in memberships)


def edge_operations(own_key: str, edits: MembershipEdits, change_id: str) -> Iterator[RowOperation]:
    """The rows of the edits of one group, and the touches of the members, whose version becomes `change_id`."""
    for edge in edits.add:
        yield from _rows(edge, Verb.UPSERT, membership_properties(edge, change_id))
    for edge in edits.remove:
        yield from _rows(edge, Verb.DELETE)
    for edge in (*edits.add, *edits.remove):
        touch = _touch(edge.member_type, edge.member_id, {"version": change_id, "edges": change_id})
        if touch.key != own_key:
            yield touch


def without_touches(operations: Iterable[RowOperation], gone: Collection[str]) -> list[RowOperation]:
    """The operations without the touches of the resources `gone`, whose own deletion is being applied."""
    return [item for item in operations if item.role is not Role.OTHER or item.about not in gone]


def other_ends(resource_id: str, memberships: Iterable[Membership]) -> list[tuple[str, str]]:
    """The type and the id of the resource at the other end of each of a resource's memberships."""
    return [
        (edge.group_type, edge.group_id) if edge.member_id == resource_id else (edge.member_type, edge.member_id)
        for edge in memberships
    ]


def key_of(resource: StoredResource) -> str:
    """The key of the row that holds the resource."""
    return keys.resource(resource.resource_type, resource.id)


def _rows(edge: Membership, verb: Verb, properties: dict[str, Column] | None = None) -> Iterator[RowOperation]:
    for key in (keys.member(edge.group_id, edge.member_id), keys.member_of(edge.member_id, edge.group_id)):
        yield RowOperation(verb, Role.MEMBERSHIP, key, properties or {}, about=edge.member_id)


def _touch(resource_type: str, resource_id: str, properties: dict[str, Column]) -> RowOperation:
    return RowOperation(
        Verb.MERGE, Role.OTHER, keys.resource(resource_type, resource_id), properties, about=resource_id
    )


def _index_insertions(resource_id: str, index: Mapping[str, str], there: frozenset[str]) -> Iterator[RowOperation]:
    for key, attribute in index.items():
        if key not in there:
            verb = Verb.INSERT if keys.is_unique_index(key) else Verb.UPSERT
            yield RowOperation(verb, Role.INDEX, key, {"id": resource_id}, about=attribute)


def _index_deletions(gone: Iterable[str]) -> Iterator[RowOperation]:
    for key in sorted(gone):
        yield RowOperation(Verb.DELETE, Role.INDEX, key)
