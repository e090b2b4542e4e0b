"""The ids that a plan's lookup finds, and how many resources one request may examine."""

import asyncio
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import batched

from scim2_models import TooManyException

from scim_core.ids import is_id
from scim_core.model import Membership
from scim_core.protocol.limits import MAX_SCAN
from scim_core.service.query_plan import AnyOf, ById, ByIndex, Edge, GroupsOf, Lookup, MembersOf
from scim_core.storage.port import Storage

LOOKUPS_AT_ONCE = 25
"""Lookups of an `or` that run at the same time: a filter may hold hundreds, and all requests share the connections."""


@dataclass(frozen=True, slots=True)
class LookedUp:
    """Ids, ascending. Others may follow after `last_id`; None if there are none."""

    ids: list[str]
    last_id: str | None = None


def require_few(examined: int) -> None:
    """Raises TooManyException when more than MAX_SCAN resources are to be examined."""
    if examined > MAX_SCAN:
        raise TooManyException(
            detail=f"This request would examine more than {MAX_SCAN} resources. Filter with eq on userName, "
            "externalId, displayName, emails.value or id, which are indexed, or on meta.lastModified; leave out sortBy."
        )


async def look_up(storage: Storage, tenant: str, resource_type: str, lookup: Lookup) -> list[str]:
    """The ids, ascending, of the resources of this type that the lookup finds. No resource may have an id it names.

    Raises TooManyException beyond MAX_SCAN ids, and reads few more than these.
    """
    ids = await _found(storage, tenant, resource_type, lookup)
    require_few(len(ids))
    return ids


async def look_up_after(
    storage: Storage, tenant: str, resource_type: str, lookup: Lookup, after: str, *, limit: int
) -> LookedUp:
    """What look_up finds after this id; some `limit` of them, where the rows are in the order of ids.

    Rows of a prefix, and those of several lookups, are not: all of them are read, and look_up's limit holds.
    """
    match lookup:
        case ByIndex(entry=entry, prefix=False):
            found = await storage.find(tenant, resource_type, entry, after=after or None, limit=limit + 1)
            return LookedUp(found[:limit], found[limit - 1] if len(found) > limit else None)
        case MembersOf(group_id=group_id) if is_id(group_id):
            members = await storage.members_of(tenant, group_id, after=after or None, limit=limit + 1)
            ids = _of_type(resource_type, lookup, members[:limit])
            return LookedUp(ids, members[limit - 1].member_id if len(members) > limit else None)
    ids = await look_up(storage, tenant, resource_type, lookup)
    return LookedUp(ids[bisect_right(ids, after) :])


async def _found(storage: Storage, tenant: str, resource_type: str, lookup: Lookup) -> list[str]:  # noqa: PLR0911 -- one return for each kind of lookup
    match lookup:
        case ById(id=resource_id):
            return [resource_id] if is_id(resource_id) else []
        case Edge(group_id=group_id, member_id=member_id) if is_id(group_id) and is_id(member_id):
            return [group_id] if await storage.present(tenant, group_id, [member_id]) else []
        case ByIndex(entry=entry, prefix=prefix):
            return await storage.find(tenant, resource_type, entry, prefix=prefix, limit=MAX_SCAN + 1)
        case GroupsOf(member_id=member_id) if is_id(member_id):
            groups = await storage.groups_of(tenant, [member_id])
            return [item.group_id for item in groups.get(member_id, ()) if item.group_type == resource_type]
        case MembersOf(group_id=group_id) if is_id(group_id):
            members = await storage.members_of(tenant, group_id, limit=MAX_SCAN + 1)
            require_few(len(members))
            return _of_type(resource_type, lookup, members)
        case AnyOf(lookups=lookups):
            return await _found_by_any(storage, tenant, resource_type, lookups)
    return []


def _of_type(resource_type: str, lookup: MembersOf, members: Sequence[Membership]) -> list[str]:
    """The ids of the members that are of this type, if the group is of a type that they show."""
    shown = (item for item in members if item.group_type in lookup.group_types)
    return [item.member_id for item in shown if item.member_type == resource_type]


async def _found_by_any(storage: Storage, tenant: str, resource_type: str, lookups: Sequence[Lookup]) -> list[str]:
    found = set[str]()
    for some in batched(lookups, LOOKUPS_AT_ONCE, strict=False):
        found.update(*await asyncio.gather(*(_found(storage, tenant, resource_type, item) for item in some)))
        require_few(len(found))
    return sorted(found)
