"""Whether there is such a tenant: a name that is spelt wrong is not taken for an empty directory. And what it has."""

from pathlib import Path

from scim_core.protocol.schemas import Catalogue, load_catalogue
from scim_core.protocol.sub_catalogues import Catalogues
from scim_core.registry import DEFAULT_TENANT, Gone, Tenant
from scim_core.storage.tables import keys
from scim_core.storage.tables.reading import read_range
from scim_core.storage.tables.rows import Rows


async def require_known(rows: Rows, tenant: str) -> None:
    """The tenant has rows, or is in the registry. Raises Gone, StorageBusy.

    The tenant of the settings, and the registry itself, are always there.
    """
    if tenant in (DEFAULT_TENANT, keys.REGISTRY):
        return
    has_rows = await read_range(rows, tenant, keys.everything(), limit=1, select="RowKey")
    if not has_rows and await rows.get(keys.REGISTRY, keys.tenant(tenant), select="RowKey") is None:
        raise Gone(
            f"There is no tenant {tenant!r}: it has no rows and is not registered. `tenants list` shows all of them."
        )


def catalogue_of(tenant: Tenant | None, schemas: str) -> Catalogue:
    """The resource types and extensions of the tenant, or all if none is registered; `schemas` is the folder of files.

    No advice names what a tenant has not. Raises DefinitionError.
    """
    whole = load_catalogue(Path(schemas) if schemas else None)
    return Catalogues(whole, by_tenant=True).of(tenant.schemas) if tenant else whole
