"""The tenants as the endpoint knows them: read from the registry and remembered for a minute.

A request whose tenant is remembered reads no registry. An administrator's change holds everywhere within CACHE_SECONDS.
The cache also remembers that something is not there. Who is charged for a look-up: docs/adr/0026.
"""

import asyncio
import logging
from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime, timedelta

from scim_core.access.rate_limits import LOOK_UPS, RateLimit
from scim_core.access.token_format import digest
from scim_core.caches import Bounded, Fresh
from scim_core.clock import Timer, instant_text
from scim_core.registry import Credential, Gone, Tenant, TenantSource, TenantState
from scim_core.storage.port import StorageError

CACHE_SECONDS = 60
"""Greatest age of what is remembered. A revoked credential or a suspended tenant can go on for this long at most."""

MAX_POINTERS = 10_000
"""Credentials remembered, unknown ones included. Strangers can fill this memory, but gain no access by that."""

GOOD_SECONDS = 3600
"""For this long after a credential was found, its next look-up is free."""

MAX_TENANTS = 1_000
"""Tenants remembered. Each has up to 40 credentials of half a kilobyte."""

NOTE_AFTER = timedelta(minutes=10)
"""How long a note of a credential's use is new enough. Each is a write to the registry. By them an operator sees
whether a customer's identity provider still comes: Entra's cycle is about 40 minutes."""

MAX_NOTES = 5
"""Most further addresses that a process writes down for one credential on one day, at once and not with the next note.
The line of each request has the address, too."""

_DAY = len("2026-11-26")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Use:
    """A credential that was good for a request: when (UTC text), and the address that the request came from."""

    tenant_id: str
    credential_id: str
    time: str
    address: str


@dataclass(frozen=True, slots=True)
class _Noted:
    """When the registry was told of a use last, and the addresses of that day, as far as it was told of them."""

    time: str = ""
    addresses: tuple[str, ...] = ()


class TenantCache:
    """Finds the tenant of a pointer or of an id. Each process remembers for itself."""

    def __init__(self, source: TenantSource, timer: Timer) -> None:
        self._source = source
        self._timer = timer
        self._look_ups = RateLimit(*LOOK_UPS, timer)
        self._pointers: Fresh[str, str | None] = Fresh(MAX_POINTERS, CACHE_SECONDS)
        self._tenants: Fresh[str, Tenant | None] = Fresh(MAX_TENANTS, CACHE_SECONDS)
        self._noted: Bounded[tuple[str, str], _Noted] = Bounded(MAX_POINTERS)
        self._good: Fresh[str, None] = Fresh(MAX_POINTERS, GOOD_SECONDS)
        self._list = PointerList(source, timer)

    async def holder(self, pointer: str, from_source: str) -> Tenant | None:
        """The tenant whose credential has this pointer. Raises StorageBusy.

        It costs the same look-ups whether there is one or not. Only a source that has caused too many look-ups in vain
        causes no more of them: the list of all pointers says the same. So a good credential passes from any source.
        """
        now = self._timer()
        known = self._pointers.get(pointer, now)
        if known is None:
            charged = not self._look_ups.take(from_source)
            if not charged and not await self._is_expected(pointer, now):
                return None
            known = (await self._source.find(pointer),)
            self._pointers.put(pointer, known[0], now)
            if known[0] is not None:
                self._good.put(digest(pointer), None, now)
                if charged:
                    self._look_ups.give_back(from_source)
        return await self.tenant(known[0] or _nobody(pointer))

    async def tenant(self, tenant_id: str) -> Tenant | None:
        """The tenant of this id. Raises StorageBusy."""
        now = self._timer()
        known = self._tenants.get(tenant_id, now)
        if known is None:
            known = (await self._source.load(tenant_id),)
            self._tenants.put(tenant_id, known[0], now)
        return known[0]

    def use_to_note(self, tenant: Tenant, credential: Credential, now: datetime, address: str) -> Use | None:
        """The credential's use, if the registry was not told of one within NOTE_AFTER, or of this address today.

        A process tells at most MAX_NOTES addresses of a credential on one day before it is time.
        """
        key, time = (tenant.id, credential.id), instant_text(now)
        noted = self._noted.get(key) or _Noted()
        last = max(noted.time, credential.last_used)
        is_due = last <= instant_text(now - NOTE_AFTER)
        addresses = noted.addresses if noted.time[:_DAY] == time[:_DAY] else ()
        is_known = address in (*addresses, credential.last_source) or len(addresses) >= MAX_NOTES
        if is_known and not is_due:
            return None
        self._noted.put(key, _Noted(time, (*addresses, address)[:MAX_NOTES]))
        return Use(tenant.id, credential.id, time, address)

    async def note(self, use: Use) -> None:
        """The registry has the time and the address of the credential's last use. A failure is logged, not raised."""
        try:
            await self._source.used(use.tenant_id, use.credential_id, use.time, use.address)
        except (StorageError, Gone) as error:
            log.warning("the use of a credential was not noted", exc_info=error)

    async def _is_expected(self, pointer: str, now: float) -> bool:
        """Whether a look-up is worth its cost, although the source has caused too many in vain."""
        return self._good.get(digest(pointer), now) is not None or pointer in await self._list.current()


class PointerList:
    """All pointers of the registry, for the time when a source causes too many look-ups in vain."""

    def __init__(self, source: TenantSource, timer: Timer) -> None:
        self._source = source
        self._timer = timer
        self._lock = asyncio.Lock()
        self._read: tuple[float, Container[str]] | None = None

    async def current(self) -> Container[str]:
        """The list, at most CACHE_SECONDS old. It is read once, however many wait for it. Raises StorageBusy."""
        async with self._lock:
            now = self._timer()
            if self._read is None or now - self._read[0] >= CACHE_SECONDS:
                self._read = (now, await self._source.pointers())
            return self._read[1]


def refusal(tenant: Tenant) -> str:
    """Why the tenant's requests are refused, as a sentence. Empty for an active tenant."""
    match tenant.state:
        case TenantState.ACTIVE:
            return ""
        case TenantState.SUSPENDED:
            return (
                f"Provisioning for this customer is suspended since {tenant.since[:10]}. Nothing was read or changed. "
                "Ask the operator of this service to resume it."
            )
        case TenantState.DELETING:
            ending = "was" if tenant.deleted else "is being"
            return f"The directory of this customer {ending} deleted. Remove this provisioning job."


def _nobody(pointer: str) -> str:
    """An id that no tenant can have. Each pointer gives another one."""
    return f"?{digest(pointer)[:16]}"
