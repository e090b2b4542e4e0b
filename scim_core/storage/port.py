"""The storage port: what the service provider needs of a place that keeps resources and memberships.

Nothing here knows SCIM models, HTTP or Azure. `tables/` implements `Storage`; the suite in tests/contract says what it
must do. A tenant is a string; nothing ever crosses from one tenant to another.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from scim_core.model import NO_EDITS, Column, Index, IndexEntry, Membership, MembershipEdits, StoredResource

MANY_MEMBERSHIPS = 100
"""A delete is given all memberships of its resource, or at least this many: the storage then looks for the others."""

READ_AS_ONE = 1_000
"""If a group has fewer memberships than this, one answer of Table Storage holds them: they are of one moment."""

WHOLE_KEY_CHARACTERS = 57
"""Of a longer key a storage may keep a digest. Then `find` may find resources with another key of the same digest."""

RETRY_AFTER_SECONDS = 5
"""How long a client is asked to wait when the storage is busy: a throttled partition recovers in this time."""


@dataclass(frozen=True, slots=True)
class ColumnTest:
    """A comparison a storage can answer by itself: `operator` is one of eq, gt, ge, lt, le."""

    column: str
    operator: str
    value: Column


@dataclass(frozen=True, slots=True)
class Page:
    """Resources in id order. The next page starts after `last_id`, which is None when nothing follows."""

    resources: tuple[StoredResource, ...]
    last_id: str | None


@dataclass(frozen=True, slots=True)
class Count:
    """A number of resources, and the id of the last of them; None when there are none.

    `marks` are ids on the way, a thousand resources or fewer apart, each with the number of resources up to it.
    """

    number: int
    last_id: str | None
    marks: tuple[tuple[str, int], ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class PagePosition:
    """Where a walk by startIndex stands: the page that starts next comes after `last_id`. `expires` is UTC text.

    In a walk over all resource types `last_id` is the type that was reached, and `total_results` counts what is before.
    """

    last_id: str
    total_results: int
    expires: str


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did: how many large changes it finished, and how many it had to leave."""

    finished: int = 0
    left: int = 0


class Mark(StrEnum):
    """How a change was made, and what it did to `active`, for readers of the feed that tell changes by their kind."""

    PATCH = "patch"
    PUT = "put"
    """Whatever is no PATCH."""
    ACTIVATED = "activated"
    DEACTIVATED = "deactivated"


@dataclass(frozen=True, slots=True)
class ChangeNote:
    """What the log keeps of a change besides what the storage itself knows: names of attributes, and a finished text.

    The storage writes both as they are. Whoever makes them has left out what nobody may read. `lost_by` names the
    credential if the change deactivates or deletes somebody who was active: these are counted (FeedStorage.losses).
    `trace_parent` names the span of the request (W3C Trace Context); empty: no span is known. `marks` go with the entry
    of the feed: see Mark.
    """

    attributes: tuple[str, ...] = ()
    text: str = ""
    lost_by: str = ""
    trace_parent: str = ""
    marks: tuple[str, ...] = ()


NO_NOTE = ChangeNote()


class StorageError(Exception):
    """The family of errors a storage may raise; no other exception leaves an implementation."""


class NotFound(StorageError):
    """The resource to change, or a member that an edit names, is not stored. `ids` are the ones known to be missing."""

    def __init__(self, ids: Collection[str] = ()) -> None:
        self.ids = frozenset(ids)
        super().__init__(f"not stored: {', '.join(sorted(self.ids)) or 'a resource of the change'}")


class VersionConflict(StorageError):
    """The resource has changed since it was read."""


class UniquenessConflict(StorageError):
    """Another resource already holds the value of a unique attribute."""

    def __init__(self, attribute: str) -> None:
        self.attribute = attribute
        super().__init__(f"{attribute} is taken")


class TooLarge(StorageError):
    """The change or the resource is beyond what the storage can keep; the text says which limit."""


class StorageBusy(StorageError):
    """The storage did not answer in time, or asked to come back. What was asked may have happened or not."""

    def __init__(self, reason: str, retry_after: int = RETRY_AFTER_SECONDS) -> None:
        self.retry_after = retry_after
        super().__init__(reason)


class Storage(Protocol):
    """Keeps resources and memberships per tenant. Every change is all-or-nothing, and leaves its note for the log.

    A large change, of many memberships, is decided at once and may be applied in steps. Until then it is pending:
    the resource says so by `change_pending`. The call returns after the decision and some time of applying the change.
    A caller may change returned values: what is stored stays as it is. Ids order resources by creation.
    """

    async def create(
        self,
        tenant: str,
        resource: StoredResource,
        members: Sequence[Membership] = (),
        *,
        note: ChangeNote = NO_NOTE,
        kept: str = "",
    ) -> None:
        """The resource, its index entries and its first members are stored.

        A create that has happened succeeds again with the same id. If others use an index that this writer does not
        keep, a create or update first makes the index incomplete. It raises StorageBusy until the others know.
        `kept`, the state of a GoneResource, says that this resource is put back. Then it raises VersionConflict if it
        has been put back since that was read and is gone again, and NotFound if nothing is kept any more.
        Raises UniquenessConflict, NotFound (a member does not exist), TooLarge, StorageBusy.
        """

    async def read(self, tenant: str, resource_type: str, ids: Sequence[str]) -> list[StoredResource | None]:
        """The resources with these ids, in this order; None where there is none. Reads go side by side.

        Ids that lie close to each other are read together.
        """

    async def has_rows(self, tenant: str) -> bool:
        """Whether there is anything of this tenant's directory, also of what happened in it. Raises StorageBusy."""

    async def existing(self, tenant: str, resource_type: str, ids: Collection[str]) -> set[str]:
        """Those of the ids that are resources of this type. Ids that lie close to each other are read together."""

    async def complete_indexes(self, tenant: str, indexes: frozenset[Index]) -> frozenset[Index]:
        """The complete ones of these indexes of one resource type: every resource of the type has its rows in them.

        FIRST_INDEXES are complete, and cost no read. What is recorded of others is read once a minute at most.
        """

    async def find(
        self,
        tenant: str,
        resource_type: str,
        entry: IndexEntry,
        *,
        prefix: bool = False,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[str]:
        """The ids, ascending, of the resources that hold this index entry; with `prefix`, one whose key starts with it.

        If there are more than `limit`, it finds `limit` of them, and reads few others: with `prefix` any, else the
        first after the id `after`. For a key longer than WHOLE_KEY_CHARACTERS, it may find resources that do not hold
        the entry, so they have to be tested.
        """

    async def page(
        self,
        tenant: str,
        resource_type: str,
        *,
        after: str | None = None,
        limit: int,
        tests: Sequence[ColumnTest] = (),
    ) -> Page:
        """The first `limit` resources after the id `after` that pass all tests."""

    async def count(
        self,
        tenant: str,
        resource_type: str,
        *,
        after: str | None = None,
        up_to: str | None = None,
        limit: int | None = None,
    ) -> Count:
        """How many resources of this type come after the id `after`, up to and including the id `up_to`.

        At most `limit` are counted. One key is read for each.
        """

    async def seek(self, tenant: str, resource_type: str, *, after: str | None, steps: int) -> str | None:
        """The id that comes `steps` (at least 1) after the id `after`; None when the list ends before it."""

    async def update(
        self,
        tenant: str,
        resource: StoredResource,
        edits: MembershipEdits = NO_EDITS,
        *,
        note: ChangeNote = NO_NOTE,
    ) -> None:
        """The resource's new state and the edits are stored, if it still is in the state of `resource.etag`.

        Raises VersionConflict, UniquenessConflict, NotFound, TooLarge, StorageBusy.
        """

    async def edit_members(
        self,
        tenant: str,
        group: StoredResource,
        edits: MembershipEdits,
        *,
        guarded: bool,
        note: ChangeNote = NO_NOTE,
    ) -> None:
        """The edits are stored, and the group's version and last_modified become those of `group`.

        The document stays as it is. With `guarded` the group must still be in the state of `group.etag`. A guarded or
        large change is one as a whole: the version becomes the group's base_version, too. Edits are idempotent.
        Each member gets a new version, because its `groups` have changed.
        Raises VersionConflict (guarded), NotFound (the group or a member to add), TooLarge, StorageBusy.
        """

    async def delete(
        self,
        tenant: str,
        resource: StoredResource,
        memberships: Sequence[Membership],
        *,
        now: str,
        note: ChangeNote = NO_NOTE,
        keep: bool = False,
    ) -> None:
        """The resource, its index entries and all its memberships are gone. `memberships` are those that are known.

        They are all there are, or MANY_MEMBERSHIPS or more: then the storage looks for the others itself.
        Groups that it was in get a new version and `now` as last_modified. Its members get a new version.
        With `keep`, its document and its memberships are kept for an undo: see FeedStorage.gone_since.
        Raises VersionConflict (it or its memberships have changed), NotFound, TooLarge, StorageBusy.
        """

    async def held(self, tenant: str) -> bool:
        """Whether a mass change of this tenant was seen, and no operator has released it: see FeedStorage.judge."""

    async def apply_pending(self, tenant: str, resource_id: str, *, seconds: float) -> MembershipEdits:
        """The pending change of this resource is applied, for at most `seconds`. It may have deleted the resource.

        Returns the edits that are left: none if all is applied, or if it is a deletion. Raises StorageBusy.
        """

    async def is_pending(self, tenant: str, resource_id: str) -> bool:
        """Whether a large change of this resource is pending, also the deletion of one that is not there any more."""

    async def sweep(self, *, before: str, seconds: float) -> Swept:
        """Large changes of all tenants that began before this instant are applied; undecided ones are abandoned."""

    async def members_of(
        self, tenant: str, group_id: str, *, after: str | None = None, limit: int | None = None
    ) -> list[Membership]:
        """All memberships of a group, or the first `limit`, ordered by member id, after the member id `after`.

        If there are READ_AS_ONE or more, each is as it was at some moment of the reading.
        """

    async def members_of_each(
        self, tenant: str, group_ids: Sequence[str], *, limit: int | None = None
    ) -> dict[str, list[Membership]]:
        """For each of these ids, what members_of answers. Several are read at once."""

    async def groups_of(
        self, tenant: str, member_ids: Sequence[str], *, contiguous: bool = False
    ) -> dict[str, list[Membership]]:
        """For each of these ids, the memberships in which it is the member, ordered by group id.

        Ids that lie close to each other are read together. `contiguous` says that few other ids, or none, lie between
        the least and the greatest id: then all are read as one range.
        """

    async def present(self, tenant: str, group_id: str, member_ids: Sequence[str]) -> list[Membership]:
        """The memberships of those ids that are members, ordered. The cost grows with the number of ids."""

    async def load_page_position(self, tenant: str, key: str) -> PagePosition | None:
        """The page position under this key, expired or not; None where there is none."""

    async def save_page_position(self, tenant: str, key: str, position: PagePosition) -> None:
        """The position replaces what was under this key."""

    async def ping(self) -> None:
        """Returns when the storage answers; raises StorageBusy when it does not."""

    async def close(self) -> None:
        """Connections are released. The storage is not used afterwards."""
