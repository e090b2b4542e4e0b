"""What Entra signs: client assertions of its workload identities, and its own tokens on requests (entra.md section 2).

An assertion is a v2 token. Without a Secret Token, Entra sends a v1 token with each request. Both are RS256.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scim_core.access.oauth.verification import CLOCK_SKEW_SECONDS, TokenRefused, Unverified, VerifiedClaims, verified
from scim_core.caches import Bounded
from scim_core.clock import Clock
from scim_core.registry import Credential, bare_audience

if TYPE_CHECKING:
    from scim_core.access.oauth.keys import PublicKeys

ALGORITHM = "RS256"
"""The only algorithm that Entra signs with, and the only one that is accepted from Entra."""

MAX_ASSERTION_SECONDS = 24 * 3600
"""Longest lifetime of an assertion, and so the longest time that one is remembered. Entra's live for 65 minutes."""

MAX_ASSERTIONS = 1000
"""Assertions remembered for one client. Entra needs one an hour."""

MAX_CLIENTS = 1000
"""Clients whose assertions this process remembers: the most recent ones."""

V1_ISSUER = "https://sts.windows.net"
"""The issuer of v1 tokens. It is the same for every authority."""

APPLICATION = "00000014-0000-0000-c000-000000000000"
"""Microsoft.Azure.SyncFabric, Entra's provisioning service: the application that its v1 tokens name."""

CUSTOM_APPLICATIONS = "8adf8e6e-67b2-4cf2-a259-e3dc5476c621"
"""The audience of v1 tokens for all custom applications of the world: it is the same for each of them."""


OF_ACCESS_TOKENS = frozenset({"scp", "azp", "appid", "azpacr", "appidacr", "idtyp"})
"""Claims that Entra's access tokens have, and its ID tokens do not."""


@dataclass(slots=True)
class ReplayMemory:
    """The assertions of each client that were used and have not expired. Each process remembers for itself."""

    _seen: Bounded[str, dict[bytes, float]] = field(default_factory=lambda: Bounded(MAX_CLIENTS))

    def use(self, client_id: str, assertion: str, expires: float, now: float) -> None:
        """The assertion counts as used. Raises TokenRefused when it was used before, or too many have not expired.

        The signed part is remembered. So a second encoding of the same signature is still the same assertion.
        """
        digest = hashlib.sha256(assertion.rpartition(".")[0].encode()).digest()
        seen = {item: until for item, until in (self._seen.get(client_id) or {}).items() if until > now}
        if digest in seen:
            raise TokenRefused("was used before")
        if len(seen) >= MAX_ASSERTIONS:
            raise TokenRefused("is one of too many within their lifetime")
        seen[digest] = expires + CLOCK_SKEW_SECONDS
        self._seen.put(client_id, seen)


class EntraTokens:
    """Verifies Entra's tokens with the keys of the tenant that a credential pins. `authority` is Entra's base URL."""

    def __init__(self, authority: str, keys: "PublicKeys", clock: Clock) -> None:
        self._authority = authority
        self._keys = keys
        self._clock = clock
        self._replays = ReplayMemory()

    async def assertion(self, token: str, said: Unverified, federation: Credential) -> None:
        """The token is an assertion of this workload identity, now used (RFC 7523 section 3). Raises TokenRefused."""
        tenant = federation.entra_tenant
        claims = await self._verified(
            token,
            said,
            url=f"{self._authority}/{tenant}/discovery/v2.0/keys",
            issuer=f"{self._authority}/{tenant}/v2.0",
            audiences=audiences(federation.audience),
        )
        _compare(claims, tid=tenant, sub=federation.subject)
        if claims["exp"] - claims["iat"] > MAX_ASSERTION_SECONDS:
            raise TokenRefused("lives too long")
        if not federation.reusable:
            self._replays.use(federation.client_id, token, claims["exp"], self._clock().timestamp())

    async def request_token(self, token: str, said: Unverified, credential: Credential) -> None:
        """Entra's provisioning service sends this token for this tenant and audience. Raises TokenRefused."""
        tenant = credential.entra_tenant
        claims = await self._verified(
            token,
            said,
            url=f"{self._authority}/{tenant}/discovery/keys",
            issuer=f"{V1_ISSUER}/{tenant}/",
            audiences={credential.audience},
            required=("appid",),
        )
        _compare(claims, tid=tenant, appid=credential.application)

    async def access_token(self, token: str, said: Unverified, tenant: str, audience: str) -> VerifiedClaims:
        """The claims of an access token of this Entra tenant for this audience, of either version. Raises TokenRefused.

        The application that is registered in Entra says which version its tokens have.
        """
        v2 = said.text("ver") == "2.0"
        claims = await self._verified(
            token,
            said,
            url=f"{self._authority}/{tenant}/discovery/{'v2.0/' if v2 else ''}keys",
            issuer=f"{self._authority}/{tenant}/v2.0" if v2 else f"{V1_ISSUER}/{tenant}/",
            audiences=audiences(audience),
            required=("oid",),
        )
        _compare(claims, tid=tenant)
        return claims

    async def id_token(self, token: str, said: Unverified, tenant: str, client_id: str) -> VerifiedClaims:
        """The claims of an ID token: a person of this Entra tenant has signed in to this application now.

        A token by which a program calls something, for the same audience, is refused. Raises TokenRefused.
        """
        claims = await self._verified(
            token,
            said,
            url=f"{self._authority}/{tenant}/discovery/v2.0/keys",
            issuer=f"{self._authority}/{tenant}/v2.0",
            audiences={client_id},
            required=("oid", "sub"),
        )
        _compare(claims, tid=tenant)
        if OF_ACCESS_TOKENS & claims.keys():
            raise TokenRefused("is an access token, not a person's sign-in")
        return claims

    async def _verified(
        self,
        token: str,
        said: Unverified,
        *,
        url: str,
        issuer: str,
        audiences: Collection[str],
        required: tuple[str, ...] = ("sub",),
    ) -> VerifiedClaims:
        if said.algorithm != ALGORITHM:  # before a key is fetched for it
            raise TokenRefused(f"is not signed with {ALGORITHM}")
        if said.text("iss") != issuer:  # likewise; verified again below
            raise TokenRefused("comes from another issuer (iss)")
        return verified(
            token,
            await self._keys.key(url, said.key_id),
            algorithm=ALGORITHM,
            issuer=issuer,
            audiences=audiences,
            required=("tid", *required),
            now=self._clock(),
        )


def audiences(configured: str) -> set[str]:
    """The forms in which Entra writes one audience: the application id, and URIs made from it."""
    bare = bare_audience(configured)
    return {bare, f"api://{bare}", f"api://{bare}/.default"}


def _compare(claims: VerifiedClaims, **expected: str) -> None:
    for claim, value in expected.items():
        if claims.get(claim) != value:
            raise TokenRefused(f"has another {claim} than the one registered here")
