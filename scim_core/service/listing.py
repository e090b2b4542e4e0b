"""One page of a list or search over some resource types, in the order that was asked for (RFC 7644 section 3.4.2)."""

from collections.abc import Sequence

from scim2_models import TooManyException

from scim_core.protocol.costs import filter_text_units
from scim_core.protocol.filter_leniency import parse_filter
from scim_core.protocol.representation import shows_memberships
from scim_core.protocol.schemas import ResourceType
from scim_core.protocol.search_parameters import SearchParameters
from scim_core.service.root_search import RootSearch, Searched
from scim_core.service.search import Found, Search
from scim_core.service.search_run import Requester
from scim_core.service.sorted_search import SortedSearch
from scim_core.work import TooMuchWork


class Listing:
    """Finds pages for one tenant at a time. One instance serves all requests of a process."""

    def __init__(self, search: Search) -> None:
        self._search = search

    async def page(
        self, requester: Requester, resource_types: Sequence[ResourceType], parameters: SearchParameters
    ) -> Found:
        """The page that the parameters ask for, with the memberships that it shows.

        Raises InvalidFilterException, and TooManyException when more than MAX_SCAN resources had to be examined, or
        examining them is too much work.
        """
        try:
            searched = [await self._searched(requester, item, parameters) for item in resource_types]
            if parameters.sort is not None:
                ordered = SortedSearch(self._search, requester, searched, parameters.sort)
                return await ordered.page(parameters.start_index, parameters.count)
            root_search = RootSearch(self._search, requester, searched)
            return await root_search.page(parameters.start_index, parameters.count)
        except TooMuchWork as error:
            raise TooManyException(detail=str(error)) from error

    async def _searched(
        self, requester: Requester, resource_type: ResourceType, parameters: SearchParameters
    ) -> Searched:
        text = parameters.filter_text
        scim_filter = None
        if text is not None:
            units = filter_text_units(text)
            scim_filter = await requester.work.run(units, "its filter", lambda: parse_filter(resource_type, text))
        return Searched(resource_type, scim_filter, shows_memberships(resource_type, parameters.projection))
