"""What must not come back, and what one tenant alone can have: rules for the changes of the registry.

The token of SCIM_TOKEN_SHA256 opens the tenant `default`, also when that is not registered. So once the tenant is
deleted, its row stays as a sign, in the state that every version refuses.
"""

from collections.abc import Sequence
from dataclasses import replace

from scim_core.access.audit_trail import Deed
from scim_core.registry import DEFAULT_TENANT, Registry, RegistryError, Taken, Tenant, TenantState
from scim_core.setup_link import NO_LINK

type Planned = tuple[Tenant, Sequence[Deed]]
"""The tenant as a change wants it, and what is recorded of the change."""


class NotReopened(RegistryError):
    """The tenant of the settings is not let in again. The text says what is missing."""


def remains(deleted: Tenant, now: str) -> Tenant | None:
    """What stays of a tenant whose directory is erased: nothing, or the sign that the tenant of the settings leaves."""
    return replace(deleted, credentials=(), deleted=now, setup=NO_LINK) if deleted.id == DEFAULT_TENANT else None


def require_free(tenant_id: str, there: Tenant | None, *, reopen: bool) -> None:
    """The id is free, or its tenant was deleted. Raises Taken, and NotReopened if there is none to reopen."""
    if there is None and reopen:
        raise NotReopened(f"There is no tenant {tenant_id}. Leave --reopen out.")
    if there is not None and not (reopen or there.deleted):
        said = "." if there.state is not TenantState.DELETING else f", which is being deleted since {there.since[:10]}."
        raise Taken(f"There is a tenant {tenant_id} already{said} Choose another id with --id.")


def reopened(tenant: Tenant, wanted: Tenant, *, agreed: bool) -> Planned:
    """The deleted tenant, active, as `wanted` says. Raises NotReopened unless `agreed`."""
    if not tenant.deleted:
        raise NotReopened(f"The tenant {tenant.id} was not deleted. Leave --reopen out.")
    if not agreed:
        raise NotReopened(
            f"{ending(tenant)} The token of SCIM_TOKEN_SHA256 opens this tenant, so it would be let in again. Take "
            "that setting away, or change it, if you do not want this. Then run the command again with --reopen."
        )
    opened = replace(
        tenant,
        display_name=wanted.display_name,
        state=TenantState.ACTIVE,
        since=wanted.since,
        deleted="",
        group_patch_answer=wanted.group_patch_answer,
        allowed_schemas=wanted.allowed_schemas,
        denied_schemas=wanted.denied_schemas,
    )
    return opened, [Deed("tenant reopened", "tenants create", tenant.id, tenant, opened)]


def ending(tenant: Tenant) -> str:
    """That the tenant is being deleted, or was, as a sentence."""
    if tenant.deleted:
        return f"The tenant {tenant.id} was deleted on {tenant.deleted[:10]}."
    return f"The tenant {tenant.id} is being deleted."


async def require_unused(registry: Registry, before: Tenant, after: Tenant) -> None:
    """Raises Taken when another tenant has a workload identity that is new here, even without a pointer for it."""
    new = _identities(after) - _identities(before)
    if not new:
        return
    async for other in registry.tenants():
        if other.id != after.id and new & _identities(other):
            raise Taken(
                f"The tenant {other.id} has a federation with the same Entra tenant, subject and audience. One "
                "workload identity can open one tenant only. Remove that credential first, or let Entra use another "
                "workload identity."
            )


def _identities(tenant: Tenant) -> set[str]:
    return {item.identity for item in tenant.credentials if item.identity}
