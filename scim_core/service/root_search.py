"""A search over resource types one behind the other (RFC 7644 section 3.4.2.1).

A walk that has come to a later type stays there: a bookmark of the whole search says in which type the next page
starts, and how many places of the walk lie before that type's first resource. What happens to earlier types moves
nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scim2_models import ScimFilter

from scim_core.model import Membership, StoredResource
from scim_core.protocol.representation import Renderer
from scim_core.protocol.schemas import ResourceType
from scim_core.service.page_positions import bookmark_key
from scim_core.service.search import Found, Query, Search

_ALL = "*"
"""Stands where a bookmark's key has the name of a resource type, which is letters and digits."""


@dataclass(frozen=True, slots=True)
class Searched:
    """A resource type, its filter, and whether its resources are to come with their memberships."""

    resource_type: ResourceType
    scim_filter: ScimFilter[Any] | None
    memberships: bool


@dataclass(frozen=True, slots=True)
class _Stand:
    """The place of a type among the searched, and how many places of the walk lie before its first resource."""

    place: int = 0
    before: int = 0


class RootSearch:
    """The search over these types of one tenant."""

    def __init__(self, search: Search, tenant: str, searched: Sequence[Searched]) -> None:
        self._search = search
        self._tenant = tenant
        self._searched = searched

    async def page(self, start_index: int, count: int, renderer: Renderer) -> Found:
        """`count` resources from the 1-based `start_index` on, and the total. Raises what Search.page raises."""
        begin = stand = await self._stand(start_index)
        total, resources, edges, settled = begin.before, list[StoredResource](), dict[str, list[Membership]](), False
        for place, item in enumerate(self._searched[begin.place :], begin.place):
            query = Query(item.scim_filter, max(1, start_index - total), count - len(resources))
            shown = item.memberships
            found = await self._search.page(self._tenant, item.resource_type, query, renderer, memberships=shown)
            total += found.total_results
            resources += found.resources
            edges |= found.memberships
            if not settled:
                next_of_type = query.start_index + len(found.resources)
                stand = _Stand(place, start_index + len(resources) - next_of_type)
                settled = found.more or (query.count == 0 and found.total_results > 0)
        if resources:
            await self._remember(start_index + len(resources), stand)
        return Found(total, tuple(resources), edges)

    async def _stand(self, start_index: int) -> _Stand:
        """Where the page starts that begins there: in the first type, unless a walk has come further."""
        if start_index == 1 or len(self._searched) == 1:
            return _Stand()
        bookmark = await self._search.bookmarks.load(self._tenant, self._key(start_index))
        names = [item.resource_type.name for item in self._searched]
        if bookmark is None or bookmark.last_id not in names:
            return _Stand()
        return _Stand(names.index(bookmark.last_id), bookmark.total_results)

    async def _remember(self, next_index: int, stand: _Stand) -> None:
        if len(self._searched) > 1:
            name = self._searched[stand.place].resource_type.name
            await self._search.bookmarks.save(self._tenant, self._key(next_index), name, stand.before)

    def _key(self, start_index: int) -> str:
        return bookmark_key(_ALL, "\n".join(item.scim_filter or "" for item in self._searched), start_index)
