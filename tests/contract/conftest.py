"""The storage that the suite runs over, empty: in this process, and over Azurite where a test says so."""

import pytest

from scim_core.storage.tables import TableStorage
from tests.memory_rows import memory_storage


@pytest.fixture
def storage(request: pytest.FixtureRequest) -> TableStorage:
    """See builders.also_on_azurite."""
    if getattr(request, "param", "memory") == "memory":
        return memory_storage()
    found: TableStorage = request.getfixturevalue("azurite_storage")
    return found
