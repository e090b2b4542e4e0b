"""Readers of the feed that wait in this process: a change that was answered and relayed here ends their pause.

What other instances do, they see when they look again.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from scim_core.work import Pause


class Waiter:
    """One reader that waits."""

    def __init__(self, pause: Pause) -> None:
        self._pause = pause
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """The pause ends, or the next one does at once."""
        self._woken.set()

    async def pause(self, seconds: float) -> None:
        """Returns after so many seconds, or earlier when there is something."""
        pausing = [asyncio.ensure_future(self._pause(seconds)), asyncio.ensure_future(self._woken.wait())]
        try:
            await asyncio.wait(pausing, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in pausing:
                task.cancel()
        self._woken.clear()


class Wakes:
    """All readers that wait in this process, by tenant."""

    def __init__(self, pause: Pause) -> None:
        self._pause = pause
        self._waiting: dict[str, list[Waiter]] = {}

    @contextmanager
    def waiter(self, tenant: str) -> Iterator[Waiter]:
        """A reader of this tenant's feed; while the block runs, it can be woken."""
        one = Waiter(self._pause)
        self._waiting.setdefault(tenant, []).append(one)
        try:
            yield one
        finally:
            self._waiting[tenant].remove(one)
            if not self._waiting[tenant]:
                del self._waiting[tenant]

    def wake(self, tenant: str) -> None:
        """Something is new in this tenant's feed."""
        for one in self._waiting.get(tenant, ()):
            one.wake()
