"""Setup links as rows of the registry. What a link is stands in the tenant's row, and is valid because it does.

setup:{SHA-256}   finds the tenant of a link by its secret, and says how the tokens of that tenant start

The second row follows from the first. Version 0.2 keeps both as they are, and leaves the second behind when it deletes
a tenant: then it leads to no link.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from scim_core.model import Column
from scim_core.registry import Tenant
from scim_core.setup_link import PREFIX, OpenLink, SetupLink
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Row


def setup_link(sha256: str) -> str:
    """The row, in the partition REGISTRY, by which a setup link's tenant is found."""
    return f"setup:{sha256}"


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
    """The row by its key. A link that is revoked keeps it, with no instant at which it would be open."""
    if tenant is None or not tenant.setup.sha256:
        return {}
    starts = sorted({item.token_start for item in tenant.credentials if item.token_start and not item.revoked})
    expires = "" if tenant.setup.revoked else tenant.setup.expires
    return {setup_link(tenant.setup.sha256): {"tenant": tenant.id, "expires": expires, "starts": " ".join(starts)}}
