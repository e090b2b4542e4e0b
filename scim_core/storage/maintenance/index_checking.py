"""What a check finds in the indexes that the files declare: missing resources, and indexes that are not complete."""

from collections.abc import AsyncIterator

from scim_core.model import FIRST_INDEXES
from scim_core.storage.maintenance.indexing import Declared, IndexRows, TypeIndexes, by_type, index_resource
from scim_core.storage.maintenance.invariants import Finding, Problem
from scim_core.storage.tables import keys
from scim_core.storage.tables.index_completeness import read_record
from scim_core.storage.tables.index_record import IndexState
from scim_core.storage.tables.reading import side_by_side
from scim_core.storage.tables.rows import Rows, read_pages


async def index_findings(rows: Rows, tenant: str, declared: Declared) -> AsyncIterator[Finding]:
    """Every resource that lacks a row in a complete index, and every index with resources that is not complete.

    Each finding is read once more before it is reported, because the service may be running.
    """
    for of_type in by_type(declared, declared.indexes):
        complete = await _complete(rows, tenant, of_type)
        is_empty = True
        async for page in read_pages(rows, tenant, keys.resources(of_type.resource_type)):
            is_empty = is_empty and not page
            lacking = [row for row in page if IndexRows.of(row, complete).missing]
            again = await side_by_side(rows.get(tenant, row.properties["RowKey"]) for row in lacking)
            for row in filter(None, again):
                for missing in sorted(IndexRows.of(row, complete).missing):
                    yield Finding(Problem.INDEX_LACKING, row.properties["RowKey"], missing)
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
    return of_type.without(frozenset(index for index in of_type.indexes - FIRST_INDEXES if index.name not in complete))
