"""Public keys that another server holds: fetched when they are needed, and kept. They rotate at any time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from scim_core.access.oauth.key_server import KeyServerError
from scim_core.clock import Timer

COOLDOWN_SECONDS = 30
"""Shortest time between two fetches of one key set. Without it, invented key ids could flood the key server."""

REFRESH_SECONDS = 3600
"""Age at which a key set is fetched again even for a known key id: a withdrawn key must soon stop to work."""

MAX_STALE_SECONDS = 24 * 3600
"""Longest use of a key set whose server cannot be reached. An attacker who blocks the server gains one day at most."""

log = logging.getLogger(__name__)


class KeyCache[K]:
    """The key set of one server. `load` answers its keys by their ids, or raises KeyServerError."""

    def __init__(self, source: str, load: Callable[[], Awaitable[Mapping[str, K]]], timer: Timer) -> None:
        self._source = source
        self._load = load
        self._timer = timer
        self._keys: Mapping[str, K] = {}
        self._fetched: float | None = None
        self._tried: float | None = None
        self._failure: KeyServerError | None = None
        self._lock = asyncio.Lock()

    @property
    def failure(self) -> KeyServerError | None:
        """Why the newest attempt to fetch the keys failed. None if it did not."""
        return self._failure

    async def key(self, key_id: str) -> K | None:
        """The key of this id. None when the set lacks it, or cannot be fetched: `failure` says which."""
        await self._renew(lambda: key_id in self._usable())
        return self._usable().get(key_id)

    async def keys(self) -> Mapping[str, K]:
        """All keys of the set. Empty when it cannot be fetched."""
        await self._renew(lambda: bool(self._usable()))
        return self._usable()

    async def _renew(self, known: Callable[[], bool]) -> None:
        if known() and (not self._due() or self._lock.locked()):
            return
        async with self._lock:
            # Another request may have fetched the set while this one waited.
            if self._due() or not known():
                await self._refresh()

    def _usable(self) -> Mapping[str, K]:
        fresh = self._fetched is not None and self._timer() - self._fetched < MAX_STALE_SECONDS
        return self._keys if fresh else {}

    def _due(self) -> bool:
        return self._fetched is None or self._timer() - self._fetched >= REFRESH_SECONDS

    async def _refresh(self) -> None:
        """The set as its server has it. If the server fails or was asked a moment ago, the set as it was."""
        now = self._timer()
        if self._tried is not None and now - self._tried < COOLDOWN_SECONDS:
            return
        self._tried = now
        try:
            self._keys = await self._load()
            self._fetched, self._failure = now, None
        except KeyServerError as error:
            self._failure = error
            log.warning("keys could not be fetched: %s", error, extra={"key_server": self._source})
