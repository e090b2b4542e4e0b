"""A transport to Table Storage on which the process dies, and storages that use it."""

from dataclasses import dataclass, field
from typing import Any

from azure.core.pipeline.transport import AioHttpTransport
from azure.data.tables.aio import TableClient

from scim_core.storage.tables import TableStorage
from scim_core.storage.tables.azure_rows import AzureRows
from scim_core.storage.tables.client import Connection


class ProcessDied(BaseException):
    """Nothing of ours may catch this: the process is no more."""


@dataclass
class Death:
    """The process dies right before or right after this call, counted from 0; None: it lives.

    `calls` are the methods of the calls it came to: GET for a read, POST for a transaction.
    """

    call: int | None = None
    after: bool = False
    calls: list[str] = field(default_factory=list)
    dead: bool = False


class MortalTransport(AioHttpTransport):
    """Sends as the real transport does, until the process dies."""

    def __init__(self, death: Death) -> None:
        super().__init__(use_env_settings=False)
        self.death = death

    async def send(self, request: Any, **options: Any) -> Any:
        if self.death.dead:
            raise ProcessDied
        now = len(self.death.calls) == self.death.call
        self.death.calls.append(request.method)
        if now and not self.death.after:
            self.death.dead = True
            raise ProcessDied
        answer = await super().send(request, **options)
        if now:
            self.death.dead = True
            raise ProcessDied
        return answer


def storage_until(death: Death, connection: str, table: str) -> TableStorage:
    """A storage as a new process has it, until that process dies."""

    def connect() -> Connection:
        transport = MortalTransport(death)
        return Connection(TableClient.from_connection_string(connection, table, transport=transport), None)

    return TableStorage(AzureRows(connect))
