"""Measures one operation: at the endpoint, and as its storage calls alone, made by an app of the same shape."""

import json
from dataclasses import dataclass

from bench.apps import App
from bench.bare import Timed
from bench.http_client import Response
from bench.load import NO_REQUESTS, Sample
from bench.operations import Client, Operation
from bench.transcripts import Calls

CALLS_FIRST = 100_000
"""The number of the first request for the calls alone: above the numbers of all requests to the endpoint."""

WARM_UP = 20
"""Requests before the measurement. After them connections are open and caches are filled."""

ROUNDS = 6
"""Rounds of each of the compared: more than one, so that other work of the machine affects all of them."""

REQUESTS = {1: 24, 16: 80}
"""Requests of a round, by the number of connections. One client alone shows the latency, and 16 keep the process busy.
All rounds together give a p50 and a p95, and the whole run takes about two minutes."""

CALLS_MOST = WARM_UP + 2 * ROUNDS * sum(REQUESTS.values())
"""Requests for the calls alone of one operation. The calls by hand and the product's have numbers of their own."""


@dataclass(frozen=True)
class Served:
    """The latencies of a process at one number of connections, and its processor seconds for each request."""

    sample: Sample
    cpu_seconds: float


@dataclass(frozen=True)
class Comparison:
    """The operation; its calls by hand behind the same HTTP and worker; the calls without HTTP and worker, by hand and
    as the product makes them.
    """

    connections: int
    endpoint: Served
    same_shape: Served
    calls: Served
    product_calls: Served

    @property
    def storage_ratio(self) -> float:
        """The processor time of the product's calls divided by that of the same calls by hand."""
        return self.product_calls.cpu_seconds / self.calls.cpu_seconds

    def ratio(self, other: Served) -> float:
        """The p50 of the operation divided by the p50 of the other."""
        return self.endpoint.sample.percentile(50) / other.sample.percentile(50)


@dataclass(frozen=True)
class Result:
    """All measurements of one operation."""

    title: str
    calls: Calls
    comparisons: tuple[Comparison, ...]


@dataclass
class _Tally:
    sample: Sample = NO_REQUESTS
    cpu_seconds: float = 0.0

    def add(self, sample: Sample, cpu_seconds: float) -> None:
        self.sample += sample
        self.cpu_seconds += cpu_seconds

    def served(self) -> Served:
        return Served(self.sample, self.cpu_seconds / len(self.sample.seconds))


@dataclass(frozen=True)
class Bench:
    """The two apps, and the client that sends requests to the endpoint."""

    endpoint: App
    bare: App
    client: Client

    async def measure(self, operation: Operation, calls: Calls, first: int) -> Result:
        """The operation at each number of connections. Its requests have numbers from `first` on."""
        at, calls_at = Numbers(first), Numbers(CALLS_FIRST)
        warm_up = at.take(WARM_UP)
        await self.endpoint.serve(operation.requests(self.client, warm_up), 1, self.client.note)
        await self.bare.serve(operation.bare_requests(warm_up), 1)
        await self._calls("ours", operation, calls_at.take(WARM_UP), 1)
        comparisons = [await self._compare(operation, connections, at, calls_at) for connections in REQUESTS]
        return Result(operation.title, calls, tuple(comparisons))

    async def _compare(self, operation: Operation, connections: int, at: "Numbers", calls_at: "Numbers") -> Comparison:
        """They alternate, so that other work of the machine affects all of them."""
        endpoint, same_shape, by_hand, product = _Tally(), _Tally(), _Tally(), _Tally()
        for _ in range(ROUNDS):
            requests_a_round = REQUESTS[connections] // operation.divisor
            numbers = at.take(requests_a_round)
            requests = operation.requests(self.client, numbers)
            endpoint.add(*await self.endpoint.serve(requests, connections, self.client.note))
            same_shape.add(*await self.bare.serve(operation.bare_requests(numbers), connections))
            by_hand.add(*await self._calls("bare", operation, calls_at.take(requests_a_round), connections))
            product.add(*await self._calls("ours", operation, calls_at.take(requests_a_round), connections))
        return Comparison(connections, endpoint.served(), same_shape.served(), by_hand.served(), product.served())

    async def _calls(self, way: str, operation: Operation, numbers: range, connections: int) -> tuple[Sample, float]:
        """What the calls cost, as the app itself has measured it."""
        costs: list[Timed] = []

        def note(response: Response) -> None:
            costs.append(Timed(**json.loads(response.body)))

        sample, _ = await self.bare.serve([operation.calls_request(way, numbers, connections)], 1, note)
        [cost] = costs
        return Sample(tuple(cost.seconds), sample.elapsed), cost.cpu_seconds


class Numbers:
    """Gives out the numbers of requests, each one once, so that each request of a series is new."""

    def __init__(self, first: int) -> None:
        self._next = first

    def take(self, count: int) -> range:
        """The next `count` numbers."""
        numbers = range(self._next, self._next + count)
        self._next = numbers.stop
        return numbers
