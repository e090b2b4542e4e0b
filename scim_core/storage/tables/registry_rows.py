"""Tenants and credentials as rows of the registry: what a row holds, and what makes one state of a tenant of another.

Only fields that differ are merged, under the ETag of the row as it was read. So a change never writes back what it has
not changed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

from scim_core.model import Column
from scim_core.registry import (
    Access,
    Credential,
    CredentialKind,
    GroupPatchAnswer,
    Tenant,
    TenantState,
    changed_fields,
    field_values,
    pointers,
    require_alterable,
)
from scim_core.setup_link import SetupLink
from scim_core.storage.tables import keys, setup_rows
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Row

_DISPLAY_NAME = {"display_name": "displayName"}
"""The one property of a tenant's row whose name is not the name of its field."""


def alteration(before: Tenant | None, after: Tenant | None) -> list[RowOperation]:
    """What makes `after` of `before`. The tenant's row is always touched: so two changes of one tenant meet there.

    Raises Unalterable.
    """
    of_links = setup_rows.alteration(before, after)
    return [*_of_tenant(before, after), *_of_credentials(before, after), *_of_pointers(before, after), *of_links]


def amendment(tenant_id: str, before: Credential, after: Credential) -> list[RowOperation]:
    """What changes a credential; nothing when it does not change. Raises Unalterable."""
    require_alterable(before, after)
    changed = _columns(changed_fields(before, after))
    return [_operation(Verb.MERGE, keys.credential(tenant_id, before.id), changed, before.etag)] if changed else []


def to_tenant(row: Row) -> Tenant:
    """The tenant of its row, without its credentials."""
    found: dict[str, Any] = row.properties
    return Tenant(
        id=found["id"],
        display_name=found["displayName"],
        created=found["created"],
        state=TenantState(found["state"]),
        since=found["since"],
        deleted=found.get("deleted", ""),
        group_patch_answer=GroupPatchAnswer(found.get("group_patch_answer", "")),
        hold=bool(found.get("hold")),
        setup=setup_rows.to_link(found),
        allowed_schemas=found.get("allowed_schemas", ""),
        denied_schemas=found.get("denied_schemas", ""),
        etag=row.etag,
    )


def to_credential(row: Row) -> Credential:
    """The credential of its row. A row of an older version may lack some of the fields."""
    named = {item.name: row.properties[item.name] for item in fields(Credential) if item.name in row.properties}
    return Credential(**named | {"kind": CredentialKind(named["kind"]), "access": access_of(named), "etag": row.etag})


def opening(tenant: Tenant, link: SetupLink) -> RowOperation:
    """What makes this the tenant's link. It fails if the tenant has changed since it was read."""
    changed = _columns(changed_fields(tenant, replace(tenant, setup=link)))
    return _operation(Verb.MERGE, keys.tenant(tenant.id), changed, tenant.etag)


def access_of(properties: Mapping[str, Column]) -> Access:
    """The access that a row says. Rows of version 0.2 say none: they may write.

    A value of a later version allows no more than reading.
    """
    said = properties.get("access", Access.WRITE)
    return Access(str(said)) if said in set(Access) else Access.READ


def _of_tenant(before: Tenant | None, after: Tenant | None) -> Iterator[RowOperation]:
    if before is None and after is not None:
        yield _operation(Verb.INSERT, keys.tenant(after.id), _columns(field_values(after)))
    elif before is not None and after is not None:
        yield _operation(Verb.MERGE, keys.tenant(before.id), _columns(changed_fields(before, after)), before.etag)
    elif before is not None:
        yield _operation(Verb.DELETE, keys.tenant(before.id), etag=before.etag)


def _of_credentials(before: Tenant | None, after: Tenant | None) -> Iterator[RowOperation]:
    old, new = _credentials(before), _credentials(after)
    for credential_id, (tenant_id, credential) in old.items():
        if credential_id in new:
            yield from amendment(tenant_id, credential, new[credential_id][1])
        else:
            yield _operation(Verb.DELETE, keys.credential(tenant_id, credential_id), etag=credential.etag)
    for credential_id in new.keys() - old.keys():
        tenant_id, credential = new[credential_id]
        yield _operation(Verb.INSERT, keys.credential(tenant_id, credential_id), _columns(field_values(credential)))


def _of_pointers(before: Tenant | None, after: Tenant | None) -> Iterator[RowOperation]:
    old, new = (dict.fromkeys(pointers(tenant.credentials), tenant.id) if tenant else {} for tenant in (before, after))
    for pointer in old.keys() - new.keys():
        yield _operation(Verb.DELETE, keys.pointer(pointer))
    for pointer in new.keys() - old.keys():
        yield _operation(Verb.INSERT, keys.pointer(pointer), {"tenant": new[pointer]})


def _credentials(tenant: Tenant | None) -> dict[str, tuple[str, Credential]]:
    return {item.id: (tenant.id, item) for item in tenant.credentials} if tenant else {}


def _operation(verb: Verb, key: str, properties: dict[str, Column] | None = None, etag: str = "") -> RowOperation:
    return RowOperation(verb, Role.OTHER, key, properties or {}, etag)


def _columns(values: dict[str, Any]) -> dict[str, Column]:
    return {_DISPLAY_NAME.get(name, name): _column(value) for name, value in values.items()}


def _column(value: str | bool) -> Column:
    return value if isinstance(value, bool) else str(value)
