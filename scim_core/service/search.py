"""Runs a search (RFC 7644 section 3.4.2): ids by the lookup of the plan, the rest of the filter, order, one page.

A list without sortBy is in id order, which is the order of creation, and is walked page by page. Table Storage cannot
skip resources. So the end of each page is remembered under the startIndex that comes next.
"""

import asyncio
import logging
from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from scim2_models import ScimFilter

from scim_core.clock import Clock
from scim_core.ids import is_id
from scim_core.model import Membership, StoredResource
from scim_core.protocol.costs import read_units
from scim_core.protocol.schemas import ResourceType
from scim_core.service.group_snapshots import one_by_one
from scim_core.service.page_positions import PagePositions
from scim_core.service.portions import Portions, Window, fits, size_of
from scim_core.service.query_plan import Edge, Scan, plan
from scim_core.service.search_run import Requester, SearchRun
from scim_core.service.totals import Totals
from scim_core.storage.port import PagePosition, Storage

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Query:
    """What to find, and which part to return: `count` resources from the 1-based `start_index` on, within the `room`.

    `room` is how much of an answer is left, of MAX_ANSWER_BYTES.
    """

    scim_filter: ScimFilter[Any] | None
    start_index: int
    count: int
    room: int


@dataclass(frozen=True, slots=True)
class Found:
    """One page of a search, in order, how many resources there are in all, and whether any follow the page.

    It is `cut` if the answer is full before the end of what was found.
    """

    total_results: int
    resources: tuple[StoredResource, ...] = ()
    memberships: dict[str, list[Membership]] = field(default_factory=dict)
    more: bool = False
    cut: bool = False


def with_members(resource_types: Iterable[ResourceType]) -> frozenset[str]:
    """The names of the types among these that have members of their own."""
    return frozenset(item.name for item in resource_types if item.has_members)


class Search:
    """Searches the resources of one tenant. One instance serves all requests of a process."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._totals = Totals(storage, clock)
        self.positions = PagePositions(storage, clock)
        self.portions = Portions()

    async def page(
        self, requester: Requester, resource_type: ResourceType, query: Query, *, memberships: bool
    ) -> Found:
        """The page of the search; with `memberships`, also the memberships of its resources.

        Raises TooManyException when more than MAX_SCAN resources would have to be examined, TooMuchWork.
        """
        run = await self.logged_run(requester, resource_type, query.scim_filter)
        if isinstance(run.plan.lookup, Edge):
            return await self.from_edge(run, run.plan.lookup, query, memberships=memberships)
        of_others = memberships and not resource_type.has_members
        if isinstance(run.plan.lookup, Scan):
            found = await self._walk(run, query, memberships=of_others)
        else:
            found = await self._from_lookup(run, query, memberships=of_others)
        if not memberships:
            return found
        cut = await self.shown(requester, found, query.room, with_members([resource_type]))
        if cut.more and (len(cut.resources), cut.more) != (len(found.resources), found.more):
            await self._remember(run, query, cut.total_results, [item.id for item in cut.resources], more=True)
        return cut

    async def logged_run(
        self, requester: Requester, resource_type: ResourceType, scim_filter: ScimFilter[Any] | None
    ) -> SearchRun:
        """As `run`, and the plan is in the log."""
        run = await self.run(requester, resource_type, scim_filter)
        # Every match of a provisioning cycle is one look-up: only what reads everything is worth a line in the logs.
        level = logging.INFO if isinstance(run.plan.lookup, Scan) else logging.DEBUG
        if log.isEnabledFor(level):
            fields = {"tenant": run.tenant, "resource_type": resource_type.name, "plan": str(run.plan)}
            log.log(level, "search plan", extra=fields)
        return run

    async def run(
        self, requester: Requester, resource_type: ResourceType, scim_filter: ScimFilter[Any] | None
    ) -> SearchRun:
        """The search, planned by the indexes that are complete for the tenant."""
        complete = (
            await self._storage.complete_indexes(requester.tenant, resource_type.indexes)
            if scim_filter is not None
            else ()
        )
        planned = plan(resource_type, scim_filter, complete)
        return SearchRun(
            self._storage, self._totals, requester, resource_type, scim_filter, planned=planned, portions=self.portions
        )

    async def shown(self, requester: Requester, found: Found, room: int, members: Collection[str]) -> Found:
        """The part of the page that fits the room with its memberships. `members` are the types of which they are read.

        Groups, which are the resources of these types, are as they are now, without deleted ones. No more of them is
        read than is shown.
        """
        memberships = dict(found.memberships)
        groups = [resource for resource in found.resources if resource.resource_type in members]
        current: dict[str, StoredResource | None] = {resource.id: None for resource in groups}
        last, left = "", room
        if groups:
            await requester.work.expect_much()
        async with aclosing(one_by_one(self._storage, requester.tenant, groups)) as snapshots:
            async for group in snapshots:
                current[group.stored.id], memberships[group.stored.id] = group.stored, group.members
                await requester.work.conclude(read_units(len(group.members)))
                left -= size_of(group.stored, memberships)
                if left < 0:  # no later resource fits
                    last = group.stored.id
                    break
        page, ended = list[StoredResource](), False
        for number, resource in enumerate(found.resources, 1):
            now = current.get(resource.id, resource)
            if now is None:  # it is deleted by now
                continue
            if not fits(size_of(now, memberships), room):
                ended = True
                break
            page.append(now)
            room -= size_of(now, memberships)
            if now.id == last:
                ended = number < len(found.resources)
                break
        return replace(found, resources=tuple(page), memberships=memberships, more=found.more or ended, cut=ended)

    async def groups_of(self, tenant: str, resources: Sequence[StoredResource]) -> dict[str, list[Membership]]:
        """The memberships of these resources. They are not groups."""
        return await self._storage.groups_of(tenant, [resource.id for resource in resources])

    async def read(self, tenant: str, of_types: Sequence[tuple[str, str]]) -> list[StoredResource | None]:
        """The resources with these types and ids, in this order; None where there is none."""
        by_type: dict[str, list[str]] = {}
        for resource_type, resource_id in of_types:
            by_type.setdefault(resource_type, []).append(resource_id)
        found = await asyncio.gather(*(self._storage.read(tenant, kind, ids) for kind, ids in by_type.items()))
        by_id = {resource.id: resource for some in found for resource in some if resource is not None}
        return [by_id.get(resource_id) for _, resource_id in of_types]

    async def _from_lookup(self, run: SearchRun, query: Query, *, memberships: bool) -> Found:
        if query.start_index == 1:
            ids, position = await run.look_up(), None
        else:
            ids, position = await asyncio.gather(run.look_up(), self._position(run, query.start_index))
        before = query.start_index - 1
        if position is None:
            part = _Part(ids, before, query.count, enough=None)
        else:
            later = ids[bisect_right(ids, position.last_id) :]
            part = _Part(later, 0, query.count, enough=query.count + 1)
        of_part = self._listed if run.plan.ids_suffice else self._matched
        found = await of_part(run, part, query.room, memberships=memberships)
        number, page = found.total_results, [resource.id for resource in found.resources]
        total = number if position is None else max(position.total_results, before + number)
        more = part.before + len(page) < number
        await self._remember(run, query, total, page, more=more)
        return replace(found, total_results=total, more=more)

    async def _listed(self, run: SearchRun, part: "_Part", room: int, *, memberships: bool) -> Found:
        """These ids are the answer: only the page's resources are read. One that is deleted by then does not count."""
        wanted = part.ids[part.before :][: part.count]
        matches = run.first_matches(wanted, Window(0, part.count, room), len(wanted))
        if memberships and wanted:
            window, edges = await asyncio.gather(matches, run.memberships(wanted))
        else:
            window, edges = await matches, {}
        return Found(len(part.ids) - (window.looked_at - window.number), tuple(window.shown), edges)

    async def _matched(self, run: SearchRun, part: "_Part", room: int, *, memberships: bool) -> Found:
        """Resources are read until enough of them match. If there are few, their memberships are read with them."""
        at_once = memberships and len(part.ids) <= part.count
        window, edges = await asyncio.gather(
            run.first_matches(part.ids, Window(part.before, part.count, room), part.enough),
            run.memberships(part.ids) if at_once else _nothing(),
        )
        if memberships and not at_once:
            edges = await run.memberships([resource.id for resource in window.shown])
        return Found(min(window.number, part.enough or window.number), tuple(window.shown), edges)

    async def from_edge(self, run: SearchRun, edge: Edge, query: Query, *, memberships: bool) -> Found:
        """Answers whether a group has a member: the edge and the group are read side by side."""
        if not (is_id(edge.group_id) and is_id(edge.member_id)):
            return Found(0)
        edges, window = await asyncio.gather(
            self._storage.present(run.tenant, edge.group_id, [edge.member_id]),
            run.first_matches([edge.group_id], Window(0, 1, query.room), 1),
        )
        if not window.number:
            return Found(0)
        found = Found(1, tuple(window.shown), more=window.full)
        if found.resources and (found.resources[0].change_pending or memberships):
            found = await self.shown(run.requester, found, query.room, {run.resource_type.name})
            members = found.memberships.get(edge.group_id, ())
            edges = [item for item in members if item.member_id == edge.member_id]
        if not edges:
            return Found(0)
        page = found.resources[query.start_index - 1 :][: query.count]
        return replace(found, total_results=1, resources=page)

    async def _walk(self, run: SearchRun, query: Query, *, memberships: bool) -> Found:
        total, resources, more = await self._stretch(run, query)
        ids = [resource.id for resource in resources]
        edges, _ = await asyncio.gather(
            run.memberships(ids, contiguous=run.unfiltered) if memberships and ids else _nothing(),
            self._remember(run, query, total, ids, more=more),
        )
        return Found(total, tuple(resources), edges, more)

    async def _stretch(self, run: SearchRun, query: Query) -> tuple[int, list[StoredResource], bool]:
        """The total, the resources of the page, and whether any follow."""
        if query.count == 0:
            return await run.count(), [], False
        if query.start_index > 1:
            resumed = await self._resumed(run, query)
            if resumed is not None:
                return resumed
        if run.unfiltered:
            return await self._from_position(run, query)
        window = await run.all(Window(query.start_index - 1, query.count, query.room))
        return window.number, window.shown, query.start_index - 1 + len(window.shown) < window.number

    async def _from_position(self, run: SearchRun, query: Query) -> tuple[int, list[StoredResource], bool]:
        if query.start_index == 1:
            return await self.first(run, query.count, query.room)
        total, before = await asyncio.gather(run.count(), run.seek(query.start_index - 1))
        if before is None:
            return total, [], False
        resources, more = await run.take(before, query.count, query.room)
        return total, resources, more

    async def first(self, run: SearchRun, count: int, room: int) -> tuple[int, list[StoredResource], bool]:
        """The total of an unfiltered list, its first page, and whether others follow.

        If the page holds all that there is, as it probably does, nothing needs to be counted.
        """
        taking = run.take(None, count, room)
        if run.probably_within(count):
            resources, more = await taking
            if not more:
                run.note_total(len(resources))
                return len(resources), resources, False
            total = await run.count()
        else:
            total, (resources, more) = await asyncio.gather(run.count(), taking)
        return max(total, len(resources)), resources, more

    async def _resumed(self, run: SearchRun, query: Query) -> tuple[int, list[StoredResource], bool] | None:
        """The page after a known position. It is read while the storage confirms the position remembered here."""
        remembered = self.positions.remembered(run.tenant, run.position_key(query.start_index))
        ahead = asyncio.ensure_future(run.take(remembered.last_id, query.count, query.room)) if remembered else None
        try:
            position = await self._position(run, query.start_index)
            if position is None:
                return None
            if remembered is not None and ahead is not None and remembered.last_id == position.last_id:
                resources, more = await ahead
            else:
                resources, more = await run.take(position.last_id, query.count, query.room)
        finally:
            if ahead is not None:
                ahead.cancel()
                await asyncio.gather(ahead, return_exceptions=True)
        return max(position.total_results, query.start_index - 1 + len(resources)), resources, more

    async def _position(self, run: SearchRun, start_index: int) -> PagePosition | None:
        """Where the page before the one at `start_index` ended, if that is still known."""
        return None if start_index == 1 else await self.positions.load(run.tenant, run.position_key(start_index))

    async def _remember(self, run: SearchRun, query: Query, total: int, page: Sequence[str], *, more: bool) -> None:
        """The position of the page after these ids is remembered, if more follow."""
        if page and more:
            key = run.position_key(query.start_index + len(page))
            await self.positions.save(run.tenant, key, page[-1], total)


@dataclass(frozen=True, slots=True)
class _Part:
    """What a page is taken from: ids, the number of matches before the page, and how many matches to look for.

    `enough` is None if all are counted.
    """

    ids: list[str]
    before: int
    count: int
    enough: int | None


async def _nothing() -> dict[str, list[Membership]]:
    return {}
