"""Changes that overtake each other: attempts until one is not overtaken, those of one process one behind the other.

A change is read, applied and stored provided that nothing else came between. Where something did, it is applied
again to what is there now, so that nobody's change is lost; with many rivals that would go on for long without a line.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from scim_core.storage.port import StorageBusy, VersionConflict

MAX_ATTEMPTS = 40
"""How often a change is applied again when others came between; a client that is still unlucky is told to come back.
Rivals within this process wait in line, so these are those of other processes, each of which wins at most one in two.
"""

FIRST_WAIT_SECONDS = 0.02
"""Longest wait before the next attempt. It doubles with each, and is drawn at random so that rivals part."""

LONGEST_WAIT_SECONDS = 0.25
"""Longest single wait: all attempts together stay below 10 seconds, and Entra waits 60 for an answer."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Line:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


class OptimisticRetry:
    """A line for each key, first come, first served. Lines that nobody waits in take no memory."""

    def __init__(self, pause: Callable[[float], Awaitable[None]]) -> None:
        self._pause = pause
        self._lines: dict[Hashable, _Line] = {}

    async def until_not_overtaken[T](self, key: Hashable, attempt: Callable[[], Awaitable[T]]) -> T:
        """What the first attempt comes to that is not overtaken: one at once, the others in line.

        An attempt that was overtaken raises VersionConflict.
        Raises StorageBusy after MAX_ATTEMPTS.
        """
        try:
            return await attempt()
        except VersionConflict:
            log.debug("a change was overtaken")
        async with self._taken(key):
            for number in range(MAX_ATTEMPTS - 1):
                try:
                    return await attempt()
                except VersionConflict:
                    longest = min(FIRST_WAIT_SECONDS * 2**number, LONGEST_WAIT_SECONDS)
                    await self._pause(random.uniform(0, longest))  # noqa: S311 -- spreads rivals, keeps no secret
        raise StorageBusy("the resource is being changed by too many others")

    @asynccontextmanager
    async def _taken(self, key: Hashable) -> AsyncIterator[None]:
        """Within the block it is the caller's turn, and nobody else's with this key."""
        line = self._lines.setdefault(key, _Line())
        line.waiting += 1
        try:
            async with line.lock:
                yield
        finally:
            line.waiting -= 1
            if not line.waiting:
                self._lines.pop(key, None)
