"""The storage and registry ports over the rows of one table of Azure Table Storage.

Read first: `keys` (every kind of row), `changes` (a change as row operations), `storage` (the port), `rows` (what is
asked of the table). A change beyond one transaction goes through `large_change` and `large_change_runner`.

To add a kind of row go to `keys`, its properties to `entities`, and describe it in docs/storage.md. `azure_rows` makes
the calls to Azure; what Azure may answer, and what that means, is in `errors`.
"""

from functools import partial

from scim_core.clock import Clock, utc_now
from scim_core.settings import StorageSettings
from scim_core.storage.tables.azure_rows import AzureRows
from scim_core.storage.tables.client import connect, signed_in
from scim_core.storage.tables.registry import TableRegistry
from scim_core.storage.tables.rows import Rows
from scim_core.storage.tables.storage import TableStorage

__all__ = ["TableRegistry", "TableStorage", "signed_in", "table_registry", "table_rows", "table_storage"]


def table_rows(settings: StorageSettings) -> Rows:
    """The rows of the table these settings name. They connect with the first call, on the loop of that call."""
    return AzureRows(partial(connect, settings))


def table_storage(settings: StorageSettings, clock: Clock = utc_now) -> TableStorage:
    """The storage these settings name, for one process and one event loop: see table_rows."""
    return TableStorage(table_rows(settings), clock)


def table_registry(settings: StorageSettings) -> TableRegistry:
    """The registry of tenants in the same table, with a connection of its own."""
    return TableRegistry(table_rows(settings))
