"""The public keys of Entra tenants, by key id: fetched when they are needed, and kept. They rotate at any time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from scim_core.access.oauth.key_server import KeyServerError
from scim_core.access.oauth.signing_keys import MIN_RSA_BITS
from scim_core.access.oauth.verification import TokenRefused
from scim_core.caches import Bounded
from scim_core.clock import Timer

ALGORITHM = "RS256"
"""The only algorithm that Entra signs with, and the only one that is accepted from Entra."""

COOLDOWN_SECONDS = 30
"""Shortest time between two fetches of one key set. Without it, invented key ids could flood the key server."""

REFRESH_SECONDS = 3600
"""Age at which a key set is fetched again even for a known key id: a withdrawn key must soon stop to work."""

MAX_STALE_SECONDS = 24 * 3600
"""Longest use of a key set whose server cannot be reached. An attacker who blocks the server gains one day at most."""

MAX_KEY_SETS = 1000
"""Key sets remembered: one for each Entra tenant that a credential names. Strangers cannot add any."""

MAX_KEYS = 100
"""Keys that one set may hold. Entra's has eight."""

type Fetch = Callable[[str], Awaitable[Any]]
"""Answers the JSON at a URL, or raises KeyServerError."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _KeySet:
    keys: dict[str, jwt.PyJWK] = field(default_factory=dict)
    fetched: float | None = None
    tried: float | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class PublicKeys:
    """Key sets by their URL. Each process keeps its own."""

    def __init__(self, fetch: Fetch, timer: Timer) -> None:
        self._fetch = fetch
        self._timer = timer
        self._sets: Bounded[str, _KeySet] = Bounded(MAX_KEY_SETS)

    async def key(self, url: str, key_id: str) -> jwt.PyJWK:
        """The public key of this id. Raises TokenRefused when the set lacks it, or cannot be fetched."""
        key_set = self._sets.get(url) or _KeySet()
        self._sets.put(url, key_set)
        known = self._usable(key_set, key_id)
        if known is not None and (not self._due(key_set) or key_set.lock.locked()):
            return known
        async with key_set.lock:
            # Another request may have fetched the set while this one waited.
            if self._due(key_set) or self._usable(key_set, key_id) is None:
                await self._refresh(url, key_set)
        found = self._usable(key_set, key_id)
        if found is None:
            raise TokenRefused(
                "is signed with a key that its issuer does not publish, or whose key server did not answer"
            )
        return found

    def _usable(self, key_set: _KeySet, key_id: str) -> jwt.PyJWK | None:
        fresh = key_set.fetched is not None and self._timer() - key_set.fetched < MAX_STALE_SECONDS
        return key_set.keys.get(key_id) if fresh else None

    def _due(self, key_set: _KeySet) -> bool:
        return key_set.fetched is None or self._timer() - key_set.fetched >= REFRESH_SECONDS

    async def _refresh(self, url: str, key_set: _KeySet) -> None:
        """The set as its server has it. If the server fails or was asked a moment ago, the set as it was."""
        now = self._timer()
        if key_set.tried is not None and now - key_set.tried < COOLDOWN_SECONDS:
            return
        key_set.tried = now
        try:
            key_set.keys = _read(await self._fetch(url))
            key_set.fetched = now
        except KeyServerError as error:
            log.warning("keys could not be fetched: %s", error, extra={"key_server": url})


def _read(document: Any) -> dict[str, jwt.PyJWK]:
    """The usable keys of a set (RFC 7517 section 5). Raises KeyServerError for a set without one, or no set."""
    members = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(members, list) or len(members) > MAX_KEYS:
        raise KeyServerError("the key server answered with something that is no key set")
    keys = {item["kid"]: key for item in members if _names_itself(item) and (key := _key(item))}
    if not keys:
        raise KeyServerError("the key server answered with a set that has no usable key")
    return keys


def _names_itself(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("kid"), str) and item.get("use", "sig") == "sig"


def _key(item: dict[str, Any]) -> jwt.PyJWK | None:
    """The public key. None for a key of another kind: a set may hold keys that we cannot use."""
    if item.get("kty") != "RSA" or item.get("alg", ALGORITHM) != ALGORITHM:
        return None
    try:
        key = jwt.PyJWK(item, algorithm=ALGORITHM)
    except jwt.PyJWTError:
        return None
    return key if isinstance(key.key, RSAPublicKey) and key.key.key_size >= MIN_RSA_BITS else None
