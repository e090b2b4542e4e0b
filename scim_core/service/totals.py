"""How many resources of a type a tenant has (totalResults of a list). The cost does not grow with their number.

Table Storage cannot count: all keys have to be read, a thousand at a time. So a large directory is counted once a
minute, up to an id that is older than every request that still runs. What comes after this id is counted each time:
all creations show. A deletion of a resource before the id shows with the next count.
"""

import asyncio
from datetime import timedelta

from scim_core.clock import Clock, instant_text
from scim_core.ids import first_id
from scim_core.service.page_positions import PagePositions
from scim_core.storage.port import PagePosition, Storage

COUNTED_AT_ONCE = 1_000
"""Resources that are counted each time, in one read, at the same time as the page. Up to so many the total is exact."""

LIFETIME = timedelta(minutes=1)
"""How long a count is used. With more than COUNTED_AT_ONCE resources, a deletion may show in the total so late."""

OLDER_THAN_REQUESTS = timedelta(minutes=1)
"""No new resource with an id older than this can appear. A request makes its id at once, and has REQUEST_SECONDS to
store the resource. The rest is for instances whose clocks differ."""


class Totals:
    """The totals of all tenants, as far as this process and the others have counted them."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock
        self._positions = PagePositions(storage, clock)

    async def of(self, tenant: str, resource_type: str) -> int:
        """How many resources of this type the tenant has."""
        known = self._positions.remembered(tenant, _key(resource_type))
        if known is None:
            first = await self._storage.count(tenant, resource_type, limit=COUNTED_AT_ONCE)
            if first.number < COUNTED_AT_ONCE or first.last_id is None:
                return first.number
            known = await self._positions.load(tenant, _key(resource_type))
            if known is None:
                return await self._counted(tenant, resource_type, first.number, first.last_id)
            self._positions.remember(tenant, _key(resource_type), known)
        new = await self._storage.count(tenant, resource_type, after=known.last_id)
        return known.total_results + new.number

    async def _counted(self, tenant: str, resource_type: str, number: int, last_id: str) -> int:
        """The `number` up to `last_id`, and all others, which are counted. All processes get to know the old ones."""
        now = self._clock()
        end = first_id(now - OLDER_THAN_REQUESTS)
        if end <= last_id:
            return number + (await self._storage.count(tenant, resource_type, after=last_id)).number
        old, new = await asyncio.gather(
            self._storage.count(tenant, resource_type, after=last_id, up_to=end),
            self._storage.count(tenant, resource_type, after=end),
        )
        total = PagePosition(end, number + old.number, instant_text(now + LIFETIME))
        await self._positions.put(tenant, _key(resource_type), total)
        return total.total_results + new.number


def _key(resource_type: str) -> str:
    return f"total:{resource_type}"
