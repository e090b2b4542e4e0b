"""Reads that several operations make: many rows side by side, ranges to their end, which of many ids exist."""

import asyncio
from collections.abc import Awaitable, Collection, Iterable, Sequence
from itertools import batched

from scim_core.storage import ColumnTest, Membership
from scim_core.tables import entities, keys
from scim_core.tables.codec import BELOW_ALL
from scim_core.tables.keys import KeyRange
from scim_core.tables.limits import PAGE_ROWS
from scim_core.tables.rows import Row, Rows, read_pages

SIDE_BY_SIDE = 50
"""Reads that one operation has under way at a time: half the transport's connections, and enough for the members that
fit one transaction, so that no operation waits for itself and no operation keeps the others out.
"""

FEW = 50
"""Keys that are looked up one by one. Of more, those that lie together are found by one range read."""

ROWS_WORTH_A_READ = 10
"""Rows of a range read that cost what one point read does: to bring one wanted row in so many is worth it."""

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
    by_key = [keys.member(edge.group_id, edge.member_id) for edge in edges]
    found = await among(rows, tenant, by_key, select=f"RowKey,{EDGE}")
    return [entities.to_membership(found[key].properties) for key in by_key if key in found]


async def existing(rows: Rows, tenant: str, resource_type: str, ids: Collection[str]) -> set[str]:
    """Those of the ids that are resources of this type."""
    by_key = {keys.resource(resource_type, resource_id): resource_id for resource_id in ids}
    found = await among(rows, tenant, by_key, select="RowKey")
    return {by_key[key] for key in found}


async def among(rows: Rows, tenant: str, wanted: Collection[str], *, select: str | None = None) -> dict[str, Row]:
    """The rows with these keys that are there, by key; a `select` has to name RowKey.

    Many are looked for a thousand at a time: by range reads as long as these bring enough of them, then one by one.
    So the cost is in proportion to the keys, however many other rows there are.
    """
    ordered = sorted(set(wanted))
    if len(ordered) <= FEW:
        return await _one_by_one(rows, tenant, ordered, select)
    windows = [list(some) for some in batched(ordered, PAGE_ROWS, strict=False)]
    found: dict[str, Row] = {}
    for some in await side_by_side(_window(rows, tenant, window, select) for window in windows):
        found |= some
    return found


async def _window(rows: Rows, tenant: str, wanted: list[str], select: str | None) -> dict[str, Row]:
    found: dict[str, Row] = {}
    while wanted:
        answer = await rows.page(tenant, KeyRange(wanted[0], wanted[-1] + BELOW_ALL), select=select)
        seen = {row.properties["RowKey"]: row for row in answer.rows}
        brought = {key: seen[key] for key in wanted if key in seen}
        found |= brought
        if answer.token is None:
            break
        last = max(seen, default="")
        wanted = [key for key in wanted if key > last]
        if len(brought) <= len(seen) / ROWS_WORTH_A_READ:
            return found | await _one_by_one(rows, tenant, wanted, select)
    return found


async def _one_by_one(rows: Rows, tenant: str, wanted: Sequence[str], select: str | None) -> dict[str, Row]:
    found = await side_by_side(rows.get(tenant, key, select=select) for key in wanted)
    return {key: row for key, row in zip(wanted, found, strict=True) if row}
