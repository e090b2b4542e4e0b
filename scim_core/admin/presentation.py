"""Tenants and credentials as tables for people and as JSON for scripts."""

from collections.abc import Sequence
from typing import Any

from scim_core.registry import Credential, Tenant

_NEVER = "never"


def table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns under their names. A sentence when there are no rows."""
    if not rows:
        return "There are none."
    shown = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[place]) for row in (names, *shown)) for place in range(len(names))]
    lines = (names, ["-" * width for width in widths], *shown)
    return "\n".join(
        "  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def printable(text: str) -> str:
    """The text, in which no character moves the cursor or the order of what is read: each of these is escaped."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def shown_state(tenant: Tenant) -> str:
    """The state of the tenant, which can be `deleted` for the tenant of the settings."""
    return "deleted" if tenant.deleted else str(tenant.state)


def tenants_table(tenants: Sequence[Tenant], now: str) -> str:
    """One line for each tenant."""
    rows = [
        (
            tenant.id,
            tenant.display_name,
            shown_state(tenant),
            tenant.created[:10],
            str(sum(not item.fault(now) for item in tenant.credentials)),
            max((item.last_used for item in tenant.credentials), default="") or _NEVER,
        )
        for tenant in tenants
    ]
    return table(("ID", "NAME", "STATE", "CREATED", "CREDENTIALS", "LAST USED"), rows)


def credentials_table(credentials: Sequence[Credential], now: str) -> str:
    """One line for each credential."""
    rows = [
        (
            item.id,
            str(item.kind),
            str(item.access),
            item.label,
            item.fault(now) or "good",
            item.expires[:10] or _NEVER,
            item.last_used or _NEVER,
            item.last_source,
            _details(item),
        )
        for item in credentials
    ]
    return table(("ID", "KIND", "ACCESS", "LABEL", "STATE", "EXPIRES", "LAST USED", "LAST SOURCE", "DETAILS"), rows)


def tenant_json(tenant: Tenant, now: str) -> dict[str, Any]:
    """A tenant with its credentials."""
    return {
        "id": tenant.id,
        "displayName": tenant.display_name,
        "state": shown_state(tenant),
        "since": tenant.since,
        "created": tenant.created,
        "groupPatchAnswer": tenant.group_patch_answer or None,
        "schemas": {name: names.split() for name, names in tenant.schemas._asdict().items()},
        "credentials": [credential_json(item, now) for item in tenant.credentials],
    }


def credential_json(credential: Credential, now: str) -> dict[str, Any]:
    """A credential without its hash and without empty values."""
    found: dict[str, Any] = {
        "id": credential.id,
        "kind": str(credential.kind),
        "access": str(credential.access),
        "label": credential.label,
        "good": not credential.fault(now),
        "created": credential.created,
        "expires": credential.expires,
        "revoked": credential.revoked,
        "lastUsed": credential.last_used,
        "lastSource": credential.last_source,
        "clientId": credential.client_id,
        "entraTenant": credential.entra_tenant,
        "subject": credential.subject,
        "audience": credential.audience,
        "application": credential.application,
        "networks": credential.networks.split() or "",
    }
    return {name: value for name, value in found.items() if value != ""}


def _details(credential: Credential) -> str:
    pinned = {
        "client": credential.client_id,
        "tenant": credential.entra_tenant,
        "subject": credential.subject,
        "audience": credential.audience,
        "application": credential.application,
        "networks": credential.networks.replace(" ", ","),
    }
    return " ".join(f"{name}={value}" for name, value in pinned.items() if value)
