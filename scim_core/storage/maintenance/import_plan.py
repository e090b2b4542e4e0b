"""Decides which lines of an export are written into an empty tenant. Pure: lines in, decisions out.

Tables have no snapshots. If the directory changed during the export, the lines may not fit together. A plan is made of
the whole file. It leaves out what does not fit, and counts it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from scim_core.model import GROUP, Column
from scim_core.storage.maintenance.archive import ArchiveError, Header, Line
from scim_core.storage.maintenance.exporting import is_exported
from scim_core.storage.maintenance.imported_indexes import ImportedIndexes
from scim_core.storage.maintenance.indexing import NOTHING, Conflict, Declared
from scim_core.storage.maintenance.revocations import Revocations
from scim_core.storage.tables import keys
from scim_core.storage.tables.entities import listed_index_keys, pending_property
from scim_core.storage.tables.index_record import IndexRecord
from scim_core.storage.tables.large_change import LargeChange, to_large_change


@dataclass(frozen=True, slots=True)
class _Resource:
    last_modified: str
    unique: tuple[str, ...]


@dataclass(slots=True)
class ImportPlan:
    """Which lines are written, and how many are left out, by reason. `overtaken` are the keys of resources.

    `revocations` say what becomes of the credentials of a registry.
    """

    tenant: str = ""
    lines: int = 0
    replaced: int = 0
    dangling: int = 0
    overtaken: tuple[str, ...] = ()
    revocations: Revocations = field(default_factory=Revocations, repr=False)
    _indexes: ImportedIndexes = field(default_factory=lambda: ImportedIndexes(NOTHING), repr=False)
    _last: dict[str, int] = field(default_factory=dict, repr=False)
    _resources: dict[str, _Resource] = field(default_factory=dict, repr=False)
    _edges: list[tuple[str, str]] = field(default_factory=list, repr=False)
    _large_changes: dict[str, LargeChange] = field(default_factory=dict, repr=False)
    _parts: dict[str, set[str]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, content: Iterable[Header | Line], declared: Declared = NOTHING) -> "ImportPlan":
        """The plan of a whole file, with the rows of declared indexes. Raises ArchiveError for one that is wrong."""
        plan = cls(_indexes=ImportedIndexes(declared))
        for item in content:
            if isinstance(item, Header):
                plan.tenant = item.tenant
            else:
                plan._note(item)
        if not plan.tenant:
            raise ArchiveError("The file is empty.")
        plan._overtake()
        return plan

    def has(self, line: Line) -> bool:
        """Whether this line is written: it is the last one of its key, and the rows that it needs are written too."""
        if self._last.get(line.key, line.number) != line.number:
            return False
        if self._is_plain:
            return self.revocations.has(line)
        kind = keys.kind_of(line.key)
        if kind == "member":
            return all(end in self._resources for end in _ends(line))
        if kind == "pending":
            return self._is_whole(":".join(line.key.split(":")[:2]))
        return line.key in self._resources

    def properties(self, line: Line) -> dict[str, Column]:
        """The row of a line, with its index rows. If its pending change is not in the file, it has none any more."""
        if self._is_plain:
            return self.revocations.properties(line)
        properties = self._indexes.properties(line) if line.key in self._resources else line.properties
        change_id = line.properties.get("pending")
        change_key = f"pending:{line.key.partition(':')[2]}"
        if change_id and not (self._is_whole(change_key) and self._large_changes[change_key].change_id == change_id):
            return properties | pending_property("")
        return properties

    def added(self) -> list[Line]:
        """Rows that are written after those of the file, which lacks them."""
        added = self.revocations.added.items()
        return [Line(number, key, row) for number, (key, row) in enumerate(added, start=self.lines + 1)]

    def pending(self) -> list[LargeChange]:
        """The large changes that were pending."""
        return [change for key, change in self._large_changes.items() if self._is_whole(key)]

    @property
    def conflicts(self) -> tuple[Conflict, ...]:
        """Why some declared indexes are not complete after the import."""
        return self._indexes.conflicts

    def record(self, now: datetime) -> IndexRecord:
        """The record of the indexes that are complete after the import."""
        return IndexRecord() if self._is_plain else self._indexes.record(now)

    @property
    def _is_plain(self) -> bool:
        """Whether these are rows of all tenants together. They need no other rows, and no index rows follow."""
        return ":" in self.tenant

    def _note(self, line: Line) -> None:
        self.lines += 1
        if self._is_plain:
            self._last[line.key] = line.number
            return
        kind, _, rest = line.key.partition(":")
        if not is_exported(line.key):  # version 0.2 exports every kind that it does not know
            return
        if line.again:
            self.replaced += line.key in self._last or self._knows(line.key)
            self._last[line.key] = line.number
        if kind == "member":
            self._edges.append(_ends(line))
        elif kind != "pending":
            _text(line, "id")
            unique = tuple(key for key in listed_index_keys(line.properties) if _is_unique(key))
            self._resources[line.key] = _Resource(_text(line, "lastModified"), unique)
            self._indexes.note(line)
        elif ":" in rest:
            self._parts.setdefault(line.key.rpartition(":")[0], set()).add(line.key)
        else:
            self._large_changes[line.key] = _large_change(line)

    def _knows(self, key: str) -> bool:
        return key in self._resources or key in self._large_changes

    def _overtake(self) -> None:
        """If two resources have one unique value, the one that was changed last keeps it.

        The other one had given it up, or was deleted, while the export ran.
        """
        holders: dict[str, str] = {}
        lost = set()
        for key, resource in self._resources.items():
            for value in resource.unique:
                other = holders.get(value)
                if other is not None and self._resources[other].last_modified > resource.last_modified:
                    lost.add(key)
                else:
                    lost |= {other} if other is not None else set()
                    holders[value] = key
        self.overtaken = tuple(sorted(lost))
        for key in lost:
            del self._resources[key]
        self._indexes.decide(self._resources)
        self.dangling = sum(any(end not in self._resources for end in ends) for ends in self._edges)
        self._edges.clear()

    def _is_whole(self, change_key: str) -> bool:
        change = self._large_changes.get(change_key)
        if change is None:
            return False
        return len(self._parts.get(f"{change_key}:{change.change_id}", ())) == len(change.lengths)


def _is_unique(index_key: str) -> bool:
    """Whether only one resource can have this index row: then its key does not end with an id."""
    return index_key.count(":") == 1


def _ends(line: Line) -> tuple[str, str]:
    return (
        keys.resource(_text(line, "groupType") if line.properties.get("groupType") else GROUP, _text(line, "group")),
        keys.resource(_text(line, "type"), _text(line, "member")),
    )


def _large_change(line: Line) -> LargeChange:
    """Raises ArchiveError for a line that is not the row of a large change."""
    for name in ("type", "id", "mark", "kind", "version", "lastModified", "lengths", "done"):
        _text(line, name)
    try:
        return to_large_change(line.properties, etag="")
    except ValueError as error:
        raise ArchiveError(f"Line {line.number + 1} is no large change of ours: {error}.") from None


def _text(line: Line, name: str) -> str:
    """A property that every row of the kind has. Raises ArchiveError where it is missing."""
    value = line.properties.get(name)
    if not isinstance(value, str):
        raise ArchiveError(f"Line {line.number + 1} has no {name}, which every row of its kind has.")
    return value
