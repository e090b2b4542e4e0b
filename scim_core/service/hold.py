"""Holds deactivations and deletions of a tenant after a mass change, until an operator has looked."""

from scim_core.messages import HttpError, Origin
from scim_core.storage.port import Storage

HELD_RETRY_AFTER = 600
"""Seconds after which a client may ask again: an operator has to look first, and Entra comes back in 40 minutes."""

HELD = (
    "Many users of this customer were deactivated or deleted within an hour. So further deactivations and deletions "
    "are held, and nothing was changed. Check the scope and the assignments of the provisioning job, then ask the "
    "operator of this service to release them."
)
"""What a client is told, and what the log keeps of its request."""


async def is_held(storage: Storage, tenant: str, origin: Origin) -> bool:
    """Whether deactivations and deletions by this request are held. Only a tenant that asks for it costs a read."""
    return origin.holds and await storage.held(tenant)


async def require_not_held(storage: Storage, tenant: str, origin: Origin) -> None:
    """Raises HttpError 429 if a deactivation or deletion by this request is held."""
    if await is_held(storage, tenant, origin):
        raise held()


def held() -> HttpError:
    """What a client is told whose deactivation or deletion is held."""
    return HttpError(429, HELD, Retry_After=str(HELD_RETRY_AFTER))
