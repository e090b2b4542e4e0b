"""Compares this working tree with another commit. Both alternate over one Azurite, so that noise affects both."""

import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench import commits, in_groups
from bench.apps import Endpoint, serving
from bench.bare import MEMBERS, POPULATION, joining
from bench.directory import group, user
from bench.http_client import Response
from bench.measure import WARM_UP, Numbers, Served
from bench.operations import GET_USER, OPERATIONS, Operation
from bench.process import first_answer_seconds
from bench.ratios import Pair, Paired, Verdict, in_turns
from devhost.azurite import Azurite
from tests.running import ROOT

ROUNDS = 20
"""Rounds of each operation. With 20 ratios, the true median is between the sixth lowest and the sixth highest with a
certainty of 95 percent (binomial distribution). The spread, their middle half, is just as wide."""

REQUESTS = {1: 16, 16: 64}
"""Requests of a round, by the number of connections. They are few, so that both are measured within a second, while the
machine is equally busy. They are enough for a median."""

ALONE = {1: REQUESTS[1]}
"""Requests of a round of what is measured with one connection only."""

CONNECTIONS = max(REQUESTS)
"""Connections over which further users are created."""

STARTS = 12
"""Rounds in which a new process of each is started. They are fewer, for a start takes one or two seconds. They are
enough: it is unlikely that chance alone makes three quarters of them slower."""

_GROUPS = joining(WARM_UP + ROUNDS * sum(REQUESTS.values()))[0] + 1
"""Groups that exist: enough for the users of all rounds to join."""


@dataclass(frozen=True)
class Measured:
    """One operation at one number of connections: the p50 of each round, and its processor time for each request."""

    title: str
    connections: int
    seconds: Paired
    cpu_seconds: Paired


@dataclass(frozen=True)
class AgainstRun:
    """All that was measured. Memory is resident megabytes. `other_versions` are requirements that were not met."""

    names: Pair[str]
    other_versions: tuple[str, ...]
    operations: tuple[Measured, ...]
    first_answers: Paired
    memory_at_start: Pair[float]
    memory_after: Pair[float]

    @property
    def verdicts(self) -> list[Verdict]:
        """The verdicts on the operations, and on the first answer of a new process."""
        return [*(measured.seconds.verdict for measured in self.operations), self.first_answers.verdict]


_STILL_APP = Path(__file__).parent / "still_app"


async def run(commit: str, progress: Callable[[Measured], object], *, still: bool = False) -> AgainstRun:
    """Compares every operation of this working tree and of the commit. `progress` gets each one when it is measured.

    If `still`, changes of the working tree are not relayed after their answers: then only the answers are compared.
    Raises CommitError for a commit that is not there or does not start. Raises UnexpectedStatus when an endpoint gives
    a wrong answer to an operation.
    """
    names = Pair(commits.tree_name(ROOT), commits.short_name(ROOT, commit))
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder)
        commits.export(ROOT, commit, other)
        with (
            Azurite.start(seeks=True) as azurite,
            serving(azurite, "this", app=_STILL_APP if still else None) as this,
            _serving(azurite, other) as against,
        ):
            turns = _Turns(await _Side.seeded(this, ROOT), await _Side.seeded(against, other))
            at_start = turns.memory()
            measured = []
            async for item in _all_measured(turns):
                progress(item)
                measured.append(item)
            after = turns.memory()
            first_answers = await turns.first_answers()
        versions = tuple(commits.other_versions(ROOT, other))
        return AgainstRun(names, versions, tuple(measured), first_answers, at_start, after)


async def _all_measured(turns: "_Turns") -> AsyncIterator[Measured]:
    """Every operation. The list comes first, and larger groups last: until then the directory is small."""
    async for item in turns.measure(in_groups.SHORT_LIST, ALONE):
        yield item
    for operation in OPERATIONS:
        async for item in turns.measure(operation, REQUESTS):
            yield item
    await turns.grow()
    for operation in in_groups.operations(_GROUPS):
        async for item in turns.measure(operation, ALONE):
            yield item


@contextmanager
def _serving(azurite: Azurite, root: Path) -> Iterator[Endpoint]:
    with ExitStack() as stack:
        try:
            endpoint = stack.enter_context(serving(azurite, "against", root))
        except AssertionError as error:
            wanted = ", ".join(commits.other_versions(ROOT, root)) or "the same packages"
            raise commits.CommitError(f"The commit does not start here (it wants {wanted}): {error}") from None
        yield endpoint


@dataclass(frozen=True)
class _Side:
    """One of the two sides: its endpoint with a directory in it, and its working tree."""

    endpoint: Endpoint
    root: Path
    users: list[str]
    groups: list[str]

    @classmethod
    async def seeded(cls, endpoint: Endpoint, root: Path) -> "_Side":
        """The side, after users and groups were created over HTTP: each commit writes rows in its own form."""
        users: list[str] = []
        groups: list[str] = []
        client = replace(endpoint.client, user_id=users.__getitem__, group_id=groups.__getitem__)
        requests = (client.request("POST", "/Users", 201, user(number)) for number in range(POPULATION))
        await endpoint.app.serve(requests, 1, _noting_ids(users))
        members = [{"value": user_id} for user_id in users[-MEMBERS:]]
        side = cls(replace(endpoint, client=client), root, users, groups)
        await side._create_groups([group(number) | {"members": members} for number in range(_GROUPS)])
        return side

    async def grow(self) -> None:
        """The directory has the users and the groups of the operations in_groups."""
        client = self.endpoint.client
        numbers = range(POPULATION, in_groups.LARGE)
        requests = (client.request("POST", "/Users", 201, user(number)) for number in numbers)
        await self.endpoint.app.serve(requests, CONNECTIONS, _noting_ids(self.users))
        await self._create_groups(in_groups.bodies(_GROUPS, self.users))

    async def _create_groups(self, bodies: Sequence[dict[str, Any]]) -> None:
        requests = (self.endpoint.client.request("POST", "/Groups", 201, body) for body in bodies)
        await self.endpoint.app.serve(requests, 1, _noting_ids(self.groups))

    async def serve(self, operation: Operation, numbers: range, connections: int) -> Served:
        """The requests of these numbers are answered."""
        client = self.endpoint.client
        sample, cpu = await self.endpoint.app.serve(operation.requests(client, numbers), connections, client.note)
        return Served(sample, cpu / len(numbers))

    async def first_answer(self) -> float:
        """The seconds from the start of a new process to its first answer, to a GET."""
        request = GET_USER.request(self.endpoint.client, 0)
        return await first_answer_seconds(self.endpoint.environment, request, self.root)


@dataclass(frozen=True)
class _Turns:
    """The two sides, which alternate and do the same."""

    this: _Side
    against: _Side

    def memory(self) -> Pair[float]:
        """Resident megabytes now."""
        return Pair(*(side.endpoint.app.meter.resident_mb() for side in (self.this, self.against)))

    async def first_answers(self) -> Paired:
        """The first answers of new processes."""
        return Paired(*map(tuple, await in_turns(self.this, self.against, [_Side.first_answer] * STARTS)))

    async def grow(self) -> None:
        """Both directories are larger."""
        await in_turns(self.this, self.against, [_Side.grow])

    async def measure(self, operation: Operation, requests_of: Mapping[int, int]) -> AsyncIterator[Measured]:
        """The operation at each number of connections, with so many requests a round."""
        numbers = Numbers(0)
        await in_turns(self.this, self.against, [_round(operation, numbers.take(WARM_UP), 1)])
        for connections, requests in requests_of.items():
            count = requests // operation.divisor
            rounds = [_round(operation, numbers.take(count), connections) for _ in range(ROUNDS)]
            taken = await in_turns(self.this, self.against, rounds)
            seconds = Paired(*(tuple(served.sample.percentile(50) for served in side) for side in taken))
            cpu_seconds = Paired(*(tuple(served.cpu_seconds for served in side) for side in taken))
            yield Measured(operation.title, connections, seconds, cpu_seconds)


def _round(operation: Operation, numbers: range, connections: int) -> Callable[[_Side], Awaitable[Served]]:
    return lambda side: side.serve(operation, numbers, connections)


def _noting_ids(ids: list[str]) -> Callable[[Response], None]:
    return lambda response: ids.append(json.loads(response.body)["id"])
