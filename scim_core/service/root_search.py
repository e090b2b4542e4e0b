"""A search over several resource types, one after the other (RFC 7644 section 3.4.2.1).

A page starts at a type and an offset in it. The start of the next page is remembered. So once a walk has reached a
later type, changes of earlier types do not move it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scim2_models import ScimFilter

from scim_core.model import Membership, StoredResource
from scim_core.protocol.schemas import ResourceType
from scim_core.service.page_positions import position_key
from scim_core.service.portions import MAX_ANSWER_BYTES, size_of
from scim_core.service.search import Found, Query, Search
from scim_core.service.search_run import Requester

_ALL = "*"
"""Stands for all types where the key of a page position names a resource type. A type's name has no asterisk."""


@dataclass(frozen=True, slots=True)
class Searched:
    """A resource type, its filter, and whether its resources are wanted with their memberships."""

    resource_type: ResourceType
    scim_filter: ScimFilter[Any] | None
    memberships: bool


@dataclass(frozen=True, slots=True)
class _Start:
    """Where a page starts: the number of the type among those searched, and how many of its resources come before."""

    type_number: int
    offset: int


class RootSearch:
    """The search over these types of one tenant."""

    def __init__(self, search: Search, requester: Requester, searched: Sequence[Searched]) -> None:
        self._search = search
        self._requester = requester
        self._tenant = requester.tenant
        self._searched = searched

    async def page(self, start_index: int, count: int) -> Found:
        """`count` resources from the 1-based `start_index` on, and the total. Raises what Search.page raises.

        The resources of a full answer are fewer.
        """
        start = following = await self._start(start_index)
        offset, total = start.offset, start_index - 1 - start.offset
        resources, edges, ended = list[StoredResource](), dict[str, list[Membership]](), False
        room = MAX_ANSWER_BYTES
        for number, item in enumerate(self._searched[start.type_number :], start.type_number):
            query = Query(item.scim_filter, offset + 1, 0 if ended else count - len(resources), room)
            found = await self._search.page(self._requester, item.resource_type, query, memberships=item.memberships)
            total += found.total_results
            resources += found.resources
            edges |= found.memberships
            room -= sum(size_of(resource, found.memberships) for resource in found.resources)
            if not ended:
                following = _Start(number, offset + len(found.resources))
                ended = found.more or (query.count == 0 and found.total_results > 0)
            offset = max(0, offset - found.total_results)
        if resources:
            await self._remember(start_index + len(resources), following)
        return Found(total, tuple(resources), edges)

    async def _start(self, start_index: int) -> _Start:
        """Where this page starts: at the remembered place of a walk, else counted from the first type."""
        position = None
        if start_index > 1 and len(self._searched) > 1:
            position = await self._search.positions.load(self._tenant, self._key(start_index))
        names = [item.resource_type.name for item in self._searched]
        if position is None or position.last_id not in names:
            return _Start(0, start_index - 1)
        return _Start(names.index(position.last_id), start_index - 1 - position.total_results)

    async def _remember(self, next_index: int, following: _Start) -> None:
        """The page at `next_index` is known to start there. What is stored is how many resources precede its type."""
        if len(self._searched) > 1:
            name = self._searched[following.type_number].resource_type.name
            before = next_index - 1 - following.offset
            await self._search.positions.save(self._tenant, self._key(next_index), name, before)

    def _key(self, start_index: int) -> str:
        return position_key(_ALL, "\n".join(item.scim_filter or "" for item in self._searched), start_index)
