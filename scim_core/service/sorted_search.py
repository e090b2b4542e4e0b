"""A search with sortBy (RFC 7644 section 3.4.2.3): all matches are put in order, and one page of them is shown.

Of each match only what it is sorted by is kept, and the match itself while all of them are small.
"""

from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

from scim2_models import SearchRequest

from scim_core.model import Json, StoredResource
from scim_core.protocol.costs import SORTED_RESOURCE, extent, model_units
from scim_core.protocol.representation import to_comparable
from scim_core.protocol.schemas import COMPARISON, ResourceType
from scim_core.service.portions import MAX_ANSWER_BYTES, Window, slices
from scim_core.service.root_search import Searched
from scim_core.service.search import Found, Search
from scim_core.service.search_run import Requester
from scim_core.work import TooMuchWork

MAX_KEPT_CHARACTERS = 8 * 1024 * 1024
"""Characters of the matches that are kept until the page is known. Of more, the page's are read again."""

MAX_SORTED_CHARACTERS = 16 * 1024 * 1024
"""Characters that the matches are sorted by, together: 1,600 for each of 10,000."""


class SortedSearch:
    """The search over these types for one request, sorted."""

    def __init__(
        self, search: Search, requester: Requester, searched: Sequence[Searched], sort: SearchRequest[Any]
    ) -> None:
        self._search = search
        self._requester = requester
        self._searched = searched
        self._sort = sort
        self._kept: dict[str, StoredResource] = {}

    async def page(self, start_index: int, count: int) -> Found:
        """`count` resources from the 1-based `start_index` on, and the total. The resources of a full answer are fewer.

        Raises TooManyException beyond MAX_SCAN resources, TooMuchWork.
        """
        ordered = await self._ordered()
        wanted = ordered[start_index - 1 :][:count]
        window = Window(0, len(wanted), MAX_ANSWER_BYTES)
        if all(resource_id in self._kept for _, resource_id in wanted):
            for _, resource_id in wanted:
                window.add(self._kept[resource_id])
        else:
            await self._read(wanted, window)
        return await self._with_memberships(Found(len(ordered), tuple(window.shown)))

    async def _ordered(self) -> list[tuple[str, str]]:
        """The types and ids of all matches."""
        work, models, characters, kept = self._requester.work, list[Any](), 0, 0
        types: dict[str, str] = {}
        for item in self._searched:
            run = await self._search.run(self._requester, item.resource_type, item.scim_filter)
            async with aclosing(run.matches()) as matches:
                async for matching in matches:
                    for resource in matching:
                        shown = self._sorted_by(item.resource_type, resource)
                        characters += extent(shown).characters
                        if characters > MAX_SORTED_CHARACTERS:
                            raise TooMuchWork("The values to sort by are too large. Add a filter, or leave out sortBy.")
                        kept += resource.size
                        if kept <= MAX_KEPT_CHARACTERS:
                            self._kept[resource.id] = resource
                        types[resource.id] = item.resource_type.name
                        await work.spend(model_units(shown, 0) + SORTED_RESOURCE, "sorting")
                        models.append(to_comparable(item.resource_type, shown))
        ordered = await work.run(SORTED_RESOURCE * len(models), "sorting", lambda: self._sorted(models))
        return [(types[str(model.id)], str(model.id)) for model in ordered]

    def _sorted(self, models: list[Any]) -> list[Any]:
        with COMPARISON:
            return self._sort.sort(models)

    def _sorted_by(self, resource_type: ResourceType, resource: StoredResource) -> Json:
        """The representation with its id and what it is sorted by, alone."""
        representation = self._requester.renderer.full(resource_type, resource, ())
        path = self._sort.sort_by
        name = path.parts[0].lower() if path is not None and path.parts else ""
        return {
            key: {inner: value for inner, value in item.items() if inner.lower() == name} if of_extension else item
            for key, item in representation.items()
            if (of_extension := key in resource_type.extensions) or key == "id" or key.lower() == name
        }

    async def _read(self, wanted: Sequence[tuple[str, str]], window: Window) -> None:
        """These resources are in the window, as far as there is room."""
        following = slices(wanted)

        async def read(number: int) -> Sequence[StoredResource | None]:
            return await self._search.read(self._requester.tenant, following(number))

        key = (self._requester.tenant, wanted[0][0])
        reading = self._search.portions.read(self._requester.work, key, len(wanted), read, first=len(wanted))
        async with aclosing(reading) as portions:
            async for resources, _ in portions:
                for resource in resources:
                    window.add(resource)
                if window.full:
                    break

    async def _with_memberships(self, found: Found) -> Found:
        """The page with the memberships that it shows, as far as there is room."""
        showing = {item.resource_type.name: item.resource_type for item in self._searched if item.memberships}
        others = [
            item
            for item in found.resources
            if item.resource_type in showing and not showing[item.resource_type].has_members
        ]
        edges = await self._search.groups_of(self._requester.tenant, others)
        members = any(resource_type.has_members for resource_type in showing.values())
        whole = Found(found.total_results, found.resources, edges)
        return await self._search.shown(self._requester, whole, MAX_ANSWER_BYTES, members=members)
