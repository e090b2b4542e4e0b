"""Reads that several operations make: many rows side by side, ranges to their end, which of many ids exist."""

import asyncio
from collections.abc import Awaitable, Collection, Iterable, Sequence
from itertools import batched

from scim_core.storage import ColumnTest, Membership
from scim_core.tables import entities, keys
from scim_core.tables.keys import KeyRange
from scim_core.tables.limits import PAGE_ROWS
from scim_core.tables.rows import Row, Rows, read_pages

SIDE_BY_SIDE = 50
"""Reads that one operation has under way at a time: half the transport's connections, and enough for the members that
fit one transaction, so that no operation waits for itself and no operation keeps the others out.
"""

FEW = 50
"""Ids that are looked up one by one. Of more, those that lie together are found by one range read."""

ID = "id"
EDGE = "group,member,type,edges"


async def side_by_side[T](reads: Iterable[Awaitable[T]]) -> list[T]:
    """The answers, in the order of the reads, of which SIDE_BY_SIDE are under way at a time."""
    places = asyncio.Semaphore(SIDE_BY_SIDE)

    async def in_place(read: Awaitable[T]) -> T:
        async with places:
            return await read

    return await asyncio.gather(*map(in_place, reads))


async def read_range(
    rows: Rows,
    tenant: str,
    key_range: KeyRange,
    *,
    limit: int | None = None,
    tests: Sequence[ColumnTest] = (),
    select: str | None = None,
) -> list[Row]:
    """The rows of the range, or the first `limit`."""
    pages = read_pages(rows, tenant, key_range, limit=limit, tests=tests, select=select)
    return [row async for page in pages for row in page]


async def read_memberships(
    rows: Rows, tenant: str, key_range: KeyRange, *, limit: int | None = None
) -> list[Membership]:
    """The memberships of the range, or the first `limit`."""
    pages = read_pages(rows, tenant, key_range, limit=limit, select=EDGE)
    return [entities.to_membership(row.properties) async for page in pages for row in page]


async def edges_present(rows: Rows, tenant: str, edges: Sequence[Membership]) -> list[Membership]:
    """Those of these memberships that are there, in their order, each as its row says."""
    found = await side_by_side(
        rows.get(tenant, keys.member(edge.group_id, edge.member_id), select=EDGE) for edge in edges
    )
    return [entities.to_membership(row.properties) for row in found if row]


async def existing(rows: Rows, tenant: str, resource_type: str, ids: Collection[str]) -> set[str]:
    """Those of the ids that are resources of this type.

    Many are looked for a thousand at a time: by a range read where no more than a page lies between the least and the
    greatest of them, else one by one. So the cost is in proportion to the ids, however many other resources there are.
    """
    wanted = sorted(set(ids))
    if len(wanted) <= FEW:
        return await _one_by_one(rows, tenant, resource_type, wanted)
    windows = [list(some) for some in batched(wanted, PAGE_ROWS, strict=False)]
    found = await asyncio.gather(*(_window(rows, tenant, resource_type, some) for some in windows))
    return set().union(*found)


async def _window(rows: Rows, tenant: str, resource_type: str, ids: list[str]) -> set[str]:
    low, high = keys.resource(resource_type, ids[0]), keys.resources(resource_type, ids[-1]).low
    answer = await rows.page(tenant, KeyRange(low, high), select=ID)
    seen = {row.properties[ID] for row in answer.rows}
    if answer.token is None:
        return seen.intersection(ids)
    last = max(seen, default="")
    beyond = [resource_id for resource_id in ids if resource_id > last]
    return seen.intersection(ids) | await _one_by_one(rows, tenant, resource_type, beyond)


async def _one_by_one(rows: Rows, tenant: str, resource_type: str, ids: Collection[str]) -> set[str]:
    found = await side_by_side(
        rows.get(tenant, keys.resource(resource_type, resource_id), select=ID) for resource_id in ids
    )
    return {row.properties[ID] for row in found if row}
