"""What a hook sends next of a feed, in its format: entries as one batch of CloudEvents, each as a security event token,
or a doorbell.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from scim_core.feed.cursors import Cursor
from scim_core.feed.entries import FeedEntries
from scim_core.feed.feed import MAX_IDS, Importing, Resync, following
from scim_core.feed.hooks import cloud_events, doorbells, security_events
from scim_core.messages import BASE_PATH
from scim_core.model import Json
from scim_core.protocol.representation import Renderer
from scim_core.protocol.schemas import Catalogue
from scim_core.storage.feed_port import FeedRow
from scim_core.storage.hook_port import Hook, HookCursor, HookFormat, HookStorage, Stream

MAX_EVENTS = 100
"""Events of one batch, as many as entries of a page."""

MAX_TOKENS = 100
"""Security event tokens of one batch. Each is a request of its own. What was taken is written once for all of them. If
a process dies, so many come again at most, each with the same `jti`.
"""

MAX_BATCH_BYTES = 1024 * 1024
"""Bytes of one batch: what receivers, and the gateways before them, take as a body."""

ENVELOPE_BYTES = 2_048
"""Bytes of an event around its entry, at most: a base URL of 1,000 characters, a tenant, twice."""


type CatalogueOf = Callable[[str], Awaitable[Catalogue]]
"""The resource types and extensions that a tenant has. It may raise StorageBusy."""


@dataclass(frozen=True, slots=True)
class Message:
    """One request: events up to the entry `last`. `content` is the body, or what a security event token will claim.

    `suffix` is what its id has after that of the batch. `trace_parents` name the spans of the requests that it tells
    of, as far as they are known.
    """

    last: int
    content: bytes | Json
    trace_parents: tuple[str, ...] = ()
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """What is sent under one webhook-id: message after message, and at least one. Only tokens have several."""

    messages: tuple[Message, ...]

    @property
    def last(self) -> int:
        """The entry with which it ends."""
        return self.messages[-1].last


class Batches:
    """Reads the feed and makes batches of it."""

    def __init__(self, storage: HookStorage, catalogue_of: CatalogueOf) -> None:
        self._storage = storage
        self._catalogue_of = catalogue_of

    async def of(self, tenant: str, hook: Hook, stream: Stream, cursor: HookCursor) -> Batch | None:
        """The batch after the cursor; the one under way has the same range again. None: there is nothing to send.

        A resource is as it is now. What no longer fits a batch that is under way is left out of its entry, and marked.
        Raises Resync, Importing, StorageBusy.
        """
        if hook.format is HookFormat.DOORBELL:
            return await self._doorbell(tenant, cursor)
        most = MAX_TOKENS if hook.format is HookFormat.SET else MAX_EVENTS
        up_to = cursor.last or cursor.end
        limit = min(most, up_to - cursor.number) if up_to else most
        if limit <= 0:
            return None
        reading = await self._storage.feed(tenant, after=cursor.number, limit=limit)
        rows = following(reading.head, Cursor(cursor.epoch, cursor.number), reading.rows)
        if not rows:
            return None
        catalogue = await self._catalogue_of(tenant)
        if hook.format is HookFormat.SET:
            return Batch(tuple(_token(tenant, hook, catalogue, cursor, row) for row in rows))
        entries = await self._read(tenant, hook, catalogue, list(rows), whole=bool(cursor.last))
        context = cloud_events.context_of(tenant, cursor.epoch, hook.base_url)
        is_replay = stream is Stream.REPLAY
        sent = rows[: len(entries)]
        events = [
            cloud_events.of_entry(
                entry, context, _endpoint(catalogue, entry["type"]), replay=is_replay, trace_parent=row.trace_parent
            )
            for entry, row in zip(entries, sent, strict=True)
        ]
        trace_parents = tuple(row.trace_parent for row in sent)
        return Batch((Message(entries[-1]["number"], cloud_events.body_of(events), trace_parents),))

    async def _doorbell(self, tenant: str, cursor: HookCursor) -> Batch | None:
        """The newest number, also of a repetition: whoever gets it reads the feed, so nothing else can be missing."""
        reading = await self._storage.feed(tenant, after=cursor.number, limit=1)
        if reading.head.importing:
            raise Importing("The directory is being imported.")
        if cursor.epoch != reading.head.epoch:
            raise Resync("The feed began again since the last doorbell.")
        newest = max([reading.head.next - 1, *(row.number for row in reading.rows)])
        if newest <= cursor.number:
            return None
        return Batch((Message(newest, doorbells.body(tenant, cursor.epoch, newest)),))

    async def _read(
        self, tenant: str, hook: Hook, catalogue: Catalogue, rows: list[FeedRow], *, whole: bool
    ) -> list[Json]:
        """The entries of the rows that fit; of all rows if they are wanted `whole`."""
        renderer = Renderer(f"{hook.base_url}{BASE_PATH}", {item.name: item.endpoint for item in catalogue})
        shown = FeedEntries(self._storage, catalogue)
        room = MAX_BATCH_BYTES - MAX_EVENTS * ENVELOPE_BYTES
        entries = await shown.page(tenant, rows, renderer, max_ids=MAX_IDS, max_bytes=room)
        while whole and len(entries) < len(rows):
            one = rows[len(entries) : len(entries) + 1]
            entries += await shown.page(tenant, one, renderer, max_ids=MAX_IDS, max_bytes=0)
        return entries


def _token(tenant: str, hook: Hook, catalogue: Catalogue, cursor: HookCursor, row: FeedRow) -> Message:
    found = catalogue.named(row.resource_type)
    claims = security_events.claims(hook, row, found, tenant=tenant, epoch=cursor.epoch)
    return Message(row.number, claims, (row.trace_parent,), suffix=f".{row.number}")


def _endpoint(catalogue: Catalogue, resource_type: str) -> str:
    found = catalogue.named(resource_type)
    return found.endpoint.strip("/") if found else resource_type


def resync(tenant: str, hook: Hook, stream: Stream, cursor: HookCursor, now: str) -> Batch:
    """The batch that says that entries up to the cursor's `last` may not come."""
    match hook.format:
        case HookFormat.SET:
            content: bytes | Json = security_events.claims_of_resync(hook, tenant, cursor.epoch, cursor.last)
        case HookFormat.DOORBELL:
            content = doorbells.body(tenant, cursor.epoch, cursor.last)
        case _:
            context = cloud_events.context_of(tenant, cursor.epoch, hook.base_url)
            event = cloud_events.of_resync(context, cursor.last, now, replay=stream is Stream.REPLAY)
            content = cloud_events.body_of([event])
    return Batch((Message(cursor.last, content),))


def to_resync(cursor: HookCursor, epoch: str, last: int, webhook_id: str) -> HookCursor:
    """The cursor whose next batch says that entries up to `last` of this epoch may not come."""
    told = replace(cursor, epoch=epoch, last=last, webhook_id=webhook_id, known=0, known_id="", resync=True)
    return replace(told, attempts=0, due="", lease="")
