"""Reads that several operations make: many rows side by side, ranges to their end, which of many ids exist."""

import asyncio
import inspect
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import batched
from typing import Any

from scim_core.ids import ID_CHARACTERS, given_at, is_id
from scim_core.model import Membership
from scim_core.storage.port import ColumnTest
from scim_core.storage.tables import entities, keys
from scim_core.storage.tables.codec import BELOW_ALL
from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.rows import Row, Rows, read_pages
from scim_core.storage.tables.service_limits import PAGE_ROWS
from scim_core.storage.tables.turns import in_turns

SIDE_BY_SIDE = 50
"""Reads of one operation that run at the same time. It is enough for the members that fit one transaction, so no
operation waits for itself. It is half the transport's connections, so the others get theirs.
"""

FEW = 50
"""Up to so many names are looked up one by one. If there are more, names close to each other are read as a range."""

FEW_OF_A_MOMENT = 5
"""Up to so many resources of one moment are looked up one by one. More are read as a range, in one call."""

MOMENT_MILLISECONDS = 1_000
"""Ids that were given within so long are of one moment. A partition takes 2,000 rows a second, and a resource has two
or more. So one answer holds all resources of a moment."""

ROWS_WORTH_A_READ = 10
"""So many rows of a range read cost as much as one point read. One of them must be a wanted one."""

MEMBERS_TOGETHER = 100
"""Members whose groups are looked for together. Each is in about ten, so one answer holds them."""

ID = "id"
EDGE = "group,groupType,member,type,edges"


async def side_by_side[T](reads: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The answers, in the order of the reads. SIDE_BY_SIDE of them run at the same time."""
    all_reads = list(reads)
    if len(all_reads) <= 1:  # the usual case: a task of its own would cost more than the rest of the call
        return [await read for read in all_reads]
    permits = asyncio.Semaphore(SIDE_BY_SIDE)

    async def with_permit(read: Coroutine[Any, Any, T]) -> T:
        async with permits:
            return await read

    try:
        return await asyncio.gather(*map(with_permit, all_reads))
    except asyncio.CancelledError:
        for read in all_reads:  # those that had no permit yet: Python warns of a coroutine that nobody closes
            if inspect.getcoroutinestate(read) == inspect.CORO_CREATED:
                read.close()
        raise


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
    """The ones of these memberships that exist, in their order, each as its row says."""
    by_key = [keys.member(edge.group_id, edge.member_id) async for some in in_turns(edges) for edge in some]
    found = await among(rows, tenant, by_key, select=f"RowKey,{EDGE}")
    return [
        entities.to_membership(found[key].properties) async for some in in_turns(by_key) for key in some if key in found
    ]


async def groups_of(rows: Rows, tenant: str, member_ids: Collection[str]) -> list[Membership]:
    """The memberships of these members; those of one member are together, in the order of their groups."""
    lookup = _Lookup(keys.groups_of, lambda row: str(row.properties["member"]), MEMBERS_TOGETHER, EDGE)
    found, others = await _together(rows, tenant, member_ids, lookup)
    left = await side_by_side(
        read_range(rows, tenant, keys.groups_of(member_id, member_id), select=EDGE) for member_id in others
    )
    every = (row for some in (found, *left) for row in some)
    return [entities.to_membership(row.properties) async for some in in_turns(every) for row in some]


async def existing(rows: Rows, tenant: str, resource_type: str, ids: Collection[str]) -> set[str]:
    """Those of the ids that are resources of this type."""
    by_key = {
        keys.resource(resource_type, resource_id): resource_id async for some in in_turns(ids) for resource_id in some
    }
    found = await among(rows, tenant, by_key, select="RowKey")
    return {by_key[key] for key in found}


async def gone(rows: Rows, tenant: str, resources: Iterable[tuple[str, str]]) -> set[str]:
    """The ids of the resources that do not exist. Each resource is given as its type and its id."""
    by_type: dict[str, set[str]] = {}
    async for some in in_turns(resources):
        for resource_type, resource_id in some:
            by_type.setdefault(resource_type, set()).add(resource_id)
    found = await asyncio.gather(*(existing(rows, tenant, kind, ids) for kind, ids in by_type.items()))
    return set().union(*by_type.values()).difference(*found)


async def among(rows: Rows, tenant: str, wanted: Collection[str], *, select: str | None = None) -> dict[str, Row]:
    """The rows with these keys that exist, by key; a `select` has to name RowKey."""
    lookup = _Lookup(lambda first, last: KeyRange(first, last + BELOW_ALL), _key, PAGE_ROWS, select)
    if len(wanted) > FEW:
        found, others = await _together(rows, tenant, wanted, lookup)
    else:
        # Whole rows are large: a range of them costs more than the reads that it saves.
        moments, others = of_moments(sorted(wanted)) if select else ([], list(wanted))
        one_by_one = side_by_side(rows.get(tenant, key, select=select) for key in others)
        if not moments:
            return {_key(row): row for row in await one_by_one if row}
        parts, single = await asyncio.gather(
            side_by_side(_window(rows, tenant, keys_, lookup) for keys_ in moments), one_by_one
        )
        found = [row for part, _ in parts for row in part] + [row for row in single if row]
        others = [key for _, left in parts for key in left]
    left = await side_by_side(rows.get(tenant, key, select=select) for key in others)
    return {_key(row): row async for some in in_turns((*found, *left)) for row in some if row}


def of_moments(ordered: Sequence[str]) -> tuple[list[list[str]], list[str]]:
    """The row keys in groups of more than FEW_OF_A_MOMENT, whose ids are of one moment; and the keys that are left.

    A key ends with the id of a resource. Keys that differ before it are never together.
    """
    moments, others = list[list[str]](), list[str]()
    for some in _by_moment(ordered):
        if len(some) > FEW_OF_A_MOMENT:
            moments.append(some)
        else:
            others += some
    return moments, others


def _by_moment(ordered: Sequence[str]) -> Iterator[list[str]]:
    some, first = list[str](), ("", 0)
    for key in ordered:
        given = _given_at(key)
        if some and (given is None or given[0] != first[0] or given[1] - first[1] > MOMENT_MILLISECONDS):
            yield some
            some = []
        if given is None:
            yield [key]
            continue
        first = first if some else given
        some.append(key)
    if some:
        yield some


def _given_at(key: str) -> tuple[str, int] | None:
    """The row key up to the id at its end, and the milliseconds at which that was given. None if it ends otherwise."""
    start, resource_id = key[:-ID_CHARACTERS], key[-ID_CHARACTERS:]
    return (start, given_at(resource_id)) if is_id(resource_id) else None


@dataclass(frozen=True, slots=True)
class _Lookup:
    """How rows are found by a name: the range that spans two names, the name of a row, how many names go together."""

    span: Callable[[str, str], KeyRange]
    name: Callable[[Row], str]
    window: int
    select: str | None


async def _together(rows: Rows, tenant: str, wanted: Collection[str], lookup: _Lookup) -> tuple[list[Row], list[str]]:
    """All rows of some of the wanted names. The other names are few, or too far apart to be read together."""
    ordered = sorted(dict.fromkeys(wanted))  # which keeps an order that is there already
    if len(ordered) <= FEW:
        return [], ordered
    windows = batched(ordered, lookup.window, strict=False)
    parts = await side_by_side(_window(rows, tenant, list(names), lookup) for names in windows)
    return [row for found, _ in parts for row in found], [name for _, left in parts for name in left]


async def _window(rows: Rows, tenant: str, names: list[str], lookup: _Lookup) -> tuple[list[Row], list[str]]:
    """Range reads, from the first name to the last, as long as they bring enough of the wanted rows.

    So the cost grows with the names, and other rows add little to it.
    """
    found: list[Row] = []
    wanted = set(names)
    while names:
        answer = await rows.page(tenant, lookup.span(names[0], names[-1]), select=lookup.select)
        if answer.token is None:
            return found + [row for row in answer.rows if lookup.name(row) in wanted], []
        last = lookup.name(answer.rows[-1]) if answer.rows else ""  # it may have further rows
        whole = [row for row in answer.rows if lookup.name(row) in wanted and lookup.name(row) < last]
        found += whole
        names = [name for name in names if name >= last]
        if len(whole) * ROWS_WORTH_A_READ <= len(answer.rows):
            break
    return found, names


def _key(row: Row) -> str:
    return str(row.properties["RowKey"])
