"""The index rows that one resource needs by the files of today: which are missing, and one transaction that adds them.

Only the schemas tell which values a document has. The caller hands in this knowledge as `Declared`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from scim_core.model import FIRST_INDEXES, Column, Index, IndexEntry, Json
from scim_core.storage.port import StorageBusy, TooLarge, VersionConflict
from scim_core.storage.tables import entities, keys
from scim_core.storage.tables.entities import indexed, indexed_property, listed_index_keys, split
from scim_core.storage.tables.errors import RowChanged, RowExists, RowMissing
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Row, Rows
from scim_core.storage.tables.service_limits import require_index_rows

MAX_ATTEMPTS = 10
"""How often one resource is tried again when others change it."""

_FOLLOWING = re.compile(r"PartitionKey|RowKey|indexed|i[0-9]+")
"""The properties of a resource's row that are made again: its keys, and the list of its index rows."""


class Declared(Protocol):
    """What the files of a deployment declare."""

    @property
    def indexes(self) -> frozenset[Index]:
        """All indexes of all resource types."""

    def entries(self, resource_type: str, document: Json) -> frozenset[IndexEntry]:
        """The index entries of a document of this type."""


class NothingDeclared:
    """No files: for whoever looks at the rows only."""

    indexes: frozenset[Index] = frozenset()

    def entries(self, resource_type: str, document: Json) -> frozenset[IndexEntry]:
        """None."""
        del resource_type, document
        return frozenset()


NOTHING = NothingDeclared()


@dataclass(frozen=True, slots=True)
class TypeIndexes:
    """Some of the declared indexes of one resource type."""

    resource_type: str
    indexes: frozenset[Index]
    declared: Declared

    @property
    def names(self) -> frozenset[str]:
        """Their names."""
        return frozenset(index.name for index in self.indexes)

    def without(self, indexes: frozenset[Index]) -> "TypeIndexes":
        """The others."""
        return TypeIndexes(self.resource_type, self.indexes - indexes, self.declared)


def by_type(declared: Declared, indexes: frozenset[Index]) -> list[TypeIndexes]:
    """These declared indexes, type by type."""
    return [
        TypeIndexes(name, frozenset(index for index in indexes if index.resource_type == name), declared)
        for name in sorted({index.resource_type for index in indexes})
    ]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Why a resource cannot be in an index: `holder` has its unique value, or it has too many values."""

    index: str
    resource: str
    holder: str = ""

    def __str__(self) -> str:
        """A sentence for an operator."""
        if self.holder:
            return f"{self.index}: {self.resource} has the same value as {self.holder}"
        return f"{self.index}: {self.resource} has more values than can be indexed"


@dataclass(frozen=True, slots=True)
class Indexed:
    """The result for one resource: whether rows were written, and why others could not be."""

    written: bool = False
    conflicts: frozenset[Conflict] = frozenset()


@dataclass(frozen=True, slots=True)
class IndexRows:
    """The keys of the index rows that a resource's row lists, and of those that it should list for these indexes."""

    listed: frozenset[str]
    wanted: dict[str, Index]
    kinds: frozenset[str]
    names: frozenset[str]
    names_listed: frozenset[str]

    @classmethod
    def of(cls, row: Row, of_type: TypeIndexes) -> "IndexRows":
        """What this row lists, and what it should list."""
        resource = entities.from_entity(of_type.resource_type, row.properties, row.etag)
        by_attribute = {index.attribute: index for index in of_type.indexes}
        wanted = {
            keys.index(of_type.resource_type, entry, resource.id): by_attribute[entry.attribute]
            for entry in of_type.declared.entries(of_type.resource_type, resource.document)
            if entry.attribute in by_attribute
        }
        return cls(
            frozenset(listed_index_keys(row.properties)),
            wanted,
            frozenset(keys.index_kind(index) for index in of_type.indexes),
            frozenset(index.name for index in of_type.indexes - FIRST_INDEXES),
            indexed(row.properties),
        )

    @property
    def missing(self) -> frozenset[str]:
        """Keys that should be listed and are not."""
        return frozenset(self.wanted.keys() - self.listed)

    @property
    def stale(self) -> frozenset[str]:
        """Keys of these indexes that are listed and should not be."""
        return frozenset(key for key in self.listed - self.wanted.keys() if keys.kind_of(key) in self.kinds)

    @property
    def complete(self) -> bool:
        """Whether the row is as it should be."""
        return not self.missing and not self.stale and self.names <= self.names_listed

    @property
    def rows(self) -> int:
        """How many index rows the resource has once its row is as it should be."""
        return len(self.listed - self.stale | self.missing)

    def properties(self, row: dict[str, Column]) -> dict[str, Column]:
        """The row with what it should list."""
        kept = {name: value for name, value in row.items() if not _FOLLOWING.fullmatch(name) and value is not None}
        lines = "\n".join(sorted(self.listed - self.stale | self.missing))
        return kept | indexed_property(self.names_listed | self.names) | split("i", lines)


@dataclass(slots=True)
class _Attempts:
    """One resource, tried until no other change comes between. `ours` are its own rows that its row does not list."""

    rows: Rows
    tenant: str
    of_type: TypeIndexes
    ours: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    conflicts: set[Conflict] = field(default_factory=set)

    def operations(self, row: Row, found: IndexRows) -> Iterator[RowOperation]:
        """The transaction that makes the row and its index rows as they should be."""
        key = row.properties["RowKey"]
        yield RowOperation(Verb.REPLACE, Role.RESOURCE, key, found.properties(row.properties), row.etag)
        for missing in sorted(found.missing):
            alone = found.wanted[missing].unique and missing not in self.ours
            verb = Verb.INSERT if alone else Verb.UPSERT
            yield RowOperation(verb, Role.INDEX, missing, {"id": row.properties["id"]})
        for stale in sorted(found.stale - self.gone):
            yield RowOperation(Verb.DELETE, Role.INDEX, stale)

    async def once(self, row: Row) -> Indexed | None:
        """The result for the resource; None when it has to be read again."""
        found = IndexRows.of(row, self.of_type)
        if found.complete:
            return Indexed(conflicts=frozenset(self.conflicts))
        try:
            require_index_rows(found.rows, len(found.listed))
            await self.rows.transact(self.tenant, list(self.operations(row, found)))
        except RowExists as taken:
            await self._taken(row, taken.operation.key, found)
        except TooLarge:
            self._give_up(row, frozenset(found.wanted[key] for key in found.missing))
        except RowMissing as missing:
            self.gone |= {missing.operation.key} if missing.operation.role is Role.INDEX else set()
        except (RowChanged, VersionConflict):
            return None
        else:
            return Indexed(written=True, conflicts=frozenset(self.conflicts))
        return None

    async def _taken(self, row: Row, key: str, found: IndexRows) -> None:
        holder = await self.rows.get(self.tenant, key, select="id")
        if holder is not None and holder.properties["id"] == row.properties["id"]:
            self.ours.add(key)
        elif holder is not None:
            other = keys.resource(self.of_type.resource_type, holder.properties["id"])
            self._give_up(row, frozenset({found.wanted[key]}), other)

    def _give_up(self, row: Row, indexes: frozenset[Index], holder: str = "") -> None:
        resource = row.properties["RowKey"]
        self.conflicts |= {Conflict(index.name, resource, holder) for index in indexes}
        self.of_type = self.of_type.without(indexes)


async def index_resource(rows: Rows, tenant: str, row: Row, of_type: TypeIndexes) -> Indexed:
    """The resource of this row, if it still exists, is in each of these indexes in which it can be.

    Raises StorageBusy when others change it again and again.
    """
    attempts = _Attempts(rows, tenant, of_type)
    current: Row | None = row
    for _ in range(MAX_ATTEMPTS + len(of_type.indexes)):
        if current is None:
            return Indexed()
        if (done := await attempts.once(current)) is not None:
            return done
        current = await rows.get(tenant, row.properties["RowKey"])
    raise StorageBusy(f"{row.properties['RowKey']} is changed by others again and again.")
