"""Runs a search (RFC 7644 section 3.4.2): ids by the lookup of the plan, the rest of the filter, order, one page.

A list without sortBy is in id order, which is the order of creation, and is walked page by page. Table Storage cannot
skip resources. So the end of each page is remembered under the startIndex that comes next.
"""

import asyncio
import logging
from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from scim2_models import ScimFilter, SearchRequest

from scim_core.clock import Clock
from scim_core.ids import is_id
from scim_core.model import GROUP, Membership, StoredResource
from scim_core.protocol.representation import Renderer, to_comparable
from scim_core.protocol.schemas import COMPARISON, ResourceType
from scim_core.service.group_snapshots import group_snapshots
from scim_core.service.lookups import look_up, require_few
from scim_core.service.page_positions import PagePositions, position_key
from scim_core.service.query_plan import Edge, QueryPlan, Scan, plan
from scim_core.service.totals import Totals
from scim_core.storage.port import PagePosition, Storage

SCAN_PAGE = 1_000
"""Resources read at a time while scanning: what one answer of Table Storage holds at most."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Query:
    """What to find, and which part to return: `count` resources from the 1-based `start_index` on."""

    scim_filter: ScimFilter[Any] | None
    start_index: int
    count: int


@dataclass(frozen=True, slots=True)
class Found:
    """One page of a search, in order, how many resources there are in all, and whether any follow the page."""

    total_results: int
    resources: tuple[StoredResource, ...] = ()
    memberships: dict[str, list[Membership]] = field(default_factory=dict)
    more: bool = False


class Search:
    """Searches the resources of one tenant. One instance serves all requests of a process."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._totals = Totals(storage, clock)
        self.positions = PagePositions(storage, clock)

    async def page(
        self, tenant: str, resource_type: ResourceType, query: Query, renderer: Renderer, *, memberships: bool
    ) -> Found:
        """The page of the search; with `memberships`, also the memberships of its resources.

        Raises TooManyException when more than MAX_SCAN resources would have to be examined.
        """
        run = await self._run(tenant, resource_type, query.scim_filter, renderer)
        log.info("search plan", extra={"tenant": tenant, "resource_type": resource_type.name, "plan": str(run.plan)})
        if isinstance(run.plan.lookup, Edge):
            return await self._from_edge(run, run.plan.lookup, query, memberships=memberships)
        of_others = memberships and not resource_type.has_members
        if isinstance(run.plan.lookup, Scan):
            found = await self._walk(run, query, memberships=of_others)
        else:
            found = await self._from_lookup(run, query, memberships=of_others)
        return await self._with_members(tenant, found) if memberships and resource_type.has_members else found

    async def all_sorted(
        self,
        tenant: str,
        searched: Sequence[tuple[ResourceType, ScimFilter[Any] | None]],
        renderer: Renderer,
        sort: SearchRequest[Any],
    ) -> list[StoredResource]:
        """All matches of these types in the order that sortBy and sortOrder ask for (RFC 7644 section 3.4.2.3).

        Raises TooManyException as page does.
        """
        stored: dict[str, StoredResource] = {}
        models = []
        for resource_type, scim_filter in searched:
            run = await self._run(tenant, resource_type, scim_filter, renderer)
            for resource in await run.matches():
                stored[resource.id] = resource
                models.append(to_comparable(resource_type, renderer.full(resource_type, resource, ())))
        with COMPARISON:
            return [stored[str(model.id)] for model in sort.sort(models)]

    async def with_memberships(self, tenant: str, resources: Sequence[StoredResource]) -> Found:
        """These resources with the memberships that they show. Groups are as they are now, without deleted ones."""
        groups = tuple(resource for resource in resources if resource.resource_type == GROUP)
        others = tuple(resource for resource in resources if resource.resource_type != GROUP)
        of_others, found = await asyncio.gather(
            self._storage.groups_of(tenant, [resource.id for resource in others]),
            self._with_members(tenant, Found(len(resources), groups)),
        )
        return replace(found, resources=(*others, *found.resources), memberships=of_others | found.memberships)

    async def _run(
        self, tenant: str, resource_type: ResourceType, scim_filter: ScimFilter[Any] | None, renderer: Renderer
    ) -> "_Run":
        """The search, planned by the indexes that are complete for the tenant."""
        complete = (
            await self._storage.complete_indexes(tenant, resource_type.indexes) if scim_filter is not None else ()
        )
        planned = plan(resource_type, scim_filter, complete)
        return _Run(self._storage, self._totals, tenant, resource_type, scim_filter, planned=planned, renderer=renderer)

    async def _with_members(self, tenant: str, found: Found) -> Found:
        groups = await group_snapshots(self._storage, tenant, found.resources)
        members = {group.stored.id: group.members for group in groups}
        return replace(found, resources=tuple(group.stored for group in groups), memberships=members)

    async def _from_lookup(self, run: "_Run", query: Query, *, memberships: bool) -> Found:
        ids, position = await asyncio.gather(run.look_up(), self._position(run, query.start_index))
        before = query.start_index - 1
        if position is None:
            part = _Part(ids, before, query.count, enough=len(ids))
        else:
            later = ids[bisect_right(ids, position.last_id) :]
            part = _Part(later, 0, query.count, enough=query.count + 1)
        of_part = self._listed if run.plan.ids_suffice else self._matched
        found = await of_part(run, part, memberships=memberships)
        number, page = found.total_results, [resource.id for resource in found.resources]
        total = number if position is None else max(position.total_results, before + number)
        more = part.before + len(page) < number
        await self._remember(run, query, total, page, more=more)
        return replace(found, total_results=total, more=more)

    async def _listed(self, run: "_Run", part: "_Part", *, memberships: bool) -> Found:
        """These ids are the answer: only the page's resources are read. One that is deleted by then does not count."""
        wanted = part.of(part.ids)
        resources, edges = await asyncio.gather(
            run.load_matching(wanted), run.memberships(wanted) if memberships else _nothing()
        )
        return Found(len(part.ids) - (len(wanted) - len(resources)), tuple(resources), edges)

    async def _matched(self, run: "_Run", part: "_Part", *, memberships: bool) -> Found:
        """Resources are read until enough of them match. If there are few, their memberships are read with them."""
        at_once = memberships and len(part.ids) <= part.count
        matches, edges = await asyncio.gather(
            run.first_matches(part.ids, part.enough), run.memberships(part.ids) if at_once else _nothing()
        )
        page = part.of(matches)
        if memberships and not at_once:
            edges = await run.memberships([resource.id for resource in page])
        return Found(len(matches), tuple(page), edges)

    async def _from_edge(self, run: "_Run", edge: Edge, query: Query, *, memberships: bool) -> Found:
        """Answers whether a group has a member: the edge and the group are read side by side."""
        ids = [edge.group_id]
        if not (is_id(edge.group_id) and is_id(edge.member_id)):
            return Found(0)
        edges, loaded = await asyncio.gather(
            self._storage.present(run.tenant, edge.group_id, [edge.member_id]), run.load_matching(ids)
        )
        found = Found(len(loaded), tuple(loaded))
        if loaded and (loaded[0].change_pending or memberships):
            found = await self._with_members(run.tenant, found)
            members = found.memberships.get(edge.group_id, ())
            edges = [item for item in members if item.member_id == edge.member_id]
        resources = found.resources if edges else ()
        return replace(found, total_results=len(resources), resources=resources[query.start_index - 1 :][: query.count])

    async def _walk(self, run: "_Run", query: Query, *, memberships: bool) -> Found:
        total, resources, more = await self._stretch(run, query)
        ids = [resource.id for resource in resources]
        edges, _ = await asyncio.gather(
            run.memberships(ids, contiguous=run.unfiltered) if memberships and ids else _nothing(),
            self._remember(run, query, total, ids, more=more),
        )
        return Found(total, tuple(resources), edges, more)

    async def _stretch(self, run: "_Run", query: Query) -> tuple[int, list[StoredResource], bool]:
        """The total, the resources of the page, and whether any follow."""
        if query.count == 0:
            return await run.count(), [], False
        if query.start_index > 1:
            resumed = await self._resumed(run, query)
            if resumed is not None:
                return resumed
        if run.unfiltered:
            return await self._from_position(run, query)
        matches = await run.matches()
        begin = query.start_index - 1
        page = matches[begin : begin + query.count]
        return len(matches), page, begin + len(page) < len(matches)

    async def _from_position(self, run: "_Run", query: Query) -> tuple[int, list[StoredResource], bool]:
        if query.start_index == 1:
            total, (resources, more) = await asyncio.gather(run.count(), run.take(None, query.count))
            return max(total, len(resources)), resources, more
        total, before = await asyncio.gather(run.count(), run.seek(query.start_index - 1))
        if before is None:
            return total, [], False
        resources, more = await run.take(before, query.count)
        return total, resources, more

    async def _resumed(self, run: "_Run", query: Query) -> tuple[int, list[StoredResource], bool] | None:
        """The page after a known position. It is read while the storage confirms the position remembered here."""
        remembered = self.positions.remembered(run.tenant, run.position_key(query.start_index))
        ahead = asyncio.ensure_future(run.take(remembered.last_id, query.count)) if remembered else None
        try:
            position = await self._position(run, query.start_index)
            if position is None:
                return None
            if remembered is not None and ahead is not None and remembered.last_id == position.last_id:
                resources, more = await ahead
            else:
                resources, more = await run.take(position.last_id, query.count)
        finally:
            if ahead is not None:
                ahead.cancel()
                await asyncio.gather(ahead, return_exceptions=True)
        return max(position.total_results, query.start_index - 1 + len(resources)), resources, more

    async def _position(self, run: "_Run", start_index: int) -> PagePosition | None:
        """Where the page before the one at `start_index` ended, if that is still known."""
        return None if start_index == 1 else await self.positions.load(run.tenant, run.position_key(start_index))

    async def _remember(self, run: "_Run", query: Query, total: int, page: Sequence[str], *, more: bool) -> None:
        """The position of the page after these ids is remembered, if more follow."""
        if page and more:
            key = run.position_key(query.start_index + len(page))
            await self.positions.save(run.tenant, key, page[-1], total)


@dataclass(frozen=True, slots=True)
class _Part:
    """What a page is taken from: ids, the number of matches before the page, and the number of matches to look for."""

    ids: list[str]
    before: int
    count: int
    enough: int

    def of[T](self, matches: list[T]) -> list[T]:
        """The page."""
        return matches[self.before : self.before + self.count]


async def _nothing() -> dict[str, list[Membership]]:
    return {}


class _Run:
    """One search over one resource type: the plan, and what the plan's steps read."""

    def __init__(
        self,
        storage: Storage,
        totals: Totals,
        tenant: str,
        resource_type: ResourceType,
        scim_filter: ScimFilter[Any] | None,
        *,
        planned: QueryPlan,
        renderer: Renderer,
    ) -> None:
        self.storage = storage
        self.totals = totals
        self.tenant = tenant
        self.resource_type = resource_type
        self.filter = scim_filter
        self.renderer = renderer
        self.plan = planned

    @property
    def unfiltered(self) -> bool:
        """Whether every resource of the type matches."""
        return self.filter is None

    def position_key(self, start_index: int) -> str:
        """Names the page of this search that starts there."""
        return position_key(self.resource_type.name, self.filter or "", start_index)

    async def look_up(self) -> list[str]:
        """The ids, ascending, that the plan's lookup finds. Raises TooManyException beyond MAX_SCAN of them."""
        return await look_up(self.storage, self.tenant, self.resource_type.name, self.plan.lookup)

    async def load_matching(self, ids: Sequence[str]) -> list[StoredResource]:
        """The stored resources with these ids that match the filter. Deleted ones are left out."""
        loaded = await self.storage.read(self.tenant, self.resource_type.name, ids)
        return await self._matching([resource for resource in loaded if resource is not None])

    async def first_matches(self, ids: Sequence[str], enough: int) -> list[StoredResource]:
        """The first `enough` of these resources that match. Each reading is as large as all before it together."""
        matches: list[StoredResource] = []
        begin, end = 0, enough
        while len(matches) < enough and begin < len(ids):
            matches += await self.load_matching(ids[begin:end])
            begin, end = end, 2 * end
        return matches[:enough]

    async def memberships(self, ids: Sequence[str], *, contiguous: bool = False) -> dict[str, list[Membership]]:
        """The memberships of these resources. They are not groups."""
        return await self.storage.groups_of(self.tenant, ids, contiguous=contiguous)

    async def count(self) -> int:
        """How many resources match."""
        if self.unfiltered:
            return await self.totals.of(self.tenant, self.resource_type.name)
        return len(await self.matches())

    async def seek(self, steps: int) -> str | None:
        """The id of the resource at this 1-based position of all."""
        return await self.storage.seek(self.tenant, self.resource_type.name, after=None, steps=steps)

    async def matches(self) -> list[StoredResource]:
        """Every match in id order. Raises TooManyException beyond MAX_SCAN resources."""
        if not isinstance(self.plan.lookup, Scan):
            return await self.load_matching(await self.look_up())
        return [resource async for matching, _ in self._scan(None, SCAN_PAGE) for resource in matching]

    async def take(self, after: str | None, count: int) -> tuple[list[StoredResource], bool]:
        """The next `count` matches after an id, and whether others may follow."""
        taken: list[StoredResource] = []
        async for matching, may_follow in self._scan(after, count if self.plan.exact else SCAN_PAGE):
            taken += matching
            if len(taken) >= count:
                return taken[:count], may_follow or len(taken) > count
        return taken, False

    async def _scan(self, after: str | None, limit: int) -> AsyncIterator[tuple[list[StoredResource], bool]]:
        """The matches page by page, each with whether a page may follow."""
        tests = self.plan.lookup.tests if isinstance(self.plan.lookup, Scan) else ()
        examined = 0
        while True:
            page = await self.storage.page(self.tenant, self.resource_type.name, after=after, limit=limit, tests=tests)
            examined += len(page.resources)
            yield await self._matching(page.resources), page.last_id is not None
            if page.last_id is None:
                return
            require_few(examined + 1)
            after = page.last_id

    async def _matching(self, resources: Sequence[StoredResource]) -> list[StoredResource]:
        if self.plan.exact or self.filter is None:
            return list(resources)
        if not self.plan.reads_memberships:
            return [resource for resource in resources if self._test(resource, ())]
        if self.resource_type.has_members:
            groups = await group_snapshots(self.storage, self.tenant, resources)
            return [group.stored for group in groups if self._test(group.stored, group.members)]
        edges = await self.memberships([resource.id for resource in resources])
        return [resource for resource in resources if self._test(resource, edges.get(resource.id, ()))]

    def _test(self, resource: StoredResource, memberships: Sequence[Membership]) -> bool:
        assert self.filter is not None  # noqa: S101 -- only called with a filter
        representation = self.renderer.full(self.resource_type, resource, memberships)
        with COMPARISON:
            return self.filter.match(to_comparable(self.resource_type, representation))
