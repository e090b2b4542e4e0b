"""The audit chain as rows of the registry: a row for each record, and a row that notes where the chain ends.

A record is inserted under the number after the last one. If two operators append at the same time, one of the inserts
fails, and its whole transaction with it. So the chain has no fork. The note only saves a reader the walk to the end.
"""

from collections.abc import AsyncIterator, Sequence

from scim_core.audit_records import HASH, START, AuditEntry, NumberedRecord, Position, sealed
from scim_core.storage.port import StorageBusy, VersionConflict
from scim_core.storage.tables import keys
from scim_core.storage.tables.errors import RowFailure
from scim_core.storage.tables.keys import REGISTRY
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Row, Rows, read_pages

MAX_ATTEMPTS = 40
"""How often a transaction is made again because others append to the chain. Each time, one of them has succeeded."""


async def noted_end(rows: Rows) -> Position:
    """The end of the chain as it was noted. START without a note."""
    row = await rows.get(REGISTRY, keys.audit_end())
    return Position(int(row.properties["number"]), row.properties[HASH]) if row else START


async def records(rows: Rows) -> AsyncIterator[NumberedRecord]:
    """All records, in their order."""
    async for page in read_pages(rows, REGISTRY, keys.audit_records()):
        for row in filter(_is_record, page):
            found = {name: value for name, value in row.properties.items() if name not in ("PartitionKey", "RowKey")}
            yield NumberedRecord(keys.audit_number(row.properties["RowKey"]), found)


async def following(rows: Rows, entries: Sequence[AuditEntry]) -> list[RowOperation]:
    """What appends these entries, in the order of the records; then the note of the new end."""
    last = await _last(rows)
    operations: list[RowOperation] = []
    for entry in entries:
        last, properties = sealed(entry, last)
        operations.append(RowOperation(Verb.INSERT, Role.OTHER, keys.audit_record(last.number), properties))
    end = RowOperation(Verb.UPSERT, Role.OTHER, keys.audit_end(), {"number": str(last.number), HASH: last.hash})
    return [*operations, end]


async def transact_recorded(rows: Rows, operations: Sequence[RowOperation], entries: Sequence[AuditEntry]) -> None:
    """The operations happen in one transaction with the records of these entries.

    It is made again when others append at the same time. Raises StorageBusy.
    """
    for _ in range(MAX_ATTEMPTS):
        records = await following(rows, entries)
        try:
            await rows.transact(REGISTRY, [*operations, *records])
        except (RowFailure, VersionConflict):
            if not await has(rows, records[0]):
                continue
        return
    raise StorageBusy("Others are changing the registry all the time.")


async def has(rows: Rows, insertion: RowOperation) -> bool:
    """Whether the chain has the very record that this operation inserts."""
    row = await rows.get(REGISTRY, insertion.key)
    return row is not None and row.properties.get(HASH) == insertion.properties[HASH]


def _is_record(row: Row) -> bool:
    """Whether the row is a record. Somebody else may have written another one between the records."""
    return keys.is_audit_record(row.properties["RowKey"])


async def _last(rows: Rows) -> Position:
    """The last record. The note may be older than it, or missing: an import writes the records only."""
    last = await noted_end(rows)
    async for page in read_pages(rows, REGISTRY, keys.audit_records(last.number), select=f"RowKey,{HASH}"):
        for row in filter(_is_record, page):
            last = Position(keys.audit_number(row.properties["RowKey"]), row.properties[HASH])
    return last
