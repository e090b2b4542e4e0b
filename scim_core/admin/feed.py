"""`admin feed new-epoch`: every copy of a tenant's directory has to begin again, with a snapshot."""

from argparse import Namespace

from scim_core.settings import SettingsError, StorageSettings
from scim_core.storage.maintenance.exporting import tenants
from scim_core.storage.tables import table_rows
from scim_core.storage.tables.feed_reading import new_epoch_of
from scim_core.storage.tables.rows import Rows


async def run(given: Namespace, settings: StorageSettings) -> int:
    """The exit code. Raises SettingsError, StorageError."""
    if bool(given.tenant) == given.all:
        raise SettingsError("Say for which tenant: --tenant ID, or --all.")
    rows = table_rows(settings)
    try:
        for tenant in await _named(rows, given):
            async with given.trail.recorded("feed new-epoch", "feed new-epoch", tenant):
                await new_epoch_of(rows, tenant)
            print(f"The feed of the tenant {tenant} has a new epoch: every copy of it begins with a snapshot.")
    finally:
        await rows.close()
    return 0


async def _named(rows: Rows, given: Namespace) -> list[str]:
    if given.tenant:
        return [given.tenant]
    return [tenant async for tenant in tenants(rows) if ":" not in tenant]
