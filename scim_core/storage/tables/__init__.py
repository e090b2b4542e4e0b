"""The storage and registry ports over the rows of one table of Azure Table Storage.

Read first: `keys` (every kind of row), `changes` (a change as row operations), `storage` (the port), `rows` (what is
asked of the table). A change beyond one transaction goes through `large_change` and `large_change_runner`.

To add a kind of row go to `keys`, its properties to `entities`, and describe it in docs/storage.md. `azure_rows` makes
the calls to Azure; `wire` and `wire_text` encode and decode them; what Azure may answer, and what that means, is in
`errors`.
"""

from dataclasses import replace
from functools import partial

from scim_core.clock import Clock, utc_now
from scim_core.settings import StorageSettings
from scim_core.storage.tables.azure_rows import AzureRows
from scim_core.storage.tables.client import connect, signed_in
from scim_core.storage.tables.registry import TableRegistry
from scim_core.storage.tables.registry_apart import RegistryApart
from scim_core.storage.tables.rows import Rows
from scim_core.storage.tables.storage import TableStorage
from scim_core.storage.tables.traced_rows import traced
from scim_core.traces import NO_TRACER, Tracer

__all__ = [
    "TableRegistry",
    "TableStorage",
    "directory_rows",
    "registry_rows",
    "signed_in",
    "table_registry",
    "table_rows",
    "table_storage",
]


def table_rows(settings: StorageSettings) -> Rows:
    """The rows of the table these settings name. They connect with the first call, on the loop of that call.

    If the registry has a table of its own, its rows come from there.
    """
    directory = directory_rows(settings)
    return RegistryApart(directory, registry_rows(settings)) if settings.registry_table_name else directory


def directory_rows(settings: StorageSettings) -> Rows:
    """The rows of the directory's table alone. With a registry in another table, it may have an old one, too."""
    return AzureRows(partial(connect, settings))


def registry_rows(settings: StorageSettings) -> Rows:
    """The rows of the table that the registry is in."""
    table = settings.registry_table_name or settings.table_name
    return AzureRows(partial(connect, replace(settings, table_name=table)))


def table_storage(settings: StorageSettings, clock: Clock = utc_now, tracer: Tracer = NO_TRACER) -> TableStorage:
    """The storage these settings name, for one process and one event loop: see table_rows."""
    return TableStorage(table_rows(settings), clock, tracer)


def table_registry(settings: StorageSettings, tracer: Tracer = NO_TRACER) -> TableRegistry:
    """The registry of tenants that these settings name, with a connection of its own."""
    return TableRegistry(traced(table_rows(settings), tracer))
