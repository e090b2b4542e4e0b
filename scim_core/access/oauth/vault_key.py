"""A key for access tokens that stays in Azure Key Vault: the vault signs, and this process verifies.

A rotation makes a new version of the key. Nothing has to be told to the app:

- The newest version signs once it is SETTLING_SECONDS old. By then each instance that meets an unknown key id may ask
  the vault again, and finds the version there.
- The version before goes on to verify. So a key can be rotated once within the lifetime of a token.
- A version that is disabled in the vault is used no more after an hour at most.
"""

import hashlib
import json
import logging
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import jwt
from jwt.utils import base64url_decode

from scim_core.access.oauth.key_cache import COOLDOWN_SECONDS, KeyCache
from scim_core.access.oauth.key_server import KeyServerError
from scim_core.access.oauth.thumbprints import encoded, thumbprint
from scim_core.access.oauth.vault import RETRY_AFTER_SECONDS, VaultCall, VaultError
from scim_core.clock import Clock, Timer
from scim_core.messages import HttpError

ALGORITHM = "ES256"
"""The only algorithm: P-256 and SHA-256. The vault does it in software, and its signature is short."""

API = "api-version=7.4"
"""The version of the vault's interface."""

KEPT_VERSIONS = 2
"""Versions that are used: the one that signs and the one before, or the next one that does not sign yet."""

SETTLING_SECONDS = 2 * COOLDOWN_SECONDS
"""Age at which a new version signs. An instance that has just asked the vault asks again only after the cooldown."""

MAX_PAGES = 8
"""Pages of 25 versions that are read: 200 versions. A key with more has to be replaced by a key of another name."""

_SILENT = (
    "The service cannot reach the key of its access tokens at the moment. Come back after the time in Retry-After."
)
_VERSION = re.compile(r"[0-9A-Za-z]{1,64}")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Listed:
    name: str
    created: float
    starts: float
    ends: float


@dataclass(frozen=True, slots=True)
class _Version:
    listed: _Listed
    public: jwt.PyJWK


class VaultKey:
    """A key of the vault, by its URL without a version."""

    def __init__(self, url: str, call: VaultCall, clock: Clock, timer: Timer) -> None:
        self._url = url
        self._call = call
        self._clock = clock
        self._versions: KeyCache[_Version] = KeyCache(url, self._load, timer)

    async def sign(self, claims: dict[str, Any], token_type: str) -> str:
        """See SigningKey.sign: the vault gets the digest only."""
        key_id, version = await self._signing()
        header = {"alg": ALGORITHM, "typ": token_type, "kid": key_id}
        signed = ".".join(encoded(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
        sent = {"alg": ALGORITHM, "value": encoded(hashlib.sha256(signed.encode()).digest())}
        try:
            answer = await self._call("POST", f"{self._url}/{version.listed.name}/sign?{API}", sent)
            signature = _signature(answer, signed, version.public)
        except VaultError as error:
            log.warning("an access token was not signed: %s", error, extra={"key_server": self._url})
            raise _unavailable(error) from None
        return f"{signed}.{signature}"

    async def public(self, key_id: str) -> jwt.PyJWK | None:
        """See SigningKey.public. Raises HttpError 503 while nobody knows whether the id is of this key."""
        found = await self._versions.key(key_id)
        if found is None and self._versions.failure is not None:
            raise _unavailable(self._versions.failure)
        return found.public if found else None

    async def _signing(self) -> tuple[str, _Version]:
        """The id and the version that signs now. If all are too new, the newest one: a vault may be an hour old."""
        known = await self._versions.keys()
        if not known:
            raise _unavailable(self._versions.failure or VaultError("the key vault was asked a moment ago"))
        now = self._clock().timestamp()
        newest = sorted(known.items(), key=lambda item: -item[1].listed.created)
        valid = [item for item in newest if item[1].listed.starts <= now < item[1].listed.ends]
        settled = [item for item in valid if item[1].listed.created <= now - SETTLING_SECONDS]
        if not valid:
            raise _unavailable(VaultError("no version of the key is valid now: look at its dates in the vault"))
        return (settled or valid)[0]

    async def _load(self) -> dict[str, _Version]:
        """The versions that are used, by their key ids. Raises VaultError."""
        enabled = sorted(await self._enabled(), key=lambda item: -item.created)
        found = {}
        for listed in enabled[:KEPT_VERSIONS]:
            key_id, public = _public(await self._call("GET", f"{self._url}/{listed.name}?{API}", None))
            found[key_id] = _Version(listed, public)
        if not found:
            raise VaultError("no version of the key is enabled in the key vault")
        return found

    async def _enabled(self) -> list[_Listed]:
        found: list[_Listed] = []
        page = f"{self._url}/versions?{API}"
        for _ in range(MAX_PAGES):
            document = await self._call("GET", page, None)
            if not isinstance(document, dict) or not isinstance(document.get("value"), list):
                raise VaultError("the key vault answered with something that is no list of versions")
            found += [listed for item in document["value"] if (listed := _listed(item)) is not None]
            if not document.get("nextLink"):
                return found
            page = self._next(document["nextLink"])
        raise VaultError(f"the key has more than {MAX_PAGES} pages of versions in the key vault")

    def _next(self, link: Any) -> str:
        """The next page. The token for the vault goes to no other host, whatever the link says."""
        path, _, query = str(link).partition("?")
        if urlsplit(path).path.lower() != f"{urlsplit(self._url).path}/versions".lower():
            raise VaultError("the key vault answered with a link to something else")
        return f"{self._url}/versions?{query}"


def _listed(item: Any) -> _Listed | None:
    """A version as the list describes it. None if it is disabled, or no version."""
    try:
        attributes = item["attributes"]
        name = item["kid"].rpartition("/")[2]
        created = float(attributes["created"])
        starts, ends = float(attributes.get("nbf") or 0), float(attributes.get("exp") or "inf")
    except (TypeError, KeyError, ValueError, AttributeError):
        return None
    if attributes.get("enabled") is not True or not _VERSION.fullmatch(name):
        return None
    return _Listed(name, created, starts, ends)


def _public(document: Any) -> tuple[str, jwt.PyJWK]:
    """The id and the public key. Raises VaultError for a key of another kind: only P-256 is used."""
    try:
        members = document["key"]
        public = {"kty": "EC", "crv": members["crv"], "x": members["x"], "y": members["y"]}
        if members["kty"] in ("EC", "EC-HSM") and public["crv"] == "P-256":
            return thumbprint(public), jwt.PyJWK(public, algorithm=ALGORITHM)
    except (TypeError, LookupError, ValueError, jwt.PyJWTError):
        pass
    raise VaultError("the key in the key vault is no elliptic curve key of P-256")


def _signature(answer: Any, signed: str, public: jwt.PyJWK) -> str:
    """The signature, which was verified: nobody gets a token that nobody takes. Raises VaultError."""
    try:
        signature = base64url_decode(answer["value"])
        if public.Algorithm.verify(signed.encode(), public.key, signature):
            return encoded(signature)
    except (TypeError, LookupError, ValueError):
        pass
    raise VaultError("the key vault answered with something that is no signature of its key")


def _unavailable(error: KeyServerError) -> HttpError:
    pause = error.retry_after if isinstance(error, VaultError) else RETRY_AFTER_SECONDS
    return HttpError(503, _SILENT, Retry_After=str(pause))
