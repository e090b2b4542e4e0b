"""After an answer its process relays: soon, once for many changes, and without a word in the log."""

import asyncio
import json
import logging
from hashlib import sha256

import pytest

import scim_core
from scim_core import ScimRequest, Settings
from scim_core.feed import kicks as kicks_module
from scim_core.feed.kicks import MAX_RELAYS, Kicks
from scim_core.storage.port import StorageBusy
from scim_core.storage.tables import TableStorage, keys
from scim_core.storage.tables.reading import read_range
from tests.bulk import bulk, post
from tests.scim import TOKEN, UNLIMITED, Client, Clock, endpoint_over, path, replace

TENANT = "default"


class Pauses:
    """Pauses that end when the test says so."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.over = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await self.over.wait()


async def test_many_changes_are_relayed_together_and_one_during_a_relay_again() -> None:
    relayed: list[str] = []
    pauses = Pauses()

    async def relay(tenant: str) -> None:
        relayed.append(tenant)
        if len(relayed) == 1:
            kicks.kick(tenant)

    kicks = Kicks(relay, pauses)
    for _ in range(10):
        kicks.kick("contoso")
    await asyncio.sleep(0)
    assert (relayed, pauses.seconds) == ([], [kicks_module.PAUSE_SECONDS])
    pauses.over.set()
    await kicks.idle()
    assert relayed == ["contoso", "contoso"]


async def test_a_storage_that_is_busy_is_left_to_the_timer() -> None:
    tries: list[str] = []
    pauses = Pauses()
    pauses.over.set()

    async def relay(tenant: str) -> None:
        tries.append(tenant)
        raise StorageBusy("busy")

    kicks = Kicks(relay, pauses)
    kicks.kick("contoso")
    await kicks.idle()
    kicks.kick("contoso")
    await kicks.idle()
    assert tries == ["contoso", "contoso"]


async def test_the_relays_of_a_process_are_bounded() -> None:
    relayed: list[str] = []
    pauses = Pauses()

    async def relay(tenant: str) -> None:
        relayed.append(tenant)

    kicks = Kicks(relay, pauses)
    for number in range(MAX_RELAYS + 5):
        kicks.kick(f"tenant{number}")
    pauses.over.set()
    await kicks.idle()
    assert len(relayed) == MAX_RELAYS


async def test_a_change_through_the_endpoint_is_in_the_feed_soon(storage: TableStorage, clock: Clock) -> None:
    environment = {
        "SCIM_TOKEN_SHA256": sha256(TOKEN.encode()).hexdigest(),
        "SCIM_STORAGE_CONNECTION": "UseDevelopmentStorage=true",
        **UNLIMITED,
    }
    endpoint = scim_core.build(Settings.from_environment(environment), storage, clock, relays=True)
    client = Client(endpoint)
    user = await client.user("ann")
    await client.patch(path(user), replace("title", "Director"))
    assert endpoint._kicks is not None
    await endpoint._kicks.idle()
    assert len(await read_range(storage.rows, TENANT, keys.feed_after(0))) == 2
    await client.get(path(user))
    await client.patch(path(user), replace("title", "Director"))
    assert endpoint._kicks._running == {}
    await bulk(client, post("/Users", "1", userName="bob"), post("/Users", "2", userName="cid"))
    await endpoint._kicks.idle()
    assert len(await read_range(storage.rows, TENANT, keys.feed_after(0))) == 4


async def test_a_change_through_the_endpoint_wakes_a_reader_that_waits(storage: TableStorage, clock: Clock) -> None:
    environment = {
        "SCIM_TOKEN_SHA256": sha256(TOKEN.encode()).hexdigest(),
        "SCIM_FEED_TOKEN_SHA256": sha256(b"reader").hexdigest(),
        "SCIM_STORAGE_CONNECTION": "UseDevelopmentStorage=true",
        **UNLIMITED,
    }
    pauses, waits = Pauses(), asyncio.Event()

    async def pause(seconds: float) -> None:
        waits.set()
        await pauses(seconds)

    endpoint = scim_core.build(Settings.from_environment(environment), storage, clock, pause=pause, relays=True)
    headers = {"authorization": "Bearer reader"}
    reading = asyncio.create_task(endpoint.handle(ScimRequest("GET", "/feed/v1/changes", "wait=20", headers)))
    await waits.wait()
    user = await Client(endpoint).user("ann")
    [entry] = json.loads((await reading).body)["entries"]
    assert (entry["change"], entry["id"]) == ("created", user["id"])
    assert pauses.seconds == [1]


async def test_the_timer_says_what_it_did(
    storage: TableStorage, clock: Clock, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    await client.user("ann")
    caplog.set_level(logging.INFO, "scim_core.endpoint.endpoint")
    tended = await endpoint_over(storage, clock).tend_feeds()
    assert (tended.relayed, tended.left) == (1, False)
    record = caplog.records[-1]
    assert (record.getMessage(), vars(record)["operation"]) == ("feeds: 1 relayed, 0 rows too old", "feeds")
