"""Relays soon after a change, in the process that made it, when its answer has been sent.

Whatever this does not do, a reader of the feed or the timer does: so a failure is no failure of a request. The host
drops what is logged after an answer. So nothing is logged here; the timer logs what it found waiting.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from scim_core.storage.port import StorageError

PAUSE_SECONDS = 0.1
"""How long a relay waits for further changes: one batch takes many. A reader waits no longer for the first one."""

MAX_RELAYS = 16
"""Tenants for which one process relays at the same time. The timer finds the others."""


class Kicks:
    """The relays of one process: at most one for each tenant."""

    def __init__(self, relay: Callable[[str], Awaitable[object]], pause: Callable[[float], Awaitable[None]]) -> None:
        self._relay = relay
        self._pause = pause
        self._again = set[str]()
        self._running: dict[str, asyncio.Task[None]] = {}

    def kick(self, tenant: str) -> None:
        """The changes of this tenant will be relayed. Returns at once."""
        if tenant in self._running:
            self._again.add(tenant)
        elif len(self._running) < MAX_RELAYS:
            self._running[tenant] = asyncio.create_task(self._run(tenant))

    async def idle(self) -> None:
        """Returns when no relay is under way."""
        while self._running:
            await asyncio.wait(self._running.values())

    async def _run(self, tenant: str) -> None:
        try:
            self._again.add(tenant)
            while tenant in self._again:
                await self._pause(PAUSE_SECONDS)
                self._again.discard(tenant)
                with suppress(StorageError):
                    await self._relay(tenant)
        finally:
            self._again.discard(tenant)
            del self._running[tenant]
