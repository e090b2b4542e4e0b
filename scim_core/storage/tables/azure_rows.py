"""The rows of a table of Azure Table Storage: every call to the service is made here."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime

from azure.core.exceptions import ResourceExistsError
from azure.data.tables.aio import TableClient

from scim_core.storage.port import ColumnTest
from scim_core.storage.tables import keys
from scim_core.storage.tables.client import CALL_SECONDS, Connection
from scim_core.storage.tables.errors import TableMissing, translated
from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.odata import Filter, partitions_after, range_filter
from scim_core.storage.tables.row_operations import RowOperation
from scim_core.storage.tables.rows import Row, RowPage, Token
from scim_core.storage.tables.service_limits import PAGE_ROWS, require_transaction
from scim_core.storage.tables.wire import Wire


class AzureRows:
    """See Rows. The connection is opened by the first call and belongs to its event loop; so does the object."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._connection: Connection | None = None
        self._wire: Wire | None = None

    async def get(self, tenant: str, key: str, *, select: str | None = None) -> Row | None:
        """See Rows.get."""
        return await self._call(lambda wire: wire.row(keys.partition(tenant), key, select))

    async def page(
        self,
        tenant: str,
        key_range: KeyRange,
        *,
        limit: int = PAGE_ROWS,
        tests: Sequence[ColumnTest] = (),
        since: datetime | None = None,
        select: str | None = None,
        token: Token | None = None,
    ) -> RowPage:
        """See Rows.page."""
        wanted = range_filter(keys.partition(tenant), key_range, tests, since)
        return await self._page(wanted, limit, select, token)

    async def partition_after(self, partition: str) -> str | None:
        """See Rows.partition_after."""
        token: Token | None = None
        while True:
            page = await self._page(partitions_after(partition), 1, "PartitionKey", token)
            if page.rows:
                return str(page.rows[0].properties["PartitionKey"])
            token = page.token
            if token is None:
                return None

    async def transact(self, tenant: str, operations: Sequence[RowOperation], *, repeatable: bool = True) -> list[str]:
        """See Rows.transact."""
        require_transaction(operations)
        partition = keys.partition(tenant)
        return await self._call(lambda wire: wire.transact(partition, operations, repeatable=repeatable), operations)

    async def close(self) -> None:
        """See Rows.close."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = self._wire = None

    async def _page(self, wanted: Filter, limit: int, select: str | None, token: Token | None) -> RowPage:
        return await self._call(lambda wire: wire.page(wanted, limit, select, token))

    async def _call[T](self, call: Callable[[Wire], Awaitable[T]], operations: Sequence[RowOperation] = ()) -> T:
        if self._connection is None or self._wire is None:
            self._connection = self._connect()
            self._wire = Wire(self._connection.table, self._connection.transport)
        table, wire = self._connection.table, self._wire
        try:
            return await _within_time(call(wire), operations)
        except TableMissing:
            await _within_time(_create(table))
            return await _within_time(call(wire), operations)


async def _within_time[T](call: Awaitable[T], operations: Sequence[RowOperation] = ()) -> T:
    with translated(operations):
        async with asyncio.timeout(CALL_SECONDS):
            return await call


async def _create(table: TableClient) -> None:
    with suppress(ResourceExistsError):  # another call was first
        await table.create_table()
