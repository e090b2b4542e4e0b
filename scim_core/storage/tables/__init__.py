"""The storage and registry ports over Azure Table Storage. Every call goes through `rows`.

Read first: `keys` (every kind of row), `changes` (a change as row operations), `storage` (the port), `rows` (one method
call for one round trip). A change beyond one transaction goes through `large_change` and `large_change_runner`.

To add a kind of row go to `keys`, its properties to `entities`, and describe it in docs/storage.md. What Azure may
answer, and what that means, is in `errors`.
"""

from functools import partial

from scim_core.settings import StorageSettings
from scim_core.storage.tables.client import connect
from scim_core.storage.tables.registry import TableRegistry
from scim_core.storage.tables.rows import Rows
from scim_core.storage.tables.storage import TableStorage

__all__ = ["TableRegistry", "TableStorage", "table_registry", "table_storage"]


def table_storage(settings: StorageSettings) -> TableStorage:
    """The storage these settings name: one for a process. It connects with the first call, on the loop of that call."""
    return TableStorage(Rows(partial(connect, settings)))


def table_registry(settings: StorageSettings) -> TableRegistry:
    """The registry of tenants in the same table, with a connection of its own."""
    return TableRegistry(Rows(partial(connect, settings)))
