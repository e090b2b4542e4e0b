"""Decides large changes, and applies them: right after the decision, when a request meets one, or in the sweep.

All state is in the rows. So any process can go on where another one died.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import batched

from scim_core.clock import Clock, utc_now
from scim_core.model import NO_EDITS, Column, Membership, MembershipEdits
from scim_core.storage.port import ColumnTest, StorageBusy, StorageError, Swept, VersionConflict
from scim_core.storage.tables import changes, doorbell, keys, reading
from scim_core.storage.tables.errors import RowChanged, RowFailure, RowMissing
from scim_core.storage.tables.large_change import (
    PARTS_AT_ONCE,
    STEP,
    ChangeKind,
    LargeChange,
    Part,
    to_large_change,
    to_part,
)
from scim_core.storage.tables.reading import edges_present, read_memberships, read_range, side_by_side
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Row, Rows
from scim_core.storage.tables.service_limits import PAGE_ROWS

EDGES_AHEAD = PAGE_ROWS // STEP * STEP
"""Memberships of a deleted resource that are read at a time: what one answer of Table Storage holds, in whole steps."""

MAX_REFUSALS = 10
"""How often in a row a step may be refused. Then the change is left to others, who apply it now or later."""

REFUSED_SECONDS = 0.1
"""The pause after a refusal: another process applies the same change, and gets the time for it."""

ENTRIES_AT_ONCE = 1_000
"""Changes that one sweep works on. The next sweep finds the others."""

WHOLE_SECONDS = 600
"""How long a tool works on one unfinished change. No client waits for it, and large changes take a few minutes."""

_OF_THE_STEP = (Role.MEMBERSHIP, Role.OTHER)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Opening:
    """What the deciding transaction does besides deciding; with the first `done` ids of the change, or with none."""

    operations: Sequence[RowOperation]
    done: int = 0


@dataclass(frozen=True, slots=True)
class Known:
    """What a process knows of a change because it has decided it: it need not read that.

    `edges` are all memberships that a deleted resource had at the decision; None: they must be read.
    """

    parts: Sequence[Part] = ()
    edges: Sequence[Membership] | None = None


NOTHING_KNOWN = Known()


async def decide(
    rows: Rows, tenant: str, change: LargeChange, parts: Sequence[Part], *openings: Opening
) -> LargeChange | None:
    """The change is decided: from now on it holds, whoever applies it. The change as it is then; None: it is applied.

    The entry for the sweep is written first, so that the sweep finds what a crash leaves. Then come the parts. The
    last one of the openings takes no step. Raises what a transaction raises.
    """
    await write_sweep_entry(rows, tenant, change)
    for some in batched(change.part_insertions(parts), PARTS_AT_ONCE, strict=False):
        await rows.transact(tenant, list(some))
    try:
        return await _decided(rows, tenant, change, openings)
    except (RowFailure, VersionConflict):
        # The decision may have happened: its answer was lost, and its repetition refused.
        if await abandon(rows, tenant, change.resource_id, change.change_id):
            raise
        pending = await load(rows, tenant, change.resource_id)
        return pending if pending is not None and pending.change_id == change.change_id else None


async def _decided(rows: Rows, tenant: str, change: LargeChange, openings: Sequence[Opening]) -> LargeChange:
    opening, *others = openings
    decided = replace(change, done=opening.done)
    try:
        etags = await rows.transact(tenant, [*opening.operations, *decided.decision()])
    except (RowMissing, VersionConflict) as failure:
        if not others or (isinstance(failure, RowMissing) and failure.operation.role not in _OF_THE_STEP):
            raise
        # Members or memberships are gone, or another change met this one at a member. Steps deal with that.
        return await _decided(rows, tenant, change, others)
    return replace(decided, etag=etags[len(opening.operations)])


async def transact_touching(
    rows: Rows, tenant: str, operations: list[RowOperation], ends: Sequence[tuple[str, str]]
) -> list[str]:
    """The memberships are removed. `ends` are the resources at their other ends; those that are gone are not touched.

    Such a resource has been deleted itself, and its own deletion has not reached this membership yet.
    """
    try:
        return await rows.transact(tenant, operations)
    except RowMissing as failure:
        if failure.operation.role is not Role.OTHER:
            raise
        gone = await reading.gone(rows, tenant, ends)
        return await rows.transact(tenant, changes.without_touches(operations, gone))


async def write_sweep_entry(rows: Rows, tenant: str, change: LargeChange) -> None:
    """The sweep will find this change, decided or not."""
    entry: dict[str, Column] = {
        "tenant": tenant,
        "id": change.resource_id,
        "mark": change.change_id,
        "created": change.now,
    }
    key = keys.sweep_entry(tenant, change.resource_id, change.change_id)
    await rows.transact(keys.SWEEP, [RowOperation(Verb.UPSERT, Role.PENDING, key, entry)])


async def load(rows: Rows, tenant: str, resource_id: str) -> LargeChange | None:
    """The pending change of this resource, if there is one."""
    row = await rows.get(tenant, keys.pending(resource_id))
    return to_large_change(row.properties, row.etag) if row else None


async def apply(rows: Rows, tenant: str, resource_id: str, seconds: float, clock: Clock = utc_now) -> bool:
    """Whether nothing is pending any more, after at most so many seconds of work on the pending change.

    Raises StorageBusy when its steps are refused again and again.
    """
    change = await load(rows, tenant, resource_id)
    return change is None or await finish(rows, tenant, change, seconds, clock)


async def finish(
    rows: Rows, tenant: str, change: LargeChange, seconds: float, clock: Clock, *, known: Known = NOTHING_KNOWN
) -> bool:
    """Whether this change, as it was read or decided, is applied after at most so many seconds of work on it.

    Raises StorageBusy when its steps are refused again and again.
    """
    try:
        async with asyncio.timeout(seconds):
            await _Applying(rows, tenant, change, clock, known=known).run()
    except TimeoutError:
        return False
    return True


async def left_to_apply(rows: Rows, tenant: str, resource_id: str) -> MembershipEdits:
    """The edits of the pending change that have not been made yet."""
    change = await load(rows, tenant, resource_id)
    add: list[Membership] = []
    remove: list[Membership] = []
    while change is not None and (next_part := change.next_part):
        number, start = next_part
        row = await rows.get(tenant, change.part_key(number))
        if row is None:  # applied between the two reads
            break
        part = to_part(row.properties)
        edits = part.edits(change, start)
        add += edits.add
        remove += edits.remove
        change = change.after(len(part.ids) - start, change.etag)
    return MembershipEdits(tuple(add), tuple(remove))


async def sweep(rows: Rows, before: str, seconds: float, clock: Clock = utc_now) -> Swept:
    """Every change that began before this instant is applied or, if it was never decided, abandoned.

    A change that cannot be finished now, or in the time there is, is counted as left.
    """
    finished, left = 0, set[str]()
    tests = [ColumnTest("created", "lt", before)]
    try:
        async with asyncio.timeout(seconds):
            for row in await read_range(rows, keys.SWEEP, keys.everything(), limit=ENTRIES_AT_ONCE, tests=tests):
                left.add(row.properties["RowKey"])
                if await _swept(rows, row, clock):
                    left.discard(row.properties["RowKey"])
                    finished += 1
    except TimeoutError:
        log.warning("the sweep ran out of time")
    return Swept(finished, len(left))


async def abandon(rows: Rows, tenant: str, resource_id: str, change_id: str) -> bool:
    """Deletes what is left of a change that was never decided, or is applied. False: it is pending, or just decided.

    Its first part is deleted first, in the state that it had before the pending change was looked for. A decision
    touches that part. So an earlier decision is noticed, and a later one fails.
    """
    parts = await read_range(rows, tenant, keys.pending_parts(resource_id, change_id), select="RowKey")
    pending = await load(rows, tenant, resource_id)
    if pending is not None and pending.change_id == change_id:
        return False
    try:
        for number, part in enumerate(parts):
            await _delete(rows, tenant, part.properties["RowKey"], part.etag if number == 0 else "")
    except RowChanged:
        return False
    await _delete(rows, keys.SWEEP, keys.sweep_entry(tenant, resource_id, change_id))
    return True


async def _swept(rows: Rows, entry: Row, clock: Clock) -> bool:
    tenant, resource_id = entry.properties["tenant"], entry.properties["id"]
    try:
        if not await abandon(rows, tenant, resource_id, entry.properties["mark"]):
            change = await load(rows, tenant, resource_id)
            if change is not None:
                await _Applying(rows, tenant, change, clock).run()
    except StorageError as error:
        log.warning("a large change could not be applied yet", exc_info=error, extra={"tenant": tenant})
        return False
    return True


async def _delete(rows: Rows, tenant: str, key: str, etag: str = "", *, besides: tuple[RowOperation, ...] = ()) -> None:
    try:
        await rows.transact(tenant, [RowOperation(Verb.DELETE, Role.PENDING, key, etag=etag), *besides])
    except RowMissing:
        log.debug("another process was quicker")


class _Applying:
    """One process's work on one change. Memberships that it knows or has read are forgotten when a step is refused."""

    def __init__(
        self, rows: Rows, tenant: str, change: LargeChange, clock: Clock, *, known: Known = NOTHING_KNOWN
    ) -> None:
        self._rows = rows
        self._tenant = tenant
        self._change = change
        self._clock = clock
        self._parts = dict(enumerate(known.parts))
        self._edges = list(known.edges or ())
        self._edges_are_all = known.edges is not None

    async def run(self) -> None:
        """The change is applied. Raises StorageBusy when its steps are refused again and again."""
        change_id, resource_id = self._change.change_id, self._change.resource_id
        current: LargeChange | None = self._change
        refusals = 0
        while current is not None and current.change_id == change_id:
            try:
                following = await self._advance(current)
                refusals = 0
            except (RowFailure, VersionConflict):
                refusals += 1
                if refusals > MAX_REFUSALS:
                    raise StorageBusy("A large change of the resource is being applied.") from None
                await asyncio.sleep(REFUSED_SECONDS)
                self._edges, self._edges_are_all = [], False
                following = await load(self._rows, self._tenant, resource_id)
                if following is not None and following.done > current.done:
                    refusals = 0
            current = following

    async def _advance(self, current: LargeChange) -> LargeChange | None:
        """The next step is made; None after the last one. Raises RowFailure, VersionConflict when it is refused."""
        if current.kind is ChangeKind.DELETE:
            if edges := await self._next_edges(current):
                return await self._severed(current, edges)
        elif edits := await self._next_edits(current):
            return await self._edited(current, edits)
        await self._rows.transact(self._tenant, current.ending())
        await self._forget(current)
        return None

    async def _forget(self, current: LargeChange) -> None:
        """The sweep no longer knows the change, which has ended."""
        entry = keys.sweep_entry(self._tenant, current.resource_id, current.change_id)
        ring = doorbell.ringing(self._tenant, self._clock())  # its steps may wait for the relay
        await _delete(self._rows, keys.SWEEP, entry, besides=(ring,))

    async def _edited(self, current: LargeChange, edits: MembershipEdits) -> LargeChange | None:
        edges, now = (*edits.add, *edits.remove), self._clock()
        count, current = len(edges), current.at(now)
        last = current.ends_after(count) and current.can_end_with(edges)
        try:
            [etag, *_] = await self._rows.transact(self._tenant, current.step(edits, count, now, last=last))
        except RowMissing as failure:
            if failure.operation.role is Role.PENDING:
                raise
            possible = await self._possible(edits)
            [etag, *_] = await self._rows.transact(self._tenant, current.step(possible, count, now, last=last))
        return await self._following(current, count, etag, last=last)

    async def _possible(self, edits: MembershipEdits) -> MembershipEdits:
        """The edits without members that have been deleted since, and without memberships that are gone already."""
        every = (*edits.add, *edits.remove)
        gone = await reading.gone(self._rows, self._tenant, [(edge.member_type, edge.member_id) for edge in every])
        present = await edges_present(self._rows, self._tenant, edits.remove)
        return MembershipEdits(
            tuple(edge for edge in edits.add if edge.member_id not in gone),
            tuple(edge for edge in present if edge.member_id not in gone),
        )

    async def _severed(self, current: LargeChange, edges: Sequence[Membership]) -> LargeChange | None:
        now = self._clock()
        current = current.at(now)
        last = self._edges_are_all and len(edges) == len(self._edges) and current.can_end_with(edges)
        step, ends = current.severing_step(edges, now, last=last), changes.other_ends(current.resource_id, edges)
        [etag, *_] = await transact_touching(self._rows, self._tenant, step, ends)
        del self._edges[: len(edges)]
        return await self._following(current, len(edges), etag, last=last)

    async def _following(self, current: LargeChange, count: int, etag: str, *, last: bool) -> LargeChange | None:
        if last:
            await self._forget(current)
            return None
        return current.after(count, etag)

    async def _next_edits(self, current: LargeChange) -> MembershipEdits:
        if (next_part := current.next_part) is None:
            return NO_EDITS
        number, start = next_part
        if number not in self._parts:
            row = await self._rows.get(self._tenant, current.part_key(number))
            if row is None:  # applied by another process, whose last transaction deleted the parts, too
                raise VersionConflict
            self._parts = {number: to_part(row.properties)}
        return self._parts[number].edits(current, start, STEP)

    async def _next_edges(self, current: LargeChange) -> list[Membership]:
        """The memberships of the next step; none after the last one.

        To add a membership touches both resources. So none is added after the decision, and a range that was read to
        its end is not read again.
        """
        if not self._edges and not self._edges_are_all:
            ranges = keys.memberships(current.resource_type, current.resource_id)
            found = await side_by_side(
                read_memberships(self._rows, self._tenant, key_range, limit=EDGES_AHEAD) for key_range in ranges
            )
            self._edges = [edge for some in found for edge in some]
            self._edges_are_all = all(len(some) < EDGES_AHEAD for some in found)
        return self._edges[:STEP]
