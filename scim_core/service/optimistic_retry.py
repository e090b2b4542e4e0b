"""Changes that overtake each other are tried again. Those of one process wait in line.

A change reads the resource, applies itself, and stores the result if no other change came between. If one did, it is
applied again to what is there now. So no change is lost. With many rivals and no line, this would take long.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from scim_core.storage.port import StorageBusy, VersionConflict

MAX_ATTEMPTS = 40
"""How often a change is applied again when others came between. After that the client is told to come back.
Rivals within this process wait in line. So only other processes are rivals, and each wins one time in two at most.
"""

FIRST_WAIT_SECONDS = 0.02
"""Longest wait before the second attempt. It doubles with each attempt. The wait is drawn at random: rivals part."""

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
        """The result of the first attempt that is not overtaken. The first one starts at once, the others wait in line.

        An attempt that was overtaken raises VersionConflict. Raises StorageBusy after MAX_ATTEMPTS.
        """
        try:
            return await attempt()
        except VersionConflict:
            log.debug("a change was overtaken")
        async with self._first_in_line(key):
            for number in range(MAX_ATTEMPTS - 1):
                try:
                    return await attempt()
                except VersionConflict:
                    longest = min(FIRST_WAIT_SECONDS * 2**number, LONGEST_WAIT_SECONDS)
                    await self._pause(random.uniform(0, longest))  # noqa: S311 -- spreads rivals, keeps no secret
        raise StorageBusy("too many others are changing the resource at the same time")

    @asynccontextmanager
    async def _first_in_line(self, key: Hashable) -> AsyncIterator[None]:
        """Within the block the caller is first in the line of this key."""
        line = self._lines.setdefault(key, _Line())
        line.waiting += 1
        try:
            async with line.lock:
                yield
        finally:
            line.waiting -= 1
            if not line.waiting:
                self._lines.pop(key, None)
