"""The index rows that an import adds: rows in declared indexes that may not have existed at the time of the export.

If two resources of the file have the same unique value, the whole index is left out: nothing is merged.
"""

from collections.abc import Collection
from datetime import datetime

from scim_core.model import FIRST_INDEXES, Column, Index
from scim_core.storage.maintenance.archive import ArchiveError, Line
from scim_core.storage.maintenance.indexing import Conflict, Declared, IndexRows, TypeIndexes
from scim_core.storage.tables import keys
from scim_core.storage.tables.index_record import IndexRecord, IndexState, TypeRecord
from scim_core.storage.tables.rows import Row
from scim_core.storage.tables.service_limits import MAX_INDEX_ROWS


class ImportedIndexes:
    """First all resources of the file are noted. Then it is decided which indexes are written."""

    def __init__(self, declared: Declared) -> None:
        self._declared = declared
        self._later = frozenset(declared.indexes - FIRST_INDEXES)
        self._types = frozenset(index.resource_type for index in self._later)
        self._unique: dict[str, dict[str, Index]] = {}
        self._crowded: dict[str, frozenset[Index]] = {}
        self.conflicts: tuple[Conflict, ...] = ()

    def note(self, line: Line) -> None:
        """The resource of this line counts; a later line of the same resource replaces it. Raises ArchiveError."""
        if keys.kind_of(line.key) not in self._types:
            return
        found = self._rows_of(line)
        self._unique[line.key] = {key: index for key, index in found.wanted.items() if index.unique}
        crowded = {found.wanted[key] for key in found.missing} if found.rows > MAX_INDEX_ROWS else set()
        self._crowded[line.key] = frozenset(crowded)

    def decide(self, resources: Collection[str]) -> None:
        """Finds what makes an index impossible, among the resources that are written."""
        holders: dict[str, str] = {}
        conflicts = []
        for resource in sorted(self._unique.keys() & set(resources)):
            conflicts += [Conflict(index.name, resource) for index in self._crowded[resource]]
            for key, index in self._unique[resource].items():
                holder = holders.setdefault(key, resource)
                if holder != resource:
                    conflicts.append(Conflict(index.name, resource, holder))
        self.conflicts = tuple(sorted(conflicts, key=str))
        faulty = {conflict.index for conflict in conflicts}
        self._later = frozenset(index for index in self._later if index.name not in faulty)

    def properties(self, line: Line) -> dict[str, Column]:
        """The row of a resource with the rows of all indexes that are written."""
        if keys.kind_of(line.key) not in self._types:
            return line.properties
        return self._rows_of(line).properties(line.properties)

    def record(self, now: datetime) -> IndexRecord:
        """All indexes that are written are complete."""
        record = IndexRecord()
        for name in sorted(self._types):
            complete = {index.name for index in self._later if index.resource_type == name}
            record = record.having(name, TypeRecord(now).having(complete, IndexState.COMPLETE, now))
        return record

    def _rows_of(self, line: Line) -> IndexRows:
        name = keys.kind_of(line.key)
        indexes = frozenset(index for index in self._later if index.resource_type == name)
        try:
            return IndexRows.of(Row(dict(line.properties), ""), TypeIndexes(name, indexes, self._declared))
        except (KeyError, ValueError) as error:
            raise ArchiveError(f"Line {line.number + 1} is no resource of ours: {error}.") from None
