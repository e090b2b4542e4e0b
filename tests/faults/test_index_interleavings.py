"""Two files, one table, and a reindexing, step by step in any order: no search ever misses a resource.

Each operation runs as a task that stops before each of its calls to the table. What happens next is drawn: a task takes
a step, another operation begins, time passes. Between the steps a search by the index is held against the documents.
"""

import asyncio
import random
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings

from scim_core.storage.tables import keys
from scim_core.storage.tables.entities import from_entity
from scim_core.storage.tables.reading import read_range
from tests.faults.rollout import TENANT, Instance, Rollout, searches_planned
from tests.memory_rows import MemoryRows
from tests.scim import Json, replace
from tests.transcript import TURNS
from tests.wrapped_rows import Call, WrappedRows

STEPS = 120
SITES = ("Bonn", "Cologne")
SHORT = 2.0
"""Seconds that pass while operations are under way: with SLOWEST, less than a call and a request may take."""

SLOWEST = 4
"""How often time passes under an operation before it is taken to its end."""


@dataclass(eq=False)
class Stepped:
    """An operation that takes a step when it is told to."""

    task: asyncio.Task[None] | None = None
    may_go: asyncio.Event = field(default_factory=asyncio.Event)
    waits: asyncio.Event = field(default_factory=asyncio.Event)
    aged: int = 0
    sleeps: bool = False

    async def before_a_call(self) -> None:
        """Waits until the operation may take a step."""
        self.waits.set()
        await self.may_go.wait()
        self.may_go.clear()

    async def step(self) -> bool:
        """Makes one more call. Returns whether the operation has ended with it."""
        self.may_go.set()
        return await self.comes_to_a_call()

    async def comes_to_a_call(self) -> bool:
        """Whether the operation ended instead. Otherwise all of it waits afterwards."""
        assert self.task is not None
        self.waits.clear()
        waits = asyncio.ensure_future(self.waits.wait())
        await asyncio.wait([self.task, waits], return_when=asyncio.FIRST_COMPLETED)
        waits.cancel()
        for _ in range(TURNS):  # what it does side by side comes to its calls, too
            await asyncio.sleep(0)
        if self.task.done():
            self.task.result()
        return self.task.done()


_current: ContextVar[Stepped | None] = ContextVar("current", default=None)


class SteppedRows(WrappedRows):
    """Rows whose calls wait until their operation may take a step. Calls of no operation go on at once."""

    async def _made[T](self, kind: str, about: tuple[str, ...], call: Call[T], *, repeatable: bool = True) -> T:
        if (operation := _current.get()) is not None:
            await operation.before_a_call()
        return await super()._made(kind, about, call, repeatable=repeatable)


@dataclass
class Run:
    """One order of events."""

    rollout: Rollout
    chance: random.Random
    older: list[Instance]
    newer: list[Instance]
    under_way: list[Stepped] = field(default_factory=list)
    built: int = 0

    async def happens(self) -> None:
        """One event."""
        event = self.chance.random()
        if self.under_way and event < 0.6:
            await self.steps(self.chance.choice(self.under_way))
        elif event < 0.9:
            await self.begins()
        else:
            await self.time_passes()

    async def steps(self, operation: Stepped) -> None:
        """One step of an operation; of one that sleeps, a step of the time."""
        if operation.sleeps:
            for other in [item for item in self.under_way if not item.sleeps]:
                await self.ends(other)
            self.rollout.clock.advance(seconds=5)
        if await operation.step():
            self.under_way.remove(operation)

    async def begins(self) -> None:
        operation = Stepped()
        _current.set(operation)
        operation.task = asyncio.ensure_future(self._drawn())
        _current.set(None)
        if not await operation.comes_to_a_call():
            self.under_way.append(operation)

    async def time_passes(self) -> None:
        """A short time under operations that are under way; a long time once they have ended."""
        for operation in [item for item in self.under_way if item.aged >= SLOWEST]:
            await self.ends(operation)
        if self.under_way and self.chance.random() < 0.7:
            for operation in self.under_way:
                operation.aged += not operation.sleeps
            self.rollout.clock.advance(seconds=SHORT)
        else:
            for operation in [item for item in self.under_way if not item.sleeps]:
                await self.ends(operation)
            self.rollout.clock.advance(seconds=self.chance.choice([5, 30, 61, 81, 150]))

    async def ends(self, operation: Stepped) -> None:
        while operation in self.under_way:
            await self.steps(operation)

    async def _drawn(self) -> None:
        instance = self.chance.choice([*self.older, *self.newer, *self.newer])
        kind = self.chance.random()
        if kind < 0.15:
            await self._reindexed()
        elif kind < 0.6:
            body = {"displayName": f"{self.chance.random()}", "site": self.chance.choice(SITES)}
            answer = await instance.client.post("/Devices", body)
            assert answer.status in (201, 503)
        else:
            ids = await self.ids()
            if ids:
                await self._changed(instance, self.chance.choice(ids))

    async def _changed(self, instance: Instance, resource_id: str) -> None:
        if self.chance.random() < 0.2:
            answer = await instance.client.delete(f"/Devices/{resource_id}")
        else:
            site = replace("site", self.chance.choice(SITES))
            answer = await instance.client.patch(f"/Devices/{resource_id}", site)
        assert answer.status in (200, 204, 404, 503)

    async def _reindexed(self) -> None:
        async def pause(_: float) -> None:
            operation = _current.get()
            assert operation is not None
            operation.sleeps = True
            await operation.before_a_call()
            operation.sleeps, operation.aged = False, 0

        done = await self.rollout.reindexed(self.chance.choice(self.newer), pause=pause)
        self.built += bool(done.complete)

    async def documents(self) -> list[Json]:
        """What is stored, by the documents alone."""
        rows = await read_range(self.rollout.rows, TENANT, keys.resources("Device"))
        return [from_entity("Device", row.properties, row.etag).document for row in rows]

    async def ids(self) -> list[str]:
        return [document["id"] for document in await self.documents()]

    async def nothing_is_hidden(self) -> None:
        site = self.chance.choice(SITES)
        there = sorted(item["displayName"] for item in await self.documents() if item["site"] == site)
        assert await self.chance.choice(self.newer).devices(f'site eq "{site}"') == there


@pytest.mark.parametrize("part", range(4))
def test_no_order_of_events_hides_a_resource(tmp_path: Path, part: int) -> None:
    """HYPOTHESIS_EXAMPLES draws more of them. Most have an index complete for a part of the time."""
    orders = max(3, settings().max_examples // 4)
    drawn_here = [asyncio.run(drawn(tmp_path, seed)) for seed in range(part * orders, (part + 1) * orders)]
    assert sum(built for built, _ in drawn_here) > 0
    assert sum(used for _, used in drawn_here) > 0


async def drawn(folder: Path, seed: int) -> tuple[int, int]:
    """How often an index became complete, and how often a search used it."""
    with searches_planned() as plans:
        return await _drawn(Rollout(SteppedRows(MemoryRows()), folder, plans), seed)


async def _drawn(rollout: Rollout, seed: int) -> tuple[int, int]:
    older = [rollout.instance("displayName") for _ in range(2)]
    newer = [rollout.instance("displayName", "site") for _ in range(2)]
    run = Run(rollout, random.Random(seed), older, newer)
    if seed % 2:
        await older[0].device("first", site="Bonn")
    used = 0
    for _ in range(STEPS):
        await run.happens()
        await run.nothing_is_hidden()
        used += rollout.plans[-1] == "index site, exact"
    for operation in list(run.under_way):
        await run.ends(operation)
    await run.nothing_is_hidden()
    assert await rollout.findings() == []
    return run.built, used
