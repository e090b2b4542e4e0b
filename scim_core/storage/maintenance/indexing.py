"""The index rows that one resource needs by the files of today: which are missing, and one transaction that adds them.

Only the schemas tell which values a document has. The caller hands in this knowledge as `Declared`.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

from scim_core.model import FIRST_INDEXES, Column, Index, IndexEntry, Json, names_of
from scim_core.storage.port import StorageBusy, TooLarge, VersionConflict
from scim_core.storage.tables import entities, keys
from scim_core.storage.tables.entities import indexed, indexed_property, listed_index_keys, split
from scim_core.storage.tables.errors import RowChanged, RowExists, RowMissing
from scim_core.storage.tables.index_record import IndexRecord, IndexState
from scim_core.storage.tables.name_forms import NameForm, allowed, required
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Row, Rows
from scim_core.storage.tables.service_limits import require_index_rows

MAX_ATTEMPTS = 10
"""How often one resource is tried again when others change it."""

_FOLLOWING = re.compile(r"PartitionKey|RowKey|indexed|i[0-9]+")
"""The properties of a resource's row that are made again: its keys, and the list of its index rows."""


type _EntriesIn = Callable[[IndexEntry, NameForm], frozenset[IndexEntry]]


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
    """Some of the declared indexes of one resource type, and which keys the values of a resource have in them."""

    resource_type: str
    indexes: frozenset[Index]
    declared: Declared
    form: NameForm = NameForm.FORMER

    @property
    def names(self) -> frozenset[str]:
        """Their names."""
        return frozenset(index.name for index in self.indexes)

    @property
    def recorded(self) -> frozenset[str]:
        """What a record says of them: the names of the further ones, and that of the type's names."""
        further = {index.name for index in self.indexes - FIRST_INDEXES}
        folding = any(not index.case_exact for index in self.indexes)
        return frozenset(further | ({names_of(self.resource_type).name} if folding else set()))

    def without(self, indexes: frozenset[Index]) -> "TypeIndexes":
        """The others."""
        return replace(self, indexes=self.indexes - indexes)

    def having(self, form: NameForm) -> "TypeIndexes":
        """The same in this form."""
        return replace(self, form=form)


def by_type(declared: Declared, indexes: frozenset[Index]) -> list[TypeIndexes]:
    """These declared indexes, type by type."""
    return [
        TypeIndexes(name, frozenset(index for index in indexes if index.resource_type == name), declared)
        for name in sorted({index.resource_type for index in indexes})
    ]


def form_of(record: IndexRecord, of_type: TypeIndexes, otherwise: NameForm) -> NameForm:
    """The form of today alone if the type's names are complete."""
    names = names_of(of_type.resource_type).name
    return NameForm.FOLDED if names in record.of(of_type.resource_type).named(IndexState.COMPLETE) else otherwise


@dataclass(frozen=True, slots=True)
class Conflict:
    """Why a resource cannot be in an index: `holder` has its unique value, or it has too many values.

    With `folded` it is in the index, as version 0.2 has it. But its name and that of `holder` have become one.
    """

    index: str
    resource: str
    holder: str = ""
    folded: bool = False

    @property
    def incomplete(self) -> str:
        """What is not complete because of it, as a record names it."""
        return names_of(keys.kind_of(self.resource)).name if self.folded else self.index

    def __str__(self) -> str:
        """A sentence for an operator."""
        if self.folded and self.holder:
            return f"{self.index}: {self.resource} and {self.holder} have names that are one now"
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
    """The keys of the index rows that a resource's row lists, and of those that it should list for these indexes.

    Those of `folded` are what `admin reindex` adds to the rows of version 0.2. It leaves the others that are `allowed`.
    """

    listed: frozenset[str]
    wanted: dict[str, Index]
    folded: frozenset[str]
    allowed: frozenset[str]
    kinds: frozenset[str]
    names: frozenset[str]
    names_listed: frozenset[str]

    @classmethod
    def of(cls, row: Row, of_type: TypeIndexes) -> "IndexRows":
        """What this row lists, and what it should list."""
        resource = entities.from_entity(of_type.resource_type, row.properties, row.etag)
        by_attribute = {index.attribute: index for index in of_type.indexes}
        entries = [
            entry
            for entry in of_type.declared.entries(of_type.resource_type, resource.document)
            if entry.attribute in by_attribute
        ]

        def rows_of(entries_in: _EntriesIn, form: NameForm) -> dict[str, Index]:
            return {
                keys.index(of_type.resource_type, item, resource.id): by_attribute[item.attribute]
                for entry in entries
                for item in entries_in(entry, form)
            }

        wanted, names = rows_of(required, of_type.form), names_of(of_type.resource_type).name
        return cls(
            frozenset(listed_index_keys(row.properties)),
            wanted,
            frozenset(wanted.keys() - rows_of(required, NameForm.FORMER).keys()),
            frozenset(rows_of(allowed, of_type.form)),
            frozenset(keys.index_kind(index) for index in of_type.indexes),
            frozenset(index.name for index in of_type.indexes - FIRST_INDEXES),
            indexed(row.properties) | ({names} if of_type.form is not NameForm.FORMER else set()),
        )

    @property
    def missing(self) -> frozenset[str]:
        """Keys that should be listed and are not."""
        return frozenset(self.wanted.keys() - self.listed)

    @property
    def stale(self) -> frozenset[str]:
        """Keys of these indexes that are listed and should not be."""
        return frozenset(key for key in self.listed - self.allowed if keys.kind_of(key) in self.kinds)

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
            self._give_up(row, found, found.missing & found.folded or found.missing)
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
            self._give_up(row, found, frozenset({key}), other)

    def _give_up(self, row: Row, found: IndexRows, faulty: frozenset[str], holder: str = "") -> None:
        """The rows with these keys are not wanted any more: they are all of today's names, or all of indexes."""
        resource, folded = row.properties["RowKey"], faulty <= found.folded
        indexes = frozenset(found.wanted[key] for key in faulty)
        self.conflicts |= {Conflict(index.name, resource, holder, folded) for index in indexes}
        self.of_type = self.of_type.having(NameForm.FORMER) if folded else self.of_type.without(indexes)


async def index_resource(rows: Rows, tenant: str, row: Row, of_type: TypeIndexes) -> Indexed:
    """The resource of this row, if it still exists, is in each of these indexes in which it can be.

    Raises StorageBusy when others change it again and again.
    """
    attempts = _Attempts(rows, tenant, of_type)
    current: Row | None = row
    for _ in range(MAX_ATTEMPTS + len(of_type.recorded) + len(of_type.indexes)):
        if current is None:
            return Indexed()
        if (done := await attempts.once(current)) is not None:
            return done
        current = await rows.get(tenant, row.properties["RowKey"])
    raise StorageBusy(f"{row.properties['RowKey']} is changed by others again and again.")
