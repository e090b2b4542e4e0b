"""A transport to Table Storage on which the process dies, and rows that use it."""

from typing import Any

from azure.core.pipeline.transport import AioHttpTransport
from azure.data.tables.aio import TableClient

from scim_core.storage.tables.azure_rows import AzureRows
from scim_core.storage.tables.client import Connection
from tests.faults.disturbed_rows import Death


class MortalTransport(AioHttpTransport):  # type: ignore[misc]  # the SDK gives it no type
    """Sends as the real transport does, until the process dies."""

    def __init__(self, death: Death) -> None:
        super().__init__(use_env_settings=False)
        self.death = death

    async def send(self, request: Any, **options: Any) -> Any:
        send = super().send
        return await self.death.lived_through(lambda: send(request, **options), writes=request.method == "POST")


def rows_until(death: Death, connection: str, table: str) -> AzureRows:
    """Rows as a new process has them, until that process dies."""

    def connect() -> Connection:
        transport = MortalTransport(death)
        return Connection(TableClient.from_connection_string(connection, table, transport=transport), transport)

    return AzureRows(connect)
