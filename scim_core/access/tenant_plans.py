"""What a tenant becomes by one command of the operator, with what is recorded of it."""

from dataclasses import replace

from scim_core.access.audit_trail import Deed
from scim_core.access.credential_plans import Refused
from scim_core.access.no_return import Planned
from scim_core.chosen_schemas import MAX_CHOSEN_CHARACTERS, ChosenSchemas
from scim_core.registry import GroupPatchAnswer, Tenant, TenantState


def renamed(tenant: Tenant, display_name: str) -> Planned:
    """The tenant with another display name."""
    after = replace(tenant, display_name=display_name)
    return after, [Deed("tenant renamed", "tenants rename", tenant.id, tenant, after)]


def altered(tenant: Tenant, answer: GroupPatchAnswer | None, *, hold: bool | None) -> Planned:
    """The tenant, whose group PATCHes are answered like this, and which is held or not. None keeps what is there."""
    after = replace(
        tenant,
        group_patch_answer=tenant.group_patch_answer if answer is None else answer,
        hold=tenant.hold if hold is None else hold,
    )
    return after, [Deed("tenant changed", "tenants change", tenant.id, tenant, after)]


def choosing(tenant: Tenant, chosen: ChosenSchemas, method: str) -> Planned:
    """The tenant, which has these resource types and extensions. Raises Refused for more names than a row can hold."""
    if max(map(len, chosen)) > MAX_CHOSEN_CHARACTERS:
        raise Refused(f"The names that are allowed, or denied, have more than {MAX_CHOSEN_CHARACTERS} characters.")
    after = replace(tenant, allowed_schemas=chosen.allowed, denied_schemas=chosen.denied)
    return after, [Deed("tenant schemas changed", method, tenant.id, tenant, after)]


def doomed(tenant: Tenant, now: str) -> Planned:
    """The tenant, refused from now on. One that was suspended long ago has no requests under way any more."""
    since = now if tenant.state is TenantState.ACTIVE else tenant.since
    after = replace(tenant, state=TenantState.DELETING, since=since)
    return after, [Deed("tenant deletion began", "tenants delete", tenant.id, tenant, after)]
