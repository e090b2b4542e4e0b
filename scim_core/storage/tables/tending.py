"""What the timer does each minute: it relays for the tenants that were rung for, and goes on with the round of all.

A round begins once an hour. It relays for each tenant, for what a death left unnamed, and trims its feed. The first
round of a day also trims the logs. How far it has come is a row, so a round that needs longer than a minute goes on.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from scim_core.clock import instant_text
from scim_core.model import Column
from scim_core.storage.feed_port import Losses, Retention, Tended
from scim_core.storage.port import StorageError
from scim_core.storage.tables import doorbell, keys
from scim_core.storage.tables.keys import SWEEP
from scim_core.storage.tables.reading import side_by_side
from scim_core.storage.tables.relay import read_head, relay, tell
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Rows
from scim_core.storage.tables.trimming import trim_attempts, trim_feed, trim_gone, trim_log
from scim_core.traces import NO_TRACER, Tracer

ROUND_AFTER = timedelta(hours=1)
"""How long after the beginning of a round the next one begins."""

_DAY = len("2026-11-26")


@dataclass(frozen=True, slots=True)
class _Round:
    """When it began (UTC text), the day for which it trims logs, and the partition and row key that it has reached.

    A round that is over has reached no partition.
    """

    began: str = ""
    day: str = ""
    trims_logs: bool = False
    partition: str = ""
    key: str = ""

    def properties(self) -> dict[str, Column]:
        """The properties of its row."""
        return {
            "id": "",
            "lastModified": self.began,
            "day": self.day,
            "trimsLogs": self.trims_logs,
            "partition": self.partition,
            "key": self.key,
        }


async def tend(rows: Rows, now: datetime, kept: Retention, seconds: float, tracer: Tracer = NO_TRACER) -> Tended:
    """See FeedStorage.tend. A tenant whose rows cannot be reached now is left to the next time."""
    tending = _Tending(rows, now, kept, tracer)
    try:
        async with asyncio.timeout(seconds):
            await tending.relay_waiting()
            await tending.go_round()
    except TimeoutError:
        tending.left = True
    return Tended(tending.relayed, tending.trimmed, tending.left, tending.losses)


class _Tending:
    """One turn of the timer."""

    def __init__(self, rows: Rows, now: datetime, kept: Retention, tracer: Tracer) -> None:
        self._rows = rows
        self._tracer = tracer
        self._now = now
        self._kept = kept
        self.relayed = 0
        self.trimmed = 0
        self.left = False
        self.losses = dict[str, Losses]()

    async def relay_waiting(self) -> None:
        """The changes of the tenants that were rung for are relayed."""
        await side_by_side(self._relay_one(*named) for named in await doorbell.waiting(self._rows))

    async def _relay_one(self, tenant: str, rung: str, etag: str) -> None:
        try:
            await self._relayed(tenant)
            await doorbell.calm(self._rows, tenant, rung, etag, self._now)
        except StorageError:
            self.left = True

    async def _relayed(self, tenant: str) -> bool:
        """Whether the tenant has a feed. Its changes are relayed, and its newest number is known."""
        self.relayed += await relay(self._rows, tenant, self._tracer)
        if await self._rows.get(tenant, keys.feed_head(), select="RowKey") is None:
            return False
        head = await read_head(self._rows, tenant)
        await tell(self._rows, tenant, head)  # a relay may have died before it did
        if head.losses.counts:
            self.losses[tenant] = head.losses
        return True

    async def go_round(self) -> None:
        """The round goes on, or a new one begins if it is time."""
        found = await self._found()
        if not found.partition:
            if found.began > instant_text(self._now - ROUND_AFTER):
                return
            today = instant_text(self._now)[:_DAY]
            found = _Round(instant_text(self._now), today, trims_logs=found.day != today)
        else:
            await self._tend_one(found)  # it was reached, and may not be done
        while (partition := await self._rows.partition_after(found.partition)) is not None:
            found = replace(found, partition=partition, key="")
            await self._note(found)
            await self._tend_one(found)
        await self._note(replace(found, partition="", key=""))

    async def _tend_one(self, found: _Round) -> None:
        tenant = found.partition
        if ":" in tenant or keys.partition(tenant) != tenant:  # of no tenant, or of one that no registry has named
            return
        try:
            if found.trims_logs and self._kept.attempts_from:  # also without a feed: all requests may have been refused
                self.trimmed += await trim_attempts(self._rows, tenant, self._kept.attempts_from)
            if found.trims_logs:
                self.trimmed += await trim_gone(self._rows, tenant, self._kept.gone_from)
            if not await self._relayed(tenant):
                return
            self.trimmed += await trim_feed(self._rows, tenant, self._kept.feed_from)
            if found.trims_logs:
                async for key, trimmed in trim_log(self._rows, tenant, self._kept.log_from, found.key):
                    self.trimmed += trimmed
                    await self._note(replace(found, key=key))
        except StorageError:
            self.left = True

    async def _found(self) -> _Round:
        row = await self._rows.get(SWEEP, keys.round_())
        if row is None:
            return _Round()
        told = row.properties
        return _Round(told["lastModified"], told["day"], told["trimsLogs"], told["partition"], told["key"])

    async def _note(self, found: _Round) -> None:
        await self._rows.transact(SWEEP, [RowOperation(Verb.UPSERT, Role.FEED, keys.round_(), found.properties())])
