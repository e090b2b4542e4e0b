"""Which keys a name has for a tenant: it reads the record, and looks for names that version 0.2 has stored."""

from collections.abc import Sequence

from scim_core.model import IndexEntry, StoredResource
from scim_core.storage.port import UniquenessConflict
from scim_core.storage.tables import keys, name_forms
from scim_core.storage.tables.entities import ReadState
from scim_core.storage.tables.index_completeness import Completeness
from scim_core.storage.tables.name_forms import NameForm
from scim_core.storage.tables.reading import ID, side_by_side
from scim_core.storage.tables.rows import Rows


class Names:
    """Nearly every value has one key, and costs no read here."""

    def __init__(self, completeness: Completeness) -> None:
        self._completeness = completeness

    async def looked_up(self, rows: Rows, tenant: str, resource_type: str, entry: IndexEntry) -> frozenset[IndexEntry]:
        """The entries under which a resource with an equal value may be found."""
        if entry.former is None:
            return frozenset({entry})
        folded = await self._completeness.has_names(rows, tenant, resource_type)
        return name_forms.required(entry, NameForm.FOLDED) if folded else name_forms.looked_up(entry)

    async def resolved(self, rows: Rows, tenant: str, resource: StoredResource) -> StoredResource:
        """The resource with an entry for each of its index rows. Raises UniquenessConflict.

        Values that are new to it are looked for under the keys of version 0.2.
        """
        listed = ReadState.of(resource).index_keys if resource.etag else frozenset[str]()
        several = [entry for entry in resource.index if entry.former is not None]
        folded = bool(several) and await self._completeness.has_names(rows, tenant, resource.resource_type)
        if not folded:
            new = [item for item in several if item.unique and not name_forms.is_held(resource, item, listed)]
            await _require_free(rows, tenant, resource, new)
        return name_forms.resolved(resource, listed, folded=folded)


async def _require_free(rows: Rows, tenant: str, resource: StoredResource, entries: Sequence[IndexEntry]) -> None:
    """Raises UniquenessConflict when another resource has a value that is equal to one of these."""
    attributes = {
        keys.unique_index(resource.resource_type, item): item.attribute
        for entry in entries
        for item in name_forms.looked_up(entry)
    }
    found = await side_by_side(rows.get(tenant, key, select=ID) for key in attributes)
    for attribute, row in zip(attributes.values(), found, strict=True):
        if row is not None and row.properties[ID] != resource.id:
            raise UniquenessConflict(attribute)
