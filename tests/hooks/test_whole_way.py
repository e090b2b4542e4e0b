"""From a SCIM request to a receiver: over real sockets, without a timer; and the client library reads what comes."""

import asyncio
from hashlib import sha256

import scim_core
from scim_core import Settings
from scim_core.feed.hooks import signatures
from scim_core.settings import master_key
from scim_core.storage.hook_port import Hook, HookCursor, Stream
from scim_core.storage.tables import TableStorage
from scim_feed import verify
from tests.hooks.test_sending import saying
from tests.scim import TOKEN, UNLIMITED, Client, Clock

TENANT = "default"
ENVIRONMENT = {
    "SCIM_TOKEN_SHA256": sha256(TOKEN.encode()).hexdigest(),
    "SCIM_STORAGE_CONNECTION": "UseDevelopmentStorage=true",
    "SCIM_MASTER_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    "SCIM_HOOKS_TO_LOOPBACK": "true",
    **UNLIMITED,
}


async def test_a_change_is_delivered_soon_after_its_answer_and_the_library_verifies_it(
    storage: TableStorage, clock: Clock
) -> None:
    arrived: asyncio.Queue[tuple[dict[str, str], bytes]] = asyncio.Queue()

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
        headers = dict(line.split(": ", 1) for line in head)
        body = await reader.readexactly(int(headers["Content-Length"]))
        await saying("204 No Content")(reader, writer)
        writer.close()
        arrived.put_nowait((headers, body))

    running = await asyncio.start_server(receive, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{running.sockets[0].getsockname()[1]}/hook"
    hook = Hook("h9", url, TENANT, "https://scim.example.com", since="")
    head = await storage.feed_head(TENANT)
    await storage.save_hook_cursor(TENANT, hook.id, Stream.EVENTS, HookCursor(head.epoch, 0))
    await storage.save_hook(hook)
    client = Client(scim_core.build(Settings.from_environment(ENVIRONMENT), storage, clock, relays=True))
    user = await client.user("ann@example.com")
    async with asyncio.timeout(60):  # a timer would be needed after a minute
        headers, body = await arrived.get()
    running.close()
    master = master_key(ENVIRONMENT)
    assert master is not None
    secret = signatures.shown(signatures.secret(master, hook.id, 1))
    delivery = verify(headers, body, secret, now=clock.now.timestamp())
    [event] = delivery.events
    assert delivery.id == headers["webhook-id"]
    assert (event.type, event.subject, event.is_replay) == ("scim.user.created", f"Users/{user['id']}", False)
    assert event.source == "https://scim.example.com/feed/v1/changes?tenant=default"
    assert event.data["resource"]["userName"] == "ann@example.com"
    assert event.data["resource"]["meta"]["location"] == f"https://scim.example.com/scim/v2/Users/{user['id']}"
