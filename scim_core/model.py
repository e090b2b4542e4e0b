"""What is at rest: resources, index entries and memberships, in the form that service and storage exchange.

This module knows no SCIM models, no HTTP and no Azure.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

type Json = dict[str, Any]
"""A JSON object."""

GROUP = "Group"
"""The resource type whose memberships need not say of which type their group is (RFC 7643 section 4.2)."""

MEMBERLESS = frozenset({"User"})
"""Resource types that never have members of their own. The storage looks whether a resource of another type has some:
the file of a type can change.
"""

RESERVED_NAMES = frozenset(
    {"member", "memberOf", "bookmark", "pending", "indexes", "attempt", "change", "feed", "hook", "log", "was"}
)
"""Names of the storage's own rows. A resource type cannot have such a name, in any letter case."""

Column = str | bool
"""A promoted value. Instants are UTC text of fixed width, so that text order is time order."""


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One value by which a resource can be found. `key` is the comparable form of the value of `attribute`.

    `former` is the key that version 0.2 gives to this value. It is None where version 0.2 gives one key to all equal
    values, and it is `key`.
    """

    attribute: str
    key: str
    unique: bool = False
    former: str | None = None

    @property
    def value(self) -> tuple[str, str]:
        """The attribute and the key: what two entries of equal values have in common."""
        return self.attribute, self.key


@dataclass(frozen=True, slots=True)
class Index:
    """An index as a resource type's file declares it: it finds resources of this type by an attribute.

    Uniqueness and letter case are part of the index: with each of them, the same values have other keys.
    """

    resource_type: str
    attribute: str
    unique: bool = False
    case_exact: bool = False

    @property
    def name(self) -> str:
        """The index in one word: Device.site, Device.serialNumber+unique+exact."""
        of_keys = f"{'+unique' if self.unique else ''}{'+exact' if self.case_exact else ''}"
        return f"{self.resource_type}.{self.attribute}{of_keys}"


def names_of(resource_type: str) -> Index:
    """Stands, in records and rows, for all indexes of the type in which letter case does not count.

    It is complete once each value is found by its `key`, without its `former` key.
    """
    return Index(resource_type, "*")


FIRST_INDEXES = frozenset(
    {
        Index("User", "userName", unique=True),
        Index("User", "externalId", case_exact=True),
        Index("User", "displayName"),
        Index("User", "emails.value"),
        Index(GROUP, "displayName", unique=True),
        Index(GROUP, "externalId", case_exact=True),
    }
)
"""The indexes that the files of version 0.1 declare. They are complete for every tenant, and need no record.

Every version has kept them since a tenant's first resource. This list never grows: a later index is complete for a
tenant when the tenant's record says so.
"""

FIRST_TYPES = frozenset(index.resource_type for index in FIRST_INDEXES)
"""The resource types that every instance serves, with or without files of the deployment's own."""


@dataclass(frozen=True, slots=True)
class StoredResource:
    """A resource at rest: its canonical JSON representation without `meta` and without memberships.

    `etag` is the storage's own name for the state that was read. It is empty for a resource that is not stored yet.
    `index` holds the entries to store, and `indexes` the indexes that the writer keeps. Both are empty after a read.
    `base_version` is the version from a group's last change as a whole. Members who join or leave one by one change
    only `version`. The storage sets `base_version`. It is empty in what version 0.1 stored.
    `size` is the number of characters of the document as JSON text when it was read, `values` the most values without a
    structure that it can have. Both are 0 in what was not read.
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
    indexes: frozenset[Index] = frozenset()
    size: int = field(default=0, compare=False)
    values: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, order=True)
class Membership:
    """One edge: `member_id`, a resource of type `member_type`, is a member of the group `group_id`.

    The group is a resource of the type `group_type`: any type with members of its own has such groups. `change_id` is
    the storage's own name for the change that added the edge. Comparisons of edges ignore it.
    """

    group_id: str
    member_id: str
    member_type: str = "User"
    group_type: str = GROUP
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
        """The memberships after these edits, in order."""
        after = {_EDGE(item): item for item in memberships}
        after |= {_EDGE(item): item for item in self.add}
        for item in self.remove:
            after.pop(_EDGE(item), None)
        return sorted(after.values(), key=_EDGE)


_EDGE = attrgetter("group_id", "member_id")

NO_EDITS = MembershipEdits()
