"""Rows of the feed and of the log that are too old are deleted.

The feed loses its first entries. Its head says which one is the first, and changes in the same transaction. Rows of the
log have no order of time, so all of them are looked at.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from itertools import batched, takewhile

from scim_core.storage.port import VersionConflict
from scim_core.storage.tables import keys, log_keys
from scim_core.storage.tables.codec import BELOW_ALL
from scim_core.storage.tables.errors import RowFailure, RowMissing
from scim_core.storage.tables.feed_rows import head_change
from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.outbox import stamp
from scim_core.storage.tables.reading import read_range
from scim_core.storage.tables.relay import BATCH_OPERATIONS, MAX_REFUSALS, read_head
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Row, Rows
from scim_core.storage.tables.service_limits import PAGE_ROWS, TRANSACTION_OPERATIONS

LOGGED = ("log", "was")
"""The kinds of rows that are kept as long as the log, in the order of their keys."""

_TIMED = "RowKey,lastModified"


async def trim_feed(rows: Rows, tenant: str, kept_from: str) -> int:
    """How many entries were deleted: the first ones, as far as all are older than this instant. Raises StorageBusy."""
    trimmed, refusals = 0, 0
    while refusals < MAX_REFUSALS:
        current = await read_head(rows, tenant)
        kept = keys.feed_after(current.head.first - 1)
        found = await read_range(rows, tenant, kept, limit=BATCH_OPERATIONS, select=_TIMED)
        old = list(takewhile(lambda row: row.properties["lastModified"] < kept_from, found))
        if not old:
            break
        first = keys.feed_number(old[-1].properties["RowKey"]) + 1
        try:
            await rows.transact(tenant, [head_change(current.etag, first=str(first)), *_deletions(old)])
        except (RowFailure, VersionConflict):
            refusals += 1  # another process relays or trims; what is left is trimmed the next time
            continue
        trimmed += len(old)
    return trimmed


async def trim_attempts(rows: Rows, tenant: str, kept_from: str) -> int:
    """How many attempts were deleted: those that are older than this instant. Raises StorageBusy."""
    before, trimmed = stamp(datetime.fromisoformat(kept_from), ""), 0
    for too_old in (log_keys.attempts_before(before), log_keys.seen_before(before)):
        while old := await read_range(rows, tenant, too_old, limit=TRANSACTION_OPERATIONS, select="RowKey"):
            await delete_rows(rows, tenant, old)
            trimmed += len(old)
    return trimmed


async def trim_gone(rows: Rows, tenant: str, kept_from: str) -> int:
    """How many rows of what deletions keep were deleted: the first ones, as far as all are older than this instant.

    Raises StorageBusy.
    """
    trimmed = 0
    while True:
        found = await read_range(rows, tenant, keys.of_kind("gone"), limit=TRANSACTION_OPERATIONS, select=_TIMED)
        old = list(takewhile(lambda row: row.properties["lastModified"] < kept_from, found))
        if not old:
            return trimmed
        await delete_rows(rows, tenant, old)
        trimmed += len(old)


async def trim_log(rows: Rows, tenant: str, kept_from: str, after: str) -> AsyncIterator[tuple[str, int]]:
    """Rows of the log that are older than this instant are deleted, a page at a time, after the key `after`.

    Tells for each page the last key that was looked at, and how many rows were deleted. Raises StorageBusy.
    """
    for kind in LOGGED:
        whole = keys.of_kind(kind)
        low = max(whole.low, after + BELOW_ALL)
        while low < whole.high:
            found = await read_range(rows, tenant, KeyRange(low, whole.high), limit=PAGE_ROWS, select=_TIMED)
            old = [row for row in found if row.properties["lastModified"] < kept_from]
            for some in batched(old, TRANSACTION_OPERATIONS, strict=False):
                await delete_rows(rows, tenant, some)
            if not found:
                break
            low = found[-1].properties["RowKey"] + BELOW_ALL
            yield found[-1].properties["RowKey"], len(old)


async def delete_rows(rows: Rows, tenant: str, old: Sequence[Row]) -> None:
    """These rows are gone. Another process may have deleted some of them."""
    left = list(old)
    for _ in range(len(left) + MAX_REFUSALS):
        if not left:
            return
        try:
            await rows.transact(tenant, _deletions(left))
        except RowMissing as failure:
            left = [row for row in left if row.properties["RowKey"] != failure.operation.key]
        except VersionConflict:
            continue
        else:
            return


def _deletions(old: Sequence[Row]) -> list[RowOperation]:
    return [RowOperation(Verb.DELETE, Role.FEED, row.properties["RowKey"]) for row in old]
