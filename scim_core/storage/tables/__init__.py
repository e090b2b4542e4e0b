"""The storage and registry ports over the rows of one table of Azure Table Storage.

Read first: `rows` (what is asked of the table), `storage` and `registry` (the ports), `changes` (what each change
writes). docs/storage.md describes keys, properties and limits. `azure_rows`, `client` and `errors` use Azure's SDK.
"""

from functools import partial

from scim_core.settings import StorageSettings
from scim_core.storage.tables.azure_rows import AzureRows
from scim_core.storage.tables.client import connect
from scim_core.storage.tables.registry import TableRegistry
from scim_core.storage.tables.rows import Rows
from scim_core.storage.tables.storage import TableStorage

__all__ = ["TableRegistry", "TableStorage", "table_registry", "table_rows", "table_storage"]


def table_rows(settings: StorageSettings) -> Rows:
    """The rows of the table these settings name. They connect with the first call, on the loop of that call."""
    return AzureRows(partial(connect, settings))


def table_storage(settings: StorageSettings) -> TableStorage:
    """The storage these settings name, for one process and one event loop: see table_rows."""
    return TableStorage(table_rows(settings))


def table_registry(settings: StorageSettings) -> TableRegistry:
    """The registry of tenants in the same table, with a connection of its own."""
    return TableRegistry(table_rows(settings))
