"""The rows of a table in the memory of this process, with the limits and failures of Table Storage.

Over it all the rest of the product runs in process: `TableStorage(MemoryRows())`, `TableRegistry(MemoryRows())`.
"""

import asyncio
import itertools
import operator
import re
from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from scim_core.model import Column
from scim_core.storage.port import ColumnTest, StorageError
from scim_core.storage.tables import TableStorage, keys
from scim_core.storage.tables.entities import column_property
from scim_core.storage.tables.errors import RowChanged, RowExists, RowMissing
from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.odata import range_filter
from scim_core.storage.tables.row_operations import RowOperation, Verb
from scim_core.storage.tables.rows import Row, RowPage, Token
from scim_core.storage.tables.service_limits import PAGE_ROWS, require_transaction

_KEY = re.compile(r"[^/\\#?\x00-\x1f\x7f-\x9f]{0,512}")
"""What Table Storage takes as a key."""

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    name: getattr(operator, name) for name in ("eq", "gt", "ge", "lt", "le")
}


@dataclass(frozen=True, slots=True)
class _Stored:
    properties: dict[str, Column]
    etag: str
    written: datetime


@dataclass(slots=True)
class _Partition:
    """Rows by key, and their keys in order."""

    rows: dict[str, _Stored] = field(default_factory=dict)
    ordered: list[str] = field(default_factory=list)

    def put(self, key: str, stored: _Stored) -> None:
        if key not in self.rows:
            insort(self.ordered, key)
        self.rows[key] = stored

    def delete(self, key: str) -> None:
        del self.rows[key]
        del self.ordered[bisect_left(self.ordered, key)]


class MemoryRows:
    """See Rows. A call happens at one moment. Before that, other calls that are under way can go on."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._partitions: dict[str, _Partition] = {}
        self._numbers = itertools.count(1)

    def copy(self) -> "MemoryRows":
        """The same rows, which then change on their own."""
        copied = MemoryRows(self._clock)
        copied._partitions = {
            name: _Partition(dict(some.rows), list(some.ordered)) for name, some in self._partitions.items()
        }
        copied._numbers = itertools.count(next(self._numbers))
        return copied

    async def get(self, tenant: str, key: str, *, select: str | None = None) -> Row | None:
        await asyncio.sleep(0)
        name = keys.partition(tenant)
        stored = self._partition(name).rows.get(key)
        return _row(name, key, stored, select) if stored else None

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
        name = keys.partition(tenant)
        range_filter(name, key_range, tests, since)  # which has a limit
        if limit > PAGE_ROWS:
            raise StorageError("Table Storage refused a call (400 InvalidInput).")
        await asyncio.sleep(0)
        partition, found = self._partition(name), list[Row]()
        start = bisect_left(partition.ordered, token["RowKey"] if token else key_range.low)
        for key in itertools.islice(partition.ordered, start, bisect_left(partition.ordered, key_range.high)):
            stored = partition.rows[key]
            if all(_passes(stored, test) for test in tests) and (since is None or stored.written >= since):
                if len(found) == limit:
                    return RowPage(found, {"PartitionKey": name, "RowKey": key})
                found.append(_row(name, key, stored, select))
        return RowPage(found, None)

    async def partition_after(self, partition: str) -> str | None:
        await asyncio.sleep(0)
        return min((name for name, held in self._partitions.items() if held.rows and name > partition), default=None)

    async def transact(self, tenant: str, operations: Sequence[RowOperation], *, repeatable: bool = True) -> list[str]:  # noqa: ARG002
        require_transaction(operations)
        await asyncio.sleep(0)
        name = keys.partition(tenant)
        _require_acceptable(name, operations)
        partition = self._partition(name)
        after = [self._after(item, partition.rows.get(item.key)) for item in operations]
        for item, stored in zip(operations, after, strict=True):
            if stored is None:
                partition.delete(item.key)
            else:
                partition.put(item.key, stored)
        return [stored.etag if stored else "" for stored in after]

    async def close(self) -> None:
        """Nothing is open."""

    def _partition(self, name: str) -> _Partition:
        return self._partitions.setdefault(name, _Partition())

    def _after(self, operation: RowOperation, there: _Stored | None) -> _Stored | None:
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
        return _Stored(kept | operation.properties, f'W/"{next(self._numbers)}"', self._clock())


def memory_storage() -> TableStorage:
    """An empty storage in this process."""
    return TableStorage(MemoryRows())


def _row(partition: str, key: str, stored: _Stored, select: str | None) -> Row:
    whole = {"PartitionKey": partition, "RowKey": key, **stored.properties}
    if select is None:
        return Row(whole, stored.etag)
    return Row({name: whole[name] for name in select.split(",") if name in whole}, stored.etag)


def _passes(stored: _Stored, test: ColumnTest) -> bool:
    value = stored.properties.get(column_property(test.column))
    if type(value) is not type(test.value):
        return False
    return _COMPARE[test.operator](_comparable(value), _comparable(test.value))


def _comparable(value: Column | None) -> Any:
    """Text is ordered by its UTF-16 units."""
    return value.encode("utf-16-be", "surrogatepass") if isinstance(value, str) else value


def _require_acceptable(partition: str, operations: Sequence[RowOperation]) -> None:
    """Raises StorageError for what Table Storage refuses with 400."""
    named = [item.key for item in operations]
    if not named or not all(_KEY.fullmatch(key) for key in (partition, *named)):
        raise StorageError("Table Storage refused a call (400 InvalidInput).")
    if len(set(named)) < len(named):
        raise StorageError("Table Storage refused a call (400 InvalidDuplicateRow).")
