"""One page of a list or search over some resource types, in the order that was asked for (RFC 7644 section 3.4.2)."""

from collections.abc import Sequence
from dataclasses import dataclass

from scim2_models import InvalidCountException, InvalidValueException, TooManyException

from scim_core.model import Membership, StoredResource
from scim_core.protocol.costs import filter_text_units
from scim_core.protocol.filter_leniency import parse_filter
from scim_core.protocol.representation import shows_memberships
from scim_core.protocol.schemas import ResourceType
from scim_core.protocol.search_parameters import SearchParameters
from scim_core.service.cursor_search import CursorSearch
from scim_core.service.list_cursors import ListCursors, Walk
from scim_core.service.root_search import RootSearch, Searched
from scim_core.service.search import Found, Search
from scim_core.service.search_run import Requester
from scim_core.service.sorted_search import SortedSearch
from scim_core.work import TooMuchWork

CURSOR_UNITS = 20
"""Units of work in which the cursors of a page are opened and sealed. Measured: 10."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of resources with its memberships. Without `start_index` it is of a walk by cursor.

    The total of a walk is None if it is not known.
    """

    resources: tuple[StoredResource, ...]
    memberships: dict[str, list[Membership]]
    total: int | None
    start_index: int | None = None
    previous_cursor: str | None = None
    next_cursor: str | None = None


class Listing:
    """Finds pages for one tenant at a time. One instance serves all requests of a process."""

    def __init__(self, search: Search, cursors: ListCursors | None) -> None:
        self._search = search
        self._cursors = cursors

    async def page(
        self, requester: Requester, resource_types: Sequence[ResourceType], parameters: SearchParameters
    ) -> Listed:
        """The page that the parameters ask for, with the memberships that it shows.

        Raises InvalidFilterException, InvalidCursorException, ExpiredCursorException, InvalidCountException, and
        TooManyException when more than MAX_SCAN resources had to be examined, or examining them is too much work.
        """
        try:
            if parameters.cursor is not None:
                return await self._walked(requester, resource_types, parameters, parameters.cursor)
            found = await self._found(requester, resource_types, parameters)
            return Listed(found.resources, found.memberships, found.total_results, parameters.start_index)
        except TooMuchWork as error:
            raise TooManyException(detail=str(error)) from error

    async def _found(
        self, requester: Requester, resource_types: Sequence[ResourceType], parameters: SearchParameters
    ) -> Found:
        """The page by startIndex."""
        searched = [await self._searched(requester, item, parameters) for item in resource_types]
        if parameters.sort is not None:
            ordered = SortedSearch(self._search, requester, searched, parameters.sort)
            return await ordered.page(parameters.start_index, parameters.count)
        root_search = RootSearch(self._search, requester, searched)
        return await root_search.page(parameters.start_index, parameters.count)

    async def _walked(
        self, requester: Requester, resource_types: Sequence[ResourceType], parameters: SearchParameters, cursor: str
    ) -> Listed:
        """The page by cursor. With count 0 it has the total alone, as by startIndex, and nothing follows."""
        cursors, tenant, query = self._require_cursors(), requester.tenant, parameters.query(resource_types)
        await requester.work.spend(CURSOR_UNITS, "its cursor")
        walk = cursors.opened(tenant, query, cursor) if cursor else Walk(parameters.count, None)
        if parameters.names_count and parameters.count != walk.count:
            raise InvalidCountException(
                detail=f"count must be {walk.count} on every page of this walk, as on its first page, or be left out."
            )
        if not walk.count:
            found = await self._found(requester, resource_types, parameters)
            return Listed((), {}, found.total_results)
        searched = [await self._searched(requester, item, parameters) for item in resource_types]
        if parameters.sort is not None:
            ordered = SortedSearch(self._search, requester, searched, parameters.sort)
            page = await ordered.after(walk.place, walk.count)
        else:
            page = await CursorSearch(self._search, requester, searched).page(walk.place, walk.count)
        total = page.total if walk.total is None else walk.total
        back, onward = walk.back(total), walk.onward(page.following, total) if page.following else None
        return Listed(
            page.resources,
            page.memberships,
            total,
            previous_cursor=cursors.sealed(tenant, query, back) if back else None,
            next_cursor=cursors.sealed(tenant, query, onward) if onward else None,
        )

    def _require_cursors(self) -> ListCursors:
        if self._cursors is None:
            raise InvalidValueException(
                detail="This service pages by startIndex alone: its setting SCIM_MASTER_KEY is empty. Leave out cursor."
            )
        return self._cursors

    async def _searched(
        self, requester: Requester, resource_type: ResourceType, parameters: SearchParameters
    ) -> Searched:
        text = parameters.filter_text
        scim_filter = None
        if text is not None:
            units = filter_text_units(text)
            scim_filter = await requester.work.run(units, "its filter", lambda: parse_filter(resource_type, text))
        return Searched(resource_type, scim_filter, shows_memberships(resource_type, parameters.projection))
