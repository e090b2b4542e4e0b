"""An endpoint of many tenants in this process, with clocks that tests move, and an Entra of its own over HTTP."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote, urlencode

from aiohttp import web

import scim_core
from devhost.authority import Authority, Key
from scim_core import Endpoint, ScimRequest, ScimResponse, Settings
from scim_core.access.administration import Administration
from scim_core.access.applications import Applications
from scim_core.access.audit_trail import AuditTrail
from scim_core.access.credential_plans import Issued, Wanted
from scim_core.access.oauth.local_key import new_signing_key
from scim_core.access.oauth.token_request import ASSERTION_TYPE
from scim_core.access.oauth.vault import VaultCall
from scim_core.audit_records import Actor
from scim_core.registry import CredentialKind, Registry
from scim_core.storage.hook_port import HookStorage
from scim_core.storage.tables import TableRegistry
from tests.memory_rows import MemoryRows, memory_storage
from tests.scim import Clock

HOST = "https://scim.example.com"
SIGNING_KEY = new_signing_key()
KEYS = (Key("first"), Key("second"))
"""Entra's keys: making one takes a tenth of a second."""

ENTRA_TENANT = "ce5f061f-abe6-4e40-9615-301f87bcb7f0"
OTHER_ENTRA_TENANT = "7f2a1f6e-4c1b-4a25-8d7a-2f6d8f3f9f10"
SUBJECT = "d2f8ee76-c549-45b8-a143-f5b640669704"
APPLICATION = "b5ba7a93-4452-4522-aeb4-a2b5da870c16"
CUSTOM = "8adf8e6e-67b2-4cf2-a259-e3dc5476c621"

ACTOR = Actor("upn=ann@example.com oid=1", "scim_core.admin 0", "laptop", "ann")
"""The operator who makes changes in tests."""

FORM = "application/x-www-form-urlencoded"


@dataclass
class Timer:
    """A timer that stands still unless it is moved."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


class Misbehaving(Authority):
    """An authority whose key server can be told to give other answers than its keys."""

    def __init__(self) -> None:
        super().__init__(KEYS[0])
        self.behaviour = "good"
        self.asked = asyncio.Event()
        self._ended = asyncio.Event()

    async def stop(self) -> None:
        self._ended.set()
        await super().stop()

    def answer(self) -> web.StreamResponse:  # noqa: PLR0911 -- a table of cases
        match self.behaviour:
            case "down":
                return web.Response(status=503)
            case "redirecting":
                return web.Response(status=302, headers={"Location": f"{self.url}/elsewhere"})
            case "HTML":
                return web.Response(text="<html>Sign in</html>", content_type="text/html")
            case "HTML called JSON":
                return web.Response(text="<html>Sign in</html>", content_type="application/json")
            case "10 MB":
                return web.Response(text=json.dumps({"keys": ["x" * 10_000_000]}), content_type="application/json")
            case "no key set":
                return web.Response(text='{"keys": "none"}', content_type="application/json")
            case "no usable key":
                return web.Response(text=json.dumps({"keys": USELESS}), content_type="application/json")
        return super().answer()

    async def _serve_keys(self, request: web.Request) -> web.StreamResponse:
        if self.behaviour == "slow":
            self.requests += 1
            self.asked.set()
            await self._ended.wait()
        return await super()._serve_keys(request)


USELESS: list[Any] = [
    None,
    {},
    {"kid": "first"},
    {"kid": "first", "kty": "oct", "k": "c2VjcmV0"},
    {"kid": "first", "kty": "RSA", "n": 1, "e": 2},
    {"kid": "first", "kty": "RSA", "n": "AQAB", "e": "AQAB"},
    KEYS[0].public_jwk | {"use": "enc"},
    KEYS[0].public_jwk | {"alg": "HS256"},
    KEYS[0].public_jwk | {"kid": 1},
]
"""Members of a key set with which no signature can be verified."""


def administration_of(
    registry: Registry,
    clock: Callable[[], datetime],
    pause: Callable[[float], Awaitable[None]],
    correlation_id: str = "test",
    actor: Actor = ACTOR,
) -> Administration:
    """What this actor does with the registry, in one command."""

    async def who() -> Actor:
        return actor

    trail = AuditTrail(registry, who, clock=clock, correlation_id=correlation_id)
    return Administration(registry, trail, clock=clock, pause=pause)


NO_ENTRA = "http://127.0.0.1:1"
"""Nobody listens there. A test that names no authority asks none, and never the real one."""


def settings(authority: str = NO_ENTRA, **environment: str) -> Settings:
    usual = {
        "SCIM_TENANTS": "registry",
        "SCIM_PUBLIC_BASE_URL": HOST,
        "SCIM_SIGNING_KEY": SIGNING_KEY,
        "SCIM_ENTRA_AUTHORITY": authority,
        "SCIM_ENTRA_TOKENS": "allow",
        "SCIM_STORAGE_CONNECTION": "UseDevelopmentStorage=true",
    }
    return Settings.from_environment(usual | environment)


@dataclass
class Service:
    """The endpoint with all that it needs. Requests have the form in which the function app hands them over."""

    settings: Settings
    storage: HookStorage = field(default_factory=memory_storage)
    registry: Registry = field(default_factory=lambda: TableRegistry(MemoryRows()))
    clock: Clock = field(default_factory=Clock)
    timer: Timer = field(default_factory=Timer)
    source: str = "192.0.2.1"
    vault: VaultCall | None = None

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """The process has started again: what it remembered is gone."""
        self.endpoint: Endpoint = scim_core.build(
            self.settings, self.storage, self.clock, registry=self.registry, timer=self.timer, vault=self.vault
        )

    def pass_time(self, seconds: float) -> None:
        self.timer.now += seconds
        self.clock.advance(seconds=seconds)

    @property
    def administration(self) -> Administration:
        async def pause(seconds: float) -> None:
            self.pass_time(seconds)

        return administration_of(self.registry, self.clock, pause, "of the administrator")

    @property
    def applications(self) -> Applications:
        async def who() -> Actor:
            return ACTOR

        trail = AuditTrail(self.registry, who, clock=self.clock, correlation_id="of the administrator")
        return Applications(self.registry, trail, self.clock)

    async def tenant(self, name: str, kind: CredentialKind = CredentialKind.TOKEN, **wanted: Any) -> Issued:
        """A new tenant with a credential of this kind."""
        tenant = await self.administration.create_tenant(name)
        return await self.credential(tenant.id, kind, **wanted)

    async def credential(self, tenant_id: str, kind: CredentialKind, **wanted: Any) -> Issued:
        return await self.administration.create_credential(tenant_id, Wanted(kind, **(PINNED.get(kind, {}) | wanted)))

    async def send(
        self,
        method: str,
        path: str,
        token: str | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> ScimResponse:
        """The answer; `path` is from the host on, and may have a query."""
        path, _, query = path.partition("?")
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        usual = {"x-forwarded-for": f"{self.source}:40000"}
        if token is not None:
            usual["authorization"] = f"Bearer {token}"
        if content:
            usual["content-type"] = "application/scim+json"
        return await self.endpoint.handle(
            ScimRequest(method, unquote(path), query, usual | dict(headers or {}), content, "https://host.invalid")
        )

    async def users(self, token: str) -> ScimResponse:
        """The answer to a request that the validator of Entra's gallery sends."""
        return await self.send("GET", "/scim/v2/Users?startIndex=1&count=1", token)

    async def ask_for_token(
        self,
        fields: Mapping[str, str] | bytes | None = None,
        basic: tuple[str, str] | None = None,
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> ScimResponse:
        """The answer to a token request with grant_type and these fields, or with this body."""
        usual = {"content-type": FORM}
        if basic is not None:
            usual["authorization"] = basic_header(*basic)
        body = (
            fields
            if isinstance(fields, bytes)
            else urlencode({"grant_type": "client_credentials", **(fields or {})}).encode()
        )
        return await self.send("POST", "/oauth2/token", body=body, headers={**usual, **headers})

    async def access_token(self, issued: Issued) -> str:
        """An access token for the client of this credential, which has a secret."""
        answer = await self.ask_for_token(basic=(issued.credential.client_id, issued.secret))
        assert answer.status == 200, answer
        return str(document(answer)["access_token"])


PINNED: dict[CredentialKind, dict[str, str]] = {
    CredentialKind.FEDERATION: {"entra_tenant": ENTRA_TENANT, "subject": SUBJECT, "audience": APPLICATION},
    CredentialKind.ENTRA: {"entra_tenant": ENTRA_TENANT},
}
"""What the credentials of these kinds pin where a test says nothing else."""


def assertion_fields(client_id: str, assertion: str) -> dict[str, str]:
    """The fields of a token request in which Entra proves itself by an assertion (entra.md section 2.3)."""
    return {
        "client_id": client_id,
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
        "scope": "scim",
    }


def basic_header(client_id: str, secret: str) -> str:
    return f"Basic {base64.b64encode(f'{client_id}:{secret}'.encode()).decode()}"


def document(response: ScimResponse) -> Any:
    return json.loads(response.body)


def tampered(token: str, **claims: Any) -> str:
    """The token with other claims and its old signature."""
    header, payload, signature = token.split(".")
    known = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    changed = base64.urlsafe_b64encode(json.dumps(known | claims).encode()).rstrip(b"=").decode()
    return f"{header}.{changed}.{signature}"
