"""`admin console`: the console on this machine, for the browser of whoever runs the command.

It reaches the tables with the operator's own sign-in, and the audit trail names the operator.
"""

import asyncio
import sys
from argparse import Namespace
from dataclasses import replace
from functools import partial
from pathlib import Path

from scim_core.admin.actor import operator
from scim_core.admin.console_server import ConsoleServer, random_text
from scim_core.clock import utc_now
from scim_core.console.console import Console
from scim_core.console.deeds import Deeds
from scim_core.console.local_door import LocalDoor
from scim_core.console.reading import Reading
from scim_core.console.visitors import Visitor, VisitorRole, actor_of
from scim_core.mass_change_settings import mass_change_settings
from scim_core.protocol.schemas import load_catalogue
from scim_core.settings import StorageSettings, base_url, flag, number
from scim_core.storage.tables import table_registry, table_storage


async def run(given: Namespace, settings: StorageSettings) -> int:
    """Serves until Ctrl-C. Raises SettingsError, DefinitionError, StorageError."""
    address = base_url(given.environment.get("SCIM_PUBLIC_BASE_URL", ""), required=False)
    limits = mass_change_settings(given.environment, number, flag)
    actor = await operator(settings)
    named = replace(actor_of(actor.identity, actor.user), host=actor.host)
    visitor = Visitor(actor.user, VisitorRole(given.role), named, random_text().encode())
    storage, registry = table_storage(settings), table_registry(settings)
    catalogue = load_catalogue(Path(given.schemas) if given.schemas else None)
    reading = Reading(storage, registry, catalogue, utc_now, limits)
    deeds = Deeds(storage, registry, catalogue, utc_now, asyncio.sleep, base_url=address)
    try:
        async with ConsoleServer(visitor, partial(_console, reading, deeds)) as server:
            print(f"\nThe console answers on this machine. Open this link, which works once:\n\n  {server.link}\n")
            print("Ctrl-C ends it.", file=sys.stderr)
            sys.stdout.flush()
            await asyncio.Event().wait()
    finally:
        await registry.close()
        await storage.close()
    return 0


def _console(reading: Reading, deeds: Deeds, door: LocalDoor) -> Console:
    return Console(reading, deeds, door, utc_now, acts=True)
