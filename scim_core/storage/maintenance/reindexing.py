"""Completes the indexes that the files declare and a tenant lacks, while the service runs. ADR 0025 says why it works.

Each index is recorded as being built. Once every writing instance knows that, all resources are walked. What is missing
is written, one transaction for each resource. After a walk that found nothing missing the index is complete.
It can be killed at any moment: what was written stays, and the next run goes on.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime

from scim_core.clock import Clock
from scim_core.storage.maintenance.indexing import Conflict, Declared, IndexRows, by_type, form_of, index_resource
from scim_core.storage.tables import keys
from scim_core.storage.tables.index_completeness import change_record, read_record
from scim_core.storage.tables.index_record import FORGOTTEN_AFTER, IndexRecord, IndexState, TypeRecord
from scim_core.storage.tables.name_forms import NameForm
from scim_core.storage.tables.reading import side_by_side
from scim_core.storage.tables.rows import Rows, read_pages

MAX_WALKS = 5
"""Walks after everybody knows. From the second on they find only what a writer without a record has written since."""

WAIT_SECONDS = 5
"""How long one step of a wait lasts, as it is shown."""


@dataclass(frozen=True, slots=True)
class Reindexed:
    """How many resources got index rows, which indexes are complete now, and why others are not.

    `given_up`: an instance that does not keep them has given them up. `still_written`: they lost rows during the run.
    """

    written: int = 0
    complete: frozenset[str] = frozenset()
    conflicts: tuple[Conflict, ...] = ()
    given_up: frozenset[str] = frozenset()
    still_written: frozenset[str] = frozenset()

    @property
    def is_complete(self) -> bool:
        """Whether every declared index is complete."""
        return not (self.conflicts or self.given_up or self.still_written)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a run needs: the time, a pause of so many seconds, and what is told of rows read and seconds waited."""

    clock: Clock
    pause: Callable[[float], Awaitable[object]]
    progress: Callable[[int], object] = lambda _: None
    waiting: Callable[[float], object] = lambda _: None


@dataclass(frozen=True, slots=True)
class _Walked:
    written: int
    conflicts: tuple[Conflict, ...]


async def reindex(rows: Rows, tenant: str, declared: Declared, surroundings: Surroundings) -> Reindexed:
    """Completes the declared indexes of this tenant, and returns the result. Raises StorageBusy."""
    return await _Run(rows, tenant, declared, surroundings).run()


class _Run:
    def __init__(self, rows: Rows, tenant: str, declared: Declared, surroundings: Surroundings) -> None:
        self._rows = rows
        self._tenant = tenant
        self._given = surroundings
        self._types = by_type(declared, declared.indexes)
        self.names = frozenset(name for of_type in self._types for name in of_type.recorded)

    async def run(self) -> Reindexed:
        """See reindex."""
        record = await self._begun()
        self._types = [of_type.having(form_of(record, of_type, NameForm.BOTH)) for of_type in self._types]
        begun, walked = self._given.clock(), await self._walk()
        written, still_written = walked.written, False
        if known := self._known_by_everybody(record):
            await self._wait_until(known)
            for _ in range(MAX_WALKS):
                begun, walked = self._given.clock(), await self._walk()
                written += walked.written
                still_written = walked.written > 0
                if not still_written:
                    break
        return await self._ended(record, begun, written, walked, still_written=still_written)

    async def _begun(self) -> IndexRecord:
        """The record, in which each index that is not complete is recorded as being built.

        All instances must first have forgotten an index that was given up: no writer waits for one that is being built.
        """
        while True:
            record = await read_record(self._rows, self._tenant)
            for of_type in self._types:
                if until := record.of(of_type.resource_type).waits_until(()):
                    await self._wait_until(until)
            record = await change_record(self._rows, self._tenant, record, self._building)
            if not any(of_type.recorded - _known(record.of(of_type.resource_type)) for of_type in self._types):
                return record

    def _building(self, record: IndexRecord) -> IndexRecord:
        now = self._given.clock()
        for of_type in self._types:
            found = record.of(of_type.resource_type)
            until = found.waits_until(())
            if (new := of_type.recorded - _known(found)) and not (until and until > now):
                record = record.having(of_type.resource_type, found.having(new, IndexState.BUILDING, now))
        return record

    def _known_by_everybody(self, record: IndexRecord) -> datetime | None:
        """When everybody knows of the indexes that are being built; None when there are no such indexes."""
        since = [
            when
            for of_type in self._types
            for name, (state, when) in record.of(of_type.resource_type).states.items()
            if state is IndexState.BUILDING and name in of_type.recorded
        ]
        return max(since) + FORGOTTEN_AFTER if since else None

    async def _wait_until(self, until: datetime) -> None:
        while (left := (until - self._given.clock()).total_seconds()) > 0:
            seconds = min(left, WAIT_SECONDS)
            await self._given.pause(seconds)
            self._given.waiting(seconds)

    async def _walk(self) -> _Walked:
        """Every resource has been looked at, and is in the indexes in which it can be."""
        written, conflicts = 0, list[Conflict]()
        for of_type in self._types:
            async for page in read_pages(self._rows, self._tenant, keys.resources(of_type.resource_type)):
                lacking = [row for row in page if not IndexRows.of(row, of_type).complete]
                done = await side_by_side(index_resource(self._rows, self._tenant, row, of_type) for row in lacking)
                written += sum(item.written for item in done)
                conflicts += [conflict for item in done for conflict in item.conflicts]
                self._given.progress(len(page))
        return _Walked(written, tuple(sorted(conflicts, key=str)))

    async def _ended(
        self, begun_with: IndexRecord, begun: datetime, written: int, walked: _Walked, *, still_written: bool
    ) -> Reindexed:
        faulty = {conflict.incomplete for conflict in walked.conflicts}

        def ended(found: IndexRecord) -> IndexRecord:
            now = self._given.clock()
            for of_type in self._types:
                name, names = of_type.resource_type, of_type.recorded
                now_said = found.of(name)
                changed = now_said.without(names & faulty, now)
                built = _built(begun_with.of(name), now_said) & (names - faulty)
                if built and not still_written:
                    others = now_said.named(IndexState.COMPLETE) - names
                    changed = replace(changed, verified=now_said.verified if others else begun)
                    changed = changed.having(built, IndexState.COMPLETE, now)
                if changed != now_said:
                    found = found.having(name, changed)
            return found

        record = await change_record(self._rows, self._tenant, begun_with, ended)
        complete = frozenset(
            name
            for of_type in self._types
            for name in of_type.recorded & record.of(of_type.resource_type).named(IndexState.COMPLETE)
        )
        left = self.names - complete - faulty
        building = frozenset(
            name
            for of_type in self._types
            for name in left & record.of(of_type.resource_type).named(IndexState.BUILDING)
        )
        return Reindexed(written, complete, walked.conflicts, given_up=left - building, still_written=building)


def _known(of_type: TypeRecord) -> frozenset[str]:
    return of_type.named(IndexState.BUILDING, IndexState.COMPLETE)


def _built(before: TypeRecord, now: TypeRecord) -> frozenset[str]:
    """The indexes that nobody has given up since: they are being built, since the same instant as before."""
    return frozenset(name for name in now.named(IndexState.BUILDING) if before.states.get(name) == now.states[name])
