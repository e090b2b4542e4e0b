"""Carries pending changes to their end: right after the decision, when somebody meets one, or by the sweep.

Nothing here keeps state between calls but what the rows say, so that any process can go on where another one died.
"""

import asyncio
import logging
from collections.abc import Sequence
from itertools import batched

from scim_core.model import NO_EDITS, Column, Membership, MembershipEdits
from scim_core.storage.port import ColumnTest, StorageBusy, StorageError, Swept, VersionConflict
from scim_core.storage.tables import changes, keys, reading
from scim_core.storage.tables.errors import RowChanged, RowFailure, RowMissing
from scim_core.storage.tables.large_change import PARTS_AT_ONCE, STEP, ChangeKind, Part, Pending, to_head, to_part
from scim_core.storage.tables.reading import edges_present, read_memberships, read_range
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Row, Rows
from scim_core.storage.tables.service_limits import PAGE_ROWS

EDGES_AHEAD = PAGE_ROWS // STEP * STEP
"""Memberships of a deleted resource that are read at a time: what one answer of Table Storage holds, in whole steps."""

MAX_REFUSALS = 10
"""How often in a row a step may be refused before the change is left to others, who are at it or will be."""

REFUSED_SECONDS = 0.1
"""The pause after a refusal: another process is carrying out the same change, and is to have the time for it."""

MARKERS_AT_ONCE = 1_000
"""Changes that one sweep takes up; the next one finds the others."""

WHOLE_SECONDS = 600
"""How long a tool, for which nobody waits, works on one unfinished change: the largest ones take a few minutes."""

log = logging.getLogger(__name__)


async def decide(rows: Rows, tenant: str, pending: Pending, parts: Sequence[Part], opening: list[RowOperation]) -> None:
    """The change is decided: from now on it happens, whoever carries it out. Raises what a transaction raises.

    A marker is written first, by which the sweep finds what may be left behind; then the parts.
    """
    await write_marker(rows, tenant, pending)
    for some in batched(pending.part_insertions(parts), PARTS_AT_ONCE, strict=False):
        await rows.transact(tenant, list(some))
    try:
        await rows.transact(tenant, [*opening, *pending.decision()])
    except (RowFailure, VersionConflict):
        # The answer to a decision that did happen may have been lost, and its repetition refused.
        if await abandon(rows, tenant, pending.resource_id, pending.mark):
            raise


async def transact_touching(
    rows: Rows, tenant: str, operations: list[RowOperation], ends: Sequence[tuple[str, str]]
) -> list[str]:
    """The transaction that takes memberships away, but for the touches of those `ends` of theirs that are gone.

    Such an end has been deleted itself, and its own deletion has not come as far as this membership.
    """
    try:
        return await rows.transact(tenant, operations)
    except RowMissing as failure:
        if failure.operation.role is not Role.OTHER:
            raise
        gone = await reading.gone(rows, tenant, ends)
        return await rows.transact(tenant, changes.without_touches(operations, gone))


async def write_marker(rows: Rows, tenant: str, pending: Pending) -> None:
    """The sweep will come across this change, whether it is decided or not."""
    marker: dict[str, Column] = {
        "tenant": tenant,
        "id": pending.resource_id,
        "mark": pending.mark,
        "created": pending.now,
    }
    key = keys.marker(tenant, pending.resource_id, pending.mark)
    await rows.transact(keys.MARKERS, [RowOperation(Verb.UPSERT, Role.PENDING, key, marker)])


async def load(rows: Rows, tenant: str, resource_id: str) -> Pending | None:
    """The pending change of this resource, if there is one."""
    row = await rows.get(tenant, keys.pending(resource_id))
    return to_head(row.properties, row.etag) if row else None


async def carry_out(rows: Rows, tenant: str, resource_id: str, seconds: float) -> bool:
    """Whether the change that was pending, if any was, is done: it is carried on for at most so many seconds.

    Raises StorageBusy when its steps are refused over and over.
    """
    pending = await load(rows, tenant, resource_id)
    if pending is not None:
        try:
            async with asyncio.timeout(seconds):
                await _Settling(rows, tenant, pending).run()
        except TimeoutError:
            return False
    return True


async def left_to_do(rows: Rows, tenant: str, resource_id: str) -> MembershipEdits:
    """The edits of the pending change that have not been made yet."""
    pending = await load(rows, tenant, resource_id)
    add: list[Membership] = []
    remove: list[Membership] = []
    while pending is not None and (place := pending.place):
        number, start = place
        row = await rows.get(tenant, pending.part_key(number))
        if row is None:  # finished between the two reads
            break
        part = to_part(row.properties)
        edits = part.edits(resource_id, start)
        add += edits.add
        remove += edits.remove
        pending = pending.after(len(part.ids) - start, pending.etag)
    return MembershipEdits(tuple(add), tuple(remove))


async def sweep(rows: Rows, before: str, seconds: float) -> Swept:
    """Every change that was marked before an instant is finished or, if it was never decided, forgotten.

    A change that cannot be finished now, or in the time there is, is counted as left.
    """
    finished, left = 0, set[str]()
    tests = [ColumnTest("created", "lt", before)]
    try:
        async with asyncio.timeout(seconds):
            for row in await read_range(rows, keys.MARKERS, keys.everything(), limit=MARKERS_AT_ONCE, tests=tests):
                left.add(row.properties["RowKey"])
                if await _swept(rows, row):
                    left.discard(row.properties["RowKey"])
                    finished += 1
    except TimeoutError:
        log.warning("the sweep ran out of time")
    return Swept(finished, len(left))


async def abandon(rows: Rows, tenant: str, resource_id: str, mark: str) -> bool:
    """Whether a change is not decided, and never will be: what was written for it is gone. Nor is one that is finished.

    Its first part goes first, in the state that it had before the head was looked for: a decision, which touches that
    part, either comes before and is noticed, or fails.
    """
    parts = await read_range(rows, tenant, keys.pending_parts(resource_id, mark), select="RowKey")
    head = await load(rows, tenant, resource_id)
    if head is not None and head.mark == mark:
        return False
    try:
        for number, part in enumerate(parts):
            await _delete(rows, tenant, part.properties["RowKey"], part.etag if number == 0 else "")
    except RowChanged:
        return False
    await _delete(rows, keys.MARKERS, keys.marker(tenant, resource_id, mark))
    return True


async def _swept(rows: Rows, marker: Row) -> bool:
    tenant, resource_id = marker.properties["tenant"], marker.properties["id"]
    try:
        if not await abandon(rows, tenant, resource_id, marker.properties["mark"]):
            pending = await load(rows, tenant, resource_id)
            if pending is not None:
                await _Settling(rows, tenant, pending).run()
    except StorageError as error:
        log.warning("a change could not be carried out yet", exc_info=error, extra={"tenant": tenant})
        return False
    return True


async def _delete(rows: Rows, tenant: str, key: str, etag: str = "") -> None:
    try:
        await rows.transact(tenant, [RowOperation(Verb.DELETE, Role.PENDING, key, etag=etag)])
    except RowMissing:
        log.debug("another process was quicker")


class _Settling:
    """One process's work on one change. What it has read ahead is forgotten whenever a step is refused."""

    def __init__(self, rows: Rows, tenant: str, pending: Pending) -> None:
        self._rows = rows
        self._tenant = tenant
        self._pending = pending
        self._part: tuple[int, Part] | None = None
        self._edges: list[Membership] = []

    async def run(self) -> None:
        """The change has been carried out. Raises StorageBusy when its steps are refused over and over."""
        mark, resource_id = self._pending.mark, self._pending.resource_id
        current: Pending | None = self._pending
        refusals = 0
        while current is not None and current.mark == mark:
            try:
                following = await self._advance(current)
                refusals = 0
            except (RowFailure, VersionConflict):
                refusals += 1
                if refusals > MAX_REFUSALS:
                    raise StorageBusy("A large change of the resource is being carried out.") from None
                await asyncio.sleep(REFUSED_SECONDS)
                self._edges = []
                following = await load(self._rows, self._tenant, resource_id)
                if following is not None and following.done > current.done:
                    refusals = 0
            current = following

    async def _advance(self, current: Pending) -> Pending | None:
        """The next step is made; None after the last one. Raises RowFailure, VersionConflict when it is refused."""
        if current.kind is ChangeKind.DELETE:
            if edges := await self._next_edges(current):
                return await self._severed(current, edges)
        elif edits := await self._next_edits(current):
            return await self._edited(current, edits)
        await self._end(current)
        return None

    async def _end(self, current: Pending) -> None:
        await self._rows.transact(self._tenant, current.ending())
        await _delete(self._rows, keys.MARKERS, keys.marker(self._tenant, current.resource_id, current.mark))

    async def _edited(self, current: Pending, edits: MembershipEdits) -> Pending:
        count = len(edits.add) + len(edits.remove)
        try:
            [etag, *_] = await self._rows.transact(self._tenant, current.step(edits, count))
        except RowMissing as failure:
            if failure.operation.role is Role.PENDING:
                raise
            possible = await self._possible(edits)
            [etag, *_] = await self._rows.transact(self._tenant, current.step(possible, count))
        return current.after(count, etag)

    async def _possible(self, edits: MembershipEdits) -> MembershipEdits:
        """The edits without members that have been deleted since, and without memberships that are gone already."""
        every = (*edits.add, *edits.remove)
        gone = await reading.gone(self._rows, self._tenant, [(edge.member_type, edge.member_id) for edge in every])
        present = await edges_present(self._rows, self._tenant, edits.remove)
        return MembershipEdits(
            tuple(edge for edge in edits.add if edge.member_id not in gone),
            tuple(edge for edge in present if edge.member_id not in gone),
        )

    async def _severed(self, current: Pending, edges: Sequence[Membership]) -> Pending:
        step, ends = current.severing_step(edges), changes.other_ends(current.resource_id, edges)
        [etag, *_] = await transact_touching(self._rows, self._tenant, step, ends)
        del self._edges[: len(edges)]
        return current.after(len(edges), etag)

    async def _next_edits(self, current: Pending) -> MembershipEdits:
        if (place := current.place) is None:
            return NO_EDITS
        number, start = place
        if self._part is None or self._part[0] != number:
            row = await self._rows.get(self._tenant, current.part_key(number))
            if row is None:  # finished by another process, whose last transaction deleted head and parts alike
                raise VersionConflict
            self._part = number, to_part(row.properties)
        return self._part[1].edits(current.resource_id, start, STEP)

    async def _next_edges(self, current: Pending) -> list[Membership]:
        if not self._edges:
            for key_range in keys.memberships(current.resource_type, current.resource_id):
                self._edges += await read_memberships(self._rows, self._tenant, key_range, limit=EDGES_AHEAD)
        return self._edges[:STEP]
