"""The calls of an operation to Table Storage, recorded while an endpoint in this process runs it once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from bench import bare
from bench.http_client import Request, UnexpectedStatus
from bench.operations import Client, Operation, post_user
from bench.tables import BareTable
from scim_core import Endpoint, ScimRequest, Settings, build
from scim_core.storage.tables import TableStorage, table_storage
from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.row_operations import RowOperation
from scim_core.storage.tables.rows import Row, RowPage
from tests.transcript import transcript

_RINGS = 900_000
"""The number of a user that is created first. Once a minute a change also tells the relay of it (doorbell.py)."""


class OtherCalls(Exception):
    """bench/bare.py no longer makes the calls that the operation makes."""


@dataclass(frozen=True)
class Calls:
    """The calls of one operation, and how many of them wait for an earlier one."""

    round_trips: int
    kinds: tuple[str, ...]


class CallCounter:
    """Runs operations in this process, each after its bare calls, over tables with the same content."""

    def __init__(self, settings: Settings, bare_settings: Settings) -> None:
        self._storage: TableStorage = table_storage(settings.storage)
        self._endpoint: Endpoint = build(settings, self._storage)
        self._bare = BareTable(bare_settings.storage)
        self._rung = False

    async def calls(self, operation: Operation, client: Client, number: int) -> Calls:
        """The operation's calls. Raises OtherCalls when its bare calls differ."""
        table = _NotingTable(self._bare)
        await bare.OPERATIONS[operation.calls](number)(table)
        if not self._rung:
            self._rung = True
            await self._send(post_user(client, _RINGS), client)
            client.posted.pop()
        request = operation.request(client, number)
        if request.method == "GET":  # a list takes more calls until the process knows how large the resources are
            await self._send(request, client)
        with transcript(self._storage) as recorded:
            await self._send(request, client)
        if sorted(table.kinds) != sorted(recorded.kinds):
            raise OtherCalls(f"{operation.title}: {sorted(recorded.kinds)}, but bare: {sorted(table.kinds)}")
        return Calls(recorded.round_trips, tuple(recorded.kinds))

    async def close(self) -> None:
        """All connections are closed."""
        await self._storage.close()
        await self._bare.close()

    async def _send(self, request: Request, client: Client) -> None:
        path, _, query = request.target.partition("?")
        headers = {name.lower(): value for name, value in request.headers.items()}
        answer = await self._endpoint.handle(
            ScimRequest(request.method, unquote(path), query, headers, request.body, "http://localhost")
        )
        if answer.status != request.expect:
            raise UnexpectedStatus(f"{request.method} {request.target}: {answer.status} {answer.body[:500]!r}")
        if "Location" in answer.headers:
            client.posted.append(answer.headers["Location"].removeprefix(f"http://localhost{client.path}"))


class _NotingTable:
    """A table that records the kinds of its calls, with the names of a transcript."""

    def __init__(self, table: BareTable) -> None:
        self._table = table
        self.kinds: list[str] = []

    async def get(self, key: str, select: str | None = None) -> Row | None:
        self.kinds.append("get")
        return await self._table.get(key, select)

    async def page(self, key_range: KeyRange, **options: Any) -> RowPage:
        self.kinds.append("page")
        return await self._table.page(key_range, **options)

    async def transact(self, operations: Sequence[RowOperation]) -> None:
        self.kinds.append("transact")
        await self._table.transact(operations)

    async def close(self) -> None:
        await self._table.close()
