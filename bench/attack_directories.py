"""The tenants of the neighbour run, with their tokens and directories."""

import asyncio
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from bench.apps import Endpoint
from bench.attacks import FAT, GROUPS, PERSONS, WIDE
from bench.bare import POPULATION
from bench.directory import store_group, store_users, user
from bench.operations import Client
from scim_core.access.credential_plans import Wanted
from scim_core.clock import utc_now
from scim_core.registry import CredentialKind
from scim_core.storage.tables import table_registry, table_storage
from tests.tenancy import administration_of

NEIGHBOUR = "neighbour"
"""The tenant that does nothing wrong."""

PERSONS_STORED = 10_000
"""As many as one search may examine."""

WIDE_STORED, WIDE_VALUES = 200, 500
"""Users with as many phone numbers as one user can have."""

FAT_STORED, FAT_VALUES, FAT_CHARACTERS = 150, 100, 4_600
"""Users of 480 KB: half of what the body of a request can hold."""

MEMBERS_STORED = 100_000
"""The largest group that README promises."""

_CONNECTIONS = 4


async def store(endpoint: Endpoint, tenants: Collection[str]) -> dict[str, Client]:
    """The neighbour and these tenants are registered and have their directories. Returns a client for each."""
    clients = await _register(endpoint, {NEIGHBOUR, *tenants})
    storage = table_storage(endpoint.settings.storage)
    for tenant in USERS_STORED.keys() & clients.keys():
        await store_users(storage, range(USERS_STORED[tenant]), tenant)
    if GROUPS in tenants:
        await store_group(storage, 0, range(MEMBERS_STORED), GROUPS)
    await storage.close()
    for tenant, body, users in POSTED:
        if tenant in tenants:
            requests = (clients[tenant].request("POST", "/Users", 201, body(number)) for number in range(users))
            await endpoint.app.serve(requests, _CONNECTIONS)
    return clients


async def _register(endpoint: Endpoint, tenants: Collection[str]) -> dict[str, Client]:
    registry = table_registry(endpoint.settings.storage)
    administration = administration_of(registry, utc_now, asyncio.sleep)
    clients = {}
    for tenant in tenants:
        await administration.create_tenant(tenant)
        issued = await administration.create_credential(tenant, Wanted(CredentialKind.TOKEN))
        clients[tenant] = replace(endpoint.client, token=issued.secret)
    await registry.close()
    return clients


def _wide(number: int) -> dict[str, Any]:
    numbers = [{"value": f"+1 201 555 {value:06}", "type": f"t{value}"} for value in range(WIDE_VALUES)]
    return user(number) | {"phoneNumbers": numbers, "emails": [], "addresses": []}


def _fat(number: int) -> dict[str, Any]:
    photos = [{"value": f"https://example.com/{value:04}{'x' * FAT_CHARACTERS}"} for value in range(FAT_VALUES)]
    return user(number) | {"photos": photos}


USERS_STORED = {NEIGHBOUR: POPULATION, PERSONS: PERSONS_STORED, GROUPS: 10}
"""Ordinary users of each tenant, whose rows are written directly."""

POSTED = ((WIDE, _wide, WIDE_STORED), (FAT, _fat, FAT_STORED))
"""Users of a tenant that are created over HTTP: their rows are unusual."""
