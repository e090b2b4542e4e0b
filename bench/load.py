"""Sends requests over a number of connections and records how long each took."""

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

from bench.http_client import HttpClient, Request, Response


@dataclass(frozen=True)
class Sample:
    """The latencies of requests of one kind, and the time that all of them took together."""

    seconds: tuple[float, ...]
    elapsed: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.seconds) / self.elapsed

    def percentile(self, percent: int) -> float:
        """The latency, in seconds, of the request at this percentile."""
        return sorted(self.seconds)[max(0, math.ceil(len(self.seconds) * percent / 100) - 1)]

    def __add__(self, other: "Sample") -> "Sample":
        return Sample(self.seconds + other.seconds, self.elapsed + other.elapsed)


NO_REQUESTS = Sample((), 0.0)
"""What samples are added to."""


def ignored(_: Response) -> None:
    """The answer is not looked at."""


async def drive(
    url: str, requests: Iterable[Request], connections: int, seen: Callable[[Response], None] = ignored
) -> Sample:
    """Sends each request as soon as a connection is free. `seen` gets every answer. Raises UnexpectedStatus."""
    queue = iter(requests)
    seconds: list[float] = []
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(HttpClient(url)) for _ in range(connections)]
        started = time.perf_counter()
        try:
            async with asyncio.TaskGroup() as group:
                for client in clients:
                    group.create_task(_send(client, queue, seconds, seen))
        except ExceptionGroup as errors:  # several connections may fail at the same time: one error is enough
            raise errors.exceptions[0] from None
        return Sample(tuple(seconds), time.perf_counter() - started)


async def _send(
    client: HttpClient, queue: Iterator[Request], seconds: list[float], seen: Callable[[Response], None]
) -> None:
    for request in queue:
        started = time.perf_counter()
        response = await client.send(request)
        seconds.append(time.perf_counter() - started)
        seen(response)
