"""What the feed asks of the storage: see FeedStorage. The relay is in relay.py, the timer's work in tending.py."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from scim_core.model import IndexEntry, Membership
from scim_core.storage.feed_port import Attempt, FeedHead, FeedReading, FeedRow, LogRow, MovedFeed, Retention, Tended
from scim_core.storage.tables import doorbell, entities, keys
from scim_core.storage.tables.codec import BELOW_ALL
from scim_core.storage.tables.feed_rows import attempted, head_change, new_epoch, to_feed_row, to_head
from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.log_rows import MAX_LOG_ROWS, concerned, to_attempt, to_log_row
from scim_core.storage.tables.outbox import stamp
from scim_core.storage.tables.reading import EDGE, read_range, side_by_side
from scim_core.storage.tables.relay import read_head, relay, waiting_keys
from scim_core.storage.tables.rows import Rows
from scim_core.storage.tables.service_limits import PAGE_ROWS
from scim_core.storage.tables.tending import tend
from scim_core.traces import Tracer


class TableFeed:
    """The part of the storage port that the feed needs: see TableStorage, which is the whole port."""

    rows: Rows
    tracer: Tracer

    async def relay(self, tenant: str) -> int:
        """See FeedStorage.relay."""
        return await relay(self.rows, tenant, self.tracer)

    async def feed(self, tenant: str, *, after: int | None, limit: int) -> FeedReading:
        """See FeedStorage.feed."""
        waiting, reading = await asyncio.gather(waiting_keys(self.rows, tenant), self._feed(tenant, after, limit))
        if not waiting or len(reading.rows) == limit:
            return reading
        await relay(self.rows, tenant, self.tracer)
        return await self._feed(tenant, after, limit)

    async def _feed(self, tenant: str, after: int | None, limit: int) -> FeedReading:
        key_range = keys.feed_after(0 if after is None else after)
        head, found = await asyncio.gather(
            read_head(self.rows, tenant), read_range(self.rows, tenant, key_range, limit=limit)
        )
        return FeedReading(head.head, tuple(map(to_feed_row, found)))

    async def feed_head(self, tenant: str) -> FeedHead:
        """See FeedStorage.feed_head."""
        return (await read_head(self.rows, tenant)).head

    async def new_epoch(self, tenant: str) -> FeedHead:
        """See FeedStorage.new_epoch."""
        return await new_epoch_of(self.rows, tenant)

    async def notes(self, tenant: str, rows: Sequence[FeedRow]) -> list[str]:
        """See FeedStorage.notes."""
        found = await side_by_side(self.rows.get(tenant, row.entry) for row in rows)
        return ["".join(entities.joined("n", row.properties)) if row else "" for row in found]

    async def attempted(self, tenant: str, attempts: Sequence[Attempt]) -> None:
        """See FeedStorage.attempted."""
        await self.rows.transact(tenant, [attempted(attempt) for attempt in attempts])

    async def log_of(self, tenant: str, resource_id: str, *, since: datetime | None = None) -> list[LogRow]:
        """See FeedStorage.log_of."""
        first = stamp(since, "") if since else ""
        found, waiting = await asyncio.gather(
            read_range(self.rows, tenant, keys.logged_of(resource_id, first), limit=MAX_LOG_ROWS),
            read_range(self.rows, tenant, keys.of_kind("change"), limit=PAGE_ROWS),
        )
        own = [row for row in waiting if resource_id in concerned(row.properties)]
        return [to_log_row(row, resource_id) for row in (*found, *own)]

    async def newest(self, tenant: str, limit: int) -> list[LogRow]:
        """See FeedStorage.newest."""
        head = await self.rows.get(tenant, keys.feed_head())
        first = max(0, to_head(head.properties).next - 1 - limit) if head else 0
        found, waiting = await asyncio.gather(
            read_range(self.rows, tenant, keys.feed_after(first), limit=limit),
            read_range(self.rows, tenant, keys.of_kind("change"), limit=PAGE_ROWS),
        )
        return [to_log_row(row, row.properties["id"]) for row in (*found, *waiting)]

    async def log_entry(self, tenant: str, entry: str) -> LogRow | None:
        """See FeedStorage.log_entry."""
        row = await self.rows.get(tenant, entry)
        return to_log_row(row, row.properties["id"]) if row else None

    async def attempts(self, tenant: str, *, since: datetime, limit: int) -> list[Attempt]:
        """See FeedStorage.attempts."""
        found = await read_range(self.rows, tenant, keys.attempts_from(stamp(since, "")), limit=limit)
        return [to_attempt(row) for row in found]

    async def formerly(
        self, tenant: str, resource_type: str, entry: IndexEntry, *, prefix: bool, limit: int
    ) -> list[str]:
        """See FeedStorage.formerly."""
        found = await side_by_side(
            read_range(self.rows, tenant, keys.formerly(item, prefix=prefix), limit=limit)
            for item in {entry, replace(entry, key=entry.former or entry.key)}
        )
        ids = (row.properties["id"] for some in found for row in some if row.properties["type"] == resource_type)
        return list(dict.fromkeys(ids))[:limit]

    async def memberships(self, tenant: str, *, after: Membership | None, limit: int) -> list[Membership]:
        """See FeedStorage.memberships."""
        every = keys.of_kind("member")
        low = every.low if after is None else keys.member(after.group_id, after.member_id) + BELOW_ALL
        found = await read_range(self.rows, tenant, KeyRange(low, every.high), limit=limit, select=EDGE)
        return [entities.to_membership(row.properties) for row in found]

    async def moved_feeds(self) -> list[MovedFeed]:
        """See FeedStorage.moved_feeds."""
        return await doorbell.moved_feeds(self.rows)

    async def tend(self, now: datetime, kept: Retention, *, seconds: float) -> Tended:
        """See FeedStorage.tend."""
        return await tend(self.rows, now, kept, seconds, self.tracer)


async def new_epoch_of(rows: Rows, tenant: str) -> FeedHead:
    """The head of the tenant's feed, with another epoch. Raises StorageBusy."""
    current = await read_head(rows, tenant)
    epoch = new_epoch()
    await rows.transact(tenant, [head_change(epoch=epoch)])
    return replace(current.head, epoch=epoch)
