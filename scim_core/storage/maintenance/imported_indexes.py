"""The index rows that an import makes again: by the indexes that are declared today, and by the keys of today.

If two resources of the file have the same unique value, the whole index is left out: nothing is merged. If they only
have names that have become one, all names of the type keep the keys that they have in the file.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from scim_core.model import FIRST_INDEXES, Column, Index, names_of
from scim_core.storage.maintenance.archive import ArchiveError, Line
from scim_core.storage.maintenance.indexing import Conflict, Declared, IndexRows, by_type
from scim_core.storage.tables import keys
from scim_core.storage.tables.index_record import IndexRecord, IndexState, TypeRecord
from scim_core.storage.tables.name_forms import NameForm
from scim_core.storage.tables.rows import Row
from scim_core.storage.tables.service_limits import MAX_INDEX_ROWS


@dataclass(frozen=True, slots=True)
class _Unique:
    """The keys of a resource's unique values: those of today, and those of version 0.2."""

    today: Mapping[str, Index]
    former: frozenset[str]


class ImportedIndexes:
    """First all resources of the file are noted. Then it is decided which indexes are written."""

    def __init__(self, declared: Declared) -> None:
        types = by_type(declared, declared.indexes)
        self._types = {item.resource_type: item.having(NameForm.FOLDED) for item in types}
        self._unique: dict[str, _Unique] = {}
        self._crowded: dict[str, frozenset[Conflict]] = {}
        self.conflicts: tuple[Conflict, ...] = ()

    def note(self, line: Line) -> None:
        """The resource of this line counts; a later line of the same resource replaces it. Raises ArchiveError."""
        if keys.kind_of(line.key) not in self._types:
            return
        found = self._rows_of(line)
        former = self._rows_of(line, NameForm.FORMER).wanted
        unique = {key: index for key, index in found.wanted.items() if index.unique}
        self._unique[line.key] = _Unique(unique, frozenset(key for key, index in former.items() if index.unique))
        is_crowded = found.rows > max(MAX_INDEX_ROWS, len(found.listed))
        self._crowded[line.key] = frozenset(
            Conflict(found.wanted[key].name, line.key, folded=key in found.folded)
            for key in (found.missing if is_crowded else ())
        )

    def decide(self, resources: Collection[str]) -> None:
        """Finds what makes an index impossible, among the resources that are written."""
        holders: dict[str, str] = {}
        conflicts = list[Conflict]()
        for resource in sorted(self._unique.keys() & set(resources)):
            conflicts += self._crowded[resource]
            for key, index in self._unique[resource].today.items():
                holder = holders.setdefault(key, resource)
                if holder != resource:
                    same = self._unique[resource].former & self._unique[holder].former
                    folded = index in FIRST_INDEXES or not same
                    conflicts.append(Conflict(index.name, resource, holder, folded))
        self.conflicts = tuple(sorted(conflicts, key=str))
        faulty = {conflict.incomplete for conflict in conflicts}
        for name, of_type in self._types.items():
            left = of_type.without(frozenset(item for item in of_type.indexes if item.name in faulty))
            self._types[name] = left.having(NameForm.FORMER) if names_of(name).name in faulty else left

    def properties(self, line: Line) -> dict[str, Column]:
        """The row of a resource with the rows of all indexes that are written."""
        if keys.kind_of(line.key) not in self._types:
            return line.properties
        return self._rows_of(line).properties(line.properties)

    def record(self, now: datetime) -> IndexRecord:
        """All indexes that are written are complete."""
        record = IndexRecord()
        for name, of_type in self._types.items():
            names = set() if of_type.form is NameForm.FOLDED else {names_of(name).name}
            complete = of_type.recorded - names
            if complete:
                record = record.having(name, TypeRecord(now).having(complete, IndexState.COMPLETE, now))
        return record

    def _rows_of(self, line: Line, form: NameForm | None = None) -> IndexRows:
        of_type = self._types[keys.kind_of(line.key)]
        try:
            return IndexRows.of(Row(dict(line.properties), ""), of_type.having(form or of_type.form))
        except (KeyError, ValueError) as error:
            raise ArchiveError(f"Line {line.number + 1} is no resource of ours: {error}.") from None
