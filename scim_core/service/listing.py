"""One page of a list or search over some resource types, in the order that was asked for (RFC 7644 section 3.4.2)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from scim2_models import SearchRequest

from scim_core.protocol.filter_leniency import parse_filter
from scim_core.protocol.representation import Renderer, shows_memberships
from scim_core.protocol.schemas import ResourceType
from scim_core.protocol.search_parameters import SearchParameters
from scim_core.service.root_search import RootSearch, Searched
from scim_core.service.search import Found, Search


class Listing:
    """Finds pages for one tenant at a time. One instance serves all requests of a process."""

    def __init__(self, search: Search) -> None:
        self._search = search

    async def page(
        self, tenant: str, resource_types: Sequence[ResourceType], parameters: SearchParameters, renderer: Renderer
    ) -> Found:
        """The page that the parameters ask for, with the memberships that it shows.

        Raises InvalidFilterException, and TooManyException when more than MAX_SCAN resources had to be examined.
        """
        text = parameters.filter_text
        filters = [parse_filter(item, text) if text else None for item in resource_types]
        searched = [
            Searched(item, scim_filter, shows_memberships(item, parameters.projection))
            for item, scim_filter in zip(resource_types, filters, strict=True)
        ]
        if parameters.sort is not None:
            return await self._sorted(tenant, searched, parameters, parameters.sort, renderer)
        root_search = RootSearch(self._search, tenant, searched)
        return await root_search.page(parameters.start_index, parameters.count, renderer)

    async def _sorted(
        self,
        tenant: str,
        searched: Sequence[Searched],
        parameters: SearchParameters,
        sort: SearchRequest[Any],
        renderer: Renderer,
    ) -> Found:
        types = [(item.resource_type, item.scim_filter) for item in searched]
        ordered = await self._search.all_sorted(tenant, types, renderer, sort)
        page = ordered[parameters.start_index - 1 :][: parameters.count]
        showing = {item.resource_type.name for item in searched if item.memberships}
        found = await self._search.with_memberships(tenant, [item for item in page if item.resource_type in showing])
        by_id = {item.id: item for item in page if item.resource_type not in showing}
        by_id |= {item.id: item for item in found.resources}
        resources = tuple(by_id[item.id] for item in page if item.id in by_id)
        return replace(found, total_results=len(ordered), resources=resources)
