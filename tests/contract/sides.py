"""The same calls made by the SDK's own client and by ours, and what came of them in a form that can be compared."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from azure.core.credentials import AccessToken
from azure.core.pipeline.transport import AioHttpTransport
from azure.data.tables.aio import TableClient

from scim_core.storage.port import StorageBusy, StorageError
from scim_core.storage.tables.azure_rows import AzureRows
from scim_core.storage.tables.client import BACKOFF_SECONDS, RETRIES, Connection
from scim_core.storage.tables.errors import RowFailure, TableMissing
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Row, RowPage, Rows
from tests.contract.sdk_rows import SdkRows
from tests.identity.conftest import token

TENANT = "contoso"
REPETITIONS = {"retry_total": RETRIES, "retry_backoff_factor": BACKOFF_SECONDS}


@dataclass(frozen=True)
class Side:
    """One table, and both ways to it."""

    sdk: Rows
    ours: Rows

    async def close(self) -> None:
        await self.sdk.close()
        await self.ours.close()


@dataclass(frozen=True)
class Sides:
    """Two tables: `one` is written by the SDK, `other` by us."""

    one: Side
    other: Side

    @property
    def writers(self) -> tuple[Rows, Rows]:
        """Who makes the calls that are compared: the SDK in its table, and we in ours."""
        return self.one.sdk, self.other.ours

    @property
    def readers(self) -> tuple[Rows, ...]:
        """Every way to every table: all of them must show the same."""
        return self.one.sdk, self.one.ours, self.other.sdk, self.other.ours

    async def close(self) -> None:
        await self.one.close()
        await self.other.close()


class PauselessTransport(AioHttpTransport):  # type: ignore[misc]  # the SDK gives it no type
    """Notes the pauses before repetitions, and makes none."""

    def __init__(self, **options: Any) -> None:
        super().__init__(use_env_settings=False, **options)
        self.pauses: list[float] = []

    async def sleep(self, duration: float) -> None:
        self.pauses.append(duration)


class Identity:
    """A credential whose tokens the account takes."""

    async def get_token(self, *_: str, **__: object) -> AccessToken:
        return AccessToken(token()["access_token"], int(time.time()) + 3600)

    async def close(self) -> None:
        """Nothing is open."""


def side(connect: Callable[[], Connection]) -> Side:
    """Each of the two ways has a connection of its own."""
    return Side(SdkRows(connect()), AzureRows(connect))


def with_key(connection_string: str, table: str, transport: AioHttpTransport) -> Connection:
    """A connection with the account's key."""
    client = TableClient.from_connection_string(connection_string, table, transport=transport, **REPETITIONS)
    return Connection(client, transport)


def with_token(account_url: str, table: str, transport: AioHttpTransport) -> Connection:
    """A connection with tokens of an identity."""
    client = TableClient(account_url, table, credential=Identity(), transport=transport, **REPETITIONS)  # type: ignore[arg-type]
    return Connection(client, transport)


def operation(verb: Verb, key: str, *, etag: str = "", **properties: Any) -> RowOperation:
    """A row operation."""
    return RowOperation(verb, Role.OTHER, key, properties, etag)


async def outcome(call: Awaitable[object]) -> object:
    """What a call returns without what no two tables have in common, or every sign of how it failed."""
    try:
        return comparable(await call)
    except RowFailure as failure:
        return type(failure), failure.operation
    except StorageBusy as busy:
        return type(busy), str(busy), busy.retry_after
    except StorageError as error:
        return type(error), str(error)
    except TableMissing as missing:
        return type(missing)


def comparable(found: object) -> object:
    """ETags only by whether there is one, and tokens likewise."""
    match found:
        case Row(properties, etag):
            return properties, bool(etag)
        case RowPage(rows, token):
            return [comparable(row) for row in rows], token is not None
        case list():
            return [bool(etag) for etag in found]
    return found
