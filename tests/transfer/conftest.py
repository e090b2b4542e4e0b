"""Directories, each in a table of its own, and the commands over them, in this process.

A test that is marked with `also_over_azurite` runs a second time with directories in Azurite, and with processes as an
operator starts them.
"""

import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from scim_core.settings import StorageSettings
from scim_core.storage.tables import TableStorage, table_rows
from scim_core.storage.tables.rows import Rows
from tests.commands import SIGNING, run_here, run_process
from tests.memory_rows import MemoryRows
from tests.scim import Client, Clock, endpoint_over
from tests.tables import new_table


@dataclass
class Directory:
    """A table, a client of the endpoint over it, and the commands over it."""

    rows: Rows
    storage: TableStorage
    client: Client
    environment: dict[str, str] | None

    @classmethod
    def over(cls, rows: Rows, environment: dict[str, str] | None = None) -> "Directory":
        """With an environment, the commands are processes in it."""
        storage = TableStorage(rows)
        return cls(rows, storage, Client(endpoint_over(storage, Clock())), environment)

    async def run(self, *given: object, **settings: str) -> subprocess.CompletedProcess[str]:
        """What `python -m scim_core.admin` does with these arguments and these further settings."""
        if self.environment:
            return run_process(self.environment | settings, *given)
        return await run_here(self.rows, *given, **settings)


also_over_azurite = pytest.mark.parametrize("directory", ["memory", "azurite"], indirect=True)
"""Marks a test that runs once more with its directories in Azurite, and with processes as its commands."""


@pytest.fixture
async def directory(request: pytest.FixtureRequest) -> AsyncIterator[Callable[[], Directory]]:
    """Makes directories; each has a table that nobody has used."""
    made: list[Directory] = []

    def make() -> Directory:
        if getattr(request, "param", "memory") == "memory":
            made.append(Directory.over(MemoryRows()))
        else:
            environment = new_table(request.getfixturevalue("azurite")) | SIGNING
            rows = table_rows(StorageSettings.from_environment(environment))
            made.append(Directory.over(rows, environment))
        return made[-1]

    yield make
    for item in made:
        await item.rows.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "export.ndjson"
