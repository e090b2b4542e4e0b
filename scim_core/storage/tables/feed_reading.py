"""What the feed asks of the storage: see FeedStorage. The relay is in relay.py, the timer's work in tending.py."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from scim_core.model import Membership
from scim_core.storage.feed_port import Attempt, FeedHead, FeedReading, FeedRow, MovedFeed, Retention, Tended
from scim_core.storage.tables import doorbell, entities, keys
from scim_core.storage.tables.codec import BELOW_ALL
from scim_core.storage.tables.feed_rows import attempted, head_change, new_epoch, to_feed_row
from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.reading import EDGE, read_range, side_by_side
from scim_core.storage.tables.relay import read_head, relay, waiting_keys
from scim_core.storage.tables.rows import Rows
from scim_core.storage.tables.tending import tend


class TableFeed:
    """The part of the storage port that the feed needs: see TableStorage, which is the whole port."""

    rows: Rows

    async def relay(self, tenant: str) -> int:
        """See FeedStorage.relay."""
        return await relay(self.rows, tenant)

    async def feed(self, tenant: str, *, after: int | None, limit: int) -> FeedReading:
        """See FeedStorage.feed."""
        waiting, reading = await asyncio.gather(waiting_keys(self.rows, tenant), self._feed(tenant, after, limit))
        if not waiting or len(reading.rows) == limit:
            return reading
        await relay(self.rows, tenant)
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
        return await tend(self.rows, now, kept, seconds)


async def new_epoch_of(rows: Rows, tenant: str) -> FeedHead:
    """The head of the tenant's feed, with another epoch. Raises StorageBusy."""
    current = await read_head(rows, tenant)
    epoch = new_epoch()
    await rows.transact(tenant, [head_change(epoch=epoch)])
    return replace(current.head, epoch=epoch)
