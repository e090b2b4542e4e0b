"""The public keys of Entra tenants, by key id."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from scim_core.access.oauth.entra import ALGORITHM
from scim_core.access.oauth.key_cache import KeyCache
from scim_core.access.oauth.key_server import KeyServerError
from scim_core.access.oauth.local_key import MIN_RSA_BITS
from scim_core.access.oauth.verification import TokenRefused
from scim_core.caches import Bounded
from scim_core.clock import Timer

MAX_KEY_SETS = 1000
"""Key sets remembered: one for each Entra tenant that a credential names. Strangers cannot add any."""

MAX_KEYS = 100
"""Keys that one set may hold. Entra's has eight."""

type Fetch = Callable[[str], Awaitable[Any]]
"""Answers the JSON at a URL, or raises KeyServerError."""


class PublicKeys:
    """Key sets by their URL. Each process keeps its own."""

    def __init__(self, fetch: Fetch, timer: Timer) -> None:
        self._fetch = fetch
        self._timer = timer
        self._sets: Bounded[str, KeyCache[jwt.PyJWK]] = Bounded(MAX_KEY_SETS)

    async def key(self, url: str, key_id: str) -> jwt.PyJWK:
        """The public key of this id. Raises TokenRefused when the set lacks it, or cannot be fetched."""
        key_set = self._sets.get(url) or KeyCache(url, partial(self._load, url), self._timer)
        self._sets.put(url, key_set)
        found = await key_set.key(key_id)
        if found is None:
            raise TokenRefused(
                "is signed with a key that its issuer does not publish, or whose key server did not answer"
            )
        return found

    async def _load(self, url: str) -> dict[str, jwt.PyJWK]:
        return _read(await self._fetch(url))


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
