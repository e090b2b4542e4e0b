"""Table Storage as Azurite serves it, for what only shows there."""

from collections.abc import AsyncIterator

import pytest

from devhost.azurite import Azurite
from scim_core.settings import StorageSettings
from scim_core.storage.tables import TableStorage, table_storage
from tests.tables import new_table


@pytest.fixture(scope="module")
async def tables(azurite: Azurite) -> AsyncIterator[TableStorage]:
    """A table of its own for each module."""
    storage = table_storage(StorageSettings.from_environment(new_table(azurite)))
    yield storage
    await storage.close()
