"""Directories, each in a table of its own, and the commands over them, in this process.

A test that is marked with `also_over_azurite` runs a second time with directories in Azurite, and with processes as an
operator starts them.
"""

import asyncio
import io
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from scim_core.admin.__main__ import main
from scim_core.settings import StorageSettings
from scim_core.storage import tables
from scim_core.storage.tables import TableStorage, table_rows
from scim_core.storage.tables.rows import Rows
from tests.memory_rows import MemoryRows
from tests.running import ROOT, clean_environment
from tests.scim import Client, Clock, endpoint_over
from tests.tables import new_table

NOWHERE = {"SCIM_STORAGE_CONNECTION": "UseDevelopmentStorage=true"}
"""The settings of commands whose rows are given to them."""


@dataclass
class Directory:
    """A table, a client of the endpoint over it, and the commands over it."""

    environment: dict[str, str]
    rows: Rows
    storage: TableStorage
    client: Client

    @classmethod
    def over(cls, rows: Rows, environment: dict[str, str]) -> "Directory":
        storage = TableStorage(rows)
        return cls(environment, rows, storage, Client(endpoint_over(storage, Clock())))

    async def run(self, command: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        """`python -m scim_core.admin <command>`."""
        given = [command, *map(str, arguments)]
        if self.environment is not NOWHERE:
            return process(given, self.environment)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tables, "AzureRows", lambda _: self.rows)
            return await asyncio.to_thread(in_process, given, self.environment)


def in_process(given: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """The command on an event loop of its own."""
    with redirect_stdout(io.StringIO()) as output, redirect_stderr(io.StringIO()) as errors:
        code = main(given, environment)
    return subprocess.CompletedProcess(given, code, output.getvalue(), errors.getvalue())


def process(given: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "scim_core.admin", *given]
    surroundings = clean_environment() | environment
    return subprocess.run(command, cwd=ROOT, env=surroundings, capture_output=True, text=True, check=False)


also_over_azurite = pytest.mark.parametrize("directory", ["memory", "azurite"], indirect=True)
"""Marks a test that runs once more with its directories in Azurite, and with processes as its commands."""


@pytest.fixture
async def directory(request: pytest.FixtureRequest) -> AsyncIterator[Callable[[], Directory]]:
    """Makes directories; each has a table that nobody has used."""
    made: list[Directory] = []

    def make() -> Directory:
        if getattr(request, "param", "memory") == "memory":
            made.append(Directory.over(MemoryRows(), NOWHERE))
        else:
            environment = new_table(request.getfixturevalue("azurite"))
            rows = table_rows(StorageSettings.from_environment(environment))
            made.append(Directory.over(rows, environment))
        return made[-1]

    yield make
    for item in made:
        await item.rows.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "export.ndjson"
