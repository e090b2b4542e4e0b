"""One search over one resource type: the plan, and what the plan's steps read and test."""

import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from scim2_models import Resource, ScimFilter

from scim_core.model import Membership, StoredResource
from scim_core.protocol.costs import read_units
from scim_core.protocol.representation import Renderer, to_comparable
from scim_core.protocol.schemas import ResourceType
from scim_core.service.filter_test import FilterTest
from scim_core.service.group_snapshots import one_by_one
from scim_core.service.lookups import LookedUp, look_up, look_up_after, require_few
from scim_core.service.page_positions import position_key
from scim_core.service.portions import Portions, Window, slices
from scim_core.service.query_plan import QueryPlan, Scan
from scim_core.service.totals import Totals
from scim_core.storage.port import Storage
from scim_core.work import Work

ALL = sys.maxsize
"""A number of resources that no search reaches: require_few ends it before."""

IDS_AT_ONCE = 1_000
"""Ids that one reading of an index brings, where not all of them match: what one answer of Table Storage holds."""


@dataclass(frozen=True, slots=True)
class Requester:
    """For whom a search is made: the tenant, how its resources are shown, and the work of the request."""

    tenant: str
    renderer: Renderer
    work: Work


@dataclass(frozen=True, slots=True)
class ExaminedPart:
    """The matches among the next `number` resources that a search examined. `last_id`: others may follow after it."""

    matching: list[StoredResource]
    number: int
    last_id: str | None


class SearchRun:
    """One search over one resource type for one request."""

    def __init__(
        self,
        storage: Storage,
        totals: Totals,
        requester: Requester,
        resource_type: ResourceType,
        scim_filter: ScimFilter[Any] | None,
        *,
        planned: QueryPlan,
        portions: Portions,
    ) -> None:
        self.requester = requester
        self.storage = storage
        self.tenant = requester.tenant
        self.work = requester.work
        self.resource_type = resource_type
        self.filter = scim_filter
        self.plan = planned
        self._totals = totals
        self._portions = portions
        self._key = (requester.tenant, resource_type.name)
        self._renderer = requester.renderer
        self._test = FilterTest(scim_filter, self.work, resource_type.memberships) if scim_filter is not None else None

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

    async def look_up_after(self, after: str, limit: int) -> LookedUp:
        """Some `limit` of these ids, after this one. Raises as look_up, if they have to be put in order."""
        return await look_up_after(
            self.storage, self.tenant, self.resource_type.name, self.plan.lookup, after, limit=limit
        )

    async def load_matching(self, ids: Sequence[str], first: int) -> AsyncGenerator[tuple[int, list[StoredResource]]]:
        """The stored resources with these ids that match the filter, with how many ids were looked at for them.

        They are read some at a time, at most `first` to begin with. Deleted ones are left out.
        """
        following = slices(ids)

        async def read(number: int) -> Sequence[StoredResource | None]:
            some = following(number)
            return await self.storage.read(self.tenant, self.resource_type.name, some) if some else ()

        async with aclosing(self._portions.read(self.work, self._key, len(ids), read, first=first)) as portions:
            async for resources, number in portions:
                yield number, await self._matching(resources)

    async def first_matches(self, ids: Sequence[str], window: Window, enough: int | None) -> Window:
        """The matches among these ids are counted, and those of the window kept.

        They are read until there are `enough`, or until the page is full. None: all of them.
        """
        async with aclosing(self.load_matching(ids, ALL if enough is None else enough)) as portions:
            async for number, matching in portions:
                window.looked_at += number
                for resource in matching:
                    window.add(resource)
                if enough is not None and (window.number >= enough or window.full):
                    break
        return window

    async def memberships(self, ids: Sequence[str], *, contiguous: bool = False) -> dict[str, list[Membership]]:
        """The memberships of these resources. They are not groups."""
        return await self.storage.groups_of(self.tenant, ids, contiguous=contiguous)

    async def count(self) -> int:
        """How many resources match."""
        if self.unfiltered:
            return await self._totals.of(self.tenant, self.resource_type.name)
        return (await self.all(Window(0, 0, 0))).number

    def probably_within(self, number: int) -> bool:
        """Whether there were at most so many resources when this process looked last."""
        latest = self._totals.latest(self.tenant, self.resource_type.name)
        return latest is not None and latest <= number

    def note_total(self, total: int) -> None:
        """A page has shown that there are so many resources of the type."""
        self._totals.note(self.tenant, self.resource_type.name, total)

    async def seek(self, steps: int) -> str | None:
        """The id of the resource at this 1-based position of all."""
        return await self.storage.seek(self.tenant, self.resource_type.name, after=None, steps=steps)

    async def matches(self) -> AsyncGenerator[list[StoredResource]]:
        """Every match in id order, some at a time. Raises TooManyException beyond MAX_SCAN resources."""
        if isinstance(self.plan.lookup, Scan):
            async with aclosing(self._scan(None, ALL)) as scanned:
                async for examined in scanned:
                    yield examined.matching
        else:
            async with aclosing(self.load_matching(await self.look_up(), ALL)) as loaded:
                async for _, matching in loaded:
                    yield matching

    async def all(self, window: Window) -> Window:
        """All matches are counted, and those of the window kept. Raises TooManyException as matches does."""
        async with aclosing(self.matches()) as matches:
            async for matching in matches:
                for resource in matching:
                    window.add(resource)
        return window

    async def take(self, after: str | None, count: int, room: int) -> tuple[list[StoredResource], bool]:
        """The next `count` matches after an id, as far as there is room, and whether others may follow."""
        window = Window(0, count, room)
        follows = False
        async with aclosing(self._scan(after, count if self.plan.exact else ALL)) as scanned:
            async for examined in scanned:
                follows = examined.last_id is not None
                for resource in examined.matching:
                    window.add(resource)
                if window.ended:
                    break
        return window.shown, follows or window.number > len(window.shown)

    def onward(self, after: str, count: int) -> AsyncGenerator[ExaminedPart]:
        """What comes after an id, in id order, some at a time. It is meant for about `count` matches.

        Raises TooManyException when it goes on beyond MAX_SCAN resources.
        """
        if isinstance(self.plan.lookup, Scan):
            return self._scan(after or None, count if self.plan.exact else ALL)
        return self._found_after(after, count)

    async def _found_after(self, after: str, count: int) -> AsyncGenerator[ExaminedPart]:
        """As `onward`, by the lookup of the plan. Ids that are the answer are read only as many as are wanted."""
        last: str | None = after
        while last is not None:
            found = await self.look_up_after(last, count if self.plan.exact else IDS_AT_ONCE)
            last, passed = found.last_id, 0
            async with aclosing(self.load_matching(found.ids, count)) as loaded:
                async for number, matching in loaded:
                    passed += number
                    of_these = found.ids[passed - 1] if passed < len(found.ids) else last
                    yield ExaminedPart(matching, number, of_these)
            if not found.ids:
                yield ExaminedPart([], 0, last)

    async def _scan(self, after: str | None, wanted: int) -> AsyncGenerator[ExaminedPart]:
        """The matches, some at a time. `last_id` is None at the end."""
        tests = self.plan.lookup.tests if isinstance(self.plan.lookup, Scan) else ()
        examined = 0

        async def read(limit: int) -> Sequence[StoredResource]:
            nonlocal after
            page = await self.storage.page(self.tenant, self.resource_type.name, after=after, limit=limit, tests=tests)
            after = page.last_id
            return page.resources

        async with aclosing(self._portions.read(self.work, self._key, wanted, read, first=wanted)) as portions:
            async for resources, number in portions:
                examined += number
                yield ExaminedPart(await self._matching(resources), number, after)
                if after is None:
                    return
                require_few(examined + 1)

    async def _matching(self, resources: Sequence[StoredResource]) -> list[StoredResource]:
        if self.plan.exact or self.filter is None:
            return list(resources)
        assert self._test is not None  # noqa: S101 -- there is a filter
        self._test.require(resources)
        if not self.plan.reads_memberships:
            return [resource for resource in resources if await self._matches(resource, ())]
        if self.resource_type.has_members:
            matching = list[StoredResource]()
            async with aclosing(one_by_one(self.storage, self.tenant, resources)) as groups:
                async for group in groups:
                    await self.work.spend(read_units(len(group.members)), "reading members")
                    if await self._matches(group.stored, group.members):
                        matching.append(group.stored)
            return matching
        edges = await self.memberships([resource.id for resource in resources])
        return [resource for resource in resources if await self._matches(resource, edges.get(resource.id, ()))]

    async def _matches(self, resource: StoredResource, memberships: Sequence[Membership]) -> bool:
        assert self._test is not None  # noqa: S101 -- only called with a filter

        def model() -> Resource[Any]:
            representation = self._renderer.full(self.resource_type, resource, memberships)
            return to_comparable(self.resource_type, representation)

        return await self._test.matches(resource, memberships, model)
