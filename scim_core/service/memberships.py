"""The memberships that an operation reads: only those that it shows or depends on."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial

from scim_core.model import MEMBERLESS, Membership
from scim_core.protocol.group_patch import MembershipPatch
from scim_core.protocol.schemas import Catalogue, ResourceType
from scim_core.service.address import Address
from scim_core.service.ignored_input import IgnoredInput
from scim_core.storage.port import MANY_MEMBERSHIPS, Storage
from scim_core.work import Work

EDGES_OF_A_UNIT = 5
"""Memberships that are made, tested or sorted in one unit of work."""

THE_MEMBERS = "the members"
"""What such work is for."""


class Memberships:
    """Reads memberships, and finds out which members there are."""

    def __init__(self, storage: Storage, catalogue: Catalogue, ignored: IgnoredInput) -> None:
        self._storage = storage
        self._catalogue = catalogue
        self._ignored = ignored

    async def shown(self, address: Address) -> list[Membership]:
        """The memberships that a representation shows: a group's members, another resource's groups."""
        if address.resource_type.has_members:
            return await self._storage.members_of(address.tenant, address.id)
        return (await self._storage.groups_of(address.tenant, [address.id])).get(address.id, [])

    async def for_change(
        self, address: Address, members: MembershipPatch, work: Work, *, shown: bool
    ) -> list[Membership]:
        """The memberships that a change must know: all if it depends on them or shows them, else those it names."""
        if members.needs_present_members or (shown and not members):
            return await self.shown(address)
        units = 1 + (len(members.added) + len(members.removed)) // EDGES_OF_A_UNIT
        named = await work.run(units, THE_MEMBERS, lambda: members.named)
        return await self._storage.present(address.tenant, address.id, named) if named else []

    async def for_deletion(self, address: Address) -> list[Membership]:
        """The memberships of a resource to delete; of a group only as many members as a delete needs.

        They go with it, too, if its type had members and has none any more.
        """
        as_member = self._storage.groups_of(address.tenant, [address.id])
        if address.resource_type.name in MEMBERLESS:
            return (await as_member).get(address.id, [])
        as_group = self._storage.members_of(address.tenant, address.id, limit=MANY_MEMBERSHIPS)
        groups, members = await asyncio.gather(as_member, as_group)
        return [*groups.get(address.id, []), *members]

    def are_served(self, edges: Sequence[Membership]) -> bool:
        """Whether the tenant has the resource types of all these members."""
        return all(self._catalogue.named(kind) is not None for kind in {edge.member_type for edge in edges})

    async def known(
        self, tenant: str, group_type: ResourceType, group_id: str, edges: Sequence[Membership], work: Work
    ) -> tuple[Membership, ...]:
        """Those of the group's new edges whose members exist, and are of a type that it takes, each with its member's
        real type. Logs the others.
        """
        units = 1 + len(edges) // EDGES_OF_A_UNIT
        unknown = await work.run(units, THE_MEMBERS, lambda: {edge.member_id for edge in edges})
        kinds = await kinds_of(self._storage, self._catalogue, tenant, group_type, unknown)
        self._ignored.absent_members(tenant, group_id, [id_ for id_ in unknown if id_ not in kinds])
        return await work.run(units, THE_MEMBERS, partial(_of_kinds, edges, kinds))


async def kinds_of(
    storage: Storage, catalogue: Catalogue, tenant: str, group_type: ResourceType, ids: Collection[str]
) -> dict[str, str]:
    """The resource types, by id, of those ids that exist and are of a type that groups of this type take."""
    unknown, kinds = set(ids), dict[str, str]()
    for resource_type in filter(group_type.takes, catalogue):
        found = await storage.existing(tenant, resource_type.name, unknown)
        kinds |= dict.fromkeys(found, resource_type.name)
        unknown -= found
    return kinds


def _of_kinds(edges: Sequence[Membership], kinds: Mapping[str, str]) -> tuple[Membership, ...]:
    """The edges of the members that have a kind, with this kind."""
    return tuple(
        edge if edge.member_type == kinds[edge.member_id] else replace(edge, member_type=kinds[edge.member_id])
        for edge in edges
        if edge.member_id in kinds
    )


async def no_memberships() -> list[Membership]:
    """No memberships: awaited where another resource's would be read."""
    return []
