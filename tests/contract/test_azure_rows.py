"""What only Table Storage can do to a storage: refusals, silence, a missing table, a service that is not there."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from devhost.azurite import Azurite, free_port
from scim_core.settings import StorageSettings
from scim_core.storage.port import StorageBusy
from scim_core.storage.tables import TableStorage, table_storage
from tests.contract.builders import TENANT, id_of, user


def settings(connection: str, table: str) -> StorageSettings:
    return StorageSettings.from_environment({"SCIM_STORAGE_CONNECTION": connection, "SCIM_TABLE_NAME": table})


FIRSTS: dict[str, Callable[[TableStorage], Awaitable[object]]] = {
    "a transaction": lambda storage: storage.create(TENANT, user(1)),
    "a point read": lambda storage: storage.read(TENANT, "User", [id_of(1)]),
    "a range read": lambda storage: storage.page(TENANT, "User", limit=1),
    "a ping": lambda storage: storage.ping(),
    "twenty transactions": lambda storage: asyncio.gather(*(storage.create(TENANT, user(n)) for n in range(20))),
    "a look for partitions": lambda storage: storage.rows.partition_after(""),
}


@pytest.mark.parametrize("first", FIRSTS)
async def test_the_table_is_created_by_whichever_call_comes_first(azurite_storage: TableStorage, first: str) -> None:
    await FIRSTS[first](azurite_storage)
    await azurite_storage.create(TENANT, user(30))
    assert (await azurite_storage.count(TENANT, "User")).number >= 1


@pytest.mark.filterwarnings("ignore:Testing an element's truth value:DeprecationWarning")  # the SDK's own
async def test_a_wrong_key_is_reported_without_the_key(azurite: Azurite) -> None:
    wrong = "d3Jvbmc="
    connection = ";".join(
        f"AccountKey={wrong}" if part.startswith("AccountKey") else part
        for part in azurite.connection_string.split(";")
    )
    storage = table_storage(settings(connection, "wrongkey"))
    for call in (storage.ping(), storage.create(TENANT, user(1))):
        with pytest.raises(StorageBusy, match="Storage Table Data Contributor") as refused:
            await call
        assert wrong not in str(refused.value)
    await storage.close()


async def test_a_storage_that_is_not_there_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scim_core.storage.tables.client.BACKOFF_SECONDS", 0.001)
    connection = f"AccountName=a;AccountKey=a2V5;TableEndpoint=http://127.0.0.1:{free_port()}/a"
    storage = table_storage(settings(connection, "nowhere"))
    for call in (storage.ping(), storage.create(TENANT, user(1)), storage.count(TENANT, "User")):
        with pytest.raises(StorageBusy):
            await call
    await storage.close()


async def test_a_storage_that_does_not_answer_is_busy_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(5)
        writer.close()

    monkeypatch.setattr("scim_core.storage.tables.azure_rows.CALL_SECONDS", 0.2)
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    storage = table_storage(settings(f"AccountName=a;AccountKey=a2V5;TableEndpoint=http://127.0.0.1:{port}/a", "slow"))
    for call in (storage.ping(), storage.create(TENANT, user(1))):
        with pytest.raises(StorageBusy, match="TimeoutError"):
            await asyncio.wait_for(call, 2)
    await storage.close()
    server.close()
