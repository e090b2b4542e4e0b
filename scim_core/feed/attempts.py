"""What was asked for and not done gets into the provisioning log: refusals, and what was ignored.

The rows are written after the answer, in the process that gave it, so no request waits for them. A process that ends
loses those that it has not written yet: the line of the request in the log of the service has the same id. The host
drops what is logged after an answer, so nothing is logged here. What is not written is counted, in the next row.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from scim_core.caches import Bounded
from scim_core.clock import Timer
from scim_core.storage.feed_port import SEEN, Attempt, AttemptOutcome
from scim_core.storage.port import StorageError

PAUSE_SECONDS = 0.1
"""How long a writer waits for further attempts: one transaction takes many."""

MAX_WAITING = 100
"""Attempts of one tenant that wait to be written: what one transaction takes."""

MAX_WRITERS = 16
"""Tenants for which one process writes at the same time."""

WINDOW_SECONDS = 3_600
"""The time for which MAX_ROWS counts."""

MAX_ROWS = 200
"""Rows of one outcome that a process writes for a tenant within WINDOW_SECONDS. A client that makes one mistake for a
whole directory shows it with fewer."""

MAX_PUT_OFF = 20
"""The same of requests that are to be sent again. They come in waves, when the service or the client is in trouble: a
few show it, and each write makes a busy storage busier."""
MAX_SEEN_ROWS = 20
"""Rows for a setup page, of requests of one kind, that a process writes within WINDOW_SECONDS before it writes one each
SEEN_SECONDS. There are some ten kinds: the methods of each resource type, and what is wrong with a credential."""

SEEN_SECONDS = 60
"""How long no such row is written when there were many. So the page goes on to show that requests come."""

TENANTS_REMEMBERED = 10_000
"""Tenants, each with its outcomes, of which a process knows how much it has written and left out."""


@dataclass(frozen=True, slots=True)
class _Written:
    """Rows of one kind that a process has written: since when, when the last one, and how many."""

    since: float
    last: float
    rows: int


class Attempts:
    """The writers of one process: at most one for each tenant."""

    def __init__(
        self,
        write: Callable[[str, list[Attempt]], Awaitable[object]],
        pause: Callable[[float], Awaitable[None]],
        timer: Timer,
    ) -> None:
        self._write = write
        self._pause = pause
        self._timer = timer
        self._waiting: dict[str, list[Attempt]] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._written: Bounded[tuple[str, str, str], _Written] = Bounded(TENANTS_REMEMBERED)
        self._left_out: Bounded[tuple[str, bool], int] = Bounded(TENANTS_REMEMBERED)

    def note(self, tenant: str, attempt: Attempt) -> None:
        """The attempt will be written, or counted. Returns at once."""
        waiting = self._waiting.get(tenant, [])
        beyond = len(waiting) >= MAX_WAITING or (tenant not in self._running and len(self._running) >= MAX_WRITERS)
        if beyond or not self._permitted(tenant, attempt):
            self._leave_out(tenant, attempt, 1)
            return
        counted = (tenant, attempt.outcome in SEEN)
        left_out = self._left_out.get(counted) or 0
        self._left_out.put(counted, 0)
        self._waiting.setdefault(tenant, []).append(replace(attempt, others=left_out))
        if tenant not in self._running:
            self._running[tenant] = asyncio.create_task(self._run(tenant))

    async def idle(self) -> None:
        """Returns when nothing is being written."""
        while self._running:
            await asyncio.wait(self._running.values())

    def _permitted(self, tenant: str, attempt: Attempt) -> bool:
        key, now = (tenant, str(attempt.outcome), attempt.about), self._timer()
        so_far = self._written.get(key)
        if so_far is None or now - so_far.since >= WINDOW_SECONDS:
            so_far = _Written(now, now, 0)
        if attempt.outcome not in SEEN:
            beyond = so_far.rows >= (MAX_PUT_OFF if attempt.outcome is AttemptOutcome.PUT_OFF else MAX_ROWS)
        else:
            beyond = so_far.rows >= MAX_SEEN_ROWS and now - so_far.last < SEEN_SECONDS
        if not beyond:
            self._written.put(key, _Written(so_far.since, now, so_far.rows + 1))
        return not beyond

    def _leave_out(self, tenant: str, attempt: Attempt, number: int) -> None:
        counted = (tenant, attempt.outcome in SEEN)
        self._left_out.put(counted, (self._left_out.get(counted) or 0) + number)

    async def _run(self, tenant: str) -> None:
        try:
            while tenant in self._waiting:
                await self._pause(PAUSE_SECONDS)
                attempts = self._waiting.pop(tenant)
                try:
                    await self._write(tenant, attempts)
                except StorageError:
                    for item in attempts:
                        self._leave_out(tenant, item, 1 + item.others)
        finally:
            self._waiting.pop(tenant, None)
            del self._running[tenant]
