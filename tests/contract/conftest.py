"""Both implementations of the storage port, empty: the suite runs over each."""

from collections.abc import AsyncIterator

import pytest

from devhost.azurite import Azurite
from scim_core.settings import StorageSettings
from scim_core.storage.memory import MemoryStorage
from scim_core.storage.port import Storage
from scim_core.storage.tables import TableStorage, table_storage
from tests.tables import new_table


def settings(connection: str, table: str) -> StorageSettings:
    return StorageSettings.from_environment({"SCIM_STORAGE_CONNECTION": connection, "SCIM_TABLE_NAME": table})


@pytest.fixture
async def tables(azurite: Azurite) -> AsyncIterator[TableStorage]:
    """Tables that nobody has used: a table of its own for each test."""
    storage = table_storage(StorageSettings.from_environment(new_table(azurite)))
    yield storage
    await storage.close()


@pytest.fixture(params=["memory", "tables"])
def storage(request: pytest.FixtureRequest) -> Storage:
    return MemoryStorage() if request.param == "memory" else request.getfixturevalue("tables")
