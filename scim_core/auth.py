"""The Authorization header of a request -> the Principal that speaks (design: the credential names the tenant)."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scim_core.errors import HttpError

DEFAULT_TENANT = "default"
"""The tenant of a single-tenant deployment."""

MAX_TOKEN_CHARACTERS = 4096
"""Longest bearer token that is looked at. Ours are under a hundred characters, Entra's JWTs under three thousand."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who speaks: the tenant, how it proved itself, and which credential it used (a name, never the secret)."""

    tenant: str
    method: str
    credential: str


class StaticTokens:
    """Bearer tokens known by their SHA-256. Several at once, so that a token can be rotated."""

    def __init__(self, sha256: Sequence[str]) -> None:
        self._sha256 = tuple(sha256)

    def authenticate(self, headers: Mapping[str, str]) -> Principal:
        """The principal of the request. Raises HttpError 401 when the header is missing or its token unknown.

        The comparison takes the same time for every token (RFC 6750; all hashes are compared).
        """
        header = headers.get("authorization", "")
        scheme, _, token = header.partition(" ")
        token = token.strip()
        if not header:
            raise _unauthorized("The request has no Authorization header; send Authorization: Bearer <token>.", "")
        if scheme.lower() != "bearer" or not token or len(token) > MAX_TOKEN_CHARACTERS:
            raise _unauthorized("The Authorization header must be: Bearer <token>.", "")
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
        matches = [hmac.compare_digest(digest, known) for known in self._sha256]
        if not any(matches):
            raise _unauthorized("The bearer token is not known here; check the Secret Token.", "invalid_token")
        return Principal(DEFAULT_TENANT, "token", f"token {digest[:8]}")


def _unauthorized(detail: str, error: str) -> HttpError:
    challenge = f'Bearer realm="scim", error="{error}"' if error else 'Bearer realm="scim"'
    return HttpError(401, detail, WWW_Authenticate=challenge)
