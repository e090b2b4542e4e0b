"""Rows on which calls fail, in this process: as a network makes them fail, or because the process dies, or pauses.

tests/faults/proxy.py and transport.py do the same to calls over HTTP.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum, auto
from random import Random
from typing import Any

from scim_core.storage.port import StorageBusy, StorageError, VersionConflict
from scim_core.storage.tables.client import RETRIES
from scim_core.storage.tables.errors import RowFailure, Unanswered
from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.rows import RowPage, Rows
from tests.wrapped_rows import Call, WrappedRows

SLOW_SECONDS = 0.005
MOST_TURNS = 6
"""Turns of the event loop that a call on StumblingRows takes at most, before it is made and after."""


class Fault(StrEnum):
    """What happens to a call."""

    REFUSED = auto()
    """The connection breaks before anything is sent."""
    RESET = auto()
    """It is made, and the connection breaks before the answer."""
    BUSY = auto()
    """503 ServerBusy; nothing is done."""
    FAILED = auto()
    """500 InternalError; nothing is done."""
    TIMED_OUT = auto()
    """500 OperationTimedOut, although it is made: Table Storage says this when it does not know itself."""
    SILENT = auto()
    """It is made; no answer comes for a long time."""
    SLOW = auto()
    """The answer takes a while."""
    EMPTY_PAGE = auto()
    """A range read is answered by an empty page and a token; other calls are made."""
    CONFLICT = auto()
    """A transaction meets another one, and nothing of it is done; other calls are made."""


NOTHING_HAPPENS = frozenset({Fault.REFUSED, Fault.BUSY, Fault.FAILED})
ANSWER_IS_LOST = frozenset({Fault.RESET, Fault.SILENT, Fault.TIMED_OUT})

BREAKING = sorted(NOTHING_HAPPENS | ANSWER_IS_LOST)
"""The faults after which the client sends a call again."""


class FaultyRows(WrappedRows):
    """Rows behind a faulty network. A call without an answer is sent again as `AzureRows` does it: `RETRIES` times.

    `fault` is asked for each attempt; None: the call is made. It is told the number of the attempt, and how many
    attempts with the same keys came before. `before` is awaited first, with the kind of the call.
    """

    def __init__(
        self,
        rows: Rows,
        fault: Callable[[int, int], Fault | None] = lambda _number, _before: None,
        before: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(rows)
        self.fault = fault
        self.before = before
        self.calls = 0
        self.seen: list[str] = []
        self._repetitions: Counter[tuple[str, ...]] = Counter()

    async def page(self, tenant: str, key_range: KeyRange, *, token: Any = None, **options: Any) -> RowPage:
        """See Rows.page; an empty page has a token that leads to where it was asked for."""
        resumed = token is not None and "resumed" in token
        if resumed:
            token = token["resumed"]
        elif self.fault(self.calls, 0) is Fault.EMPTY_PAGE:
            self.seen.append(f"page {Fault.EMPTY_PAGE}")
            return RowPage([], {"resumed": token})
        return await super().page(tenant, key_range, token=token, **options)

    async def _made[T](self, kind: str, about: tuple[str, ...], call: Call[T], *, repeatable: bool = True) -> T:
        for _ in range(RETRIES + 1):
            if self.before is not None:
                await self.before(kind)
            fault = self._next_fault(kind, about)
            if fault is Fault.CONFLICT and kind == "transact":
                raise VersionConflict
            if fault in ANSWER_IS_LOST:
                with suppress(RowFailure, StorageError):
                    await call()
            elif fault not in NOTHING_HAPPENS:
                answer = await call()
                await asyncio.sleep(SLOW_SECONDS if fault is Fault.SLOW else 0)
                return answer
            if not repeatable:
                raise Unanswered(f"Table Storage did not answer ({fault}).")
        raise StorageBusy("Table Storage could not answer.")

    def _next_fault(self, kind: str, about: tuple[str, ...]) -> Fault | None:
        number, self.calls = self.calls, self.calls + 1
        fault = self.fault(number, self._repetitions[kind, *about])
        self._repetitions[kind, *about] += 1
        self.seen.append(f"{kind} {fault or 'made'}")
        return fault


class StumblingRows(WrappedRows):
    """Rows whose calls take a random number of turns of the event loop, so that other calls come between."""

    def __init__(self, rows: Rows, chance: Random) -> None:
        super().__init__(rows)
        self._chance = chance

    async def _made[T](self, _: str, about: tuple[str, ...], call: Call[T], *, repeatable: bool = True) -> T:  # noqa: ARG002
        await self._pause()
        answer = await call()
        await self._pause()
        return answer

    async def _pause(self) -> None:
        for _ in range(self._chance.randrange(MOST_TURNS)):
            await asyncio.sleep(0)


class ProcessDied(BaseException):
    """No code of the product may catch this: the process is dead."""


@dataclass
class Death:
    """The process dies right before or right after this call, counted from 0; None: it lives.

    `calls` are the calls that it reached: whether each of them writes.
    """

    call: int | None = None
    after: bool = False
    calls: list[bool] = field(default_factory=list)
    dead: bool = False

    async def lived_through[T](self, call: Call[T], *, writes: bool) -> T:
        """The answer. Raises ProcessDied."""
        if self.dead:
            raise ProcessDied
        now = len(self.calls) == self.call
        self.calls.append(writes)
        if now and not self.after:
            self.dead = True
            raise ProcessDied
        answer = await call()
        if now:
            self.dead = True
            raise ProcessDied
        return answer


class MortalRows(WrappedRows):
    """Rows of a process that dies."""

    def __init__(self, rows: Rows, death: Death) -> None:
        super().__init__(rows)
        self._death = death

    async def _made[T](self, kind: str, about: tuple[str, ...], call: Call[T], *, repeatable: bool = True) -> T:  # noqa: ARG002
        return await self._death.lived_through(call, writes=kind == "transact")
