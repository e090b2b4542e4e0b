"""The storage and registry ports over Azure Table Storage: the only package that imports Azure's SDK."""

from functools import partial

from scim_core.clock import Clock, utc_now
from scim_core.settings import StorageSettings
from scim_core.storage.tables.client import connect
from scim_core.storage.tables.registry import TableRegistry
from scim_core.storage.tables.rows import Rows
from scim_core.storage.tables.storage import TableStorage

__all__ = ["TableRegistry", "TableStorage", "table_registry", "table_storage"]


def table_storage(settings: StorageSettings, clock: Clock = utc_now) -> TableStorage:
    """The storage these settings name: one for a process. It connects with the first call, on the loop of that call."""
    return TableStorage(Rows(partial(connect, settings)), clock)


def table_registry(settings: StorageSettings) -> TableRegistry:
    """The registry of tenants in the same table, with a connection of its own."""
    return TableRegistry(Rows(partial(connect, settings)))
