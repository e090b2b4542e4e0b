"""Resources for the suite. Ids sort by number, as real ones do by creation."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

import pytest

from scim_core.model import GROUP, IndexEntry, Membership, MembershipEdits, StoredResource
from scim_core.storage.port import Storage, StorageError

also_on_azurite = pytest.mark.parametrize("storage", ["memory", "azurite"], indirect=True)
"""Marks a test whose promise rests on what Table Storage does itself. All others run in this process only."""

TENANT = "contoso"
THEN = "2026-11-23T09:05:00.000000Z"
NOW = "2026-11-24T10:00:00.000000Z"


def id_of(number: int) -> str:
    return f"018f0000-0000-7000-8000-{number:012x}"


def user(number: int, name: str | None = None, **changes: Any) -> StoredResource:
    name = name or f"user{number}@example.com"
    plain = StoredResource(
        resource_type="User",
        id=id_of(number),
        document={"id": id_of(number), "userName": name},
        created=THEN,
        last_modified=THEN,
        version=f"u{number}-1",
        index=frozenset({IndexEntry("userName", name, unique=True), IndexEntry("externalId", f"x-{name}")}),
        columns={"active": True},
    )
    return replace(plain, **changes)


def group(number: int, name: str | None = None, **changes: Any) -> StoredResource:
    name = name or f"group {number}"
    plain = StoredResource(
        resource_type=GROUP,
        id=id_of(number),
        document={"id": id_of(number), "displayName": name},
        created=THEN,
        last_modified=THEN,
        version=f"g{number}-1",
        index=frozenset({IndexEntry("displayName", name, unique=True)}),
    )
    return replace(plain, **changes)


def edge(group_number: int, member_number: int, member_type: str = "User") -> Membership:
    return Membership(id_of(group_number), id_of(member_number), member_type)


def adding(*edges: Membership) -> MembershipEdits:
    return MembershipEdits(add=edges)


def removing(*edges: Membership) -> MembershipEdits:
    return MembershipEdits(remove=edges)


async def stored(storage: Storage, resource: StoredResource, tenant: str = TENANT) -> StoredResource:
    """The resource as it is now; it must be there."""
    [found] = await storage.read(tenant, resource.resource_type, [resource.id])
    assert found is not None
    return found


async def create(storage: Storage, *resources: StoredResource) -> None:
    for resource in resources:
        await storage.create(TENANT, resource)


async def edges_of(storage: Storage, group_number: int) -> list[Membership]:
    """The memberships of a group, which its members must see as well."""
    edges = await storage.members_of(TENANT, id_of(group_number))
    groups = await storage.groups_of(TENANT, [item.member_id for item in edges])
    assert all(item in groups[item.member_id] for item in edges)
    return edges


async def outcomes(*changes: Awaitable[None]) -> list[StorageError | None]:
    """What each change raised when all were made at once."""

    async def outcome(change: Awaitable[None]) -> StorageError | None:
        try:
            await change
        except StorageError as error:
            return error
        return None

    return await asyncio.gather(*map(outcome, changes))
