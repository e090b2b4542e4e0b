"""The tenants as the endpoint knows them: read from the registry and remembered for a minute.

A request whose tenant is remembered reads no registry. An administrator's change holds everywhere within CACHE_SECONDS.
The cache also remembers that something is not there.
"""

import logging
from dataclasses import dataclass

from scim_core.access.rate_limits import LOOK_UPS, RateLimit
from scim_core.access.token_format import digest
from scim_core.caches import Bounded, Fresh
from scim_core.clock import Timer
from scim_core.messages import HttpError
from scim_core.registry import Credential, Gone, Tenant, TenantSource, TenantState
from scim_core.storage.port import StorageError

CACHE_SECONDS = 60
"""Greatest age of what is remembered. A revoked credential or a suspended tenant can go on for this long at most."""

MAX_POINTERS = 10_000
"""Credentials remembered, unknown ones included. Strangers can fill this memory, but gain no access by that."""

MAX_TENANTS = 1_000
"""Tenants remembered. Each has up to 40 credentials of half a kilobyte."""

MAX_NOTES = 5
"""Most addresses that a process writes down for one credential on one day. Each is a write to the registry. The line of
each request has the address, too."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Use:
    """A credential that was good for a request, and the address that the request came from."""

    tenant_id: str
    credential_id: str
    address: str


@dataclass(frozen=True, slots=True)
class _Noted:
    """The addresses that a credential was used from on a day, as far as the registry was told."""

    day: str
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

    async def holder(self, pointer: str, from_source: str) -> Tenant | None:
        """The tenant whose credential has this pointer. Costs the same look-ups whether there is one or not.

        Raises HttpError 429 when this source has caused too many look-ups. Raises StorageBusy.
        """
        now = self._timer()
        known = self._pointers.get(pointer, now)
        if known is None:
            self._permit(from_source)
            known = (await self._source.find(pointer),)
            self._pointers.put(pointer, known[0], now)
        return await self.tenant(known[0] or _nobody(pointer), from_source)

    async def tenant(self, tenant_id: str, from_source: str) -> Tenant | None:
        """The tenant of this id. Raises HttpError 429, StorageBusy."""
        now = self._timer()
        known = self._tenants.get(tenant_id, now)
        if known is None:
            self._permit(from_source)
            known = (await self._source.load(tenant_id),)
            self._tenants.put(tenant_id, known[0], now)
        return known[0]

    def first_use(self, tenant: Tenant, credential: Credential, day: str, address: str) -> Use | None:
        """The credential's use, if this process knows of none on this day from this address; else None.

        A process gives at most MAX_NOTES uses of a credential on one day.
        """
        key = (tenant.id, credential.id)
        noted = self._noted.get(key)
        if noted is None or noted.day != day:
            noted = _Noted(day)
        is_known = credential.last_used >= day and credential.last_source == address
        if is_known or address in noted.addresses or len(noted.addresses) >= MAX_NOTES:
            return None
        self._noted.put(key, _Noted(day, (*noted.addresses, address)))
        return Use(tenant.id, credential.id, address)

    async def note(self, use: Use, day: str) -> None:
        """The registry has the day and the address of the credential's last use. A failure is logged, not raised."""
        try:
            await self._source.used(use.tenant_id, use.credential_id, day, use.address)
        except (StorageError, Gone) as error:
            log.warning("the day a credential was used on was not noted", exc_info=error)

    def _permit(self, from_source: str) -> None:
        wait = self._look_ups.take(from_source)
        if wait:
            raise HttpError(
                429, "Too many different credentials were tried from this address. Wait.", Retry_After=str(wait)
            )


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
            return "The directory of this customer is being deleted. Remove this provisioning job."


def _nobody(pointer: str) -> str:
    """An id that no tenant can have. Each pointer gives another one."""
    return f"?{digest(pointer)[:16]}"
