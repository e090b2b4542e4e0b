"""The scale run: what an operation costs in directories and groups of very different sizes, all measured in one run."""

import base64
import json
import math
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from urllib.parse import urlencode

from bench.apps import Endpoint, serving
from bench.directory import group_id, store_group, store_users, user_id, user_name
from bench.http_client import Request, UnexpectedStatus
from bench.load import NO_REQUESTS
from bench.operations import add_member
from devhost.azurite import Azurite
from scim_core import ScimRequest, build
from scim_core.storage.tables import table_storage
from tests.transcript import transcript

USERS = (1_000, 10_000, 100_000)
"""Sizes of directories: each is ten times the one before, so that growth is easy to tell from chance."""

MEMBERS = (10, 1_000, 10_000, 100_000)
"""Sizes of groups: from a team to everybody in the largest directory."""

ROUNDS = 6
"""Rounds of each size: other work of the machine affects all sizes."""

REQUESTS = 10
"""Requests of a round, over one connection: few, so that the sizes alternate quickly."""

PAGE = 100
"""Resources of a list page: clients that synchronise ask for as many."""

_WARM_UP = 20
"""Requests before the measurement. After them connections are open and caches are filled."""

_TURNS = 10
"""Parts of a walk. The sizes alternate after each part."""

_PAGES = 100
"""The fewest pages for the time of a walk: ten for each part. A walk that is shorter begins again."""

_CURSORS = {"SCIM_MASTER_KEY": base64.urlsafe_b64encode(bytes(32)).decode()}
"""The setting that lists need to be walked by cursor."""

_SEED = 7
"""The seed for the choice of users: any number, but the same in every run."""


@dataclass(frozen=True)
class Point:
    """One operation at one size: its p50 (for a walk, the time for each user), and the peak memory during it.

    For a walk also the round trips to Table Storage of its last page; otherwise 0.
    """

    title: str
    size: int
    seconds: float
    peak_mb: float
    round_trips: int = 0


@dataclass(frozen=True)
class Series:
    """An operation at one size: its requests, and the endpoint that answers them."""

    size: int
    endpoint: Endpoint
    requests: Sequence[Request]


async def run(largest: int, *, plain_azurite: bool) -> list[Point]:
    """The curves, for the sizes up to `largest`.

    Azurite is made to seek in the order of keys, as Table Storage does. With `plain_azurite` it is unchanged: then each
    range read costs as much as a read of the whole table.
    """
    with ExitStack() as stack:
        azurite = stack.enter_context(Azurite.start(seeks=not plain_azurite))
        sizes = [size for size in USERS if size <= largest]
        endpoints = {size: stack.enter_context(serving(azurite, f"users{size}", further=_CURSORS)) for size in sizes}
        for size, endpoint in endpoints.items():
            await _store(endpoint, size)
        points = [point async for point in _users(endpoints)]
        groups = [size for size in MEMBERS if size <= largest]
        await _store_groups(endpoints[sizes[-1]], sizes[-1], groups)
        return points + [point async for point in _groups(endpoints[sizes[-1]], sizes[-1], groups)]


async def _store(endpoint: Endpoint, size: int) -> None:
    """The directory of this size."""
    storage = table_storage(endpoint.settings.storage)
    await store_users(storage, range(size))
    await storage.close()


async def _store_groups(endpoint: Endpoint, users: int, sizes: Sequence[int]) -> None:
    """A group of each size, with the first users as members, and further users who can join."""
    storage = table_storage(endpoint.settings.storage)
    await store_users(storage, _joining(users))
    for number, size in enumerate(sizes):
        await store_group(storage, number, range(size))
    await storage.close()


def _joining(users: int) -> range:
    return range(users, users + _WARM_UP + ROUNDS * REQUESTS)


async def _users(endpoints: dict[int, Endpoint]) -> AsyncIterator[Point]:
    drawn = random.Random(_SEED)
    numbers = {size: [drawn.randrange(size) for _ in range(_WARM_UP + ROUNDS * REQUESTS)] for size in endpoints}
    targets = {
        "GET user": {size: [f"/Users/{user_id(number)}" for number in numbers[size]] for size in endpoints},
        "match: one user": {size: [_match(number) for number in numbers[size]] for size in endpoints},
        "first list page": {size: [_page(1)] * len(numbers[size]) for size in endpoints},
    }
    for title, by_size in targets.items():
        for point in await _curve(title, [_series(endpoints[size], size, by_size[size]) for size in endpoints]):
            yield point
    for point in await _walks("walk by startIndex, a user", endpoints, _ByIndex):
        yield point
    for point in await _walks("walk by cursor, a user", endpoints, _ByCursor):
        yield point


async def _groups(endpoint: Endpoint, users: int, sizes: Sequence[int]) -> AsyncIterator[Point]:
    joining = _joining(users)
    additions = [
        Series(size, endpoint, [add_member(endpoint.client, number, member) for member in joining])
        for number, size in enumerate(sizes)
    ]
    for point in await _curve("PATCH group, 1 member", additions):
        yield point
    for title, targets in (
        ("GET group, no members", [_group(number) for number in range(len(sizes))]),
        ("is it a member?", [_probe(number, size // 2) for number, size in enumerate(sizes)]),
    ):
        repeated = [[target] * len(joining) for target in targets]
        series = [_series(endpoint, size, requests) for size, requests in zip(sizes, repeated, strict=True)]
        for point in await _curve(title, series):
            yield point


async def _curve(title: str, all_series: Sequence[Series]) -> list[Point]:
    """The p50 and the peak of each series. The series alternate."""
    samples = [NO_REQUESTS] * len(all_series)
    peaks = [0.0] * len(all_series)
    for series in all_series:
        await series.endpoint.app.serve(series.requests[:_WARM_UP], 1)
    for start in range(_WARM_UP, _WARM_UP + ROUNDS * REQUESTS, REQUESTS):
        for place, series in enumerate(all_series):
            series.endpoint.app.meter.reset_peak()
            sample, _ = await series.endpoint.app.serve(series.requests[start : start + REQUESTS], 1)
            samples[place] += sample
            peaks[place] = max(peaks[place], series.endpoint.app.meter.peak_mb())
    return [
        Point(title, series.size, sample.percentile(50), peak)
        for series, sample, peak in zip(all_series, samples, peaks, strict=True)
    ]


def _series(endpoint: Endpoint, size: int, targets: Sequence[str]) -> Series:
    return Series(size, endpoint, [endpoint.client.request("GET", target, 200) for target in targets])


class _ByIndex:
    """The pages of a walk by startIndex, and again from the first one."""

    def __init__(self, size: int) -> None:
        self._size = size

    def targets(self) -> Iterator[str]:
        while True:
            yield from (_page(start) for start in range(1, self._size + 1, PAGE))

    def seen(self, _: bytes) -> None:
        """Nothing in an answer is needed for the next page."""


class _ByCursor:
    """The pages of a walk by cursor, each by the cursor of the one before, and again from the first one."""

    def __init__(self, _: int) -> None:
        self._cursor = ""

    def targets(self) -> Iterator[str]:
        while True:
            yield f"/Users?cursor={self._cursor}&count={PAGE}"

    def seen(self, body: bytes) -> None:
        self._cursor = json.loads(body).get("nextCursor", "")


async def _walks(title: str, endpoints: dict[int, Endpoint], kind: type[_ByIndex | _ByCursor]) -> list[Point]:
    """The time for each user of walks through all users, the peaks and the round trips. The walks alternate."""
    walks = {size: kind(size) for size in endpoints}
    targets = {size: walk.targets() for size, walk in walks.items()}
    pages = {size: math.ceil(max(size / PAGE, _PAGES) / _TURNS) for size in endpoints}
    seconds = dict.fromkeys(endpoints, 0.0)
    for endpoint in endpoints.values():
        endpoint.app.meter.reset_peak()
    for _ in range(_TURNS):
        for size, endpoint in endpoints.items():
            requests = (endpoint.client.request("GET", target, 200) for target in islice(targets[size], pages[size]))
            walk = walks[size]
            sample, _cpu = await endpoint.app.serve(requests, 1, lambda answer, walk=walk: walk.seen(answer.body))  # type: ignore[misc]
            seconds[size] += sample.elapsed
    return [
        Point(
            title,
            size,
            seconds[size] / (_TURNS * pages[size]) / PAGE,
            endpoint.app.meter.peak_mb(),
            await _round_trips(endpoint, kind(size), size // PAGE),
        )
        for size, endpoint in endpoints.items()
    ]


async def _round_trips(endpoint: Endpoint, walk: _ByIndex | _ByCursor, pages: int) -> int:
    """How many calls of the last page wait for an earlier one, in a process that has walked to it."""
    storage = table_storage(endpoint.settings.storage)
    here = build(endpoint.settings, storage)
    for target in islice(walk.targets(), pages):
        request = endpoint.client.request("GET", target, 200)
        path, _, query = request.target.partition("?")
        headers = {name.lower(): value for name, value in request.headers.items()}
        with transcript(storage) as recorded:
            answer = await here.handle(ScimRequest("GET", path, query, headers, b"", "http://localhost"))
        if answer.status != request.expect:
            raise UnexpectedStatus(f"{target}: {answer.status} {answer.body[:500]!r}")
        walk.seen(answer.body)
    await storage.close()
    return recorded.round_trips


def _match(number: int) -> str:
    return f"/Users?{urlencode({'filter': f'userName eq "{user_name(number)}"'})}"


def _page(start: int) -> str:
    return f"/Users?startIndex={start}&count={PAGE}"


def _group(number: int) -> str:
    return f"/Groups/{group_id(number)}?excludedAttributes=members"


def _probe(group: int, member: int) -> str:
    text = f'id eq "{group_id(group)}" and members eq "{user_id(member)}"'
    return f"/Groups?{urlencode({'filter': text, 'attributes': 'id'})}"
