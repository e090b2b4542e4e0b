"""The feed as its readers see it: pages of changes, the snapshot with which a copy begins, the tenants that moved."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from scim_core.clock import Clock, instant_text
from scim_core.feed.cursors import (
    Cursor,
    HeadPosition,
    SnapshotPosition,
    read_cursor,
    read_head_position,
    read_position,
)
from scim_core.feed.entries import FeedEntries, size_of
from scim_core.messages import BASE_PATH
from scim_core.model import Json, Membership, StoredResource
from scim_core.protocol.representation import Renderer, entity_tag
from scim_core.protocol.schemas import USER, Catalogue
from scim_core.storage.feed_port import FeedHead, FeedRow, FeedStorage, Retention, Tended

MAX_ENTRIES = 100
"""Entries of one page of changes."""

MAX_IDS = 1_000
"""Ids of members that joined or left, in one page of changes."""

MAX_PAGE_BYTES = 4 * 1024 * 1024
"""Bytes of the entries of one page, or of the resources of one page of a snapshot."""

MAX_HEADS = 1_000
"""Tenants of one page of those that moved."""

MAX_SNAPSHOT = 1_000
"""Resources or memberships of one page of a snapshot: what one answer of Table Storage holds."""

ATTEMPT_DAYS = 30
"""How long refusals and what was ignored are kept: long enough to ask about, and then of no use."""

TEND_SECONDS = 50
"""Longest turn of the timer, which comes each minute. What is left goes on with the next one."""

FIRST_PORTION = 100
"""Resources of a snapshot that are read first. By their size the rest of the page is read at once, or what fits."""

_TURN = 50
"""Resources that are rendered in one turn of the event loop."""


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


@dataclass(frozen=True, slots=True)
class HeadsPage:
    """Tenants, those that moved last first. `next` is the page after this one, if there is one."""

    heads: list[TenantHead]
    next: str | None


class FeedError(Exception):
    """A feed cannot be read as it was asked for; the text says why, for the reader."""


class UnknownCursor(FeedError):
    """The cursor, or the page of a snapshot, is none of ours (HTTP 400)."""


class Resync(FeedError):
    """The feed cannot go on from this cursor: begin with a snapshot (HTTP 410)."""


class Importing(FeedError):
    """The tenant is being imported: come back when it is whole (HTTP 503)."""


@dataclass(frozen=True, slots=True)
class Kept:
    """How many days entries of the feed are kept, those of the provisioning log, and what deletions keep."""

    feed_days: int
    log_days: int
    deleted_days: int = 0


class Feed:
    """The feeds of all tenants. `base_url` is the service's address for the caller, as in Caller."""

    def __init__(self, storage: FeedStorage, catalogue: Catalogue, clock: Clock, kept: Kept) -> None:
        self._storage = storage
        self._catalogue = catalogue
        self._entries = FeedEntries(storage, catalogue)
        self._clock = clock
        self._kept = kept

    async def changes(self, tenant: str, *, after: str | None, limit: int, base_url: str) -> ChangesPage:
        """The entries after this cursor, from the oldest kept without one: at most `limit`, and what fits a page.

        What was committed before the call is in the feed. An empty page has the cursor that it was asked with.
        Raises UnknownCursor, Resync, Importing, and the storage's StorageBusy.
        """
        cursor = _cursor(after)
        limit = max(1, min(limit, MAX_ENTRIES))
        number = cursor.number if cursor else None
        reading = await self._storage.feed(tenant, after=number, limit=limit + 1)
        rows = following(reading.head, cursor, reading.rows)
        renderer = self._renderer(base_url)
        entries = await self._entries.page(tenant, rows[:limit], renderer, max_ids=MAX_IDS, max_bytes=MAX_PAGE_BYTES)
        if entries:
            last = Cursor(reading.head.epoch, rows[len(entries) - 1].number)
        else:
            last = cursor or Cursor(reading.head.epoch, reading.head.next - 1)
        return ChangesPage(entries, str(last), more=len(entries) < len(rows))

    async def snapshot(self, tenant: str, *, page: str | None, limit: int, base_url: str) -> SnapshotPage:
        """A page of all that there is: users, groups, other types, then memberships; at most `limit`, what fits a page.

        Raises UnknownCursor, Resync (another epoch: begin again without a page), Importing, StorageBusy.
        """
        limit = max(1, min(limit, MAX_SNAPSHOT))
        head = await self._storage.feed_head(tenant)
        position = self._position(page) if page else SnapshotPosition(Cursor(head.epoch, head.next - 1), self._parts[0])
        _require(head, position.cursor)
        while position.part:
            resources, following = await self._resources(tenant, position, limit, self._renderer(base_url))
            if resources:
                return SnapshotPage(resources, [], str(following), str(position.cursor))
            position = following
        after = Membership(position.after, position.member) if position.after else None
        found = await self._storage.memberships(tenant, after=after, limit=limit + 1)
        shown = found[:limit]
        following = (
            SnapshotPosition(position.cursor, "", shown[-1].group_id, shown[-1].member_id) if shown else position
        )
        memberships: list[Json] = [{"group": edge.group_id, "member": edge.member_id} for edge in shown]
        more = len(found) > limit
        return SnapshotPage([], memberships, str(following) if more else None, str(position.cursor))

    async def heads(self, *, page: str | None, limit: int) -> HeadsPage:
        """A page of the tenants whose feeds have ever moved, those that moved last first: at most `limit`.

        Who moves while the pages are read is on the first page again. Raises UnknownCursor, StorageBusy.
        """
        before = read_head_position(page) if page else None
        if page and before is None:
            raise UnknownCursor("This page of tenants is none of ours. Begin again, without `page`.")
        moved = {HeadPosition(item.time, item.tenant): item.number for item in await self._storage.moved_feeds()}
        order = sorted((at for at in moved if before is None or at < before), reverse=True)
        shown = order[: max(1, min(limit, MAX_HEADS))]
        heads = [TenantHead(at.tenant, moved[at], at.time) for at in shown]
        return HeadsPage(heads, str(shown[-1]) if len(shown) < len(order) else None)

    async def tend(self) -> Tended:
        """Changes that wait are relayed, and what is too old is deleted. A timer calls this. Raises StorageBusy."""
        now = self._clock()
        feed_from, log_from = (now - timedelta(days=days) for days in (self._kept.feed_days, self._kept.log_days))
        attempts_from = now - timedelta(days=min(ATTEMPT_DAYS, self._kept.log_days))
        gone_from = now - timedelta(days=min(self._kept.deleted_days, self._kept.log_days))
        kept = Retention(*map(instant_text, (feed_from, log_from, attempts_from, gone_from)))
        return await self._storage.tend(now, kept, seconds=TEND_SECONDS)

    @property
    def _parts(self) -> list[str]:
        """The resource types in the order of a snapshot, then memberships: groups after those who can be in them."""
        ordered = sorted(self._catalogue, key=lambda item: (item.has_members, item.name != USER, item.name))
        return [*(item.name for item in ordered), ""]

    def _position(self, page: str) -> SnapshotPosition:
        position = read_position(page)
        if position is None or position.part not in self._parts:
            raise UnknownCursor("This page of a snapshot is none of ours. Begin again, without `page`.")
        return position

    async def _resources(
        self, tenant: str, position: SnapshotPosition, limit: int, renderer: Renderer
    ) -> tuple[list[Json], SnapshotPosition]:
        """The resources of one page, and where the next one begins. Few are read that are not in the page."""
        shown, left, after = list[Json](), MAX_PAGE_BYTES, position.after or None
        portion = min(limit, FIRST_PORTION)
        while portion:
            found = await self._storage.page(tenant, position.part, after=after, limit=portion)
            for number, stored in enumerate(found.resources):
                if number % _TURN == 0:
                    await asyncio.sleep(0)
                item = self._shown(stored, renderer)
                left -= size_of(item)
                if shown and left < 0:
                    return shown, SnapshotPosition(position.cursor, position.part, shown[-1]["id"])
                shown.append(item)
            if found.last_id is None:
                parts = self._parts
                return shown, SnapshotPosition(position.cursor, parts[parts.index(position.part) + 1])
            after = found.last_id
            each = (MAX_PAGE_BYTES - left) // len(shown)
            portion = min(limit - len(shown), 1 + max(left, 0) // each)
        return shown, SnapshotPosition(position.cursor, position.part, shown[-1]["id"])

    def _shown(self, stored: StoredResource, renderer: Renderer) -> Json:
        shown = self._entries.shown(stored, renderer)
        tag = entity_tag(stored.version)
        return {"type": stored.resource_type, "id": stored.id, "version": tag, "resource": shown}

    def _renderer(self, base_url: str) -> Renderer:
        return Renderer(f"{base_url}{BASE_PATH}", {item.name: item.endpoint for item in self._catalogue})


def _cursor(text: str | None) -> Cursor | None:
    if text is None:
        return None
    cursor = read_cursor(text)
    if cursor is None:
        raise UnknownCursor("This cursor is none of ours. Send one that an answer of this feed has given.")
    return cursor


def _require(head: FeedHead, cursor: Cursor) -> None:
    """Raises Importing, Resync if the feed has no such cursor."""
    if head.importing:
        raise Importing("The directory is being imported. Come back when that has ended.")
    if cursor.epoch != head.epoch or cursor.number >= head.next:
        raise Resync("The feed began again since this cursor was given. Begin with a snapshot.")


def following(head: FeedHead, cursor: Cursor | None, rows: Sequence[FeedRow]) -> Sequence[FeedRow]:
    """The rows, if they are the ones that follow the cursor, without a gap. Raises Importing, Resync."""
    first = cursor.number + 1 if cursor else rows[0].number if rows else head.next
    _require(head, cursor or Cursor(head.epoch, 0))
    numbers = [row.number for row in rows]
    if numbers != list(range(first, first + len(rows))) or (cursor and first < head.first):
        raise Resync("Entries after this cursor are not kept any more. Begin with a snapshot.")
    return rows
