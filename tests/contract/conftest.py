"""Both implementations of the storage port, empty: the suite runs over each."""

import itertools
from collections.abc import AsyncIterator, Iterator

import pytest

from devhost.azurite import Azurite
from scim_core.settings import StorageSettings
from scim_core.storage.memory import MemoryStorage
from scim_core.storage.port import Storage
from scim_core.storage.tables import TableStorage, table_storage

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    with Azurite.start(None, None, None) as running:
        yield running


def settings(connection: str, table: str) -> StorageSettings:
    return StorageSettings.from_environment({"SCIM_STORAGE_CONNECTION": connection, "SCIM_TABLE_NAME": table})


@pytest.fixture
async def tables(azurite: Azurite) -> AsyncIterator[TableStorage]:
    """Tables that nobody has used: a table of its own for each test."""
    storage = table_storage(settings(azurite.connection_string, f"contract{next(_numbers)}"))
    yield storage
    await storage.close()


@pytest.fixture(params=["memory", "tables"])
def storage(request: pytest.FixtureRequest) -> Storage:
    return MemoryStorage() if request.param == "memory" else request.getfixturevalue("tables")
