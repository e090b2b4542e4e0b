"""Directories over Azurite, each in a table of its own, and the two commands as an operator starts them."""

import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from devhost.azurite import Azurite
from scim_core.settings import StorageSettings
from scim_core.storage.maintenance.exporting import ExportRows
from scim_core.storage.tables import TableStorage
from scim_core.storage.tables.client import connect
from tests.running import ROOT, clean_environment
from tests.scim import Client, Clock, endpoint_over
from tests.tables import new_table


@dataclass
class Directory:
    """A table, a client of the endpoint over it, and the commands over it."""

    environment: dict[str, str]
    rows: ExportRows
    storage: TableStorage
    client: Client

    def run(self, command: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        """`python -m scim_core.admin <command>`."""
        return subprocess.run(
            [sys.executable, "-m", "scim_core.admin", command, *map(str, arguments)],
            cwd=ROOT,
            env=clean_environment() | self.environment,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
async def directory(azurite: Azurite) -> AsyncIterator[Callable[[], Directory]]:
    """Makes directories; each has a table that nobody has used."""
    made: list[Directory] = []

    def make() -> Directory:
        environment = new_table(azurite)
        rows = ExportRows(partial(connect, StorageSettings.from_environment(environment)))
        storage = TableStorage(rows)
        made.append(Directory(environment, rows, storage, Client(endpoint_over(storage, Clock()))))
        return made[-1]

    yield make
    for item in made:
        await item.storage.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "export.ndjson"
