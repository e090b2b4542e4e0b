"""What the feed asks of the storage: see FeedStorage. The relay is in relay.py, the timer's work in tending.py."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from scim_core.clock import Clock, instant_text
from scim_core.model import IndexEntry, Membership
from scim_core.storage.feed_port import (
    MAX_LOGGED,
    Attempt,
    FeedHead,
    FeedReading,
    FeedRow,
    GoneResource,
    LogRow,
    MovedFeed,
    Retention,
    Tended,
)
from scim_core.storage.port import ColumnTest
from scim_core.storage.tables import doorbell, entities, keys, log_keys
from scim_core.storage.tables.codec import BELOW_ALL
from scim_core.storage.tables.feed_rows import attempted, head_change, new_epoch, to_feed_row, to_head
from scim_core.storage.tables.gone_keys import gone_from
from scim_core.storage.tables.gone_rows import to_gone
from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.latest import newest_seen
from scim_core.storage.tables.log_rows import concerned, to_attempt, to_log_row
from scim_core.storage.tables.outbox import stamp
from scim_core.storage.tables.reading import EDGE, read_range, side_by_side
from scim_core.storage.tables.relay import READ_ROWS, read_head, relay, waiting_keys
from scim_core.storage.tables.rows import Rows
from scim_core.storage.tables.service_limits import PAGE_ROWS
from scim_core.storage.tables.tending import tend
from scim_core.traces import Tracer


class TableFeed:
    """The part of the storage port that the feed needs: see TableStorage, which is the whole port."""

    rows: Rows
    tracer: Tracer
    _clock: Clock

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

    async def log_of(
        self, tenant: str, resource_id: str, *, since: datetime | None = None, after: str = "", limit: int = MAX_LOGGED
    ) -> list[LogRow]:
        """See FeedStorage.log_of."""
        first = stamp(since, "") if since else ""
        found, waiting = await asyncio.gather(
            read_range(self.rows, tenant, log_keys.logged_of(resource_id, first, after), limit=limit),
            read_range(self.rows, tenant, keys.of_kind("change"), limit=PAGE_ROWS),
        )
        own = [row for row in waiting if resource_id in concerned(row.properties)]
        told = {item.place: item for item in (to_log_row(row, resource_id) for row in (*found, *own))}
        places = sorted(place for place in told if place > after)  # one that is being relayed is in both readings
        return [told[place] for place in reversed(places[:limit])]

    async def newest(self, tenant: str, limit: int, before: int | None = None) -> list[LogRow]:
        """See FeedStorage.newest."""
        if before is None:
            head = await self.rows.get(tenant, keys.feed_head())
            end = to_head(head.properties).next if head else 1
            most = limit + PAGE_ROWS  # at the same time a relay may number what waits
        else:
            end, most = before, min(limit, before - 1)
        found, waiting = await asyncio.gather(
            read_range(self.rows, tenant, keys.feed_after(max(0, end - 1 - limit)), limit=most),
            read_range(self.rows, tenant, keys.of_kind("change"), limit=PAGE_ROWS),
        )
        told = [to_log_row(row, row.properties["id"]) for row in (*found, *waiting)]
        return [item if item.place.isdecimal() else replace(item, place="") for item in told]

    async def waiting(self, tenant: str) -> list[str]:
        """See FeedStorage.waiting."""
        found = await read_range(self.rows, tenant, keys.of_kind("change"), limit=READ_ROWS, select="lastModified")
        return [row.properties["lastModified"] for row in found]

    async def log_entry(self, tenant: str, entry: str) -> LogRow | None:
        """See FeedStorage.log_entry."""
        row = await self.rows.get(tenant, entry)
        return to_log_row(row, row.properties["id"]) if row else None

    async def attempts(self, tenant: str, *, since: datetime, limit: int, after: str = "") -> list[Attempt]:
        """See FeedStorage.attempts."""
        found = await read_range(self.rows, tenant, log_keys.attempts(stamp(since, ""), after), limit=limit)
        return [to_attempt(row) for row in reversed(found)]

    async def log_since(self, tenant: str, since: datetime) -> list[LogRow]:
        """See FeedStorage.log_since."""
        tests = [ColumnTest("lastModified", "ge", instant_text(since))]
        found = await read_range(self.rows, tenant, keys.of_kind("log"), tests=tests)
        whole = [row for row in found if not row.properties.get("of")]
        whole.sort(key=lambda row: log_keys.place_of(row.properties["RowKey"]), reverse=True)
        return [to_log_row(row, row.properties["id"]) for row in whole]

    async def gone_since(self, tenant: str, since: datetime) -> list[GoneResource]:
        """See FeedStorage.gone_since."""
        return to_gone(await read_range(self.rows, tenant, gone_from(stamp(since, ""))))

    async def seen(self, tenant: str, *, since: datetime, limit: int, newest: bool = False) -> list[Attempt]:
        """See FeedStorage.seen."""
        if newest:
            found = await newest_seen(self.rows, tenant, since, self._clock(), limit)
        else:
            found = await read_range(self.rows, tenant, log_keys.seen_since(stamp(since, "")), limit=limit)
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

    async def moved_feed(self, tenant: str) -> MovedFeed | None:
        """See FeedStorage.moved_feed."""
        row = await self.rows.get(tenant, keys.feed_head())
        if row is None or not row.properties["lastModified"]:
            return None
        return MovedFeed(tenant, int(row.properties["next"]) - 1, row.properties["lastModified"])

    async def tend(self, now: datetime, kept: Retention, *, seconds: float) -> Tended:
        """See FeedStorage.tend."""
        return await tend(self.rows, now, kept, seconds, self.tracer)


async def new_epoch_of(rows: Rows, tenant: str) -> FeedHead:
    """The head of the tenant's feed, with another epoch. Raises StorageBusy."""
    current = await read_head(rows, tenant)
    epoch = new_epoch()
    await rows.transact(tenant, [head_change(epoch=epoch)])
    return replace(current.head, epoch=epoch)
