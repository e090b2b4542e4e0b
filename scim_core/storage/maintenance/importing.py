"""Writes an export into an empty tenant: every row as it was, and the index rows and second rows that follow from it.

An interrupted import goes on where it ended: a row in the tenant's partition says how far it has come, and changes in
the transaction that writes the lines. At the end all that is stored is read and compared with the file.

The registry is restored row by row, too. But nothing that is there is ever written over: a credential that somebody has
revoked since stays revoked. For the same reason, only the keys of its rows are compared at the end. An audit chain that
is there goes on, and the one in the file is left out.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from scim_core.audit_records import AuditEntry
from scim_core.clock import Clock, utc_now
from scim_core.model import Column
from scim_core.storage.maintenance.archive import Header, Line
from scim_core.storage.maintenance.exporting import exported, is_exported, kept
from scim_core.storage.maintenance.import_plan import ImportPlan
from scim_core.storage.port import StorageError
from scim_core.storage.tables import audit_chain, keys, large_change_runner
from scim_core.storage.tables.entities import listed_index_keys
from scim_core.storage.tables.errors import RowExists
from scim_core.storage.tables.feed_rows import head_change, new_epoch
from scim_core.storage.tables.index_record import IndexRecord, record_properties
from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.reading import read_range
from scim_core.storage.tables.registry_marker import require_here
from scim_core.storage.tables.relay import read_head
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Rows, read_pages
from scim_core.storage.tables.service_limits import TRANSACTION_OPERATIONS, require_entity

MAX_BYTES = 3 * 1024 * 1024
"""Bytes of rows in one transaction. It holds 4 MiB, which includes what stands around the rows."""

PROGRESS_ROW = keys.bookmark("import")
"""The row that says how far an import has come."""


def _without(*kinds: str) -> tuple[KeyRange, ...]:
    """All rows except those of these kinds, which are in the order of their keys."""
    left = [keys.of_kind(kind) for kind in kinds]
    lows = [keys.everything().low, *(part.high for part in left)]
    return tuple(map(KeyRange, lows, [*(part.low for part in left), keys.everything().high]))


_DIRECTORY = _without(*sorted({"bookmark", "indexes", *keys.FEED_KINDS}))
"""All rows except page positions, the record of complete indexes and what is left of changes: a tenant without such
rows is empty."""
_TENANTS = _without("audit.end", "audit", "bookmark", "indexes")
"""The same for the registry: one without tenants is empty, also if it has an audit chain."""
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
        """The row is in the content."""
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
    entries: Sequence[AuditEntry] = (),
) -> int:
    """How many lines were written, also before an interruption. `digest` identifies the file, `lines` reads it.

    `entries` belong to an import of the registry: they are appended to its audit chain when it is whole. Records of the
    chain are not counted.

    Raises NotEmpty, HalfRestored, NotRestored, ArchiveError, StorageBusy; Moved for a registry that belongs elsewhere.
    """

    def whole() -> Iterator[Header | Line]:
        yield from lines()
        yield from plan.added()

    writer = _Writer(rows, tenant, digest)
    try:
        await writer.begin()
    except NotEmpty:
        # The import may be whole: it was interrupted between its last step and its exit.
        if (expected := _content(plan, tenant, whole())) != await stored(rows, tenant):
            raise
        return expected.rows
    for change in plan.pending():
        await large_change_runner.write_sweep_entry(rows, tenant, change)
    content = await writer.write(plan, whole(), progress)
    if await stored(rows, tenant, only_keys=tenant == keys.REGISTRY) != content:
        raise NotRestored("The stored rows are not those of the file: was the tenant in use during the import?")
    await writer.end(plan.record(clock()), entries)
    for change in plan.pending():
        await large_change_runner.apply(rows, tenant, change.resource_id, large_change_runner.WHOLE_SECONDS)
    return content.rows


def _content(plan: ImportPlan, tenant: str, lines: Iterable[Header | Line]) -> Content:
    content = Content()
    for item in lines:
        if isinstance(item, Line) and plan.has(item) and _is_compared(tenant, item.key):
            content.add(item.key, plan.properties(item))
    return content


async def stored(rows: Rows, tenant: str, *, only_keys: bool = False) -> Content:
    """The content of a tenant, of the rows that an export holds. The audit chain is not among them: it goes on."""
    content = Content()
    async for page in read_pages(rows, tenant, keys.everything()):
        for row in page:
            if _is_compared(tenant, row.properties["RowKey"]):
                key = str(row.properties["RowKey"])
                content.add(key, {} if only_keys else kept(tenant, key, exported(row)))
    return content


def _is_compared(tenant: str, key: str) -> bool:
    return is_exported(key) and not (tenant == keys.REGISTRY and keys.is_audit_record(key))


def _operations(line: Line, properties: dict[str, Column]) -> Iterator[RowOperation]:
    yield RowOperation(Verb.UPSERT, Role.OTHER, line.key, properties)
    if line.key.startswith("member:"):
        twin = keys.member_of(str(properties["member"]), str(properties["group"]))
        yield RowOperation(Verb.UPSERT, Role.MEMBERSHIP, twin, properties)
    elif not line.key.startswith("pending:"):
        for key in listed_index_keys(properties):
            yield RowOperation(Verb.UPSERT, Role.INDEX, key, {"id": properties["id"]})


class _Writer:
    """Writes lines in their order, in transactions. Each of them writes how far the import has come."""

    def __init__(self, rows: Rows, tenant: str, digest: str) -> None:
        self._rows = rows
        self._tenant = tenant
        self._digest = digest
        self._done = 0
        self._operations: list[RowOperation] = []
        self._bytes = 0
        self._line = 0
        self._is_registry = tenant == keys.REGISTRY
        self._keeps_chain = False

    async def begin(self) -> None:
        """The progress row exists: that of this import before its interruption, or a new one.

        Raises NotEmpty, HalfRestored, Moved.
        """
        progress = await self._rows.get(self._tenant, PROGRESS_ROW)
        if progress is None:
            if self._is_registry:
                await require_here(self._rows)
            await self._require_empty()
            self._keeps_chain = self._is_registry and await self._has(keys.audit_records())
            await self._in_epoch([self._progress(), *await self._old_record()], importing=True)
        elif progress.properties["archive"] != self._digest:
            raise HalfRestored(f"The tenant {self._tenant} is half restored from another file: finish that import.")
        else:
            self._done = int(progress.properties["line"])
            self._keeps_chain = bool(progress.properties.get("keepsChain"))
            if self._is_registry and not self._done:  # so a record that is there is none of the file
                self._keeps_chain = await self._has(keys.audit_records())

    async def write(
        self, plan: ImportPlan, lines: Iterable[Header | Line], progress: Callable[[int], object]
    ) -> Content:
        """All lines that the plan has are written. What is compared of them at the end."""
        content = Content()
        for item in lines:
            if isinstance(item, Header):
                continue
            progress(1)
            if plan.has(item):
                properties = plan.properties(item)
                if _is_compared(self._tenant, item.key):
                    content.add(item.key, {} if self._is_registry else properties)
                await self.add(item, properties)
        await self.flush()
        if self._is_registry:
            await plan.revocations.enforce(self._rows)
        return content

    async def add(self, line: Line, properties: dict[str, Column]) -> None:
        """The line will be written, if it was not written before the interruption."""
        if line.number <= self._done or (self._keeps_chain and keys.is_audit_record(line.key)):
            return
        operations = list(_operations(line, properties))
        if self._is_registry:
            operations = [RowOperation(Verb.INSERT, Role.OTHER, line.key, properties)]
        size = sum(require_entity(operation.properties) for operation in operations)
        if self._bytes + size > MAX_BYTES or len(self._operations) + len(operations) >= TRANSACTION_OPERATIONS:
            await self.flush()
        self._operations += operations
        self._bytes += size
        self._line = line.number

    async def flush(self) -> None:
        """All lines so far are written, and the progress row, if it fits: otherwise the next transaction writes it."""
        if self._operations:
            progress = [self._progress()] if len(self._operations) < TRANSACTION_OPERATIONS else []
            try:
                await self._rows.transact(self._tenant, [*self._operations, *progress])
            except RowExists:
                await self._require_written()
        self._operations, self._bytes = [], 0

    async def end(self, record: IndexRecord, entries: Sequence[AuditEntry]) -> None:
        """The import is finished: the progress row is gone, and the entries are in the audit chain.

        The record says which indexes are complete now. Raises StorageBusy.
        """
        operations = [RowOperation(Verb.DELETE, Role.OTHER, PROGRESS_ROW)]
        if record.types:
            properties = record_properties(record)
            operations.append(RowOperation(Verb.UPSERT, Role.OTHER, keys.indexes(), properties))
        if not entries:
            await self._in_epoch(operations, importing=False)
            return
        await audit_chain.transact_recorded(self._rows, operations, entries)

    async def _in_epoch(self, operations: list[RowOperation], *, importing: bool) -> None:
        """The operations happen, and the feed has a new epoch: while `importing`, it cannot be read."""
        if not self._is_registry:
            await read_head(self._rows, self._tenant)  # which makes one if there is none
            operations = [*operations, head_change(epoch=new_epoch(), importing=importing)]
        await self._rows.transact(self._tenant, operations)

    async def _require_written(self) -> None:
        """Returns if the rows are there because this import has written them, and only the answer was lost."""
        progress = await self._rows.get(self._tenant, PROGRESS_ROW)
        if progress is None or progress.properties["line"] != str(self._line):
            raise NotEmpty("Someone else has changed the registry while it was restored. Run the import again.")

    async def _old_record(self) -> list[RowOperation]:
        """The deletion of the tenant's old record: it says nothing of what is imported."""
        there = await self._rows.get(self._tenant, keys.indexes(), select="RowKey")
        return [RowOperation(Verb.DELETE, Role.OTHER, keys.indexes())] if there else []

    async def _require_empty(self) -> None:
        for key_range in _TENANTS if self._is_registry else _DIRECTORY:
            if await self._has(key_range):
                raise NotEmpty(f"The tenant {self._tenant} is not empty: an import restores into an empty one only.")

    async def _has(self, key_range: KeyRange) -> bool:
        return bool(await read_range(self._rows, self._tenant, key_range, limit=1))

    def _progress(self) -> RowOperation:
        properties: dict[str, Column] = {"archive": self._digest, "line": str(self._line)}
        if self._keeps_chain:
            properties["keepsChain"] = True
        return RowOperation(Verb.UPSERT, Role.OTHER, PROGRESS_ROW, properties)
