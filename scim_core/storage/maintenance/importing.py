"""Writes an export into an empty tenant: every row as it was, and the rows that follow from them.

An import that was interrupted goes on where it stood: a bookmark in the tenant's partition moves in the same
transaction as the rows. Afterwards what is stored is read and compared with what was to be written.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from scim_core.clock import Clock, utc_now
from scim_core.model import Column
from scim_core.storage.maintenance.archive import Header, Line
from scim_core.storage.maintenance.exporting import exported, is_exported
from scim_core.storage.maintenance.import_plan import ImportPlan
from scim_core.storage.port import StorageError
from scim_core.storage.tables import keys, large_change_runner
from scim_core.storage.tables.entities import listed_index_keys
from scim_core.storage.tables.index_record import IndexRecord, record_properties
from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.reading import read_range
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Rows, read_pages
from scim_core.storage.tables.service_limits import MAX_OPERATIONS, require_entity

MAX_BYTES = 3 * 1024 * 1024
"""Bytes of rows in one transaction, which holds 4 MiB with all that stands around them."""

BOOKMARK = keys.bookmark("import")
"""The row that says how far an import has come."""

_DIRECTORY = (
    KeyRange(keys.everything().low, keys.of_kind("bookmark").low),
    KeyRange(keys.of_kind("bookmark").high, keys.of_kind("indexes").low),
    KeyRange(keys.of_kind("indexes").high, keys.everything().high),
)
"""All rows but bookmarks and the record of complete indexes: a tenant without any of these is empty."""
_SPACE = 1 << 256


class NotEmpty(StorageError):
    """The tenant has rows that this import did not write."""


class HalfRestored(StorageError):
    """The tenant is being restored from another file."""


class NotRestored(StorageError):
    """What is stored is not what the file holds."""


@dataclass(slots=True)
class Content:
    """A digest of rows, whatever their order, and how many there are."""

    rows: int = 0
    digest: int = 0

    def add(self, key: str, properties: dict[str, Column]) -> None:
        """The row counts."""
        text = json.dumps([key, properties], sort_keys=True, separators=(",", ":"))
        self.rows += 1
        self.digest = (self.digest + int.from_bytes(hashlib.sha256(text.encode()).digest())) % _SPACE


async def restore(
    rows: Rows,
    tenant: str,
    plan: ImportPlan,
    digest: str,
    lines: Callable[[], Iterable[Header | Line]],
    *,
    clock: Clock = utc_now,
    progress: Callable[[int], object] = lambda _: None,
) -> int:
    """How many lines were written, now and before an interruption. `digest` names the file, `lines` reads it.

    Raises NotEmpty, HalfRestored, NotRestored, ArchiveError, StorageBusy.
    """
    writer = _Writer(rows, tenant, digest)
    try:
        await writer.begin()
    except NotEmpty:
        # Perhaps it is all there: the import was interrupted between its last step and its exit.
        if (expected := _content(plan, lines())) != await stored(rows, tenant):
            raise
        return expected.rows
    for change in plan.pending():
        await large_change_runner.write_sweep_entry(rows, tenant, change)
    content = Content()
    for item in lines():
        if isinstance(item, Header):
            continue
        progress(1)
        if plan.has(item):
            properties = plan.properties(item)
            content.add(item.key, properties)
            await writer.add(item, properties)
    await writer.flush()
    if await stored(rows, tenant) != content:
        raise NotRestored("The rows that are stored are not those of the file: was the tenant in use meanwhile?")
    await writer.end(plan.record(clock()))
    for change in plan.pending():
        await large_change_runner.apply(rows, tenant, change.resource_id, large_change_runner.WHOLE_SECONDS)
    return content.rows


def _content(plan: ImportPlan, lines: Iterable[Header | Line]) -> Content:
    content = Content()
    for item in lines:
        if isinstance(item, Line) and plan.has(item):
            content.add(item.key, plan.properties(item))
    return content


async def stored(rows: Rows, tenant: str) -> Content:
    """The content of a tenant, of the rows that an export holds."""
    content = Content()
    async for page in read_pages(rows, tenant, keys.everything()):
        for row in page:
            if is_exported(row.properties["RowKey"]):
                content.add(row.properties["RowKey"], exported(row))
    return content


def _operations(line: Line, properties: dict[str, Column]) -> Iterator[RowOperation]:
    yield RowOperation(Verb.UPSERT, Role.OTHER, line.key, properties)
    if line.key.startswith("member:"):
        twin = keys.member_of(str(properties["member"]), str(properties["group"]))
        yield RowOperation(Verb.UPSERT, Role.MEMBERSHIP, twin, properties)
    elif not line.key.startswith("pending:"):
        for key in listed_index_keys(properties):
            yield RowOperation(Verb.UPSERT, Role.INDEX, key, {"id": properties["id"]})


class _Writer:
    """Writes lines in their order, in transactions, each with the bookmark that says how far it comes."""

    def __init__(self, rows: Rows, tenant: str, digest: str) -> None:
        self._rows = rows
        self._tenant = tenant
        self._digest = digest
        self._done = 0
        self._operations: list[RowOperation] = []
        self._bytes = 0
        self._line = 0

    async def begin(self) -> None:
        """The bookmark is there: of this import, interrupted, or a new one. Raises NotEmpty, HalfRestored."""
        bookmark = await self._rows.get(self._tenant, BOOKMARK)
        if bookmark is None:
            await self._require_empty()
            await self._rows.transact(self._tenant, [self._bookmark(), *await self._old_record()])
        elif bookmark.properties["archive"] != self._digest:
            raise HalfRestored(f"The tenant {self._tenant} is half restored from another file: finish that import.")
        else:
            self._done = int(bookmark.properties["line"])

    async def add(self, line: Line, properties: dict[str, Column]) -> None:
        """The line will be written, unless it has been before the interruption."""
        if line.number <= self._done:
            return
        operations = list(_operations(line, properties))
        size = sum(require_entity(operation.properties) for operation in operations)
        if self._bytes + size > MAX_BYTES or len(self._operations) + len(operations) >= MAX_OPERATIONS:
            await self.flush()
        self._operations += operations
        self._bytes += size
        self._line = line.number

    async def flush(self) -> None:
        """All lines so far are written, and the bookmark moved; where it does not fit, the next one moves it."""
        if self._operations:
            moved = [self._bookmark()] if len(self._operations) < MAX_OPERATIONS else []
            await self._rows.transact(self._tenant, [*self._operations, *moved])
        self._operations, self._bytes = [], 0

    async def end(self, record: IndexRecord) -> None:
        """The bookmark is gone: the import has come to its end. The record says which indexes are complete by it."""
        operations = [RowOperation(Verb.DELETE, Role.OTHER, BOOKMARK)]
        if record.types:
            properties = record_properties(record)
            operations.append(RowOperation(Verb.UPSERT, Role.OTHER, keys.indexes(), properties))
        await self._rows.transact(self._tenant, operations)

    async def _old_record(self) -> list[RowOperation]:
        """The record of what was in the tenant before says nothing of what will be."""
        there = await self._rows.get(self._tenant, keys.indexes(), select="RowKey")
        return [RowOperation(Verb.DELETE, Role.OTHER, keys.indexes())] if there else []

    async def _require_empty(self) -> None:
        for key_range in _DIRECTORY:
            if await read_range(self._rows, self._tenant, key_range, limit=1):
                raise NotEmpty(f"The tenant {self._tenant} is not empty: an import restores into an empty one only.")

    def _bookmark(self) -> RowOperation:
        return RowOperation(Verb.UPSERT, Role.OTHER, BOOKMARK, {"archive": self._digest, "line": str(self._line)})
