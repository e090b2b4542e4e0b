"""The storage port, as webhooks need it: the hooks, and how far each has come with each tenant's feed.

A hook is a reader of the feed, in the server. What it sends and when is decided in the feed's room.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from scim_core.storage.feed_port import FeedStorage

ALL_TENANTS = ""
"""The tenant of a hook of the whole deployment."""


class HookFormat(StrEnum):
    """What a hook sends."""

    EVENTS = "events"
    """Entries of the feed as CloudEvents, in batches."""
    SET = "set"
    """Each entry as a security event token (RFC 9967)."""
    DOORBELL = "doorbell"
    """The newest number of a feed, into a queue."""


@dataclass(frozen=True, slots=True)
class Hook:
    """Where the events of a tenant, or of all tenants, are sent.

    `base_url` is the service's address, which the events name. `secret` is the number of the secret that signs, or of
    the key; the one before it is good as well until `former_until`. Instants are UTC text. `disabled` says why nothing
    is sent any more. `etag` is the storage's own name for the state that was read.
    """

    id: str
    url: str
    tenant: str
    base_url: str
    since: str
    secret: int = 1
    former_until: str = ""
    disabled: str = ""
    format: HookFormat = HookFormat.EVENTS
    etag: str = field(default="", compare=False, repr=False)


class Stream(StrEnum):
    """What a hook sends of a tenant's feed."""

    EVENTS = "events"
    """Each entry, in order."""
    REPLAY = "replay"
    """Entries again, from one number to another."""


@dataclass(frozen=True, slots=True)
class HookCursor:
    """How far a stream has come: the entry `number` of this epoch was taken, and all before it.

    A batch under way ends with `last`, and has `webhook_id` and `attempts`. It is sent again when it is `due`. Until
    `lease` one process has it. With `resync` the batch is the word that entries up to `last` will not come. Those after
    them, up to `known`, may have been sent already, with `known_id`: they keep it. A replay begins with `start` and
    ends with `end`. `outcome` is what became of the last attempt, at `time`; `stopped`: a replay was given up.
    """

    epoch: str
    number: int
    last: int = 0
    webhook_id: str = ""
    attempts: int = 0
    due: str = ""
    lease: str = ""
    resync: bool = False
    known: int = 0
    known_id: str = ""
    start: int = 0
    end: int = 0
    outcome: str = ""
    time: str = ""
    stopped: bool = False
    etag: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class DeadBatch:
    """The entries `first` to `last` of an epoch: their receiver did not take them in three days. `reason` is the last.

    The entries themselves are in the feed, as long as it is kept.
    """

    epoch: str
    first: int
    last: int
    time: str
    reason: str


@dataclass(frozen=True, slots=True)
class HookStreams:
    """How far hooks have come with a tenant's feed, by hook and stream; and their dead batches, oldest first."""

    cursors: Mapping[tuple[str, Stream], HookCursor]
    dead: Mapping[str, Sequence[DeadBatch]]


@dataclass(frozen=True, slots=True)
class DueTenant:
    """A tenant with something to deliver; `etag` names the state of the row that says so."""

    tenant: str
    etag: str = field(default="", compare=False)


class HookStorage(FeedStorage, Protocol):
    """A storage with hooks. Every method may raise StorageBusy; what changes a state that was read, VersionConflict."""

    async def hooks(self) -> list[Hook]:
        """All hooks, in the order of their ids."""

    async def save_hook(self, hook: Hook) -> None:
        """The hook is as it says, if it is still in the state that was read; new, if it has none."""

    async def remove_hook(self, hook: Hook, tenants: Sequence[str]) -> None:
        """The hook is gone, and its rows in these tenants."""

    async def hook_cursor(self, tenant: str, hook_id: str, stream: Stream) -> HookCursor | None:
        """How far the stream has come. None: it has not begun."""

    async def save_hook_cursor(
        self, tenant: str, hook_id: str, stream: Stream, cursor: HookCursor, dead: DeadBatch | None = None
    ) -> HookCursor:
        """The cursor with its new state, if it is still in the state that was read; with it, a batch that has died."""

    async def end_replay(self, tenant: str, hook_id: str, cursor: HookCursor) -> None:
        """The replay is over, and the dead batches that it has sent again are no longer dead."""

    async def dead_batches(self, tenant: str, hook_id: str) -> list[DeadBatch]:
        """The dead batches, oldest first within an epoch."""

    async def hook_streams(self, tenant: str) -> HookStreams:
        """The cursors and the dead batches of all hooks."""

    async def tenants_to_deliver(self) -> list[str]:
        """The tenants whose changes may wait for the relay, or that have something to deliver."""

    async def mark_due(self, tenant: str, now: str) -> DueTenant:
        """The timer finds that the tenant has something to deliver."""

    async def clear_due(self, due: DueTenant) -> None:
        """It has nothing more, if nobody has marked it again."""
