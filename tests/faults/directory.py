"""A small directory on a table of its own, for tests that look at one change from all sides."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from devhost.azurite import Azurite
from scim_core.settings import StorageSettings
from scim_core.storage.tables import TableStorage, keys, table_storage
from scim_core.storage.tables.reading import read_memberships
from tests.scim import Client, Clock, Json, endpoint_over

TENANT = "default"
FAR_FUTURE = "9999"
_tables = (f"directory{number}" for number in itertools.count())


@dataclass
class Directory:
    """Twelve users, and a group of the first two."""

    client: Client
    storage: TableStorage
    users: list[Json]
    group: Json

    @classmethod
    @asynccontextmanager
    async def made(cls, azurite: Azurite) -> AsyncIterator["Directory"]:
        settings = {"SCIM_STORAGE_CONNECTION": azurite.connection_string, "SCIM_TABLE_NAME": next(_tables)}
        storage = table_storage(StorageSettings.from_environment(settings))
        client = Client(endpoint_over(storage, Clock()))
        users = [await client.user(f"user{number}") for number in range(12)]
        yield cls(client, storage, users, await client.group("group", *users[:2]))
        await storage.close()

    async def rows(self) -> int:
        """How many memberships of the group have their rows."""
        return len(await read_memberships(self.storage.rows, TENANT, keys.members(self.group["id"])))

    async def swept(self) -> None:
        """What was left unfinished is finished."""
        swept = await self.storage.sweep(before=FAR_FUTURE, seconds=20)
        assert swept.left == 0
