"""Entra's side of authentication, on this machine: an authority with its own keys that signs tokens as Entra does.

The service trusts it when SCIM_ENTRA_AUTHORITY names it. It serves key sets over HTTP, as Entra does.
"""

import json
import time
from dataclasses import dataclass, field
from typing import Any, Self

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

ASSERTION_SECONDS = 3900  # as in Entra's example
SYNC_FABRIC = "00000014-0000-0000-c000-000000000000"
"""Entra's provisioning service, the client that asks for every token of these."""


@dataclass(frozen=True)
class Key:
    """An RSA key under its id."""

    id: str
    private: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048), repr=False)

    @property
    def public_jwk(self) -> dict[str, Any]:
        """The key as a key set lists it."""
        members = RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {"kty": "RSA", "use": "sig", "kid": self.id, "n": members["n"], "e": members["e"]}


class Authority:
    """Signs with its newest key, and serves all of them. `url` is the value for SCIM_ENTRA_AUTHORITY."""

    def __init__(self, *keys: Key) -> None:
        self.keys = list(keys) or [Key("first")]
        self.url = ""
        self.requests = 0
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> Self:
        """It listens on this port of 127.0.0.1, or on a free one."""
        application = web.Application()
        application.router.add_get("/{tenant}/discovery/keys", self._serve_keys)
        application.router.add_get("/{tenant}/discovery/v2.0/keys", self._serve_keys)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def stop(self) -> None:
        """It listens no longer."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def assertion(self, tenant: str, subject: str, audience: str, now: float | None = None, **changes: Any) -> str:
        """A client assertion with the claims of a v2 token. A claim that you set to None is left out.

        The client that asked Entra for it (azp) is Entra's own service, and never the application in the audience.
        """
        issuer = f"{self.url}/{tenant}/v2.0"
        claims = {
            "aud": audience,
            "iss": issuer,
            "idp": issuer,
            "azp": SYNC_FABRIC,
            "azpacr": "2",
            "oid": subject,
            "sub": subject,
            "tid": tenant,
            "uti": f"{time.monotonic_ns():x}",
            "ver": "2.0",
        }
        return self.sign(claims | _times(now) | changes)

    def request_token(self, tenant: str, audience: str, now: float | None = None, **changes: Any) -> str:
        """Entra's own token on a request, with the claims of a v1 token."""
        claims = {
            "aud": audience,
            "iss": f"https://sts.windows.net/{tenant}/",
            "idp": f"https://sts.windows.net/{tenant}/",
            "appid": SYNC_FABRIC,
            "appidacr": "2",
            "oid": "6c5d2f0e-0d3b-4b0e-9c53-3a8f0b4b8c11",
            "sub": "6c5d2f0e-0d3b-4b0e-9c53-3a8f0b4b8c11",
            "tid": tenant,
            "ver": "1.0",
        }
        return self.sign(claims | _times(now) | changes)

    def role_token(
        self, tenant: str, audience: str, holder: str, *roles: str, now: float | None = None, **changes: Any
    ) -> str:
        """What a managed identity gets for an application of its own Entra tenant, with the claims of a v2 token."""
        claims = {
            "aud": audience,
            "iss": f"{self.url}/{tenant}/v2.0",
            "azp": holder,
            "azpacr": "2",
            "oid": holder,
            "sub": holder,
            "tid": tenant,
            "roles": list(roles),
            "ver": "2.0",
        }
        return self.sign(claims | _times(now) | changes)

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        """These claims without those that are None, signed by the newest key. The header names the key."""
        key = self.keys[-1]
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(kept, key.private, algorithm="RS256", headers={"kid": key.id, **header})

    async def _serve_keys(self, _: web.Request) -> web.StreamResponse:
        self.requests += 1
        return self.answer()

    def answer(self) -> web.StreamResponse:
        """The key set, in the form of an answer."""
        body = json.dumps({"keys": [key.public_jwk for key in self.keys]})
        return web.Response(text=body, content_type="application/json")


def _times(now: float | None) -> dict[str, Any]:
    issued = int(time.time() if now is None else now)
    return {"iat": issued, "nbf": issued, "exp": issued + ASSERTION_SECONDS}
