"""The rows of one table: every call to Table Storage goes through `Rows`, one method call for one round trip.

Tests record and disturb the storage here.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
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
from scim_core.storage.tables.odata import range_filter
from scim_core.storage.tables.row_operations import RowOperation, Verb
from scim_core.storage.tables.service_limits import PAGE_ROWS, require_transaction

Token = dict[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """A row that was read: its properties, or those selected, and its ETag."""

    properties: dict[str, Any]
    etag: str


@dataclass(frozen=True, slots=True)
class RowPage:
    """One answer to a range read. It may be empty and yet have a token, with which the rest is read."""

    rows: list[Row]
    token: Token | None


class Rows:
    """The calls. The connection is opened by the first and belongs to its event loop; so does the object.

    A table that does not exist is created by the first call that meets its absence.
    """

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._connection: Connection | None = None

    async def get(self, tenant: str, key: str, *, select: str | None = None) -> Row | None:
        """The row, or None. Raises StorageBusy."""

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
        select: str | None = None,
        token: Token | None = None,
    ) -> RowPage:
        """At most `limit` (up to PAGE_ROWS) rows of the range, in key order, from the token on. Raises StorageBusy."""
        text, parameters = range_filter(keys.partition(tenant), key_range, tests)

        async def call(table: TableClient) -> RowPage:
            found = table.query_entities(text, parameters=parameters, results_per_page=limit, select=select)
            pages: Any = found.by_page(token)  # type: ignore[arg-type]  # the SDK's token is a dictionary
            entities = await anext(pages)
            return RowPage([_row(entity) async for entity in entities], pages.continuation_token)

        return await self._call(call)

    async def transact(self, tenant: str, operations: Sequence[RowOperation], *, repeatable: bool = True) -> list[str]:
        """All of the operations happen, or none; the ETags of the rows afterwards, empty for rows that are gone.

        They are sent again when no answer comes, unless it would do harm if others came between: then Unanswered.
        Raises RowFailure's family, VersionConflict, TooLarge, StorageBusy.
        """
        require_transaction(operations)
        partition = keys.partition(tenant)
        entries = [_entry(partition, item) for item in operations]
        repeated = {"retry_on_methods": REPEATED_METHODS} if repeatable else {}
        answers = await self._call(lambda table: table.submit_transaction(entries, **repeated), operations)
        return [answer.get("etag") or "" for answer in answers]

    async def close(self) -> None:
        """The connection is closed, if one was opened."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _call[T](self, call: Callable[[TableClient], Awaitable[T]], operations: Sequence[RowOperation] = ()) -> T:
        if self._connection is None:
            self._connection = self._connect()
        table = self._connection.table
        try:
            return await _within_time(call(table), operations)
        except TableMissing:
            await _within_time(_create(table))
            return await _within_time(call(table), operations)


async def read_pages(
    rows: Rows,
    tenant: str,
    key_range: KeyRange,
    *,
    limit: int | None = None,
    tests: Sequence[ColumnTest] = (),
    select: str | None = None,
) -> AsyncIterator[list[Row]]:
    """The rows of the range, or the first `limit`, page after page: every range read follows its tokens here."""
    token: Token | None = None
    while limit is None or limit > 0:
        size = PAGE_ROWS if limit is None else min(limit, PAGE_ROWS)
        answer = await rows.page(tenant, key_range, limit=size, tests=tests, select=select, token=token)
        yield answer.rows
        token = answer.token
        if token is None:
            return
        if limit is not None:
            limit -= len(answer.rows)


async def _within_time[T](call: Awaitable[T], operations: Sequence[RowOperation] = ()) -> T:
    with translated(operations):
        async with asyncio.timeout(CALL_SECONDS):
            return await call


async def _create(table: TableClient) -> None:
    with suppress(ResourceExistsError):  # another call met the absence as well
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
