"""The rows of one table: what the storage and the registry need of it, one method call for one round trip.

`AzureRows` keeps these promises over Table Storage. The tests' `MemoryRows` keeps them in a dictionary, so all the rest
of this folder runs without a service. tests/contract/test_rows.py tests the same promises of both.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from scim_core.storage.port import ColumnTest
from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.row_operations import RowOperation
from scim_core.storage.tables.service_limits import PAGE_ROWS

Token = dict[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """A row that was read: its properties, or those selected, and its ETag."""

    properties: dict[str, Any]
    etag: str


@dataclass(frozen=True, slots=True)
class RowPage:
    """One answer to a range read. It may be empty and still have a token, which reads the rest."""

    rows: list[Row]
    token: Token | None


class Rows(Protocol):
    """The calls. The first call that finds no table creates it.

    `select` names the properties that are wanted, with commas; RowKey counts as one. `limit` is at most PAGE_ROWS.
    """

    async def get(self, tenant: str, key: str, *, select: str | None = None) -> Row | None:
        """The row, or None. Raises StorageBusy."""

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
        """The rows of the range that pass all tests, in key order: the first ones, or those after the token.

        With `since`, only rows that were written at this instant or later, by the clock of the table.
        Raises TooLarge (more tests than the service takes), StorageBusy.
        """

    async def partition_after(self, partition: str) -> str | None:
        """The first partition after this one that has a row; None after the last one. Raises StorageBusy."""

    async def transact(self, tenant: str, operations: Sequence[RowOperation], *, repeatable: bool = True) -> list[str]:
        """All of the operations happen, or none; the ETags of the rows afterwards, empty for rows that are gone.

        If nobody knows whether they happened, they are sent again. If they are not `repeatable`, it raises Unanswered.
        Raises RowFailure's family, VersionConflict, TooLarge, StorageBusy.
        """

    async def close(self) -> None:
        """Connections are released."""


async def read_pages(
    rows: Rows,
    tenant: str,
    key_range: KeyRange,
    *,
    limit: int | None = None,
    tests: Sequence[ColumnTest] = (),
    select: str | None = None,
) -> AsyncGenerator[list[Row]]:
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
