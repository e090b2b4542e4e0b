"""Writes an export into an empty tenant: every row as it was, and the rows that follow from them.

An import that was interrupted goes on where it stood: a bookmark in the tenant's partition moves in the same transaction
as the rows. Afterwards what is stored is read and compared with what was to be written.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from scim_core.storage import Column, StorageError
from scim_core.tables import keys, settling
from scim_core.tables.archive import Header, Line
from scim_core.tables.exporting import SETTLE_SECONDS, exported, is_exported
from scim_core.tables.import_plan import Plan, index_keys
from scim_core.tables.keys import KeyRange
from scim_core.tables.limits import MAX_OPERATIONS, require_entity
from scim_core.tables.operations import Operation, Role, Verb
from scim_core.tables.rows import Rows, read_pages

MAX_BYTES = 3 * 1024 * 1024
"""Bytes of rows in one transaction, which holds 4 MiB with all that stands around them."""

BOOKMARK = keys.bookmark("import")
"""The row that says how far an import has come."""

_AROUND_BOOKMARKS = (KeyRange("", "bookmark:"), KeyRange("bookmark;", keys.everything().high))
_SPACE = 1 << 256


class NotEmpty(StorageError):
    """The tenant has rows that this import did not write."""


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


@dataclass(slots=True)
class _Batch:
    operations: list[Operation] = field(default_factory=list)
    size: int = 0
    line: int = 0


async def restore(
    rows: Rows,
    tenant: str,
    plan: Plan,
    digest: str,
    lines: Callable[[], Iterable[Header | Line]],
    *,
    progress: Callable[[int], object] = lambda _: None,
) -> int:
    """How many lines were written, now and before an interruption. `digest` names the file, `lines` reads it.

    Raises NotEmpty, NotRestored, ArchiveError, StorageBusy.
    """
    done = await _standing(rows, tenant, digest)
    await _mark_pending(rows, tenant, plan)
    content = Content()
    batch = _Batch()
    for item in lines():
        if isinstance(item, Header):
            continue
        progress(1)
        if not plan.has(item):
            continue
        content.add(item.key, plan.properties(item))
        if item.number > done:
            await _add(rows, tenant, digest, batch, item, plan.properties(item))
    await _flush(rows, tenant, digest, batch)
    if await stored(rows, tenant) != content:
        raise NotRestored("The rows that are stored are not those of the file: was the tenant in use meanwhile?")
    await _finish(rows, tenant, plan)
    return content.rows


async def stored(rows: Rows, tenant: str) -> Content:
    """The content of a tenant, of the rows that an export holds."""
    content = Content()
    async for page in read_pages(rows, tenant, keys.everything()):
        for row in page:
            if is_exported(row.properties["RowKey"]):
                content.add(row.properties["RowKey"], exported(row))
    return content


async def _standing(rows: Rows, tenant: str, digest: str) -> int:
    """The number of the last line that an interrupted import of this file wrote; 0 for none."""
    bookmark = await rows.get(tenant, BOOKMARK)
    if bookmark is not None:
        if bookmark.properties["archive"] != digest:
            raise NotEmpty(f"The tenant {tenant} is half restored, from another file: finish that import first.")
        return int(bookmark.properties["line"])
    for key_range in _AROUND_BOOKMARKS:
        if (await rows.page(tenant, key_range, limit=1)).rows:
            raise NotEmpty(f"The tenant {tenant} is not empty: an import restores into an empty one only.")
    await rows.transact(tenant, [_bookmark(digest, 0)])
    return 0


async def _mark_pending(rows: Rows, tenant: str, plan: Plan) -> None:
    """The sweep will find what was not finished, even when this import never comes to its end."""
    for head in plan.pending():
        marker = {"tenant": tenant, "id": head["id"], "mark": head["mark"], "created": head["lastModified"]}
        key = keys.marker(tenant, str(head["id"]), str(head["mark"]))
        await rows.transact(keys.MARKERS, [Operation(Verb.UPSERT, Role.PENDING, key, {**marker})])


async def _add(rows: Rows, tenant: str, digest: str, batch: _Batch, line: Line, properties: dict[str, Column]) -> None:
    operations = list(_operations(line, properties))
    size = sum(require_entity(operation.properties) for operation in operations)
    if batch.size + size > MAX_BYTES or len(batch.operations) + len(operations) >= MAX_OPERATIONS:
        await _flush(rows, tenant, digest, batch)
    batch.operations += operations
    batch.size += size
    batch.line = line.number


def _operations(line: Line, properties: dict[str, Column]) -> Iterator[Operation]:
    yield Operation(Verb.UPSERT, Role.OTHER, line.key, properties)
    if line.key.startswith("member:"):
        twin = keys.member_of(str(properties["member"]), str(properties["group"]))
        yield Operation(Verb.UPSERT, Role.MEMBERSHIP, twin, properties)
    elif not line.key.startswith("pending:"):
        for key in index_keys(properties):
            yield Operation(Verb.UPSERT, Role.INDEX, key, {"id": properties["id"]})


async def _flush(rows: Rows, tenant: str, digest: str, batch: _Batch) -> None:
    """The rows are written, and the bookmark with them; where it does not fit, the next batch moves it."""
    if batch.operations:
        moved = [_bookmark(digest, batch.line)] if len(batch.operations) < MAX_OPERATIONS else []
        await rows.transact(tenant, [*batch.operations, *moved])
    batch.operations, batch.size = [], 0


async def _finish(rows: Rows, tenant: str, plan: Plan) -> None:
    await rows.transact(tenant, [Operation(Verb.DELETE, Role.OTHER, BOOKMARK)])
    for head in plan.pending():
        await settling.carry_out(rows, tenant, str(head["id"]), SETTLE_SECONDS)


def _bookmark(digest: str, line: int) -> Operation:
    return Operation(Verb.UPSERT, Role.OTHER, BOOKMARK, {"archive": digest, "line": str(line)})
