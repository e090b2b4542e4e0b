"""The relay: it moves what changes have said from the outbox to the feed and the log, and numbers it.

A reading of a range is not of one moment. It can pass the place of a change before that one commits, and then see its
successor. So the range is read again, up to the last key that was seen, until two readings agree. What they hold is
whole: with each change of a resource it has the ones before, because the later one had read the earlier one. Then it is
numbered in the order of the stamps. A change that commits late is numbered later.

The head of the feed changes in the same transaction, and its ETag is demanded. So any number of processes can relay at
the same time, and one that dies leaves nothing half done.
"""

import asyncio
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from scim_core.storage.feed_port import FeedHead, Losses, MovedFeed
from scim_core.storage.port import StorageBusy, VersionConflict
from scim_core.storage.tables import doorbell, keys
from scim_core.storage.tables.codec import BELOW_ALL
from scim_core.storage.tables.errors import RowFailure
from scim_core.storage.tables.feed_rows import head_change, head_insertion, new_epoch, relayed, to_head
from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.loss_counts import count_property, counted, to_losses
from scim_core.storage.tables.outbox import OutboxRow, to_outbox_row
from scim_core.storage.tables.reading import read_range
from scim_core.storage.tables.row_operations import RowOperation
from scim_core.storage.tables.rows import Row, Rows
from scim_core.storage.tables.service_limits import TRANSACTION_OPERATIONS, json_bytes, most_json_bytes
from scim_core.traces import NO_TRACER, ROOT, Span, SpanKind, Tracer

READ_ROWS = 132
"""Changes of one reading: four batches of changes of attributes. At 35 KB each they are 5 MB."""

BATCH_OPERATIONS = TRANSACTION_OPERATIONS - 1
"""Operations of one batch: the head of the feed takes one. A change of attributes takes three."""

BATCH_BYTES = 3 * 1024 * 1024
"""Bytes of rows in one batch. A transaction holds 4 MiB, which includes what stands around the rows."""

SMALL_BYTES = BATCH_BYTES * 3 // BATCH_OPERATIONS
"""Bytes of a change that need no counting: so many changes as one batch holds are not too many with them."""

MAX_REFUSALS = 10
"""How often in a row others may be quicker. They relay the same changes, so this process may stop."""


NO_LOSSES = Losses()


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a feed, when it moved last (UTC text), the ETag of its row, and the losses that it counts."""

    head: FeedHead
    time: str
    etag: str
    losses: Losses = NO_LOSSES


async def read_head(rows: Rows, tenant: str) -> Head:
    """The head of the tenant's feed. If there is none, this makes one: every feed has an epoch from its first use.

    Raises StorageBusy.
    """
    for _ in range(MAX_REFUSALS):
        row = await rows.get(tenant, keys.feed_head())
        if row is not None:
            losses = to_losses(row.properties, row.etag)
            return Head(to_head(row.properties), row.properties["lastModified"], row.etag, losses)
        head = FeedHead(new_epoch(), first=1, next=1)
        try:
            [etag] = await rows.transact(tenant, [head_insertion(head)])
        except (RowFailure, VersionConflict):
            continue  # another process was quicker
        return Head(head, "", etag)
    raise StorageBusy("Others are changing the head of the feed.")


async def relay(rows: Rows, tenant: str, tracer: Tracer = NO_TRACER) -> int:
    """How many entries the feed has got. The changes that had been committed before are in it.

    If others were quicker again and again, they have relayed these changes, or go on doing so. The relay is a span,
    linked to those of the requests. Raises StorageBusy.
    """
    with tracer.span("relay", SpanKind.INTERNAL, parent=ROOT) as span:
        numbered = await _relay(rows, tenant, span)
        span.note("scim.tenant", tenant)
        span.note("scim.changes", numbered)
        return numbered


async def _relay(rows: Rows, tenant: str, span: Span) -> int:
    numbered, refusals = 0, 0
    while refusals < MAX_REFUSALS:
        waiting = await waiting_keys(rows, tenant)
        if not waiting:
            break
        moved = await _moved(rows, tenant, waiting, span)
        numbered += moved.numbered
        refusals = refusals + 1 if moved.refused else 0
        if not moved.refused and len(waiting) < READ_ROWS:
            break
    return numbered


async def waiting_keys(rows: Rows, tenant: str) -> list[str]:
    """The keys of the first READ_ROWS changes in the outbox."""
    found = await read_range(rows, tenant, keys.of_kind("change"), limit=READ_ROWS, select="RowKey")
    return [row.properties["RowKey"] for row in found]


@dataclass(frozen=True, slots=True)
class _Moved:
    numbered: int
    refused: bool


async def _moved(rows: Rows, tenant: str, waiting: Sequence[str], span: Span) -> _Moved:
    """The changes of two readings that agree are moved, batch by batch, until another process comes between."""
    found, current = await asyncio.gather(_agreed(rows, tenant, waiting), read_head(rows, tenant))
    for trace_parent in {said.note.trace_parent for said in found}:
        span.link(trace_parent)
    start, refused = current.head.next, False
    try:
        for batch in _batches(found, start):
            current = await _move(rows, tenant, current, batch)
    except (RowFailure, VersionConflict):
        refused = True
    if current.head.next > start:
        await tell(rows, tenant, current)
    return _Moved(current.head.next - start, refused)


async def tell(rows: Rows, tenant: str, current: Head) -> None:
    """Readers of all tenants know how far this feed has come."""
    if current.head.next > 1:
        await doorbell.move(rows, MovedFeed(tenant, current.head.next - 1, current.time))


async def _agreed(rows: Rows, tenant: str, waiting: Sequence[str]) -> list[OutboxRow]:
    """What two readings agree on, in the order of the stamps. None if others have moved all of it."""
    seen, found = list(waiting), list[Row]()
    while seen:
        so_far = KeyRange(keys.of_kind("change").low, seen[-1] + BELOW_ALL)
        found = await read_range(rows, tenant, so_far, limit=READ_ROWS)
        before, seen = seen, [row.properties["RowKey"] for row in found]
        if seen == before:
            break
    return [to_outbox_row(row.properties) for row in found]


@dataclass(frozen=True, slots=True)
class _Batch:
    """Changes that are moved together, how, and the number of the first entry after them."""

    changes: list[OutboxRow]
    operations: list[RowOperation]
    following: int


def _batches(found: Sequence[OutboxRow], following: int) -> Iterator[_Batch]:
    """As many changes at a time as one transaction holds. Their entries are numbered from `following` on."""
    changes, operations, size = list[OutboxRow](), dict[str, RowOperation](), 0
    for said in found:
        moving = relayed(said, following if said.in_feed else None)
        more = _bytes(moving.values())
        if changes and (len(operations) + len(moving) > BATCH_OPERATIONS or size + more > BATCH_BYTES):
            yield _Batch(changes, list(operations.values()), following)
            changes, operations, size = [], {}, 0
        changes.append(said)
        operations |= moving
        size += more
        following += said.in_feed
    if changes:
        yield _Batch(changes, list(operations.values()), following)


def _bytes(operations: Collection[RowOperation]) -> int:
    """The bytes of their rows; of a change that is small, the most that it can have."""
    most = sum(most_json_bytes(item.properties) for item in operations)
    return most if most <= SMALL_BYTES else sum(json_bytes(item.properties) for item in operations)


async def _move(rows: Rows, tenant: str, current: Head, batch: _Batch) -> Head:
    """The changes of the batch are in the feed and in the log. Raises RowFailure, VersionConflict."""
    time = batch.changes[-1].time
    losses = counted(current.losses, batch.changes)
    changed = count_property(losses) if losses is not current.losses else {}
    head = head_change(current.etag, next=str(batch.following), lastModified=time, **changed)
    [etag, *_] = await rows.transact(tenant, [head, *batch.operations])
    return Head(replace(current.head, next=batch.following), time, etag, replace(losses, etag=etag))
