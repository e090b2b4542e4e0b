"""What caches between a client and the service may keep of an answer (RFC 9111)."""

from scim_core.endpoint.serving import DISCOVERY, OF_A_TENANT
from scim_core.messages import ScimRequest

SAME_FOR_EVERYBODY = frozenset(
    {"service_provider_config", "authorization_server", "protected_resource", "feed_keys", "setup_asset"}
)
"""The handlers whose answers hold no data of a customer, and do not depend on who asks. Caches may keep these."""

GOOD = 200


def caching(request: ScimRequest, handler: str, status: int, *, differ: bool) -> dict[str, str]:
    """The headers for caches.

    If tenants `differ` in what they have, schemas and resource types may be kept only as they are without a credential.
    """
    depends = differ and handler in OF_A_TENANT
    common = handler in SAME_FOR_EVERYBODY or (
        handler in DISCOVERY and not (depends and request.headers.get("authorization"))
    )
    headers = {} if common and status == GOOD else {"Cache-Control": "no-store"}
    return headers | {"Vary": "Authorization"} if depends else headers
