"""The calls of AzureRows, made by the SDK's own client from end to end: what `wire` must do in the same way."""

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
from scim_core.storage.tables.client import CALL_SECONDS, Connection
from scim_core.storage.tables.entities import column_property
from scim_core.storage.tables.errors import TableMissing, is_table_missing, translated
from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.row_operations import RowOperation, Verb
from scim_core.storage.tables.rows import Row, RowPage, Token
from scim_core.storage.tables.service_limits import PAGE_ROWS
from scim_core.storage.tables.wire import REPEATED, SENT_ONCE


class SdkRows:
    """See Rows."""

    def __init__(self, connection: Connection) -> None:
        self._table = connection.table

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
        text = "PartitionKey eq @partition and RowKey ge @low and RowKey lt @high"
        values: dict[str, Any] = {"partition": keys.partition(tenant), "low": key_range.low, "high": key_range.high}
        if since is not None:
            text, values["since"] = f"{text} and Timestamp ge @since", since
        for number, test in enumerate(tests):
            text += f" and {column_property(test.column)} {test.operator} @test{number}"
            values[f"test{number}"] = test.value
        return await self._page(text, values, limit, select, token)

    async def partition_after(self, partition: str) -> str | None:
        """See Rows.partition_after."""
        token: Token | None = None
        while True:
            page = await self._page("PartitionKey gt @after", {"after": partition}, 1, "PartitionKey", token)
            if page.rows:
                return str(page.rows[0].properties["PartitionKey"])
            token = page.token
            if token is None:
                return None

    async def transact(self, tenant: str, operations: Sequence[RowOperation], *, repeatable: bool = True) -> list[str]:
        """See Rows.transact."""
        entries = [_entry(keys.partition(tenant), item) for item in operations]
        repeated = REPEATED if repeatable else SENT_ONCE
        answers = await self._call(lambda table: table.submit_transaction(entries, **repeated), operations)
        return [answer.get("etag") or "" for answer in answers]

    async def close(self) -> None:
        """See Rows.close."""
        await self._table.close()

    async def _page(
        self, text: str, values: dict[str, Any], limit: int, select: str | None, token: Token | None
    ) -> RowPage:
        async def call(table: TableClient) -> RowPage:
            found = table.query_entities(text, parameters=values, results_per_page=limit, select=select)
            pages: Any = found.by_page(token)  # type: ignore[arg-type]  # the SDK's token is a dictionary
            entities = await anext(pages)
            return RowPage([_row(entity) async for entity in entities], pages.continuation_token)

        return await self._call(call)

    async def _call[T](self, call: Callable[[TableClient], Awaitable[T]], operations: Sequence[RowOperation] = ()) -> T:
        try:
            return await _within_time(call(self._table), operations)
        except TableMissing:
            await _within_time(_create(self._table))
            return await _within_time(call(self._table), operations)


async def _create(table: TableClient) -> None:
    with suppress(ResourceExistsError):
        await table.create_table()


async def _within_time[T](call: Awaitable[T], operations: Sequence[RowOperation] = ()) -> T:
    with translated(operations):
        async with asyncio.timeout(CALL_SECONDS):
            return await call


def _row(entity: TableEntity) -> Row:
    return Row(dict(entity), entity.metadata["etag"] or "")


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
