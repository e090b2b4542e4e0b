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


def shown_instant(text: str) -> str:
    """The instant to the minute. Versions before noted the day of a credential's last use alone."""
    return f"{text[:10]} {text[11:16]}Z" if len(text) > len("2026-11-26") else text or _NEVER


def shown_state(tenant: Tenant) -> str:
    """The state of the tenant, which can be `deleted` for the tenant of the settings."""
    return "deleted" if tenant.deleted else str(tenant.state)


def shown_link(tenant: Tenant, now: str) -> str:
    """What became of the tenant's setup link, as a sentence after others. Empty if there never was one."""
    link = tenant.setup
    if not link.sha256:
        return ""
    made = f" Its setup link of {link.created[:16]}Z"
    if link.revoked:
        return f"{made} was revoked at {link.revoked[:16]}Z."
    ends = "ended" if now >= link.expires else "ends"
    opened = f"was opened at {link.opened[:16]}Z" if link.opened else "was not opened"
    return f"{made} {opened}, and {ends} at {link.expires[:16]}Z."


def tenants_table(tenants: Sequence[Tenant], now: str) -> str:
    """One line for each tenant."""
    rows = [
        (
            tenant.id,
            tenant.display_name,
            shown_state(tenant),
            tenant.created[:10],
            str(sum(not item.fault(now) for item in tenant.credentials)),
            shown_instant(max((item.last_used for item in tenant.credentials), default="")),
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
            shown_instant(item.last_used),
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
        "hold": tenant.hold,
        **({"setup": _link_json(tenant)} if tenant.setup.sha256 else {}),
        "schemas": {name: names.split() for name, names in tenant.schemas._asdict().items()},
        "credentials": [credential_json(item, now) for item in tenant.credentials],
    }


def _link_json(tenant: Tenant) -> dict[str, Any]:
    """A setup link without its hashes and without empty values."""
    link = tenant.setup
    found = {
        "created": link.created,
        "madeBy": link.made_by,
        "expires": link.expires,
        "opened": link.opened,
        "revoked": link.revoked,
    }
    return {name: value for name, value in found.items() if value}


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
