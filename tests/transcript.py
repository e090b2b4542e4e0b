"""A transcript of the calls that a storage makes to its tables: what it asks, in which order, and what side by side."""

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from scim_core.storage.tables import TableStorage
from scim_core.storage.tables.registry import TableRegistry
from scim_core.storage.tables.rows import Rows
from tests.wrapped_rows import Call, WrappedRows

TURNS = 10
"""Turns of the event loop that every call takes: those side by side with it have started before it ends."""


@dataclass(frozen=True, slots=True)
class Noted:
    """One call: `kind` is get, page or transact. `start` and `end` number all starts and ends in their order."""

    kind: str
    keys: tuple[str, ...]
    start: int
    end: int


@dataclass(slots=True)
class Transcript:
    """The calls that have ended, in the order of their ends."""

    calls: list[Noted] = field(default_factory=list)
    _places: Iterator[int] = field(default_factory=itertools.count)

    @property
    def round_trips(self) -> int:
        """The length of the longest chain of calls. In a chain each call starts after the end of the one before."""
        length, last_end = 0, -1
        for call in self.calls:
            if call.start > last_end:
                length, last_end = length + 1, call.end
        return length

    @property
    def kinds(self) -> list[str]:
        """The kinds of the calls, in the order of their starts."""
        return [call.kind for call in sorted(self.calls, key=lambda call: call.start)]

    async def record[T](self, kind: str, keys: tuple[str, ...], call: Call[T]) -> T:
        """Makes the call and notes it, whether it succeeds or fails."""
        start = next(self._places)
        try:
            for _ in range(TURNS):
                await asyncio.sleep(0)
            return await call()
        finally:
            self.calls.append(Noted(kind, keys, start, next(self._places)))


class RecordedRows(WrappedRows):
    """Rows that note each call in a transcript and pass it to other rows."""

    def __init__(self, rows: Rows, recorded: Transcript) -> None:
        super().__init__(rows)
        self._recorded = recorded

    async def _made[T](self, kind: str, about: tuple[str, ...], call: Call[T], *, repeatable: bool = True) -> T:  # noqa: ARG002
        return await self._recorded.record(kind, about, call)


@contextmanager
def transcript(storage: TableStorage | TableRegistry) -> Iterator[Transcript]:
    """The calls that the storage or the registry makes in this block."""
    rows, recorded = storage.rows, Transcript()
    storage.rows = RecordedRows(rows, recorded)
    try:
        yield recorded
    finally:
        storage.rows = rows
