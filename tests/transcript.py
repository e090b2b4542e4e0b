"""A transcript of the calls a storage makes to its tables: what was asked, in which order, what went side by side."""

import asyncio
import itertools
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from scim_core.storage.tables import TableStorage
from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.row_operations import RowOperation
from scim_core.storage.tables.rows import Row, RowPage, Rows

TURNS = 10
"""Turns of the event loop that every call takes: those side by side with it have started before it ends."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call: `kind` is get, page or transact. `start` and `end` are places in the order of all starts and ends."""

    kind: str
    keys: tuple[str, ...]
    start: int
    end: int


@dataclass(slots=True)
class Transcript:
    """The calls that have ended, in the order of their ends."""

    calls: list[Call] = field(default_factory=list)
    _places: Iterator[int] = field(default_factory=itertools.count)

    @property
    def round_trips(self) -> int:
        """The length of the longest chain of calls of which each started after the one before had ended."""
        length, last_end = 0, -1
        for call in self.calls:
            if call.start > last_end:
                length, last_end = length + 1, call.end
        return length

    @property
    def kinds(self) -> list[str]:
        """The kinds of the calls, in the order of their starts."""
        return [call.kind for call in sorted(self.calls, key=lambda call: call.start)]

    async def record[T](self, kind: str, keys: tuple[str, ...], answer: Awaitable[T]) -> T:
        """Awaits the answer and notes the call, whether it succeeds or fails."""
        start = next(self._places)
        for _ in range(TURNS):
            await asyncio.sleep(0)
        try:
            return await answer
        finally:
            self.calls.append(Call(kind, keys, start, next(self._places)))


class RecordedRows(Rows):
    """Rows that note each call in a transcript and leave it to other rows."""

    def __init__(self, rows: Rows, recorded: Transcript) -> None:
        self._rows = rows
        self._recorded = recorded

    async def get(self, tenant: str, key: str, **options: Any) -> Row | None:
        return await self._recorded.record("get", (key,), self._rows.get(tenant, key, **options))

    async def partition_after(self, partition: str) -> str | None:
        return await self._recorded.record("partition", (partition,), self._rows.partition_after(partition))

    async def page(self, tenant: str, key_range: KeyRange, **options: Any) -> RowPage:
        keys = (key_range.low, key_range.high)
        return await self._recorded.record("page", keys, self._rows.page(tenant, key_range, **options))

    async def transact(self, tenant: str, operations: Sequence[RowOperation], **options: Any) -> list[str]:
        keys = tuple(operation.key for operation in operations)
        return await self._recorded.record("transact", keys, self._rows.transact(tenant, operations, **options))

    async def close(self) -> None:
        await self._rows.close()


@contextmanager
def transcript(storage: TableStorage) -> Iterator[Transcript]:
    """The calls that the storage makes in this block."""
    rows, recorded = storage.rows, Transcript()
    storage.rows = RecordedRows(rows, recorded)
    try:
        yield recorded
    finally:
        storage.rows = rows
