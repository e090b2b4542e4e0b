"""Where walks by startIndex stand (ADR 0006): in storage for all instances, and in this process to read ahead."""

import hashlib
from datetime import timedelta

from scim_core.bounded import Bounded
from scim_core.identifiers import Clock, instant_text
from scim_core.storage import Bookmark, Storage

BOOKMARK_LIFETIME = timedelta(minutes=10)
"""How long the end of a page is remembered: longer than a client needs between two pages, short enough that the
totalResults of a walk, which is counted once, does not grow stale."""

MAX_REMEMBERED_BOOKMARKS = 1_000
"""Bookmarks kept in process, which save a round trip when the next page is asked of the same instance."""


class Bookmarks:
    """The bookmarks of all tenants, by a key that names the search and the startIndex of the page to come."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock
        self._remembered: Bounded[tuple[str, str], Bookmark] = Bounded(MAX_REMEMBERED_BOOKMARKS)

    def remembered(self, tenant: str, key: str) -> Bookmark | None:
        """What this process has saved under the key; another instance may have replaced it."""
        return self._remembered.get((tenant, key))

    async def load(self, tenant: str, key: str) -> Bookmark | None:
        """Where the page before this one ended, if that is still known."""
        bookmark = await self._storage.load_bookmark(tenant, key)
        return bookmark if bookmark is not None and bookmark.expires >= instant_text(self._clock()) else None

    async def save(self, tenant: str, key: str, last_id: str, total: int) -> None:
        """The page that the key names starts after this id, in a walk over so many resources."""
        bookmark = Bookmark(last_id, total, instant_text(self._clock() + BOOKMARK_LIFETIME))
        self._remembered.put((tenant, key), bookmark)
        await self._storage.save_bookmark(tenant, key, bookmark)


def bookmark_key(searched: str, filter_text: str, start_index: int) -> str:
    """Names the page that starts there of the search of this resource type with this filter."""
    text = f"{searched}\n{filter_text}".encode("utf-8", "surrogatepass")
    return f"{hashlib.blake2b(text, digest_size=12).hexdigest()}:{start_index}"
