"""What is at rest: resources, their index entries and memberships, as the service hands them to a storage and back.

Nothing here knows SCIM models, HTTP or Azure.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

type Json = dict[str, Any]
"""A JSON object."""

GROUP = "Group"
"""The resource type that has members (RFC 7643 section 4.2)."""

RESERVED_NAMES = frozenset({"member", "memberOf", "bookmark", "pending"})
"""Names of rows that the storage writes for itself. No resource type can have one of them, in any letter case."""

Column = str | bool
"""A promoted value. Instants are UTC text of fixed width, so that text order is time order."""


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One value of a resource by which it can be found: `key` is the comparable form of an `attribute` value."""

    attribute: str
    key: str
    unique: bool = False


@dataclass(frozen=True, slots=True)
class StoredResource:
    """A resource at rest: its canonical JSON representation without `meta` and without memberships.

    `etag` is the storage's own name of the state that was read; it is empty for a resource not stored yet.
    `index` is what a change is to store: a resource that was read comes with none.
    `base_version` is the version that a group got by its last change as a whole. Since then members have only joined or
    left one by one, which moves `version` alone. The storage sets it; it is empty for what version 0.1 stored.
    `change_pending` says that a large change of its memberships is decided and not applied yet: see apply_pending.
    """

    resource_type: str
    id: str
    document: Json
    created: str
    last_modified: str
    version: str
    index: frozenset[IndexEntry] = frozenset()
    columns: dict[str, Column] = field(default_factory=dict)
    etag: str = ""
    base_version: str = ""
    change_pending: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Membership:
    """One edge: `member_id`, a resource of type `member_type`, is a member of the group `group_id`.

    `change_id` is the storage's own name of the change that added the edge; it makes no difference between edges.
    """

    group_id: str
    member_id: str
    member_type: str = "User"
    change_id: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class MembershipEdits:
    """The memberships of one group that a change adds and removes. No member is named twice."""

    add: tuple[Membership, ...] = ()
    remove: tuple[Membership, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is anything to change."""
        return bool(self.add or self.remove)

    def applied(self, memberships: Collection[Membership]) -> list[Membership]:
        """The memberships as they are once these edits are made, in order."""
        return sorted({*memberships, *self.add}.difference(self.remove))


NO_EDITS = MembershipEdits()
