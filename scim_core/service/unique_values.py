"""Writes resources so that no two have the same value of a unique attribute, also while its index is not complete.

A complete index refuses a second resource with the value by itself. Until then all resources of the type are searched
for the value, as far as one request may read.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import batched

from scim_core.model import IndexEntry, Membership, MembershipEdits, StoredResource
from scim_core.protocol.limits import MAX_SCAN
from scim_core.protocol.representation import index_entries
from scim_core.protocol.schemas import ResourceType
from scim_core.storage.port import ChangeNote, Storage, StorageBusy, UniquenessConflict

SCAN_PAGE = 1_000
"""Resources read at a time: what one answer of Table Storage holds at most."""

HELD_AT_ONCE = 16
"""Resources that are read at the same time for their unique values: each may be large, and only the values are kept."""

REINDEX_RETRY_AFTER = 300
"""Seconds after which a client comes back when nobody can tell if a value is unique: `admin reindex` takes minutes."""


async def held_values(
    storage: Storage, tenant: str, resource_type: ResourceType, ids: Sequence[str]
) -> dict[str, frozenset[tuple[str, str]]]:
    """The unique values of the resources with these ids, as far as there are some: attributes with keys. By id."""
    held: dict[str, frozenset[tuple[str, str]]] = {}
    for some in batched(ids, HELD_AT_ONCE, strict=False):
        for found in await storage.read(tenant, resource_type.name, some):
            if found is not None:
                entries = index_entries(resource_type, found.document)
                held[found.id] = frozenset(entry.value for entry in entries if entry.unique)
    return held


class UniqueValues:
    """Creates and updates through a storage. Raises what the storage raises, and UniquenessConflict."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def create(
        self,
        tenant: str,
        resource_type: ResourceType,
        stored: StoredResource,
        members: tuple[Membership, ...],
        note: ChangeNote,
        *,
        kept: str = "",
    ) -> None:
        """The resource is stored. No other has its unique values. Raises StorageBusy when nobody can tell that.

        See Storage.create for `kept`.
        """
        entries = await self._unguarded(tenant, resource_type, stored)
        await self._require_unique(tenant, resource_type, stored, entries)
        await self._storage.create(tenant, stored, members, note=note, kept=kept)

    async def update(
        self,
        tenant: str,
        resource_type: ResourceType,
        before: StoredResource,
        after: StoredResource,
        edits: MembershipEdits,
        *,
        note: ChangeNote,
    ) -> None:
        """The resource's new state is stored. No other resource has a unique value that is new to it.

        It may have shared a value with another one before. Such a value does not stop other changes; `admin reindex`
        names it.
        """
        entries = await self._unguarded(tenant, resource_type, after)
        kept = entries & index_entries(resource_type, before.document) if entries else entries
        await self._require_unique(tenant, resource_type, after, entries - kept)
        while True:
            try:
                return await self._storage.update(tenant, after, edits, note=note)
            except UniquenessConflict as conflict:
                shared = frozenset(entry for entry in kept if entry.attribute == conflict.attribute)
                if not shared:
                    raise
                kept -= shared
                indexes = frozenset(item for item in after.indexes if item.attribute != conflict.attribute)
                after = replace(after, index=after.index - shared, indexes=indexes)

    async def _unguarded(
        self, tenant: str, resource_type: ResourceType, stored: StoredResource
    ) -> frozenset[IndexEntry]:
        """The unique entries of indexes that are not complete."""
        unique = frozenset(index for index in resource_type.indexes if index.unique)
        if not unique:
            return frozenset()
        complete = {index.attribute for index in await self._storage.complete_indexes(tenant, unique)}
        return frozenset(entry for entry in stored.index if entry.unique and entry.attribute not in complete)

    async def _require_unique(
        self, tenant: str, resource_type: ResourceType, stored: StoredResource, entries: frozenset[IndexEntry]
    ) -> None:
        after: str | None = None
        for _ in range(MAX_SCAN // SCAN_PAGE if entries else 0):
            page = await self._storage.page(tenant, resource_type.name, after=after, limit=SCAN_PAGE)
            for other in page.resources:
                held = {entry.value for entry in index_entries(resource_type, other.document)}
                taken = [entry.attribute for entry in entries if entry.value in held]
                if taken and other.id != stored.id:
                    raise UniquenessConflict(min(taken))
            after = page.last_id
            if after is None:
                return
        if entries:
            raise StorageBusy(
                f"A value of {min(entry.attribute for entry in entries)} can be checked once its index is complete: "
                "`python -m scim_core.admin reindex` builds it.",
                REINDEX_RETRY_AFTER,
            )
