"""The index rows that an import adds: rows in declared indexes that may not have existed at the time of the export.

If two resources of the file have the same unique value, the whole index is left out: nothing is merged.
"""

from collections.abc import Collection
from datetime import datetime

from scim_core.model import FIRST_INDEXES, Column, Index
from scim_core.storage.maintenance.archive import ArchiveError, Line
from scim_core.storage.maintenance.indexing import Conflict, Declared, IndexRows, by_type
from scim_core.storage.tables import keys
from scim_core.storage.tables.index_record import IndexRecord, IndexState, TypeRecord
from scim_core.storage.tables.rows import Row
from scim_core.storage.tables.service_limits import MAX_INDEX_ROWS


class ImportedIndexes:
    """First all resources of the file are noted. Then it is decided which indexes are written."""

    def __init__(self, declared: Declared) -> None:
        self._types = {item.resource_type: item for item in by_type(declared, declared.indexes - FIRST_INDEXES)}
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
        for name, of_type in self._types.items():
            self._types[name] = of_type.without(frozenset(item for item in of_type.indexes if item.name in faulty))

    def properties(self, line: Line) -> dict[str, Column]:
        """The row of a resource with the rows of all indexes that are written."""
        if keys.kind_of(line.key) not in self._types:
            return line.properties
        return self._rows_of(line).properties(line.properties)

    def record(self, now: datetime) -> IndexRecord:
        """All indexes that are written are complete."""
        record = IndexRecord()
        for name, of_type in self._types.items():
            record = record.having(name, TypeRecord(now).having(of_type.names, IndexState.COMPLETE, now))
        return record

    def _rows_of(self, line: Line) -> IndexRows:
        try:
            return IndexRows.of(Row(dict(line.properties), ""), self._types[keys.kind_of(line.key)])
        except (KeyError, ValueError) as error:
            raise ArchiveError(f"Line {line.number + 1} is no resource of ours: {error}.") from None
