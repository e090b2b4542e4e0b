"""How fast a hook sends what waits for it: to a receiver that answers at once, in this process, over Azurite."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import batched

from aiohttp import web

from bench.apps import environment
from bench.directory import TENANT, stored_user
from devhost.azurite import Azurite
from scim_core import Settings
from scim_core.clock import instant_text, utc_now
from scim_core.feed.hooks.delivery import Hooks
from scim_core.feed.hooks.sending import HttpSender
from scim_core.ids import uuid7
from scim_core.master_key import MasterKey
from scim_core.protocol.schemas import Catalogue, load_catalogue
from scim_core.storage.hook_port import Hook, HookCursor, HookFormat, Stream
from scim_core.storage.tables import TableStorage, table_storage
from tests.transcript import transcript

WAITING = 1_000
"""Entries that wait for a hook: some seconds of a first cycle."""


@dataclass(frozen=True)
class Sent:
    """Entries that waited for a hook of this format, and what it took to send them."""

    format: HookFormat
    entries: int
    requests: int
    seconds: float
    calls: int


async def backlogs(azurite: Azurite) -> tuple[Sent, ...]:
    """The same entries, as tokens and as CloudEvents."""
    storage = table_storage(Settings.from_environment(environment(azurite, "backlog", "no client")).storage)
    for some in batched(range(WAITING), 16, strict=False):
        await asyncio.gather(*(storage.create(TENANT, stored_user(number)) for number in some))
    await storage.relay(TENANT)
    try:
        return tuple([await _sent(storage, of) for of in (HookFormat.SET, HookFormat.EVENTS)])
    finally:
        await storage.close()


async def _sent(storage: TableStorage, of: HookFormat) -> Sent:
    catalogue = load_catalogue()

    async def catalogue_of(_: str) -> Catalogue:
        return catalogue

    async with _receiving() as (requests, address):
        head = await storage.feed_head(TENANT)
        hook = Hook(f"backlog{of}", address, TENANT, "https://scim.example.com", instant_text(utc_now()), format=of)
        await storage.save_hook_cursor(TENANT, hook.id, Stream.EVENTS, HookCursor(head.epoch, head.first - 1))
        await storage.save_hook(hook)
        hooks = Hooks(
            storage,
            catalogue_of,
            HttpSender(to_loopback=True),
            MasterKey(secrets.token_bytes(32)),
            clock=utc_now,
            timer=time.monotonic,
            new_id=lambda: uuid7(utc_now()),
            pause=asyncio.sleep,
        )
        started, left = time.perf_counter(), 1
        with transcript(storage) as recorded:
            while left:
                left = (await hooks.deliver(TENANT)).left
        seconds = time.perf_counter() - started
        [stored] = [item for item in await storage.hooks() if item.id == hook.id]
        await storage.remove_hook(stored, [TENANT])
        return Sent(of, head.next - head.first, len(requests), seconds, len(recorded.calls))


@asynccontextmanager
async def _receiving() -> AsyncIterator[tuple[list[int], str]]:
    """A receiver that answers 202 at once: the sizes of what it has got, and its address."""
    requests: list[int] = []

    async def take(request: web.Request) -> web.Response:
        requests.append(len(await request.read()))
        return web.Response(status=202)

    app = web.Application(client_max_size=2**24)
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield requests, f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    finally:
        await runner.cleanup()
