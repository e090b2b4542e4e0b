"""What the storage keeps and tells of losses: see FeedStorage.losses. The relay counts them (loss_counts.py)."""

from contextlib import aclosing
from dataclasses import replace

from scim_core.storage.feed_port import Losses
from scim_core.storage.port import StorageBusy, VersionConflict
from scim_core.storage.tables import keys
from scim_core.storage.tables.entities import column_property
from scim_core.storage.tables.errors import RowFailure
from scim_core.storage.tables.feed_rows import head_change
from scim_core.storage.tables.loss_counts import SELECTED, count_property, judgement, to_losses
from scim_core.storage.tables.relay import read_head
from scim_core.storage.tables.rows import Rows, read_pages

MAX_REFUSALS = 10
"""How often a release is tried again because others relay at the same time."""

_ACTIVE = column_property("active")


class TableLosses:
    """The part of the storage port that is about mass changes: see TableStorage, which is the whole port."""

    rows: Rows

    async def losses(self, tenant: str) -> Losses:
        """See FeedStorage.losses."""
        row = await self.rows.get(tenant, keys.feed_head(), select=SELECTED)
        return to_losses(row.properties, row.etag) if row else Losses()

    async def held(self, tenant: str) -> bool:
        """See Storage.held."""
        return bool((await self.losses(tenant)).held)

    async def active(self, tenant: str, resource_type: str, limit: int) -> int:
        """See FeedStorage.active."""
        found, select = 0, f"RowKey,{_ACTIVE}"
        async with aclosing(read_pages(self.rows, tenant, keys.resources(resource_type), select=select)) as pages:
            async for page in pages:
                found += sum(row.properties.get(_ACTIVE) is not False for row in page)
                if found >= limit:
                    return limit
        return found

    async def judge(self, tenant: str, losses: Losses) -> bool:
        """See FeedStorage.judge."""
        try:
            await self.rows.transact(tenant, [head_change(losses.etag, **judgement(losses))])
        except (RowFailure, VersionConflict):
            return False
        return True

    async def release(self, tenant: str, free_until: str) -> Losses:
        """See FeedStorage.release."""
        for _ in range(MAX_REFUSALS):
            before = (await read_head(self.rows, tenant)).losses
            free = replace(before, counts=(), held="", free_until=free_until, safe=0, safe_until="")
            change = head_change(before.etag, **count_property(free), **judgement(free))
            try:
                await self.rows.transact(tenant, [change])
            except (RowFailure, VersionConflict):
                continue
            return before
        raise StorageBusy("Others are changing the head of the feed.")
