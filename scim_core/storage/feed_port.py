"""The storage port, as the feed needs it: what every change leaves behind, in one order for each tenant.

A change says in its own transaction what it did. The relay numbers these, and a reader of the feed reads the numbers.
Nothing here knows SCIM models or HTTP.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from scim_core.model import IndexEntry, Membership
from scim_core.storage.port import Storage


class FeedChange(StrEnum):
    """What a change did to its resource."""

    CREATED = "created"
    UPDATED = "updated"
    MEMBERS = "members"
    DELETED = "deleted"
    SEVERED = "severed"
    """Memberships of a deleted resource are gone. The log has it; the feed does not, for `deleted` says it."""


@dataclass(frozen=True, slots=True)
class FeedHead:
    """How far a feed has come: the entries from `first` to the one before `next` are kept.

    A cursor of another `epoch` leads nowhere. While the tenant is `importing`, what is stored is no directory yet.
    """

    epoch: str
    first: int
    next: int
    importing: bool = False


@dataclass(frozen=True, slots=True)
class FeedRow:
    """One entry: which resource changed, and how. It has no values.

    `attributes` are names. `joined` and `left` are ids of members. `entry` is where the log has it: see `notes`.
    `trace_parent` names the span of the request, as far as it is known.
    """

    number: int
    time: str
    change: FeedChange
    resource_type: str
    id: str
    attributes: tuple[str, ...] = ()
    joined: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    entry: str = ""
    trace_parent: str = ""


@dataclass(frozen=True, slots=True)
class FeedReading:
    """The entries that were asked for, in the order of their numbers, and the head as it was just before."""

    head: FeedHead
    rows: tuple[FeedRow, ...]


@dataclass(frozen=True, slots=True)
class MovedFeed:
    """The newest number of a tenant's feed, and when it was given (UTC text)."""

    tenant: str
    number: int
    time: str


class AttemptOutcome(StrEnum):
    """What became of a request that was to change something, and did not do all of it."""

    REFUSED = "refused"
    UNCHANGED = "unchanged"
    """Everything was so already, or was ignored."""
    IN_PART = "in part"
    """Something was changed, and something was ignored."""


MAX_KEPT_CHARACTERS = 200
"""Longest text of a body that an attempt keeps, such as a userName. A longer one is cut."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request that did not do all that it asked for, of a resource or of none that is known (empty `id`).

    `text` is finished: the storage writes it as it is. `others` were counted since the attempt before, and have no row.
    """

    at: datetime
    outcome: AttemptOutcome
    resource_type: str
    id: str
    text: str
    others: int = 0


@dataclass(frozen=True, slots=True)
class LogRow:
    """A change in the log of a resource. If it is one of a group, `of` is the id of the group, and `change` is joined
    or left. `entry` is the row that is whole; `note` is the text of its ChangeNote.
    """

    time: str
    change: str
    resource_type: str
    id: str
    attributes: tuple[str, ...] = ()
    joined: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    note: str = ""
    of: str = ""
    entry: str = ""


@dataclass(frozen=True, slots=True)
class Retention:
    """From which instant on (UTC text) entries of the feed, those of the log, and attempts are kept."""

    feed_from: str
    log_from: str
    attempts_from: str = ""


@dataclass(frozen=True, slots=True)
class Tended:
    """What one turn of the timer did: entries that were numbered, rows that were too old; whether work is left."""

    relayed: int = 0
    trimmed: int = 0
    left: bool = False


class FeedStorage(Storage, Protocol):
    """A Storage whose changes can be followed. Every method may raise StorageBusy."""

    async def relay(self, tenant: str) -> int:
        """How many changes that had been made before this call were numbered. Others may relay at the same time."""

    async def feed(self, tenant: str, *, after: int | None, limit: int) -> FeedReading:
        """The first `limit` entries after this number, or from the first one kept. Changes that wait are relayed."""

    async def feed_head(self, tenant: str) -> FeedHead:
        """How far the feed has come. The first one who asks makes its epoch."""

    async def new_epoch(self, tenant: str) -> FeedHead:
        """The head with another epoch: every copy has to begin again."""

    async def notes(self, tenant: str, rows: Sequence[FeedRow]) -> list[str]:
        """The text of the ChangeNote of each entry; empty where the log has none (any more)."""

    async def attempted(self, tenant: str, attempts: Sequence[Attempt]) -> None:
        """The attempts are in the log, all or none: at most 100."""

    async def log_of(self, tenant: str, resource_id: str, *, since: datetime | None = None) -> list[LogRow]:
        """The changes of a resource, oldest first: at most 2,000. Those that wait for the relay are at the end."""

    async def newest(self, tenant: str, limit: int) -> list[LogRow]:
        """The newest changes of all resources, oldest first, without notes: at most `limit`, and those that wait."""

    async def log_entry(self, tenant: str, entry: str) -> LogRow | None:
        """The whole row of a change; None if it is not kept any more."""

    async def attempts(self, tenant: str, *, since: datetime, limit: int) -> list[Attempt]:
        """The attempts since this instant, oldest first: at most `limit`."""

    async def formerly(
        self, tenant: str, resource_type: str, entry: IndexEntry, *, prefix: bool, limit: int
    ) -> list[str]:
        """The ids of resources that had this unique value, or with `prefix` one that begins so, and gave it up."""

    async def memberships(self, tenant: str, *, after: Membership | None, limit: int) -> list[Membership]:
        """The first `limit` memberships of the tenant after this one, in the order of group and member."""

    async def moved_feeds(self) -> list[MovedFeed]:
        """The feeds of all tenants that have ever moved."""

    async def tend(self, now: datetime, kept: Retention, *, seconds: float) -> Tended:
        """Changes that may wait are relayed, for at most so many seconds. A timer calls this each minute.

        Once an hour this looks at every tenant. Once a day it deletes what is too old. What is left goes on next time.
        """
