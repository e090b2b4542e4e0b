"""Setup links as rows of the registry. What a link is stands in the tenant's row.

setup:{when it ends}:{tenant}   a link that may be open, with the starts of its tenant's tokens: for lists of open links

The second row follows from the first, and only lists it. Version 0.2 keeps both as they are, and leaves the second
behind when it deletes a tenant.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from scim_core.model import Column
from scim_core.registry import Tenant, TenantState
from scim_core.setup_link import PREFIX, OpenLink, SetupLink
from scim_core.storage.tables import keys
from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.outbox import stamp
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Row


def setup_link(expires: str, tenant_id: str) -> str:
    """The row, in the partition REGISTRY, of a tenant's setup link among those that end later or earlier."""
    return f"setup:{_stamp(expires)}:{tenant_id}"


def open_after(now: str) -> KeyRange:
    """The rows of the links that end after this instant."""
    whole = keys.of_kind("setup")
    return KeyRange(whole.low + _stamp(now), whole.high)


def to_link(properties: Mapping[str, Any]) -> SetupLink:
    """The link of a tenant's row. A row of an older version has none."""
    return SetupLink(**{item.name: properties.get(f"{PREFIX}{item.name}", "") for item in fields(SetupLink)})


def to_open_link(row: Row) -> OpenLink:
    """The link of its own row."""
    found = row.properties
    return OpenLink(found["tenant"], found["expires"], tuple(found["starts"].split()))


def without_link(properties: Mapping[str, Column]) -> dict[str, Column]:
    """What the row of a tenant says apart from its link."""
    return {name: value for name, value in properties.items() if not name.startswith(PREFIX)}


def alteration(before: Tenant | None, after: Tenant | None) -> Iterator[RowOperation]:
    """What makes the row of the link of `after` of the one of `before`."""
    old, new = _row(before), _row(after)
    for found in old.keys() - new.keys():
        yield RowOperation(Verb.DELETE, Role.OTHER, found)
    for found, properties in new.items():
        if old.get(found) != properties:
            yield RowOperation(Verb.UPSERT, Role.OTHER, found, properties)


def _row(tenant: Tenant | None) -> dict[str, dict[str, Column]]:
    """The row by its key. A link that is revoked has none, nor has that of a tenant that is being deleted."""
    if tenant is None or not tenant.setup.sha256 or tenant.setup.revoked or tenant.state is TenantState.DELETING:
        return {}
    starts = sorted({item.token_start for item in tenant.credentials if item.token_start and not item.revoked})
    properties: dict[str, Column] = {
        "tenant": tenant.id,
        "expires": tenant.setup.expires,
        "starts": " ".join(starts),
    }
    return {setup_link(tenant.setup.expires, tenant.id): properties}


def _stamp(instant: str) -> str:
    return stamp(datetime.fromisoformat(instant), "")
