"""What a check finds in the indexes that the files declare: missing resources, and indexes that are not complete."""

from collections.abc import AsyncIterator, Iterable

from scim_core.model import FIRST_INDEXES
from scim_core.storage.maintenance.indexing import (
    Declared,
    IndexRows,
    TypeIndexes,
    by_type,
    form_of,
    index_resource,
)
from scim_core.storage.maintenance.invariants import Finding, Problem
from scim_core.storage.tables import keys
from scim_core.storage.tables.index_completeness import read_record
from scim_core.storage.tables.index_record import IndexState
from scim_core.storage.tables.name_forms import NameForm
from scim_core.storage.tables.reading import side_by_side
from scim_core.storage.tables.rows import Row, Rows, read_pages


async def index_findings(rows: Rows, tenant: str, declared: Declared) -> AsyncIterator[Finding]:
    """Every resource that lacks a row in a complete index, and every index with resources that is not complete.

    Each finding is read once more before it is reported, because the service may be running.
    """
    for of_type in by_type(declared, declared.indexes):
        complete = await _complete(rows, tenant, of_type)
        names = _Names(complete)
        is_empty = True
        async for page in read_pages(rows, tenant, keys.resources(of_type.resource_type)):
            is_empty = is_empty and not page
            names.note(page)
            lacking = [row for row in page if IndexRows.of(row, complete).missing]
            again = await side_by_side(rows.get(tenant, row.properties["RowKey"]) for row in lacking)
            for row in filter(None, again):
                for missing in sorted(IndexRows.of(row, complete).missing):
                    yield Finding(Problem.INDEX_LACKING, row.properties["RowKey"], missing)
        for finding in await names.ones(rows, tenant):
            yield finding
        if names.former:
            yield Finding(Problem.NAMES_INCOMPLETE, of_type.resource_type, str(names.former))
        if not is_empty:
            for name in sorted(of_type.names - complete.names):
                yield Finding(Problem.INDEX_INCOMPLETE, of_type.resource_type, name)


async def enter(rows: Rows, tenant: str, finding: Finding, declared: Declared) -> bool:
    """Whether the resource of a finding INDEX_LACKING is in all complete indexes of its type. Raises StorageBusy."""
    name = keys.kind_of(finding.row)
    [of_type] = [item for item in by_type(declared, declared.indexes) if item.resource_type == name]
    complete = await _complete(rows, tenant, of_type)
    row = await rows.get(tenant, finding.row)
    if row is None:
        return True
    return not (await index_resource(rows, tenant, row, complete)).conflicts


async def _complete(rows: Rows, tenant: str, of_type: TypeIndexes) -> TypeIndexes:
    record = await read_record(rows, tenant)
    complete = record.of(of_type.resource_type).named(IndexState.COMPLETE)
    of_type = of_type.having(form_of(record, of_type, NameForm.FORMER))
    return of_type.without(frozenset(index for index in of_type.indexes - FIRST_INDEXES if index.name not in complete))


class _Names:
    """The names of the resources of a type: which are one, and how many are not found by their key of today."""

    def __init__(self, of_type: TypeIndexes) -> None:
        self._of_type = of_type
        self._holders: dict[str, str] = {}
        self._ones: set[tuple[str, str]] = set()
        self.former = 0

    def note(self, page: Iterable[Row]) -> None:
        """The resources of these rows count."""
        for row in page:
            key, of_today = row.properties["RowKey"], self._of_today(row)
            self.former += self._of_type.form is NameForm.FORMER and bool(of_today.missing)
            holders = {self._holders.setdefault(name, key) for name in _unique(of_today)}
            self._ones |= {(key, holder) for holder in holders - {key}}

    async def ones(self, rows: Rows, tenant: str) -> list[Finding]:
        """The pairs that still have one name when both are read again."""
        findings = []
        for key, holder in sorted(self._ones):
            pair = await side_by_side(rows.get(tenant, either) for either in (key, holder))
            names = [_unique(self._of_today(row)) for row in pair if row is not None]
            if len(names) == len(pair) and names[0] & names[1]:
                findings.append(Finding(Problem.NAMES_ARE_ONE, key, holder))
        return findings

    def _of_today(self, row: Row) -> IndexRows:
        return IndexRows.of(row, self._of_type.having(NameForm.FOLDED))


def _unique(of_today: IndexRows) -> set[str]:
    return {key for key, index in of_today.wanted.items() if index.unique}
