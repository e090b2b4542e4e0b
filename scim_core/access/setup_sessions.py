"""Who may see a setup page: the secret of a link is exchanged once for the secret of a session, which a cookie holds.

The registry has the hashes of both, so a session is good on every instance, and ends everywhere as soon as the link is
revoked. Each look-up reads the registry as it is now.
"""

import hmac
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum

from scim_core.access.rate_limits import RateLimit
from scim_core.access.tenant_cache import refusal
from scim_core.access.token_format import SETUP_PREFIX, Form, digest, form, is_cut, new_setup_secret
from scim_core.clock import Clock, Timer, instant_text
from scim_core.messages import HttpError
from scim_core.registry import TENANT_ID, Overtaken, SetupSource, Tenant
from scim_core.setup_link import SetupLink
from scim_core.storage.port import StorageBusy

SETUP_FAILURES = (0.5, 30)
"""Secrets of one source that open nothing: how many a second, and how many at once, are looked up. Further ones are
told to wait. A secret with a typing error costs no look-up."""

SETUP_REQUESTS = (5.0, 50)
"""Requests of one setup page: how many a second, and how many at once. It asks each two seconds, in a few windows."""

MAX_SECRET_CHARACTERS = 400
"""Longest text that is taken for what a link or a cookie holds. Ours have at most 109 characters."""

MAX_ATTEMPTS = 5
"""How often a link is exchanged again because the tenant has changed in between."""


class LinkFault(StrEnum):
    """Why a setup link opens nothing. Only who has the whole secret learns more than the first two."""

    CUT = "cut"
    UNKNOWN = "unknown"
    USED = "used"
    EXPIRED = "expired"
    REVOKED = "revoked"
    CLOSED = "closed"
    """The tenant is suspended, or being deleted."""


class LinkRefused(Exception):
    """The link or the session is not good. `link` and `said` are there if its secret is right."""

    def __init__(self, fault: LinkFault, link: SetupLink | None = None, said: str = "") -> None:
        self.fault = fault
        self.link = link
        self.said = said
        super().__init__(fault)


@dataclass(frozen=True, slots=True)
class Opened:
    """A tenant whose setup page may be seen, and the secret of the session, for the cookie."""

    tenant: Tenant
    cookie: str


class SetupSessions:
    """Exchanges links, and knows sessions."""

    def __init__(self, source: SetupSource, clock: Clock, timer: Timer) -> None:
        self._source = source
        self._clock = clock
        self._failures = RateLimit(*SETUP_FAILURES, timer)
        self._requests = RateLimit(*SETUP_REQUESTS, timer)

    async def exchange(self, text: str, source: str) -> Opened:
        """The session for a link, or for its secret alone. The link is used up: of two that open it, one succeeds.

        Raises LinkRefused, HttpError 429, StorageBusy.
        """
        tenant_id, secret = _parts(text.strip().rpartition("#")[2])
        self._take(source)
        session = new_setup_secret()
        for _ in range(MAX_ATTEMPTS):
            tenant = await self._linked(tenant_id, digest(secret))
            now = instant_text(self._clock())
            if not hmac.compare_digest(tenant.setup.session, digest(session)):  # our own answer may have been lost
                _require_good(tenant, now)
                if tenant.setup.opened:
                    raise LinkRefused(LinkFault.USED, tenant.setup)
                link = replace(tenant.setup, opened=now, session=digest(session))
                with suppress(Overtaken):
                    await self._source.exchanged(tenant, link)
                    tenant = replace(tenant, setup=link)
            if tenant.setup.session == digest(session):
                self._failures.give_back(source)
                return Opened(tenant, f"{tenant.id}.{session}")
        raise StorageBusy("Others are changing the same tenant.")

    async def tenant(self, cookie: str, source: str) -> Tenant:
        """The tenant of a session. Raises LinkRefused, HttpError 429, StorageBusy.

        One that has ended opens nothing, so it counts as a failure.
        """
        tenant_id, session = _parts(cookie)
        self._take(source)
        wait = self._requests.take(digest(session))  # of the cookie, for nobody knows yet whose it is
        if wait:
            self._failures.give_back(source)
            raise HttpError(429, "This page was asked for too often. Wait a few seconds.", Retry_After=str(wait))
        tenant = await self._source.load(tenant_id)
        if tenant is None or not hmac.compare_digest(tenant.setup.session, digest(session)):
            raise LinkRefused(LinkFault.UNKNOWN)
        _require_good(tenant, instant_text(self._clock()))
        self._failures.give_back(source)
        return tenant

    async def _linked(self, tenant_id: str, sha256: str) -> Tenant:
        tenant = await self._source.load(tenant_id)
        if tenant is None or not hmac.compare_digest(tenant.setup.sha256, sha256):
            raise LinkRefused(LinkFault.UNKNOWN)
        return tenant

    def _take(self, source: str) -> None:
        wait = self._failures.take(source)
        if wait:
            detail = "Too many links that open nothing came from this address. Wait, then try again."
            raise HttpError(429, detail, Retry_After=str(wait))


def _parts(text: str) -> tuple[str, str]:
    """The tenant and the secret of a link or of a session. Raises LinkRefused, before anything is looked up."""
    tenant_id, _, secret = text.partition(".")
    is_whole = len(text) <= MAX_SECRET_CHARACTERS and TENANT_ID.fullmatch(tenant_id)
    if not is_whole or not secret.startswith(SETUP_PREFIX):
        raise LinkRefused(LinkFault.UNKNOWN)
    if form(secret) is Form.MISTYPED:
        raise LinkRefused(LinkFault.CUT if is_cut(secret) else LinkFault.UNKNOWN)
    return tenant_id, secret


def _require_good(tenant: Tenant, now: str) -> None:
    """Raises LinkRefused if the link, or its tenant, is not open any more."""
    if refusal(tenant):
        raise LinkRefused(LinkFault.CLOSED, tenant.setup, refusal(tenant))
    if tenant.setup.revoked:
        raise LinkRefused(LinkFault.REVOKED, tenant.setup)
    if now >= tenant.setup.expires:
        raise LinkRefused(LinkFault.EXPIRED, tenant.setup)
