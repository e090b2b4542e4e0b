"""The feed run: how soon a change is delivered, how fast what waits is sent and relayed, and what a snapshot takes."""

import asyncio
import base64
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256

from aiohttp import web

from bench.apps import Endpoint, environment, serving
from bench.backlog import Sent, backlogs
from bench.directory import TENANT, store_users, stored_user, user_id
from bench.http_client import HttpClient, Request, Response
from bench.load import Sample
from bench.operations import PATCH_URN
from devhost.azurite import Azurite
from scim_core import Settings
from scim_core.clock import instant_text, utc_now
from scim_core.storage.hook_port import Hook, HookCursor, Stream
from scim_core.storage.tables import TableStorage, table_storage
from tests.transcript import transcript

USERS = 100_000
"""Users of a large directory, whose snapshot is read."""

CHANGES = 10_000
"""Changes that wait for one relay: as many as a first cycle of a common company leaves when nobody reads."""

WATCHED = 200
"""Changes whose delivery is timed, at each number of connections."""

CONNECTIONS = (1, 16)
"""Connections over which these changes are made: somebody at work, and a cycle."""

LONGEST_SECONDS = 60
"""How long a delivery is waited for. The timer delivers each minute what was left."""

_HOOK = "b" * 12
"""The id of the hook: any one."""


@dataclass(frozen=True)
class Delivered:
    """Seconds from the answer to a change until a hook's receiver has it."""

    connections: int
    sample: Sample


@dataclass(frozen=True)
class Relayed:
    """Changes that waited, and what one relay of all took."""

    changes: int
    seconds: float
    calls: int


@dataclass(frozen=True)
class Snapshot:
    """A whole snapshot over HTTP: its resources, pages and bytes, and the memory of the process before and at most."""

    resources: int
    pages: int
    size: int
    seconds: float
    before_mb: float
    peak_mb: float


@dataclass(frozen=True)
class FeedRun:
    """All that the feed run measured."""

    delivered: tuple[Delivered, ...]
    sent: tuple[Sent, ...]
    relayed: Relayed
    snapshot: Snapshot


async def run(users: int, progress: Callable[[str], object]) -> FeedRun:
    """The four measurements, each over its own table of one Azurite that seeks."""
    with ExitStack() as stack:
        azurite = stack.enter_context(Azurite.start(seeks=True))
        progress("deliveries")
        delivered = await _deliveries(azurite)
        progress("what waits for hooks")
        sent = await backlogs(azurite)
        progress(f"a relay of {CHANGES:,} changes")
        relayed = await _relay(azurite)
        progress(f"a snapshot of {users:,} users")
        return FeedRun(delivered, sent, relayed, await _snapshot(azurite, users))


@dataclass
class _Receiver:
    """A hook's receiver, which notes when it got the change of each user."""

    arrived: dict[str, float] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.Response:
        now = time.perf_counter()
        for event in json.loads(await request.read()):
            self.arrived[event["data"]["id"]] = now
        self.news.set()
        return web.Response(status=204)

    async def has(self, ids: set[str]) -> None:
        """Returns when the changes of all these users have come. Raises TimeoutError."""
        async with asyncio.timeout(LONGEST_SECONDS):
            while not ids <= self.arrived.keys():
                await self.news.wait()
                self.news.clear()


@asynccontextmanager
async def _receiving() -> AsyncIterator[tuple[_Receiver, str]]:
    """A receiver, and its address."""
    receiver = _Receiver()
    app = web.Application(client_max_size=2**24)
    app.router.add_post("/hook", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield receiver, f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    finally:
        await runner.cleanup()


async def _deliveries(azurite: Azurite) -> tuple[Delivered, ...]:
    further = {
        "SCIM_MASTER_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "SCIM_HOOKS_TO_LOOPBACK": "true",
    }
    with serving(azurite, "delivered", further=further) as endpoint:
        async with _receiving() as (receiver, address):
            storage = table_storage(endpoint.settings.storage)
            await store_users(storage, range(WATCHED * len(CONNECTIONS)))
            await _add_hook(storage, address)
            await storage.close()
            return tuple(
                [
                    await _delivered(endpoint, receiver, connections, range(place * WATCHED, (place + 1) * WATCHED))
                    for place, connections in enumerate(CONNECTIONS)
                ]
            )


async def _add_hook(storage: TableStorage, address: str) -> None:
    """There is a hook at the end of the tenant's feed."""
    await storage.relay(TENANT)
    head = await storage.feed_head(TENANT)
    await storage.save_hook_cursor(TENANT, _HOOK, Stream.EVENTS, HookCursor(head.epoch, head.next - 1))
    await storage.save_hook(Hook(_HOOK, address, TENANT, "https://scim.example.com", instant_text(utc_now())))


async def _delivered(endpoint: Endpoint, receiver: _Receiver, connections: int, numbers: range) -> Delivered:
    answered: dict[str, float] = {}
    ids = {user_id(number) for number in numbers}

    def answer(response: Response) -> None:
        answered[json.loads(response.body)["id"]] = time.perf_counter()

    started = time.perf_counter()
    await endpoint.app.serve((_change(endpoint, number) for number in numbers), connections, answer)
    await receiver.has(ids)
    waited = tuple(max(0.0, receiver.arrived[item] - answered[item]) for item in ids)
    return Delivered(connections, Sample(waited, time.perf_counter() - started))


def _change(endpoint: Endpoint, number: int) -> Request:
    operation = {"op": "replace", "path": "title", "value": "Guide of guides"}
    body = {"schemas": [PATCH_URN], "Operations": [operation]}
    return endpoint.client.request("PATCH", f"/Users/{user_id(number)}", 200, body)


async def _relay(azurite: Azurite) -> Relayed:
    """The relay runs in this process: no request costs anything at the same time."""
    storage = table_storage(Settings.from_environment(environment(azurite, "relayed", "no client")).storage)
    numbers = iter(range(CHANGES))

    async def create() -> None:
        for number in numbers:
            await storage.create(TENANT, stored_user(number))

    async with asyncio.TaskGroup() as writers:
        for _ in range(max(CONNECTIONS)):
            writers.create_task(create())
    started = time.perf_counter()
    with transcript(storage) as recorded:
        changes = await storage.relay(TENANT)
    seconds = time.perf_counter() - started
    await storage.close()
    return Relayed(changes, seconds, len(recorded.kinds))


async def _snapshot(azurite: Azurite, users: int) -> Snapshot:
    token = secrets.token_urlsafe(32)
    further = {"SCIM_FEED_TOKEN_SHA256": sha256(token.encode()).hexdigest()}
    storage = table_storage(Settings.from_environment(environment(azurite, "snapshot", "no client")).storage)
    await store_users(storage, range(users))
    await storage.close()
    with serving(azurite, "snapshot", further=further) as endpoint:
        meter = endpoint.app.meter
        before = meter.resident_mb()
        meter.reset_peak()
        started = time.perf_counter()
        async with HttpClient(endpoint.app.url) as http:
            pages = [page async for page in _pages(http, token)]
        seconds = time.perf_counter() - started
        resources, sizes = zip(*pages, strict=True)
        return Snapshot(sum(resources), len(pages), sum(sizes), seconds, before, meter.peak_mb())


async def _pages(http: HttpClient, token: str) -> AsyncIterator[tuple[int, int]]:
    """Of each page, how many resources and bytes it has."""
    page, more = "", True
    while more:
        target = "/feed/v1/snapshot" + (f"?page={page}" if page else "")
        answer = await http.send(Request("GET", target, 200, {"Authorization": f"Bearer {token}"}))
        found = json.loads(answer.body)
        yield len(found["resources"]), len(answer.body)
        page, more = found["next"], found["next"] is not None
