"""How many resources of a type a tenant has (totalResults of a list). The cost does not grow with their number.

Table Storage cannot count: all keys have to be read, a thousand at a time. So a large directory is counted once a
minute, up to an id that is older than every request that still runs. What comes after this id is counted each time:
all creations show. If that is much, what is old enough by now is added to the total, and the rest is counted in parts
side by side. A deletion of a resource before the id shows with the next count.
"""

import asyncio
import math
from datetime import timedelta

from scim_core.caches import Bounded
from scim_core.clock import Clock, instant_text
from scim_core.ids import first_id
from scim_core.service.page_positions import PagePositions
from scim_core.storage.port import Count, PagePosition, Storage

COUNTED_AT_ONCE = 1_000
"""Resources that are counted each time, in one read, at the same time as the page. Up to so many the total is exact."""

LIFETIME = timedelta(minutes=1)
"""How long a count is used. With more than COUNTED_AT_ONCE resources, a deletion may show in the total so late."""

OLDER_THAN_REQUESTS = timedelta(minutes=1)
"""No new resource with an id older than this can appear. A request makes its id at once, and has REQUEST_SECONDS to
store the resource. The rest is for instances whose clocks differ."""


PARTS = 10
"""Parts of the new resources that are counted side by side. After an import of 10,000 each is one read."""

MAX_KNOWN = 10_000
"""Resource types of tenants of which this process remembers how many resources there were."""


class Totals:
    """The totals of all tenants, as far as this process and the others have counted them."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock
        self._positions = PagePositions(storage, clock)
        self._latest: Bounded[tuple[str, str], int] = Bounded(MAX_KNOWN)
        self._marks: Bounded[tuple[str, str], tuple[str, ...]] = Bounded(MAX_KNOWN)

    def latest(self, tenant: str, resource_type: str) -> int | None:
        """How many resources there were when this process was asked last. None if it was never asked."""
        return self._latest.get((tenant, resource_type))

    def note(self, tenant: str, resource_type: str, total: int) -> None:
        """A page has shown that there are so many resources."""
        self._latest.put((tenant, resource_type), total)

    async def of(self, tenant: str, resource_type: str) -> int:
        """How many resources of this type the tenant has."""
        total = await self._of(tenant, resource_type)
        self.note(tenant, resource_type, total)
        return total

    async def _of(self, tenant: str, resource_type: str) -> int:
        known = self._positions.remembered(tenant, _key(resource_type))
        if known is None:
            first = await self._storage.count(tenant, resource_type, limit=COUNTED_AT_ONCE)
            if first.number < COUNTED_AT_ONCE or first.last_id is None:
                return first.number
            known = await self._positions.load(tenant, _key(resource_type))
            if known is None:
                return await self._counted(tenant, resource_type, first.number, first.last_id)
            self._positions.remember(tenant, _key(resource_type), known)
        new = await self._new(tenant, resource_type, known.last_id)
        await self._advance(tenant, resource_type, known, new)
        return known.total_results + new.number

    async def _counted(self, tenant: str, resource_type: str, number: int, last_id: str) -> int:
        """The `number` up to `last_id`, and all others, which are counted. All processes get to know the old ones."""
        now = self._clock()
        end = first_id(now - OLDER_THAN_REQUESTS)
        if end <= last_id:
            return number + (await self._new(tenant, resource_type, last_id)).number
        old, new = await asyncio.gather(
            self._storage.count(tenant, resource_type, after=last_id, up_to=end),
            self._new(tenant, resource_type, end),
        )
        total = PagePosition(end, number + old.number, instant_text(now + LIFETIME))
        await self._positions.put(tenant, _key(resource_type), total)
        return total.total_results + new.number

    async def _new(self, tenant: str, resource_type: str, after: str) -> Count:
        """The resources after this id. If there were many when they were counted last, they are counted in parts."""
        key = (tenant, resource_type)
        known = [mark for mark in self._marks.get(key) or () if mark > after]
        step = max(1, math.ceil(len(known) / (PARTS - 1)))
        marks = known[step - 1 :: step]
        parts = await asyncio.gather(
            *(
                self._storage.count(tenant, resource_type, after=first, up_to=last)
                for first, last in zip([after, *marks], [*marks, None], strict=True)
            )
        )
        number, counted = 0, list[tuple[str, int]]()
        for part in parts:
            counted += [(mark, number + so_far) for mark, so_far in part.marks]
            number += part.number
        # The last mark is where the list ends: what is created next comes after it, and need be no part of its own.
        self._marks.put(key, tuple(mark for mark, _ in counted[:-1]))
        return Count(number, counted[-1][0] if counted else None, tuple(counted))

    async def _advance(self, tenant: str, resource_type: str, known: PagePosition, new: Count) -> None:
        """If there is much new, what is old enough by now is added to the known total. That expires when it did."""
        end = first_id(self._clock() - OLDER_THAN_REQUESTS)
        settled = [mark for mark in new.marks if mark[0] <= end]
        if settled and settled[-1][1] >= COUNTED_AT_ONCE:
            last_id, number = settled[-1]
            further = PagePosition(last_id, known.total_results + number, known.expires)
            await self._positions.put(tenant, _key(resource_type), further)


def _key(resource_type: str) -> str:
    return f"total:{resource_type}"
