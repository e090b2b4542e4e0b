"""Whether there is such a tenant: a name that is spelt wrong is not taken for an empty directory."""

from scim_core.registry import DEFAULT_TENANT, Gone
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
