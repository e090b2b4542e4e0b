"""Which credentials end soon, and nothing that is in use goes on in their place."""

import logging
from datetime import datetime, timedelta

from scim_core.clock import Clock, Timer, instant_text
from scim_core.registry import Credential, Tenant, TenantSource
from scim_core.storage.port import StorageError

ENDS_WITHIN = timedelta(days=30)
"""How long before its end a credential is told of: a customer's administrator may need some weeks to put in another."""

TELL_SECONDS = 3600
"""How often the log is told. The alert looks at the lines of three hours."""

MAX_TOLD = 100
"""Lines that are told at once: those of the credentials that end first."""

log = logging.getLogger(__name__)


def ending(tenant: Tenant, now: datetime) -> list[Credential]:
    """The good credentials of the tenant that end within ENDS_WITHIN, the first one first.

    One is left out if another one of the same access, which goes on, was used later: it has taken its place. One that
    nobody has used does not count, because the customer has not put it in yet.
    """
    moment, limit = instant_text(now), instant_text(now + ENDS_WITHIN)
    good = [item for item in tenant.credentials if not item.fault(moment)]
    going_on = [item for item in good if not item.expires or item.expires > limit]
    found = [
        item
        for item in good
        if item.expires
        and item.expires <= limit
        and not any(other.access is item.access and other.last_used > item.last_used for other in going_on)
    ]
    return sorted(found, key=lambda item: item.expires)


class EndingCredentials:
    """Tells the log which credentials of all tenants end soon, for the alert. A timer calls it."""

    def __init__(self, source: TenantSource, clock: Clock, timer: Timer) -> None:
        self._source = source
        self._clock = clock
        self._timer = timer
        self._told: float | None = None

    async def tell(self) -> None:
        """There is a line for each, once an hour. If the registry does not answer, that is logged, and not raised."""
        if self._told is not None and self._timer() - self._told < TELL_SECONDS:
            return
        now = self._clock()
        try:
            found = [(item, tenant.id) async for tenant in self._source.tenants() for item in ending(tenant, now)]
        except StorageError as error:
            log.warning("the credentials that end soon are not known", exc_info=error)
            return
        self._told = self._timer()
        for item, tenant_id in sorted(found, key=lambda pair: pair[0].expires)[:MAX_TOLD]:
            fields = {"tenant": tenant_id, "credential": item.label, "credential_id": item.id, "ends": item.expires}
            log.warning("a credential ends soon", extra={"operation": "credentials", **fields})
