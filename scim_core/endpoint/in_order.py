"""Runs the steps of a plan, each after those that it waits for, as many at a time as there are places."""

import asyncio
import heapq
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from scim_core.protocol.bulk_plan import BulkStep


async def run_in_order(
    steps: Sequence[BulkStep], run: Callable[[BulkStep], Coroutine[Any, Any, None]], places: Callable[[], int]
) -> None:
    """Returns when all steps were run, or when there are no places for those that are left.

    Of the steps that can begin, the first begins. What `run` raises is raised, and then the other steps are cancelled.
    """
    order = _Order(steps)
    running: dict[asyncio.Task[None], int] = {}
    try:
        while True:
            while order.ready and len(running) < places():
                number = heapq.heappop(order.ready)
                running[asyncio.create_task(run(steps[number]))] = number
            if not running:
                return
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                order.ended(running.pop(task))
                task.result()
    finally:
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)


class _Order:
    """How many steps each step still waits for. `ready` is a heap of those that wait for none, and have not begun."""

    def __init__(self, steps: Sequence[BulkStep]) -> None:
        self._left = [len(step.after) for step in steps]
        self._followers: list[list[int]] = [[] for _ in steps]
        for number, step in enumerate(steps):
            for before in step.after:
                self._followers[before].append(number)
        self.ready = [number for number, left in enumerate(self._left) if not left]

    def ended(self, number: int) -> None:
        """The step is done: those that waited for it alone are ready."""
        for follower in self._followers[number]:
            self._left[follower] -= 1
            if not self._left[follower]:
                heapq.heappush(self.ready, follower)
