"""What was asked for and not done gets into the provisioning log: refusals, and what was ignored.

The rows are written after the answer, in the process that gave it, so no request waits for them. A process that ends
loses those that it has not written yet: the line of the request in the log of the service has the same id. The host
drops what is logged after an answer, so nothing is logged here. What is not written is counted, in the next row.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from scim_core.caches import Bounded
from scim_core.clock import Timer
from scim_core.storage.feed_port import Attempt, AttemptOutcome
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

TENANTS_REMEMBERED = 10_000
"""Tenants, each with its outcomes, of which a process knows how much it has written and left out."""


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
        self._written: Bounded[tuple[str, str], tuple[float, int]] = Bounded(TENANTS_REMEMBERED)
        self._left_out: Bounded[str, int] = Bounded(TENANTS_REMEMBERED)

    def note(self, tenant: str, attempt: Attempt) -> None:
        """The attempt will be written, or counted. Returns at once."""
        waiting = self._waiting.get(tenant, [])
        beyond = len(waiting) >= MAX_WAITING or (tenant not in self._running and len(self._running) >= MAX_WRITERS)
        if beyond or not self._permitted(tenant, attempt):
            self._leave_out(tenant, 1)
            return
        left_out = self._left_out.get(tenant) or 0
        self._left_out.put(tenant, 0)
        self._waiting.setdefault(tenant, []).append(replace(attempt, others=left_out))
        if tenant not in self._running:
            self._running[tenant] = asyncio.create_task(self._run(tenant))

    async def idle(self) -> None:
        """Returns when nothing is being written."""
        while self._running:
            await asyncio.wait(self._running.values())

    def _permitted(self, tenant: str, attempt: Attempt) -> bool:
        key, now = (tenant, str(attempt.outcome)), self._timer()
        since, number = self._written.get(key) or (now, 0)
        if now - since >= WINDOW_SECONDS:
            since, number = now, 0
        if number >= (MAX_PUT_OFF if attempt.outcome is AttemptOutcome.PUT_OFF else MAX_ROWS):
            return False
        self._written.put(key, (since, number + 1))
        return True

    def _leave_out(self, tenant: str, number: int) -> None:
        self._left_out.put(tenant, (self._left_out.get(tenant) or 0) + number)

    async def _run(self, tenant: str) -> None:
        try:
            while tenant in self._waiting:
                await self._pause(PAUSE_SECONDS)
                attempts = self._waiting.pop(tenant)
                try:
                    await self._write(tenant, attempts)
                except StorageError:
                    self._leave_out(tenant, sum(1 + item.others for item in attempts))
        finally:
            self._waiting.pop(tenant, None)
            del self._running[tenant]
