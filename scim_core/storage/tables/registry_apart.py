"""The rows of a deployment whose registry has a table of its own (SCIM_REGISTRY_TABLE_NAME): two tables as one.

Whoever asks for the partition of the registry is answered from its table, and for every other partition from the
directory's. So an export, an import, a check and a backup find the registry where it is, and know nothing of this.
"""

from collections.abc import Sequence
from typing import Any

from scim_core.storage.tables.keys import REGISTRY, KeyRange
from scim_core.storage.tables.row_operations import RowOperation
from scim_core.storage.tables.rows import Row, RowPage, Rows

_BEFORE_REGISTRY = REGISTRY[:-1]


class RegistryApart:
    """See Rows. `directory` is the table of the tenants' directories, `registry` that of the registry."""

    def __init__(self, directory: Rows, registry: Rows) -> None:
        self.directory = directory
        self.registry = registry

    async def get(self, tenant: str, key: str, *, select: str | None = None) -> Row | None:
        """See Rows.get."""
        return await self._of(tenant).get(tenant, key, select=select)

    async def page(self, tenant: str, key_range: KeyRange, **options: Any) -> RowPage:
        """See Rows.page."""
        return await self._of(tenant).page(tenant, key_range, **options)

    async def partition_after(self, partition: str) -> str | None:
        """See Rows.partition_after. Rows of a registry that was moved are not seen in the old table."""
        found = await self.directory.partition_after(partition)
        if found == REGISTRY:
            found = await self.directory.partition_after(REGISTRY)
        if partition < REGISTRY and await self.registry.partition_after(_BEFORE_REGISTRY) == REGISTRY:
            return min(REGISTRY, found or REGISTRY)
        return found

    async def transact(self, tenant: str, operations: Sequence[RowOperation], *, repeatable: bool = True) -> list[str]:
        """See Rows.transact."""
        return await self._of(tenant).transact(tenant, operations, repeatable=repeatable)

    async def close(self) -> None:
        """See Rows.close."""
        await self.directory.close()
        await self.registry.close()

    def _of(self, tenant: str) -> Rows:
        return self.registry if tenant == REGISTRY else self.directory
