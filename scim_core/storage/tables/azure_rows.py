"""The rows of a table of Azure Table Storage: every call to the service is made here."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.data.tables import TableEntity, UpdateMode
from azure.data.tables.aio import TableClient

from scim_core.storage.port import ColumnTest
from scim_core.storage.tables import keys
from scim_core.storage.tables.client import CALL_SECONDS, REPEATED_METHODS, Connection
from scim_core.storage.tables.errors import TableMissing, is_table_missing, translated
from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.odata import Filter, partitions_after, range_filter
from scim_core.storage.tables.row_operations import RowOperation, Verb
from scim_core.storage.tables.rows import Row, RowPage, Token
from scim_core.storage.tables.service_limits import PAGE_ROWS, require_transaction


class AzureRows:
    """See Rows. The connection is opened by the first call and belongs to its event loop; so does the object."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._connection: Connection | None = None

    async def get(self, tenant: str, key: str, *, select: str | None = None) -> Row | None:
        """See Rows.get."""

        async def call(table: TableClient) -> Row | None:
            try:
                entity = await table.get_entity(keys.partition(tenant), key, select=select)
            except ResourceNotFoundError as error:
                if is_table_missing(error):
                    raise
                return None
            return _row(entity)

        return await self._call(call)

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
        entries = [_entry(partition, item) for item in operations]
        repeated = {"retry_on_methods": REPEATED_METHODS} if repeatable else {}
        answers = await self._call(lambda table: table.submit_transaction(entries, **repeated), operations)
        return [answer.get("etag") or "" for answer in answers]

    async def close(self) -> None:
        """See Rows.close."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _page(self, wanted: Filter, limit: int, select: str | None, token: Token | None) -> RowPage:
        text, parameters = wanted

        async def call(table: TableClient) -> RowPage:
            found = table.query_entities(text, parameters=parameters, results_per_page=limit, select=select)
            pages: Any = found.by_page(token)  # type: ignore[arg-type]  # the SDK's token is a dictionary
            entities = await anext(pages)
            return RowPage([_row(entity) async for entity in entities], pages.continuation_token)

        return await self._call(call)

    async def _call[T](self, call: Callable[[TableClient], Awaitable[T]], operations: Sequence[RowOperation] = ()) -> T:
        if self._connection is None:
            self._connection = self._connect()
        table = self._connection.table
        try:
            return await _within_time(call(table), operations)
        except TableMissing:
            await _within_time(_create(table))
            return await _within_time(call(table), operations)


async def _within_time[T](call: Awaitable[T], operations: Sequence[RowOperation] = ()) -> T:
    with translated(operations):
        async with asyncio.timeout(CALL_SECONDS):
            return await call


async def _create(table: TableClient) -> None:
    with suppress(ResourceExistsError):  # another call was first
        await table.create_table()


def _row(entity: TableEntity) -> Row:
    return Row(entity, entity.metadata["etag"] or "")


def _entry(partition: str, operation: RowOperation) -> tuple[str, dict[str, Any], dict[str, Any]]:
    entity = {"PartitionKey": partition, "RowKey": operation.key, **operation.properties}
    guard: dict[str, Any] = (
        {"etag": operation.etag, "match_condition": MatchConditions.IfNotModified} if operation.etag else {}
    )
    match operation.verb:
        case Verb.INSERT:
            return "create", entity, {"response_preference": "return-no-content"}
        case Verb.UPSERT:
            return "upsert", entity, {"mode": UpdateMode.REPLACE}
        case Verb.MERGE:
            return "update", entity, {"mode": UpdateMode.MERGE, **guard}
        case Verb.REPLACE:
            return "update", entity, {"mode": UpdateMode.REPLACE, **guard}
        case Verb.DELETE:
            return "delete", entity, guard
