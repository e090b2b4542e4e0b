"""Which credentials end soon, and nothing that is in use goes on in their place."""

from datetime import datetime, timedelta

from scim_core.clock import instant_text
from scim_core.registry import Credential, Tenant

ENDS_WITHIN = timedelta(days=30)
"""How long before its end a credential is told of: a customer's administrator may need some weeks to put in another."""


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
