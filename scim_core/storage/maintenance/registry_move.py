"""Moves the registry of tenants from the directory's table to a table of its own.

Until it is whole in the new place, nobody can change it in either place (tables/registry_marker.py). It is copied until
both places are equal. Each step can be broken off: the next run goes on. Requests are answered all the time, from the
place that the settings of their instance name.
"""

import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from scim_core.audit_records import AuditEntry
from scim_core.clock import Clock, instant_text
from scim_core.model import Column
from scim_core.storage.maintenance.exporting import exported
from scim_core.storage.port import StorageBusy, StorageError
from scim_core.storage.tables import audit_chain, keys
from scim_core.storage.tables.errors import RowChanged, RowMissing
from scim_core.storage.tables.keys import REGISTRY
from scim_core.storage.tables.registry_marker import Marker, MoveState, read_marker
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Rows, read_pages
from scim_core.storage.tables.service_limits import TRANSACTION_OPERATIONS, require_entity

MAX_BYTES = 3 * 1024 * 1024
"""Bytes of rows in one transaction. It holds 4 MiB, which includes what stands around the rows."""

MAX_ROUNDS = 5
"""How often the two places are compared and made equal. Only a command of version 0.2 still writes to the old one."""

_MARKER = keys.registry_move()
_OVERTAKEN = "Another run has ended or given up this move at the same time."
_NO_MARKER = RowOperation(Verb.DELETE, Role.OTHER, _MARKER)
_NOT_COMPARED = frozenset({"last_used", "last_source"})
"""Requests go on, and write the day and the address of a credential's last use to the old place. What is lost of it is
told again by the next use."""


class MoveRefused(StorageError):
    """The registry cannot be moved, or what is asked for does not fit the state of its move."""


@dataclass(frozen=True, slots=True)
class Place:
    """A table: its name and its rows."""

    table: str
    rows: Rows

    async def marker(self) -> Marker | None:
        """What it says of a move."""
        return await read_marker(self.rows)

    async def read(self) -> AsyncIterator[tuple[str, dict[str, Column]]]:
        """All rows of the registry in the order of their keys, without the marker."""
        async for page in read_pages(self.rows, REGISTRY, keys.everything()):
            for row in page:
                if row.properties["RowKey"] != _MARKER:
                    yield row.properties["RowKey"], exported(row)

    async def is_empty(self) -> bool:
        """Whether it has no row of a registry."""
        return await anext(self.read(), None) is None


class RegistryMove:
    """From one table to another. `clock` tells since when a marker holds."""

    def __init__(self, old: Place, new: Place, clock: Clock) -> None:
        self._old = old
        self._new = new
        self._clock = clock

    async def is_done(self) -> bool:
        """Whether the registry is in the new place. Raises MoveRefused."""
        old, new = await self._markers()
        return old is not None and old.state is MoveState.LEFT and new is None

    async def run(self, began: AuditEntry, ended: AuditEntry, progress: Callable[[int], object]) -> bool:
        """The registry is in the new place, and the old one refuses changes. False: so it was before.

        The entries become records of the chain. Raises MoveRefused, StorageBusy.
        """
        old, new = await self._markers()
        if old is not None and old.state is MoveState.RETURNING:
            raise MoveRefused("The move is being given up: `registry move --cancel` finishes that.")
        if old is not None and old.state is MoveState.LEFT and new is None:
            return False
        if old is None or old.state is MoveState.LEAVING:
            leaving, arriving = await self._begun(old, new, began)
            await self._copy(arriving, progress)
            await self._turn(leaving, MoveState.LEFT)
        await audit_chain.transact_recorded(self._new.rows, [_NO_MARKER], [ended])
        return True

    async def cancel(self, cancelled: AuditEntry) -> int:
        """The registry stays in the old place, and can be changed there again. How many rows were removed again.

        Raises MoveRefused once it has arrived, or when nothing is being moved.
        """
        old, new = await self._markers()
        if old is None or old.state is MoveState.LEFT:
            raise MoveRefused("No move of the registry is under way.")
        await self._turn(old, MoveState.RETURNING)
        if new is not None:  # without it, a run that still copies stops
            with suppress(RowMissing):
                await self._new.rows.transact(REGISTRY, [_NO_MARKER])
        removed = await _remove(self._new)
        await audit_chain.transact_recorded(self._old.rows, [_NO_MARKER], [cancelled])
        return removed

    async def remove_old(self, removal: AuditEntry) -> int:
        """The old place has no rows of the registry any more, except the marker. How many were removed.

        Raises MoveRefused unless the registry has arrived in the new place.
        """
        old, new = await self._markers()
        if old is None or old.state is not MoveState.LEFT or new is not None or await self._new.is_empty():
            raise MoveRefused(f"The registry is not in the table {self._new.table} yet: run `registry move` first.")
        await audit_chain.transact_recorded(self._new.rows, [], [removal])
        return await _remove(self._old)

    async def _markers(self) -> tuple[Marker | None, Marker | None]:
        """What both places say. Raises MoveRefused for a move from or to another table."""
        old, new = await self._old.marker(), await self._new.marker()
        for marker, other in ((old, self._new.table), (new, self._old.table)):
            if marker is not None and marker.other_table != other:
                raise MoveRefused(f"A move of the registry began with the table {marker.other_table}: name that one.")
        return old, new

    async def _begun(self, old: Marker | None, new: Marker | None, began: AuditEntry) -> tuple[Marker, Marker]:
        """Both places refuse changes from here on. The marker and the record of the old place are one transaction."""
        if new is None:
            await self._require_movable()
        since = instant_text(self._clock())
        if old is None:
            leaving = Marker(MoveState.LEAVING, self._new.table, since)
            await audit_chain.transact_recorded(self._old.rows, [leaving.written(Verb.INSERT)], [began])
        if new is None:
            arriving = Marker(MoveState.ARRIVING, self._old.table, since)
            await self._new.rows.transact(REGISTRY, [arriving.written(Verb.UPSERT)])
        old, arrived = await self._markers()
        if old is not None and old.state is MoveState.LEAVING and arrived is not None:
            return old, arrived
        if new is None:  # the move has ended since, and no marker is left in the new place but this one
            with suppress(RowMissing):
                await self._new.rows.transact(REGISTRY, [_NO_MARKER])
        raise MoveRefused(_OVERTAKEN)

    async def _require_movable(self) -> None:
        if await self._old.is_empty():
            raise MoveRefused(f"The table {self._old.table} has no registry: there is nothing to move.")
        if await self._old.rows.get(REGISTRY, keys.bookmark("import")):
            raise MoveRefused("The registry is half restored: finish that import first.")
        if not await self._new.is_empty():
            raise MoveRefused(f"The table {self._new.table} has a registry already.")

    async def _turn(self, marker: Marker, state: MoveState) -> None:
        """The old place's marker has this state, if it is as it was read. Raises MoveRefused."""
        if marker.state is state:
            return
        turned = replace(marker, state=state, since=instant_text(self._clock()))
        try:
            await self._old.rows.transact(REGISTRY, [turned.written(Verb.REPLACE)])
        except (RowMissing, RowChanged):
            now = await self._old.marker()
            if now is None or now.state is not state:  # otherwise only the answer was lost
                raise MoveRefused(_OVERTAKEN) from None

    async def _copy(self, arriving: Marker, progress: Callable[[int], object]) -> None:
        """Both places are equal. Nothing is written once another run has ended the move: its marker is gone then."""
        touched = replace(arriving, etag="").written(Verb.MERGE)
        for _ in range(MAX_ROUNDS):
            operations = [item async for item in self._differences()]
            if not operations:
                return
            for part in _transactions(operations):
                try:
                    await self._new.rows.transact(REGISTRY, [touched, *part])
                except RowMissing as failure:  # otherwise the answer was lost, and the rows are gone
                    if failure.operation.key == _MARKER:
                        raise MoveRefused(_OVERTAKEN) from None
                progress(len(part))
        raise StorageBusy("Others are still changing the registry in the old place. Stop them, then run it again.")

    async def _differences(self) -> AsyncIterator[RowOperation]:
        """What makes the new place equal to the old one: both are read side by side, in the order of their keys."""
        ours, theirs = self._old.read(), self._new.read()
        old, new = await anext(ours, None), await anext(theirs, None)
        while old is not None or new is not None:
            if new is None or (old is not None and old[0] <= new[0]):
                assert old is not None  # noqa: S101 -- one of the two is there
                same = new is not None and new[0] == old[0]
                if new is None or not same or _compared(old[1]) != _compared(new[1]):
                    yield RowOperation(Verb.UPSERT, Role.OTHER, old[0], old[1])
                old, new = await anext(ours, None), await anext(theirs, None) if same else new
            else:
                yield RowOperation(Verb.DELETE, Role.OTHER, new[0])
                new = await anext(theirs, None)


def _compared(properties: dict[str, Column]) -> dict[str, Column]:
    return {name: value for name, value in properties.items() if name not in _NOT_COMPARED}


def _transactions(operations: Sequence[RowOperation]) -> list[list[RowOperation]]:
    """In parts that one transaction holds, together with the marker."""
    parts: list[list[RowOperation]] = []
    size = 0
    for operation in operations:
        own = require_entity(operation.properties)
        if not parts or len(parts[-1]) == TRANSACTION_OPERATIONS - 1 or size + own > MAX_BYTES:
            parts.append([])
            size = 0
        parts[-1].append(operation)
        size += own
    return parts


async def _remove(place: Place) -> int:
    """All rows but the marker are gone. How many there were. Rows that are gone already are no fault."""
    removed = 0
    for _ in range(MAX_ROUNDS):
        found = [key async for key, _ in place.read()]
        if not found:
            return removed
        removed = max(removed, len(found))
        for part in itertools.batched(found, TRANSACTION_OPERATIONS, strict=False):
            with suppress(RowMissing):
                await place.rows.transact(REGISTRY, [RowOperation(Verb.DELETE, Role.OTHER, key) for key in part])
    raise StorageBusy(f"Others are writing to the registry in the table {place.table}.")
