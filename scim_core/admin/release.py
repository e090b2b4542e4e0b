"""`admin tenants release`: deactivations and deletions go on after a mass change."""

import json
from argparse import Namespace

from scim_core.admin.known_tenant import require_known
from scim_core.clock import utc_now
from scim_core.feed.mass_changes import free_until
from scim_core.settings import StorageSettings
from scim_core.storage.tables import table_storage


async def run(given: Namespace, settings: StorageSettings) -> int:
    """The exit code. Raises Gone, StorageError."""
    storage = table_storage(settings)
    try:
        await require_known(storage.rows, given.tenant)
        until = free_until(utc_now)
        async with given.trail.recorded("release", "tenants release", given.tenant):
            before = await storage.release(given.tenant, until)
    finally:
        await storage.close()
    if given.json:
        print(json.dumps({"id": given.tenant, "held": before.held or None, "freeUntil": until}, indent=2))
        return 0
    said = f"It was held since {before.held[:19]}Z." if before.held else "It was not held."
    print(f"{said} Deactivations and deletions go on, and nothing is held until {until[:19]}Z.")
    return 0
