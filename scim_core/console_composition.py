"""Puts the hosted console together. Only an app that serves it imports this: pages take time to load."""

import asyncio
import time
from collections.abc import Mapping

from scim_core.access.oauth.entra import EntraTokens
from scim_core.access.oauth.key_server import fetch_key_set
from scim_core.access.oauth.keys import Fetch, PublicKeys
from scim_core.clock import Clock, utc_now
from scim_core.console.console import Console
from scim_core.console.deeds import Deeds
from scim_core.console.entra_door import EntraDoor
from scim_core.console.reading import Reading
from scim_core.console_settings import ConsoleSettings
from scim_core.protocol.schemas import load_catalogue
from scim_core.registry import Registry
from scim_core.storage.hook_port import HookStorage
from scim_core.storage.tables import table_registry, table_storage


def build_console(
    environment: Mapping[str, str],
    storage: HookStorage | None = None,
    registry: Registry | None = None,
    clock: Clock = utc_now,
    *,
    fetch: Fetch = fetch_key_set,
) -> Console:
    """The console of these settings, behind Entra's sign-in. It reads no row before its first request.

    The defaults are the table that the settings name, and the keys that Entra publishes. Raises SettingsError,
    DefinitionError.
    """
    settings = ConsoleSettings.from_environment(environment)
    storage = storage or table_storage(settings.storage, clock)
    registry = registry or table_registry(settings.storage)
    entra = EntraTokens(settings.entra_authority, PublicKeys(fetch, time.monotonic), clock)
    door = EntraDoor(entra, tenant=settings.entra_tenant, client_id=settings.client_id)
    catalogue = load_catalogue(settings.schema_directory)
    reading = Reading(storage, registry, catalogue, clock, settings.mass_changes)
    deeds = Deeds(storage, registry, catalogue, clock, asyncio.sleep, base_url=settings.base_url)
    return Console(reading, deeds, door, clock, acts=settings.allows_changes)
