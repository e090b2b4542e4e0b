"""A walk by cursor over some resource types, one after the other, each in the order of ids (RFC 9865).

A page starts after an id. So whatever others create, change or delete, what matches all the time is seen exactly once.
A page never looks at what an earlier one has passed.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from scim_core.model import Membership, StoredResource
from scim_core.protocol.limits import MAX_SCAN
from scim_core.service.list_cursors import START, WalkPlace
from scim_core.service.portions import MAX_ANSWER_BYTES, Window, size_of
from scim_core.service.query_plan import Edge, Scan
from scim_core.service.root_search import Searched
from scim_core.service.search import Found, Query, Search, with_members
from scim_core.service.search_run import IDS_AT_ONCE, Requester, SearchRun

PAGE_UNITS = 200_000
"""Units of work after which a page ends that has not found enough: two seconds of a core, and no more than a tenant may
use at once. The next page goes on, so a costly filter is not refused either."""


@dataclass(frozen=True, slots=True)
class WalkedPage:
    """A page of a walk, and where the next one starts; None after the last. The total is None where it is unknown."""

    resources: tuple[StoredResource, ...]
    memberships: dict[str, list[Membership]]
    total: int | None
    following: WalkPlace | None


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A part of one type's matches. The next one starts after `last_id`; None at the end of the type."""

    resources: Sequence[StoredResource]
    last_id: str | None
    memberships: dict[str, list[Membership]]
    total: int | None = None


class CursorSearch:
    """The walk over these types of one tenant."""

    def __init__(self, search: Search, requester: Requester, searched: Sequence[Searched]) -> None:
        self._search = search
        self._requester = requester
        self._searched = searched

    async def page(self, place: WalkPlace, count: int) -> WalkedPage:
        """At most `count` resources, at least 1, from this place on. The first page has the total, if it is cheap.

        A page that examined MAX_SCAN resources, or spent PAGE_UNITS, ends there, also if it is empty.
        Raises TooMuchWork, and TooManyException when more than MAX_SCAN index entries had to be put in order.
        """
        resources, edges = list[StoredResource](), dict[str, list[Membership]]()
        totals, following, room = list[int | None](), None, MAX_ANSWER_BYTES
        is_first = place == START
        for number, item in enumerate(self._searched[place.type_number :], place.type_number):
            run = await self._search.logged_run(self._requester, item.resource_type, item.scim_filter)
            if following is not None:
                totals.append(await _total(run))
                continue
            after = place.after if number == place.type_number else ""
            found = await self._stretch(
                run, after, count - len(resources), room, counted=is_first, memberships=item.memberships
            )
            resources += found.resources
            edges |= found.memberships
            room -= sum(size_of(resource, found.memberships) for resource in found.resources)
            totals.append(found.total)
            if found.last_id is not None:
                following = WalkPlace(number, found.last_id)
            elif len(resources) == count and number + 1 < len(self._searched):
                following = WalkPlace(number + 1, "")
            if following is not None and not is_first:
                break
        known = [item for item in totals if item is not None]
        total = sum(known) if is_first and len(known) == len(totals) else None
        if is_first and following is None:
            total = len(resources)
        return WalkedPage(tuple(resources), edges, total, following)

    async def _stretch(
        self, run: SearchRun, after: str, count: int, room: int, *, counted: bool, memberships: bool
    ) -> _Stretch:
        """The next `count` matches after an id, as far as there is room; the total, if they are to be `counted`."""
        if isinstance(run.plan.lookup, Edge):
            return await self._of_edge(run, run.plan.lookup, after, room, memberships=memberships)
        if counted and run.unfiltered:
            total, resources, more = await self._search.first(run, count, room)
            last = resources[-1].id if resources else after
            found = _Stretch(resources, last if more else None, {}, total)
        elif counted:
            found, known = await asyncio.gather(_next(run, after, count, room), _total(run))
            found = replace(found, total=known)
        else:
            found = await _next(run, after, count, room)
        return await self._with_memberships(run, found, after, room) if memberships else found

    async def _with_memberships(self, run: SearchRun, found: _Stretch, after: str, room: int) -> _Stretch:
        """The stretch with its memberships, as far as there is room for them."""
        members = run.resource_type.has_members
        ids = [resource.id for resource in found.resources]
        edges = {} if members or not ids else await run.memberships(ids, contiguous=run.unfiltered)
        whole = Found(0, tuple(found.resources), edges)
        shown = await self._search.shown(self._requester, whole, room, with_members([run.resource_type]))
        last = found.last_id
        if shown.cut:
            last = shown.resources[-1].id if shown.resources else after
        return replace(found, resources=shown.resources, memberships=shown.memberships, last_id=last)

    async def _of_edge(self, run: SearchRun, edge: Edge, after: str, room: int, *, memberships: bool) -> _Stretch:
        """The one group that can match. If there is no room for it, it is on the next page."""
        found = await self._search.from_edge(run, edge, Query(run.filter, 1, 1, room), memberships=memberships)
        return _Stretch(found.resources, after if found.more else None, found.memberships, found.total_results)


async def _next(run: SearchRun, after: str, count: int, room: int) -> _Stretch:
    """The next `count` matches after an id, as far as there is room, among the next MAX_SCAN resources."""
    window, examined, last = Window(0, count, room), 0, None
    async with aclosing(run.onward(after, count)) as steps:
        async for step in steps:
            examined, last = examined + step.number, step.last_id
            for resource in step.matching:
                window.add(resource)
            if window.ended or examined >= MAX_SCAN or run.work.spent >= PAGE_UNITS:
                break
    if window.number > len(window.shown):
        last = window.shown[-1].id if window.shown else after
    return _Stretch(window.shown, last, {})


async def _total(run: SearchRun) -> int | None:
    """How many resources of the type match; None if that would take more than a reading of an index."""
    if run.unfiltered:
        return await run.count()
    if isinstance(run.plan.lookup, Scan) or not run.plan.ids_suffice:
        return None
    found = await run.look_up_after("", IDS_AT_ONCE)
    return len(found.ids) if found.last_id is None else None
