"""The rows of a table in the memory of this process. All that is real above it runs in process."""

import asyncio
import itertools
from bisect import bisect_left, insort
from collections.abc import Sequence
from typing import Any

from scim_core.storage.tables import TableStorage
from scim_core.storage.tables.errors import RowChanged, RowExists, RowMissing
from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.row_operations import RowOperation, Verb
from scim_core.storage.tables.rows import Row, RowPage, Rows, Token
from scim_core.storage.tables.service_limits import PAGE_ROWS, require_transaction


class MemoryRows(Rows):
    """See Rows. A call happens at one moment, after others that are under way have had their turn."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], Row] = {}
        self._keys: dict[str, list[str]] = {}
        self._numbers = itertools.count(1)

    async def get(self, tenant: str, key: str, *, select: str | None = None) -> Row | None:  # noqa: ARG002
        await asyncio.sleep(0)
        return self._rows.get((tenant, key))

    async def page(
        self, tenant: str, key_range: KeyRange, *, limit: int = PAGE_ROWS, token: Token | None = None, **_: Any
    ) -> RowPage:
        """Promoted columns are not tested and nothing is selected."""
        await asyncio.sleep(0)
        ordered = self._keys.get(tenant, [])
        start = bisect_left(ordered, token["next"] if token else key_range.low)
        found = ordered[start : min(start + limit + 1, bisect_left(ordered, key_range.high))]
        following: Token | None = {"next": found[limit]} if len(found) > limit else None
        return RowPage([self._rows[tenant, key] for key in found[:limit]], following)

    async def transact(self, tenant: str, operations: Sequence[RowOperation], *, repeatable: bool = True) -> list[str]:  # noqa: ARG002
        require_transaction(operations)
        await asyncio.sleep(0)
        after = [self._after(item, self._rows.get((tenant, item.key))) for item in operations]
        ordered = self._keys.setdefault(tenant, [])
        for item, row in zip(operations, after, strict=True):
            if row is None:
                del self._rows[tenant, item.key]
                del ordered[bisect_left(ordered, item.key)]
                continue
            if (tenant, item.key) not in self._rows:
                insort(ordered, item.key)
            self._rows[tenant, item.key] = row
        return [row.etag if row else "" for row in after]

    async def close(self) -> None:
        """Nothing is open."""

    def _after(self, operation: RowOperation, there: Row | None) -> Row | None:
        """The row after the operation; None when it is gone. Raises RowExists, RowMissing, RowChanged."""
        if operation.verb is Verb.INSERT and there:
            raise RowExists(operation)
        if operation.verb not in (Verb.INSERT, Verb.UPSERT):
            if there is None:
                raise RowMissing(operation)
            if operation.etag not in ("", there.etag):
                raise RowChanged(operation)
        if operation.verb is Verb.DELETE:
            return None
        kept = there.properties if there and operation.verb is Verb.MERGE else {}
        return Row(kept | {"RowKey": operation.key} | operation.properties, f'W/"{next(self._numbers)}"')


def memory_storage() -> TableStorage:
    """An empty storage in this process."""
    return TableStorage(MemoryRows())
