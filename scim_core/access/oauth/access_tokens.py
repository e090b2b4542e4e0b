"""Access tokens: short JWTs that name a tenant, issued by the token endpoint and verified here (RFC 9068)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scim_core.access.oauth.signing_keys import SigningKeys
from scim_core.access.oauth.verification import TokenRefused, Unverified, verified
from scim_core.clock import Clock
from scim_core.registry import Access, Credential

SCOPE = "scim"
"""The usual scope: everything in the directory of one tenant."""

READ_SCOPE = "scim.read"
"""The scope for GET and searches alone."""

FEED_SCOPE = "scim.feed"
"""The scope for the feed of changes and its snapshot."""

SCOPES = {Access.WRITE: SCOPE, Access.READ: READ_SCOPE, Access.FEED: FEED_SCOPE}
"""The scope that stands for an access (RFC 6749 section 3.3)."""

TYPE = "at+jwt"
"""The `typ` that tells an access token from other JWTs (RFC 9068 section 2.1)."""

_REQUIRED = ("sub", "client_id", "tenant", "credential", "scope", "jti")


@dataclass(frozen=True, slots=True)
class Grant:
    """What a verified access token says: its tenant and client, the credential that it was issued for, its access."""

    tenant_id: str
    client_id: str
    credential_id: str
    access: Access


class AccessTokens:
    """Issues and verifies. `issuer` is the public base URL, `audience` the URL of SCIM, `seconds` the lifetime."""

    def __init__(
        self, keys: SigningKeys, *, issuer: str, audience: str, seconds: int, clock: Clock, new_id: Callable[[], str]
    ) -> None:
        self.issuer = issuer
        self.seconds = seconds
        self._keys = keys
        self._audience = audience
        self._clock = clock
        self._new_id = new_id

    async def issue(self, tenant_id: str, credential: Credential, access: Access) -> str:
        """A token for this tenant, issued for this credential, with this access. It has less than 1 KB.

        Raises HttpError 503 when the key is in a vault that does not answer.
        """
        now = int(self._clock().timestamp())
        claims = {
            "iss": self.issuer,
            "aud": self._audience,
            "sub": credential.client_id,
            "client_id": credential.client_id,
            "tenant": tenant_id,
            "credential": credential.id,
            "scope": SCOPES[access],
            "iat": now,
            "nbf": now,
            "exp": now + self.seconds,
            "jti": self._new_id(),
        }
        return await self._keys.sign(claims, TYPE)

    async def verify(self, token: str, said: Unverified) -> Grant:
        """What the token grants. It needs no look-up. Raises TokenRefused, and HttpError 503 as issue() does."""
        key = await self._keys.public(said.key_id)
        if key is None:
            raise TokenRefused("is signed with a key that is not in use (any more)")
        if said.type.lower().removeprefix("application/") != TYPE:
            raise TokenRefused("is no access token (typ)")
        claims = verified(
            token,
            key,
            algorithm=key.algorithm_name,
            issuer=self.issuer,
            audiences={self._audience},
            required=_REQUIRED,
            now=self._clock(),
        )
        access = next(iter(accesses_of(claims["scope"])), None)
        if access is None:
            raise TokenRefused(f"lacks the scope {SCOPE}")
        return Grant(claims["tenant"], claims["client_id"], claims["credential"], access)


def accesses_of(scope: str) -> tuple[Access, ...]:
    """The accesses that these scopes stand for. Unknown scopes are ignored."""
    named = scope.split()
    return tuple(access for access, ours in SCOPES.items() if ours in named)


def grantable(asked: Sequence[Access], has: Access) -> Access | None:
    """What a credential with this access gets when these are asked for. None if it has nothing of them.

    Who asks for SCOPE, or says nothing, gets all that the credential has: federation always asks for SCOPE.
    """
    if Access.WRITE in asked or has in asked:
        return has
    return next((access for access in asked if has.allows(access)), None)
