"""A small directory on a table of its own, for tests that look at one change as different clients see it."""

from dataclasses import dataclass

from scim_core.storage.tables import TableStorage, keys
from scim_core.storage.tables.reading import read_memberships
from tests.scim import Client, Clock, Json, endpoint_over

TENANT = "default"
FAR_FUTURE = "9999"


@dataclass
class Directory:
    """Twelve users, and a group of the first two."""

    client: Client
    storage: TableStorage
    users: list[Json]
    group: Json

    @classmethod
    async def made(cls, storage: TableStorage) -> "Directory":
        """The directory is in this storage, which is empty."""
        client = Client(endpoint_over(storage, Clock()))
        users = [await client.user(f"user{number}") for number in range(12)]
        return cls(client, storage, users, await client.group("group", *users[:2]))

    async def rows(self) -> int:
        """How many memberships of the group have their rows."""
        return len(await read_memberships(self.storage.rows, TENANT, keys.members(self.group["id"])))

    async def swept(self) -> None:
        """All large changes are finished."""
        swept = await self.storage.sweep(before=FAR_FUTURE, seconds=20)
        assert swept.left == 0
