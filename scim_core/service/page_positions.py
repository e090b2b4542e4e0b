"""Where the next page of a walk by startIndex starts (ADR 0006), and how far totals are counted.

Both are in the storage, for all instances, and in this process, which saves a round trip.
"""

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta

from scim_core.caches import Bounded
from scim_core.clock import Clock, instant_text
from scim_core.storage.port import PagePosition, Storage

POSITION_LIFETIME = timedelta(minutes=10)
"""How long the end of a page is remembered: longer than a client needs between two pages. A walk counts its
totalResults once; in this time the number does not become too old."""

SAVED_AGAIN_AFTER = timedelta(minutes=5)
"""How long a position that is stored already is left as it is: half of its life. The other half is for the walk."""

MAX_REMEMBERED_POSITIONS = 1_000
"""Positions kept in process. A position that is lost costs a round trip when this instance is asked for the page."""


class PagePositions:
    """The page positions of all tenants, by a key that names the search and the page."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock
        self._remembered: Bounded[tuple[str, str], PagePosition] = Bounded(MAX_REMEMBERED_POSITIONS)

    def remembered(self, tenant: str, key: str) -> PagePosition | None:
        """The position that this process knows under the key, until it expires. Another one may know a newer one."""
        return self._fresh(self._remembered.get((tenant, key)))

    async def load(self, tenant: str, key: str) -> PagePosition | None:
        """The position that is stored under the key, until it expires."""
        return self._fresh(await self._storage.load_page_position(tenant, key))

    def remember(self, tenant: str, key: str, position: PagePosition) -> None:
        """This process knows the position."""
        self._remembered.put((tenant, key), position)

    async def put(self, tenant: str, key: str, position: PagePosition) -> None:
        """The position is known to this process, and stored for all others."""
        self.remember(tenant, key, position)
        await self._storage.save_page_position(tenant, key, position)

    async def save(self, tenant: str, key: str, last_id: str, total: int) -> None:
        """The page that the key names starts after this id. The walk is over `total` resources.

        If this process has stored that a short while ago, it reads whether it is still there: that costs less.
        """
        now = self._clock()
        position = PagePosition(last_id, total, instant_text(now + POSITION_LIFETIME))
        known = self._remembered.get((tenant, key))
        if known is None or not _says_the_same(known, position, now) or await self.load(tenant, key) != known:
            await self.put(tenant, key, position)

    def _fresh(self, position: PagePosition | None) -> PagePosition | None:
        return position if position is not None and position.expires >= instant_text(self._clock()) else None


def _says_the_same(known: PagePosition, position: PagePosition, now: datetime) -> bool:
    """Whether this known position says what the other one does, and was stored within SAVED_AGAIN_AFTER."""
    is_young = known.expires >= instant_text(now + POSITION_LIFETIME - SAVED_AGAIN_AFTER)
    return is_young and replace(known, expires=position.expires) == position


def position_key(searched: str, filter_text: str, start_index: int) -> str:
    """Names a page by its resource type, its filter and the index at which it starts."""
    text = f"{searched}\n{filter_text}".encode("utf-8", "surrogatepass")
    return f"{hashlib.blake2b(text, digest_size=32).hexdigest()}:{start_index}"
