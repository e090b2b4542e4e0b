"""The storage port over Azure Table Storage: the only package that imports Azure's SDK."""

from functools import partial

from scim_core.settings import StorageSettings
from scim_core.tables.client import connect
from scim_core.tables.rows import Rows
from scim_core.tables.storage import TableStorage

__all__ = ["TableStorage", "table_storage"]


def table_storage(settings: StorageSettings) -> TableStorage:
    """The storage these settings name: one for a process. It connects with the first call, on the loop of that call."""
    return TableStorage(Rows(partial(connect, settings)))
