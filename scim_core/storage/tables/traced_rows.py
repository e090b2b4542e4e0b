"""Each call of the table as a span. It is between the storage and its rows only where spans are recorded."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime

from scim_core.storage.port import ColumnTest
from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.row_operations import RowOperation
from scim_core.storage.tables.rows import Row, RowPage, Rows, Token
from scim_core.storage.tables.service_limits import PAGE_ROWS
from scim_core.traces import NO_TRACER, Span, SpanKind, Tracer


def traced(rows: Rows, tracer: Tracer) -> Rows:
    """The rows, whose calls become spans; the rows themselves if nobody records spans."""
    return rows if tracer is NO_TRACER else TracedRows(rows, tracer)


class TracedRows:
    """See Rows. A span has no key, no condition and no partition but the tenant: these hold names and ids."""

    def __init__(self, rows: Rows, tracer: Tracer) -> None:
        self._rows = rows
        self._tracer = tracer

    async def get(self, tenant: str, key: str, *, select: str | None = None) -> Row | None:
        """See Rows.get."""
        with self._span("get") as span:
            span.note("scim.tenant", tenant)
            return await self._rows.get(tenant, key, select=select)

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
        with self._span("page") as span:
            span.note("scim.tenant", tenant)
            found = await self._rows.page(
                tenant, key_range, limit=limit, tests=tests, since=since, select=select, token=token
            )
            span.note("db.response.returned_rows", len(found.rows))
            return found

    async def partition_after(self, partition: str) -> str | None:
        """See Rows.partition_after."""
        with self._span("partition_after"):
            return await self._rows.partition_after(partition)

    async def transact(self, tenant: str, operations: Sequence[RowOperation], *, repeatable: bool = True) -> list[str]:
        """See Rows.transact."""
        with self._span("transact") as span:
            span.note("scim.tenant", tenant)
            span.note("db.operation.batch.size", len(operations))
            return await self._rows.transact(tenant, operations, repeatable=repeatable)

    async def close(self) -> None:
        """See Rows.close."""
        await self._rows.close()

    def _span(self, operation: str) -> AbstractContextManager[Span]:
        return self._tracer.span(f"storage {operation}", SpanKind.CLIENT)
