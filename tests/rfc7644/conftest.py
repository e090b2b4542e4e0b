"""Table Storage as Azurite serves it, for what only shows there."""

from collections.abc import AsyncIterator, Iterator

import pytest

from devhost.azurite import Azurite
from scim_core.settings import StorageSettings
from scim_core.storage.tables import TableStorage, table_storage


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    with Azurite.start(None, None, None) as running:
        yield running


@pytest.fixture(scope="module")
async def tables(azurite: Azurite, request: pytest.FixtureRequest) -> AsyncIterator[TableStorage]:
    """A table of its own for each module."""
    environment = {
        "SCIM_TOKEN_SHA256": "0" * 64,
        "SCIM_STORAGE_CONNECTION": azurite.connection_string,
        "SCIM_TABLE_NAME": "".join(character for character in request.module.__name__ if character.isalnum())[-60:],
    }
    storage = table_storage(StorageSettings.from_environment(environment))
    yield storage
    await storage.close()
