"""The base run: every operation, the start of the process, its memory."""

import asyncio
from dataclasses import dataclass

from bench import bare
from bench.apps import Endpoint, environment, serving, serving_bare
from bench.bare import LIST_COUNT, MEMBERS, POPULATION
from bench.directory import TENANT, store_group, store_users, user_id
from bench.measure import CALLS_FIRST, CALLS_MOST, Bench, Result
from bench.operations import GET_USER, OPERATIONS, post_user
from bench.process import Durations, first_answer_durations, import_durations
from bench.transcripts import CallCounter
from devhost.azurite import Azurite
from scim_core import Settings
from scim_core.storage.port import PagePosition
from scim_core.storage.tables import table_storage

USERS = 10_000
"""Users in the directory when the memory of the process is read: a common size of a company."""

LOAD_CONNECTIONS = 16
"""Connections over which these users are created: the most that operations are measured with."""

REPETITIONS = 5
"""Starts of a process. The best and the median are reported. The target is for the best, and five starts show it."""

_FIRST_LOADED = 200_000
"""The number of the first of these users: above the numbers of all requests measured before."""


@dataclass(frozen=True)
class Memory:
    """Resident megabytes of the process: before the first request, after the measurements, and with USERS users."""

    at_start: float
    after_operations: float
    with_users: float
    peak: float


@dataclass(frozen=True)
class BaseRun:
    """All that the base run measured."""

    results: tuple[Result, ...]
    memory: Memory
    imports: Durations
    first_answers: Durations


async def run() -> BaseRun:
    """The base run, with its own endpoint and Azurite."""
    with Azurite.start() as azurite, serving(azurite, "scim") as endpoint:
        meter = endpoint.app.meter
        at_start = meter.resident_mb()
        results = await _measure(endpoint, environment(azurite, "bare", endpoint.client.token))
        after_operations = meter.resident_mb()
        await _fill(endpoint)
        memory = Memory(at_start, after_operations, meter.resident_mb(), meter.peak_mb())
        return BaseRun(results, memory, *await asyncio.to_thread(_starts, endpoint))


async def _measure(endpoint: Endpoint, bare_environment: dict[str, str]) -> tuple[Result, ...]:
    results = []
    bare_settings = Settings.from_environment(bare_environment)
    await prepare(endpoint.settings)
    await prepare(bare_settings)
    counter = CallCounter(endpoint.settings, bare_settings)
    with serving_bare(bare_environment) as bare_app:
        bench = Bench(endpoint.app, bare_app, endpoint.client)
        for operation in OPERATIONS:
            calls = await counter.calls(operation, endpoint.client, 0)
            results.append(await bench.measure(operation, calls, 1))
    await counter.close()
    return tuple(results)


async def prepare(settings: Settings, population: int = POPULATION) -> None:
    """The table holds the users, and groups of the last of them: those that a series of requests adds members to."""
    storage = table_storage(settings.storage)
    await store_users(storage, range(population))
    for group in sorted({bare.joining(number)[0] for number in (0, CALLS_FIRST, CALLS_FIRST + CALLS_MOST)}):
        await store_group(storage, group, range(POPULATION - MEMBERS, POPULATION))
    position = PagePosition(user_id(LIST_COUNT), population, "2026-11-23T12:10:00.000000Z")
    await storage.save_page_position(TENANT, bare.NEXT_PAGE, position)
    await storage.close()


async def _fill(endpoint: Endpoint) -> None:
    """USERS users are in the directory, created over HTTP by the process that is measured."""
    numbers = range(_FIRST_LOADED, _FIRST_LOADED + USERS - POPULATION)
    await endpoint.app.serve((post_user(endpoint.client, number) for number in numbers), LOAD_CONNECTIONS)


def _starts(endpoint: Endpoint) -> tuple[Durations, Durations]:
    request = GET_USER.request(endpoint.client, 0)
    return (
        import_durations(endpoint.environment, REPETITIONS),
        first_answer_durations(endpoint.environment, request, REPETITIONS),
    )
