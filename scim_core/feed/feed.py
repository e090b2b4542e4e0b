"""The feed as its readers see it: pages of changes, the snapshot with which a copy begins, the tenants that moved."""

from dataclasses import dataclass

from scim_core.model import Json
from scim_core.protocol.schemas import Catalogue
from scim_core.storage.port import Storage


@dataclass(frozen=True, slots=True)
class ChangesPage:
    """Entries in the order of their numbers. `cursor` is where the next page begins; `more`: it has entries now.

    An entry is a JSON object: `number`, `time`, `change` (created, updated, members, deleted), `type`, `id`. With
    created and updated also `attributes` (names), `resource` and `version`; resource is null where it is gone by now.
    With memberships `joined` and `left`, ids of members. With deleted `was`: userName and externalId as they were.
    A resource that does not fit is left out, and `omitted` is true.
    """

    entries: list[Json]
    cursor: str
    more: bool


@dataclass(frozen=True, slots=True)
class SnapshotPage:
    """Resources, each `type`, `id`, `version`, `resource`; or memberships, each `group` and `member`.

    `next` asks for the next page; None after the last one. `cursor` is the same on every page: changes go on there.
    """

    resources: list[Json]
    memberships: list[Json]
    next: str | None
    cursor: str


@dataclass(frozen=True, slots=True)
class TenantHead:
    """The newest number of a tenant's feed, and when it moved (UTC text)."""

    tenant: str
    number: int
    time: str


class FeedError(Exception):
    """A feed cannot be read as it was asked for; the text says why, for the reader."""


class UnknownCursor(FeedError):
    """The cursor, or the page of a snapshot, is none of ours (HTTP 400)."""


class Resync(FeedError):
    """The feed cannot go on from this cursor: begin with a snapshot (HTTP 410)."""


class Importing(FeedError):
    """The tenant is being imported: come back when it is whole (HTTP 503)."""


class Feed:
    """The feeds of all tenants. `base_url` is the service's address for the caller, as in Caller."""

    def __init__(self, storage: Storage, catalogue: Catalogue) -> None:
        self._storage = storage
        self._catalogue = catalogue

    async def changes(self, tenant: str, *, after: str | None, limit: int, base_url: str) -> ChangesPage:
        """The entries after this cursor, from the oldest kept without one: at most `limit`, and what fits a page.

        What was committed before the call is in the feed. An empty page has the cursor that it was asked with.
        Raises UnknownCursor, Resync, Importing, and the storage's StorageBusy.
        """
        raise NotImplementedError

    async def snapshot(self, tenant: str, *, page: str | None, limit: int, base_url: str) -> SnapshotPage:
        """A page of all that there is: users, groups, other types, then memberships; at most `limit`, what fits a page.

        Raises UnknownCursor, Resync (another epoch: begin again without a page), Importing, StorageBusy.
        """
        raise NotImplementedError

    async def heads(self) -> list[TenantHead]:
        """The tenants whose feeds have ever moved, those that moved last first. Raises StorageBusy."""
        raise NotImplementedError
