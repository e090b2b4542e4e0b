"""The storage port, as the feed needs it: what every change leaves behind, in one order for each tenant.

A change says in its own transaction what it did. The relay numbers these, and a reader of the feed reads the numbers.
Nothing here knows SCIM models or HTTP.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from scim_core.clock import instant_text
from scim_core.model import IndexEntry, Json, Membership
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
    `trace_parent` names the span of the request, as far as it is known. `marks`: see Mark.
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
    marks: tuple[str, ...] = ()


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
    """What became of a request that was to change something, and did not do all of it; or that a setup page shows."""

    REFUSED = "refused"
    UNCHANGED = "unchanged"
    """Everything was so already, or was ignored."""
    PUT_OFF = "put off"
    """It was beyond a limit, or the service could not answer. The client is to send it again."""
    IN_PART = "in part"
    """Something was changed, and something was ignored."""
    ANSWERED = "answered"
    """Any other request, while a setup link of the tenant is open: also one that only reads."""
    DENIED = "not let in"
    """A request without a good credential, which seems to be this tenant's, while its setup link is open."""


SEEN = frozenset({AttemptOutcome.ANSWERED, AttemptOutcome.DENIED})
"""What is noted for the setup page alone. These rows are read apart from the others: they are no part of the log."""


class Mistake(StrEnum):
    """What is wrong with the credential of a request that was not let in."""

    CUT = "cut"
    """Its end is missing."""
    MISTYPED = "mistyped"
    UNKNOWN = "unknown"
    """It starts as a token of the tenant does, and is another one."""
    REFUSED = "refused"
    """It is known, and not good: revoked, expired, or used from elsewhere."""


MAX_LOGGED = 2_000
"""Changes of one resource that one question reads: two answers of Table Storage."""

MAX_KEPT_CHARACTERS = 200
"""Longest text of a body that an attempt keeps, such as a userName. A longer one is cut."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request that did not do all that it asked for, of a resource or of none that is known (empty `id`).

    `text` is finished: the storage writes it as it is. `others` were counted since the attempt before, and have no row.
    `place` is the storage's own name for where the log has it: older ones follow it.
    Rows of one outcome are bounded, those of SEEN for each `about`, which is not stored.
    """

    at: datetime
    outcome: AttemptOutcome
    resource_type: str
    id: str
    text: str
    others: int = 0
    place: str = field(default="", compare=False)
    about: str = ""


@dataclass(frozen=True, slots=True)
class LogRow:
    """A change in the log of a resource. If it is one of a group, `of` is the id of the group, and `change` is joined
    or left. `entry` is the row that is whole; `note` is the text of its ChangeNote. `place`: older ones follow it. A
    change of all resources that waits for the relay has none. No other change has the `change_id`. A step of a large
    change has no note; it is `part_of` the change that decided it.
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
    place: str = ""
    change_id: str = ""
    part_of: str = ""


@dataclass(frozen=True, slots=True)
class GoneResource:
    """What a deletion has kept: the document as it was at rest, and the memberships that the resource took part in.

    `entry` is the row of the deletion in the log, as LogRow has it. `state` is the storage's own name for the state in
    which this was read: see Storage.create.
    """

    entry: str
    resource_type: str
    id: str
    time: str
    created: str
    document: Json
    memberships: Sequence[Membership]
    state: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Retention:
    """From which instant on (UTC text) entries of the feed, the log, attempts, and what deletions keep are there.

    Empty: all are.
    """

    feed_from: str
    log_from: str
    attempts_from: str = ""
    gone_from: str = ""


LOSS_WINDOW = timedelta(hours=1)
"""Within this time the losses of a mass change come: a wrong scope takes users away in one cycle."""

LOSS_PART = timedelta(minutes=5)
"""Losses are counted in parts of this length. So some are counted for up to so much longer than the window."""


@dataclass(frozen=True, slots=True)
class LossCount:
    """How many active users this credential has deactivated or deleted in the part that began then (UTC text)."""

    part: str
    credential: str
    count: int


@dataclass(frozen=True, slots=True)
class Losses:
    """The losses of a tenant within the window, as the relay has counted them, and what was made of them.

    `held` is since when further ones are held, empty if they are not; until `free_until` they never are. Up to `safe`
    losses are no mass change until `safe_until`. All instants are UTC text. `etag` is the state that was read.
    """

    counts: tuple[LossCount, ...] = ()
    held: str = ""
    free_until: str = ""
    safe: int = 0
    safe_until: str = ""
    etag: str = field(default="", compare=False)

    def within(self, now: datetime) -> dict[str, int]:
        """How many there are by each credential, the most first, in the window that ends now."""
        first = instant_text(now - LOSS_WINDOW - LOSS_PART)
        found: dict[str, int] = {}
        for item in self.counts:
            if item.part > first:
                found[item.credential] = found.get(item.credential, 0) + item.count
        return dict(sorted(found.items(), key=lambda pair: -pair[1]))


@dataclass(frozen=True, slots=True)
class Tended:
    """What one turn of the timer did: entries that were numbered, rows that were too old; whether work is left.

    `losses` are those of each tenant that the turn has looked at, if there are some.
    """

    relayed: int = 0
    trimmed: int = 0
    left: bool = False
    losses: Mapping[str, Losses] = field(default_factory=dict)


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

    async def log_of(
        self, tenant: str, resource_id: str, *, since: datetime | None = None, after: str = "", limit: int = MAX_LOGGED
    ) -> list[LogRow]:
        """The newest changes of a resource that are older than the place `after`, and since then: at most `limit`.

        Oldest first. Those that wait for the relay are among them.
        """

    async def newest(self, tenant: str, limit: int, before: int | None = None) -> list[LogRow]:
        """The newest changes of all resources, oldest first, without notes: at most `limit`, and those that wait.

        Their places are the numbers of the feed, as texts. With `before`, those with smaller numbers.
        """

    async def waiting(self, tenant: str) -> list[str]:
        """When the changes were made (UTC text) that wait for the relay, oldest first: the first 132. Only reads."""

    async def log_entry(self, tenant: str, entry: str) -> LogRow | None:
        """The whole row of a change; None if it is not kept any more."""

    async def attempts(self, tenant: str, *, since: datetime, limit: int, after: str = "") -> list[Attempt]:
        """The newest attempts since this instant, older than the place `after`: at most `limit`, oldest first.

        Those of SEEN are not among them.
        """

    async def log_since(self, tenant: str, since: datetime) -> list[LogRow]:
        """The changes of all resources since this instant, as the log has them whole, in the order of their stamps.

        Those that wait for the relay are not among them.
        """

    async def gone_since(self, tenant: str, since: datetime) -> list[GoneResource]:
        """What deletions since this instant have kept, in the order of their stamps."""

    async def seen(self, tenant: str, *, since: datetime, limit: int, newest: bool = False) -> list[Attempt]:
        """The attempts of SEEN since this instant, oldest first: the first `limit`, or with `newest` the last ones."""

    async def formerly(
        self, tenant: str, resource_type: str, entry: IndexEntry, *, prefix: bool, limit: int
    ) -> list[str]:
        """The ids of resources that had this unique value, or with `prefix` one that begins so, and gave it up."""

    async def memberships(self, tenant: str, *, after: Membership | None, limit: int) -> list[Membership]:
        """The first `limit` memberships of the tenant after this one, in the order of group and member."""

    async def losses(self, tenant: str) -> Losses:
        """The losses that are relayed. None for a tenant whose changes nobody has relayed yet."""

    async def active(self, tenant: str, resource_type: str, limit: int) -> int:
        """How many resources of this type are not inactive, at most `limit`. Who has no `active` counts.

        It reads up to `limit` of them, and those that are inactive among them: one round trip for each 1,000.
        """

    async def judge(self, tenant: str, losses: Losses) -> bool:
        """Whether what was made of these losses is kept: all but their counts. Not if anything has changed since."""

    async def release(self, tenant: str, free_until: str) -> Losses:
        """The losses as they were. Nothing is held any more, nothing is counted yet, nothing is held until then."""

    async def moved_feeds(self) -> list[MovedFeed]:
        """The feeds of all tenants that have ever moved."""

    async def moved_feed(self, tenant: str) -> MovedFeed | None:
        """The newest number of this tenant's feed; None if it has never moved. Only reads."""

    async def tend(self, now: datetime, kept: Retention, *, seconds: float) -> Tended:
        """Changes that may wait are relayed, for at most so many seconds. A timer calls this each minute.

        Once an hour this looks at every tenant. Once a day it deletes what is too old. What is left goes on next time.
        """
