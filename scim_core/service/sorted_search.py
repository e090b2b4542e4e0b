"""A search with sortBy (RFC 7644 section 3.4.2.3): all matches are put in order, and one page of them is shown.

Of each match only what it is sorted by is kept, and the match itself while all of them are small.
"""

from bisect import bisect_left
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from scim2_models import InvalidValueException, SearchRequest

from scim_core.model import Json, StoredResource
from scim_core.protocol.costs import SORTED_RESOURCE, extent, model_units
from scim_core.protocol.representation import to_comparable
from scim_core.protocol.schemas import COMPARISON, ResourceType
from scim_core.service.cursor_search import WalkedPage
from scim_core.service.list_cursors import START, WalkPlace, holdable
from scim_core.service.portions import MAX_ANSWER_BYTES, Window, slices
from scim_core.service.root_search import Searched
from scim_core.service.search import Found, Search, with_members
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
        self._types: dict[str, str] = {}
        self._type_numbers = {item.resource_type.name: number for number, item in enumerate(searched)}

    async def page(self, start_index: int, count: int) -> Found:
        """`count` resources from the 1-based `start_index` on, and the total. The resources of a full answer are fewer.

        Raises TooManyException beyond MAX_SCAN resources, TooMuchWork.
        """
        ordered = await self._ordered()
        return await self._shown(self._named(ordered[start_index - 1 :][:count]), len(ordered))

    async def after(self, place: WalkPlace, count: int) -> WalkedPage:
        """At most `count` resources from this place in the order on, with the total, and where the next page starts.

        The place is found by the value and the id, whether or not the resource is still there. A resource whose value
        stays the same is met once. Raises as `page`, and InvalidValueException if a cursor cannot hold the value.
        """
        ordered = await self._ordered()
        begin = 0 if place == START else bisect_left(ordered, 1, key=lambda model: int(self._follows(model, place)))
        wanted = ordered[begin:][:count]
        found = await self._shown(self._named(wanted), len(ordered))
        passed = len(wanted)
        if found.cut:
            last_id = found.resources[-1].id
            passed = next(number for number, model in enumerate(wanted, 1) if str(model.id) == last_id)
        following = holdable(self._place(wanted[passed - 1])) if begin + passed < len(ordered) else None
        return WalkedPage(found.resources, found.memberships, found.total_results, following)

    async def _shown(self, wanted: Sequence[tuple[str, str]], total: int) -> Found:
        """The page of these resources, as far as there is room."""
        window = Window(0, len(wanted), MAX_ANSWER_BYTES)
        if all(resource_id in self._kept for _, resource_id in wanted):
            for _, resource_id in wanted:
                window.add(self._kept[resource_id])
        else:
            await self._read(wanted, window)
        found = await self._with_memberships(Found(total, tuple(window.shown)))
        return replace(found, cut=found.cut or window.full)

    def _follows(self, model: Any, place: WalkPlace) -> bool:
        """Whether the resource comes after the place in the order."""
        own, other = self._place(model), place
        if _key(own.value) == _key(other.value):
            return (own.type_number, own.after) > (other.type_number, other.after)
        descending = self._sort.sort_order == SearchRequest.SortOrder.descending
        return (_key(own.value) < _key(other.value)) is descending

    def _place(self, model: Any) -> WalkPlace:
        """Where the page after this resource starts."""
        with COMPARISON:
            value = self._sort.sort_value(model)
        return WalkPlace(self._type_numbers[self._types[str(model.id)]], str(model.id), value)

    def _named(self, models: Sequence[Any]) -> list[tuple[str, str]]:
        """The types and ids of these resources."""
        return [(self._types[str(model.id)], str(model.id)) for model in models]

    async def _ordered(self) -> list[Any]:
        """The models of all matches."""
        work, models, characters, kept = self._requester.work, list[Any](), 0, 0
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
                        self._types[resource.id] = item.resource_type.name
                        await work.spend(model_units(shown, 0) + SORTED_RESOURCE, "sorting")
                        models.append(to_comparable(item.resource_type, shown))
        return await work.run(SORTED_RESOURCE * len(models), "sorting", lambda: self._sorted(models))

    def _sorted(self, models: list[Any]) -> list[Any]:
        with COMPARISON:
            try:
                return self._sort.sort(models)
            except TypeError as error:
                raise InvalidValueException(
                    detail="sortBy has values of different types, which have no order. Search one resource type alone."
                ) from error

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
        members = with_members(showing.values())
        whole = Found(found.total_results, found.resources, edges)
        return await self._search.shown(self._requester, whole, MAX_ANSWER_BYTES, members)


def _key(value: Any) -> tuple[bool, Any]:
    """As SearchRequest.sort compares: a missing value comes after all others."""
    return (value is None, value if value is not None else "")
