"""What becomes of the setup link of a tenant by one command of the operator."""

from dataclasses import replace
from datetime import datetime, timedelta

from scim_core.access.audit_trail import Deed
from scim_core.access.credential_plans import Refused
from scim_core.access.no_return import Planned, ending
from scim_core.access.token_format import digest
from scim_core.clock import instant_text
from scim_core.messages import SETUP_PATH
from scim_core.registry import Gone, Tenant, TenantState
from scim_core.setup_link import SetupLink

DEFAULT_LINK_DAYS = 7
"""Days until a setup link ends, unless the operator says otherwise: a customer needs a few to find the right person."""

MAX_LINK_DAYS = 30
"""Longest life of a setup link. While it is open, each request of the tenant leaves a row."""


def url_of(base_url: str, tenant_id: str, secret: str) -> str:
    """The link. Its secret is in the fragment, which browsers send to no server: no log and no proxy sees it."""
    return f"{base_url}{SETUP_PATH}#{tenant_id}.{secret}"


def linked(tenant: Tenant, secret: str, days: int, *, made_by: str, now: datetime) -> Planned:
    """The tenant with a setup link that has this secret. The link before it opens nothing any more. Raises Refused."""
    if not 1 <= days <= MAX_LINK_DAYS:
        raise Refused(f"A setup link ends after 1 to {MAX_LINK_DAYS} days.")
    if tenant.state is TenantState.DELETING:
        raise Refused(ending(tenant))
    made, ends = instant_text(now), instant_text(now + timedelta(days=days))
    after = replace(tenant, setup=SetupLink(digest(secret), made, ends, made_by))
    return after, [Deed("setup link created", "tenants setup-link", tenant.id, tenant, after)]


def unlinked(tenant: Tenant, now: datetime) -> Planned:
    """The tenant, whose setup link and its session are good no longer. Raises Gone if there is none."""
    if not tenant.setup.sha256:
        raise Gone(f"The tenant {tenant.id} has no setup link. `tenants setup-link {tenant.id}` makes one.")
    link = replace(tenant.setup, revoked=tenant.setup.revoked or instant_text(now))
    after = replace(tenant, setup=link)
    return after, [Deed("setup link revoked", "tenants revoke-setup-link", tenant.id, tenant, after)]
