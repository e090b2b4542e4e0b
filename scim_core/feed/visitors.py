"""Requests that nobody knows the tenant of, because their credential is wrong: a setup page shows them all the same.

Whose they are is looked up after the answer, in the process that gave it, so no request waits for that. The host drops
what is logged after an answer, so nothing is logged here.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from scim_core.feed.attempts import Attempts
from scim_core.storage.feed_port import Attempt, AttemptOutcome
from scim_core.storage.port import StorageError

MAX_STRANGERS = 100
"""Requests that wait for their look-up in one process. Strangers can cause them: what does not fit is left out."""


class Whose(Protocol):
    """Finds the tenants with an open setup link that a request may be of. Raises StorageError."""

    async def __call__(self, *, named: str, start: str) -> Sequence[str]:
        """The one of the id `named`, and those whose tokens start like `start`."""


def written_if_there(
    write: Callable[[str, Sequence[Attempt]], Awaitable[object]], is_there: Callable[[str], Awaitable[bool]]
) -> Callable[[str, Sequence[Attempt]], Awaitable[None]]:
    """Writes attempts. Those of strangers it leaves out if their tenant is not there any more.

    What found the tenant may be seconds old, and nobody would delete a row of a tenant that has been deleted.
    """

    async def written(tenant: str, attempts: Sequence[Attempt]) -> None:
        known = [item for item in attempts if item.outcome is not AttemptOutcome.DENIED]
        kept = attempts if len(known) == len(attempts) or await is_there(tenant) else known
        if kept:
            await write(tenant, kept)

    return written


class Visitors:
    """Hands the requests of one process on to the attempts of their tenants."""

    def __init__(self, whose: Whose, attempts: Attempts) -> None:
        self._whose = whose
        self._attempts = attempts
        self._waiting: deque[tuple[Attempt, str, str]] = deque()
        self._running: asyncio.Task[None] | None = None

    def note(self, attempt: Attempt, *, named: str = "", start: str = "") -> None:
        """The attempt will be one of the tenants that it may be of. Returns at once."""
        if len(self._waiting) >= MAX_STRANGERS:
            return
        self._waiting.append((attempt, named, start))
        if self._running is None:
            self._running = asyncio.create_task(self._run())

    async def idle(self) -> None:
        """Returns when nothing waits for its look-up."""
        if self._running is not None:
            await asyncio.wait([self._running])

    async def _run(self) -> None:
        try:
            while self._waiting:
                attempt, named, start = self._waiting.popleft()
                try:
                    tenants = await self._whose(named=named, start=start)
                except StorageError:
                    self._waiting.clear()
                    return
                for tenant in tenants:
                    self._attempts.note(tenant, attempt)
        finally:
            self._running = None
