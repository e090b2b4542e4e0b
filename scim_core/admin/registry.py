"""`admin registry`: moves the registry of tenants to a table of its own, and removes what is left in the old one."""

import sys
from argparse import Namespace

from tqdm import tqdm

from scim_core.access.audit_trail import AuditTrail, Deed
from scim_core.clock import utc_now
from scim_core.registry import Moved
from scim_core.settings import SettingsError, StorageSettings
from scim_core.storage.maintenance.registry_move import MoveRefused, Place, RegistryMove
from scim_core.storage.tables import directory_rows, registry_rows
from scim_core.storage.tables.keys import REGISTRY
from scim_core.storage.tables.registry_marker import require_here
from scim_core.storage.tables.rows import Rows


async def run(given: Namespace, settings: StorageSettings) -> int:
    """The exit code. Raises MoveRefused, SettingsError, StorageError."""
    if settings.registry_table_name is None:
        raise SettingsError("SCIM_REGISTRY_TABLE_NAME is not set: it names the table that the registry moves to.")
    old, new = directory_rows(settings), registry_rows(settings)
    places = Place(settings.table_name, old), Place(settings.registry_table_name, new)
    try:
        move = RegistryMove(*places, utc_now)
        if given.action == "remove-old":
            await _remove_old(given, settings.table_name, move)
        elif given.cancel:
            async with given.trail.concluding(_deed("registry move cancelled")) as cancelled:
                removed = await move.cancel(cancelled)
            print(f"The registry stays in the table {settings.table_name}. {removed} rows of the copy were removed.")
        else:
            await _move(given.trail, settings, move)
    finally:
        await old.close()
        await new.close()
    return 0


async def warn_if_elsewhere(rows: Rows) -> None:
    """A warning, if the registry is in another table than in these rows, or on its way there."""
    try:
        await require_here(rows)
    except Moved as moved:
        print(f"WARNING {moved} Until then, what is shown here may be old, or nothing.", file=sys.stderr)


async def _move(trail: AuditTrail, settings: StorageSettings, move: RegistryMove) -> None:
    if await move.is_done():
        print(f"The registry is in the table {settings.registry_table_name} already.")
        return
    with tqdm(desc="rows of the registry", unit=" rows", disable=None) as bar:
        began, ended = _deed("registry move began"), _deed("registry moved")
        async with trail.concluding(ended) as end, trail.concluding(began) as beginning:  # the inner one is told first
            await move.run(beginning, end, bar.update)
    print(
        f"The registry is in the table {settings.registry_table_name} now. It was read again and compared.\n"
        "Set SCIM_REGISTRY_TABLE_NAME for the function app now: until then, it answers by the registry as it was, and "
        "no change that you make reaches it. Then run `registry remove-old`."
    )


async def _remove_old(given: Namespace, table: str, move: RegistryMove) -> None:
    if given.confirm != table:
        raise MoveRefused(
            f"This would remove the registry from the table {table}. An instance without SCIM_REGISTRY_TABLE_NAME "
            f"would then refuse every request. If none is left, run the command again with --confirm {table}"
        )
    async with given.trail.concluding(_deed("old registry removed", "registry remove-old")) as removal:
        removed = await move.remove_old(removal)
    print(f"{removed} rows were removed from the table {table}.")


def _deed(event: str, method: str = "registry move") -> Deed:
    return Deed(event, method, REGISTRY)
