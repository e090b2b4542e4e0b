"""Processes that serve one table: undisturbed ones, ones behind a faulty network, and one that dies."""

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass

from devhost.azurite import Azurite
from scim_core.settings import StorageSettings
from scim_core.storage.tables import TableStorage, table_storage
from tests.faults.proxy import Fault, Proxy, proxy
from tests.faults.transport import Death, storage_until
from tests.scim import Client, Clock, endpoint_over

_tables = (f"machine{number}" for number in itertools.count())


@dataclass(frozen=True)
class Process:
    """An endpoint on a storage of its own, and a client of it."""

    storage: TableStorage
    client: Client


@dataclass(frozen=True)
class Trouble:
    """Calls `first` to `first + calls - 1` of a request meet this fault."""

    fault: Fault
    first: int
    calls: int

    def __call__(self, number: int, _: int) -> Fault | None:
        return self.fault if self.first <= number < self.first + self.calls else None


@dataclass(frozen=True)
class Host:
    """Where the processes run: one event loop, an Azurite, and a proxy before it that has faults."""

    runner: asyncio.Runner
    azurite: Azurite
    between: Proxy

    @classmethod
    @contextmanager
    def started(cls, azurite: Azurite) -> Iterator["Host"]:
        with asyncio.Runner() as runner:
            stack = AsyncExitStack()
            yield cls(runner, azurite, runner.run(stack.enter_async_context(proxy(azurite))))
            runner.run(stack.aclose())


class Processes:
    """The processes that serve one new table. The last of them deletes it."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._table = next(_tables)
        self._clock = Clock()
        self._started: list[Process] = []
        self.healthy = [self._at(host.azurite.connection_string), self._at(host.azurite.connection_string)]
        self._troubled = self._at(host.between.connection)

    def mortal(self, death: Death) -> Process:
        """A new process, until it dies."""
        return self._process(storage_until(death, self._host.azurite.connection_string, self._table))

    def troubled(self, trouble: Trouble) -> Process:
        """A process whose next calls meet trouble."""
        self._host.between.calls, self._host.between.fault = 0, trouble
        return self._troubled

    async def close(self) -> None:
        """The table is gone and the processes have ended."""
        connection = self.healthy[0].storage.rows._connection
        if connection is not None:
            await connection.table.delete_table()
        for process in self._started:
            await process.storage.close()

    def _at(self, connection: str) -> Process:
        settings = {"SCIM_STORAGE_CONNECTION": connection, "SCIM_TABLE_NAME": self._table}
        return self._process(table_storage(StorageSettings.from_environment(settings)))

    def _process(self, storage: TableStorage) -> Process:
        self._started.append(process := Process(storage, Client(endpoint_over(storage, self._clock))))
        return process
