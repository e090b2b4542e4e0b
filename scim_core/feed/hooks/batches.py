"""What a hook sends: the next entries of a feed as one body, within the bounds of a batch."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from scim_core.feed.cursors import Cursor
from scim_core.feed.entries import FeedEntries
from scim_core.feed.feed import MAX_IDS, following
from scim_core.feed.hooks import cloud_events
from scim_core.messages import BASE_PATH
from scim_core.model import Json
from scim_core.protocol.representation import Renderer
from scim_core.protocol.schemas import Catalogue
from scim_core.storage.feed_port import FeedRow
from scim_core.storage.hook_port import Hook, HookCursor, HookStorage, Stream

MAX_EVENTS = 100
"""Events of one batch, as many as entries of a page."""

MAX_BATCH_BYTES = 1024 * 1024
"""Bytes of one batch: what receivers, and the gateways before them, take as a body."""

ENVELOPE_BYTES = 2_048
"""Bytes of an event around its entry, at most: a base URL of 1,000 characters, a tenant, twice."""


type CatalogueOf = Callable[[str], Awaitable[Catalogue]]
"""The resource types and extensions that a tenant has. It may raise StorageBusy."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Events up to the entry `last`, as they are sent."""

    last: int
    body: bytes
    events: int


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
        up_to = cursor.last or cursor.end
        limit = min(MAX_EVENTS, up_to - cursor.number) if up_to else MAX_EVENTS
        if limit <= 0:
            return None
        reading = await self._storage.feed(tenant, after=cursor.number, limit=limit)
        rows = following(reading.head, Cursor(cursor.epoch, cursor.number), reading.rows)
        if not rows:
            return None
        catalogue = await self._catalogue_of(tenant)
        entries = await self._read(tenant, hook, catalogue, list(rows), whole=bool(cursor.last))
        context = cloud_events.context_of(tenant, cursor.epoch, hook.base_url)
        is_replay = stream is Stream.REPLAY
        events = [
            cloud_events.of_entry(entry, context, _endpoint(catalogue, entry["type"]), replay=is_replay)
            for entry in entries
        ]
        return Batch(entries[-1]["number"], cloud_events.body_of(events), len(events))

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


def _endpoint(catalogue: Catalogue, resource_type: str) -> str:
    found = catalogue.named(resource_type)
    return found.endpoint.strip("/") if found else resource_type


def resync(tenant: str, hook: Hook, stream: Stream, cursor: HookCursor, now: str) -> Batch:
    """The batch that says that entries up to the cursor's `last` may not come."""
    context = cloud_events.context_of(tenant, cursor.epoch, hook.base_url)
    event = cloud_events.of_resync(context, cursor.last, now, replay=stream is Stream.REPLAY)
    return Batch(cursor.last, cloud_events.body_of([event]), 1)


def to_resync(cursor: HookCursor, epoch: str, last: int, webhook_id: str) -> HookCursor:
    """The cursor whose next batch says that entries up to `last` of this epoch may not come."""
    return replace(cursor, epoch=epoch, last=last, webhook_id=webhook_id, attempts=0, due="", lease="", resync=True)
