"""A hook to a queue rings there: a message says how far a tenant's feed has come, and holds nothing else."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

import scim_core
from scim_core import Settings
from scim_core.clock import utc_now
from scim_core.feed.hooks import schedule
from scim_core.feed.hooks.doorbells import queue_of
from scim_core.feed.hooks.sending import HttpSender, Sender, Senders, Tried
from scim_core.settings import SettingsError, StorageSettings
from scim_core.storage.hook_port import ALL_TENANTS, HookFormat, Stream
from scim_core.storage.port import StorageError
from scim_core.storage.queues import QueueAccount, Queues, queue_account, queues_of
from scim_core.storage.tables import TableStorage
from scim_core.storage.tables.feed_rows import head_change
from tests.commands import Done, run_here
from tests.contract.builders import TENANT, create, user
from tests.hooks.queue_emulator import QueueEmulator, queue_emulator
from tests.hooks.receiver import FAILED, HOOK, TAKEN, Answers, add_hook, due, hooks_over
from tests.hooks.test_sending import saying, server
from tests.scim import TOKEN, UNLIMITED, Client, Clock

QUEUE = "scim-doorbells"
BELL = replace(HOOK, url=f"queue:{QUEUE}", format=HookFormat.DOORBELL)
MADE = {"SCIM_MASTER_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "SCIM_PUBLIC_BASE_URL": "https://s.example"}


class Bell(Sender):
    """What has rung: the messages, in their order."""

    def __init__(self, answers: Answers = lambda _: TAKEN) -> None:
        self.answers = answers
        self.rung: list[dict[str, Any]] = []

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Tried:
        """See Sender.send."""
        assert (url, headers) == (BELL.url, {})
        answer = self.answers(len(self.rung))
        self.rung.append(json.loads(body))
        assert isinstance(answer, Tried)
        return answer

    @property
    def numbers(self) -> list[int]:
        return [message["number"] for message in self.rung]


async def test_one_message_says_how_far_the_feed_has_come(storage: TableStorage, clock: Clock) -> None:
    await add_hook(storage, BELL)
    await create(storage, *(user(number) for number in range(1, 251)))
    bell = Bell()
    hooks = hooks_over(storage, bell, clock)
    done = await hooks.deliver(TENANT)
    epoch = (await storage.feed_head(TENANT)).epoch
    assert bell.rung == [{"tenant": TENANT, "epoch": epoch, "number": 250}]
    assert (done.taken, done.left) == (1, 0)
    await hooks.deliver(TENANT)
    await create(storage, user(251))
    await hooks.deliver(TENANT)
    assert bell.numbers == [250, 251]


async def test_a_message_that_was_not_taken_is_made_up_for_by_the_next(storage: TableStorage, clock: Clock) -> None:
    await add_hook(storage, BELL)
    await create(storage, user(1))
    bell = Bell(lambda number: FAILED if number < 3 else TAKEN)
    hooks = hooks_over(storage, bell, clock)
    await hooks.deliver(TENANT)
    await create(storage, user(2))
    await storage.relay(TENANT)
    while len(bell.rung) < 4:
        await due(storage, clock)
        await hooks.deliver(TENANT)
    assert bell.numbers == [1, 1, 2, 2]


async def test_a_queue_that_never_answers_loses_nothing_and_is_asked_once_a_day(
    storage: TableStorage, clock: Clock
) -> None:
    await add_hook(storage, BELL)
    await create(storage, user(1))
    bell = Bell(lambda number: FAILED if number < 14 else TAKEN)
    hooks = hooks_over(storage, bell, clock)
    done = await hooks.deliver(TENANT)
    while len(bell.rung) < 15:
        before = clock.now
        await due(storage, clock)
        done += await hooks.deliver(TENANT)
    assert clock.now - before >= schedule.SCHEDULE[-1] - timedelta(minutes=1)
    assert done.dead == 0
    assert await storage.dead_batches(TENANT, HOOK.id) == []
    assert (await hooks.deliver(TENANT)).left == 0


async def test_a_new_epoch_rings_with_its_name(storage: TableStorage, clock: Clock) -> None:
    await add_hook(storage, BELL)
    await create(storage, user(1))
    bell = Bell()
    hooks = hooks_over(storage, bell, clock)
    await hooks.deliver(TENANT)
    head = await storage.new_epoch(TENANT)
    await create(storage, user(2))
    await storage.relay(TENANT)
    await hooks.deliver(TENANT)
    assert bell.rung[-1] == {"tenant": TENANT, "epoch": head.epoch, "number": 2}
    assert len(bell.rung) == 2


async def test_nothing_rings_while_a_directory_is_imported(storage: TableStorage, clock: Clock) -> None:
    await add_hook(storage, BELL)
    await create(storage, user(1))
    await storage.relay(TENANT)
    await storage.rows.transact(TENANT, [head_change(importing=True)])
    bell = Bell()
    assert (await hooks_over(storage, bell, clock).deliver(TENANT)).left == 1
    assert bell.rung == []


async def test_a_queue_that_is_silent_is_not_waited_for_without_an_end() -> None:
    async def silent(_queue: str, _content: bytes) -> int:
        await asyncio.Event().wait()
        return 201

    attempt = await Senders(HttpSender(to_loopback=False), silent, seconds=0.01).send(BELL.url, {}, b"{}")
    assert attempt.outcome == "no answer in 0.01 seconds"


async def test_a_bell_of_the_deployment_rings_for_every_tenant(storage: TableStorage, clock: Clock) -> None:
    await storage.save_hook(replace(BELL, tenant=ALL_TENANTS))
    for tenant in ("contoso", "fabrikam"):
        await storage.create(tenant, user(1))
    bell = Bell()
    hooks = hooks_over(storage, bell, clock)
    await hooks.turn(await hooks.marked())
    assert sorted((message["tenant"], message["number"]) for message in bell.rung) == [("contoso", 1), ("fabrikam", 1)]


@pytest.fixture(scope="module")
def queues() -> Iterator[QueueEmulator]:
    with queue_emulator() as running:
        yield running


@pytest.fixture
def ringing(queues: QueueEmulator) -> QueueEmulator:
    queues.create(QUEUE)
    return queues


async def test_a_change_rings_in_a_real_queue_soon_after_its_answer(
    storage: TableStorage, clock: Clock, ringing: QueueEmulator
) -> None:
    environment = {
        "SCIM_TOKEN_SHA256": sha256(TOKEN.encode()).hexdigest(),
        "SCIM_STORAGE_CONNECTION": ringing.connection_string,
        **MADE,
        **UNLIMITED,
    }
    await add_hook(storage, replace(BELL, tenant="default"), "default")
    endpoint = scim_core.build(Settings.from_environment(environment), storage, clock)
    await Client(endpoint).user("ann@example.com")
    await endpoint.tend_feeds()
    epoch = (await storage.feed_head("default")).epoch
    [message] = ringing.messages(QUEUE)
    assert json.loads(message) == {"tenant": "default", "epoch": epoch, "number": 1}


async def hooks(storage: TableStorage, *given: object, **settings: str) -> Done:
    return await run_here(storage.rows, "hooks", *given, **MADE | settings)


async def test_the_operator_adds_and_tries_a_bell(storage: TableStorage, ringing: QueueEmulator) -> None:
    await create(storage, user(1))
    done = await hooks(storage, "add", BELL.url, "--tenant", TENANT)
    assert (done.returncode, done.stderr) == (0, "")
    assert "whsec_" not in done.stdout
    [hook] = await storage.hooks()
    assert (hook.url, hook.format) == (BELL.url, HookFormat.DOORBELL)
    connection = {"SCIM_STORAGE_CONNECTION": ringing.connection_string}
    tried = await hooks(storage, "test", hook.id, **connection)
    assert (tried.returncode, tried.stdout.strip()) == (0, "The receiver took the test: answered 201.")
    assert json.loads(ringing.messages(QUEUE)[0]) == {"tenant": TENANT, "epoch": "", "number": 0}
    for action in (("rotate",), ("replay", "--dead")):
        refused = await hooks(storage, action[0], hook.id, *action[1:])
        assert (refused.returncode, "A queue gets doorbells" in refused.stderr) == (2, True)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("queue:scim-doorbells", "--format", "set"), "A queue gets doorbells only"),
        *(((f"queue:{name}",), "A queue's name") for name in ("", "ab", "Bells", "a--b", "-ab", "a/b", "x" * 64)),
    ],
)
async def test_what_is_no_queue_is_refused(storage: TableStorage, given: tuple[str, ...], said: str) -> None:
    await create(storage, user(1))
    done = await hooks(storage, "add", *given, "--tenant", TENANT)
    assert (done.returncode, said in done.stderr) == (2, True)
    assert await storage.hooks() == []


async def test_without_an_account_nothing_rings_and_the_outcome_names_the_setting(
    storage: TableStorage, clock: Clock
) -> None:
    await add_hook(storage, BELL)
    await create(storage, user(1))
    sender = Senders(HttpSender(to_loopback=False), None)
    await hooks_over(storage, sender, clock).deliver(TENANT)
    cursor = await storage.hook_cursor(TENANT, HOOK.id, Stream.EVENTS)
    assert cursor is not None
    assert cursor.outcome == "refused: SCIM_QUEUE_ACCOUNT_URL is not set"
    assert "SCIM_QUEUE_ACCOUNT_URL is not set" in (await hooks(storage, "list")).stdout


async def test_a_queue_that_is_not_there_and_one_that_does_not_answer(ringing: QueueEmulator, clock: Clock) -> None:
    settings = StorageSettings("scim", ringing.connection_string, None, None)
    found = queues_of(settings, None, utc_now)
    assert found is not None
    there = Senders(HttpSender(to_loopback=False), found.put)
    assert (await there.send("queue:nobody-made-me", {}, b"{}")).outcome == "answered 404"
    gone = Queues(QueueAccount("http://127.0.0.1:1/x", "x", b"key"), _no_token, clock)
    lost = await Senders(HttpSender(to_loopback=False), gone.put).send(BELL.url, {}, b"{}")
    assert lost == Tried(taken=False, gone=False, outcome="no answer (the queues did not answer, ClientConnectorError)")


async def _no_token(_: str) -> str:
    raise StorageError("the app's identity gets no token")


async def test_in_azure_a_call_has_a_token_of_the_apps_identity_and_follows_no_redirect(clock: Clock) -> None:
    asked: list[str] = []

    async def token(scope: str) -> str:
        asked.append(scope)
        return "secret-token"

    async with (
        server(saying("201 Created")) as (other, reached),
        server(saying("307 Temporary Redirect", f"Location: {other}")) as (url, seen),
    ):
        base = url.removesuffix("/hook").replace("localhost", "127.0.0.1")
        assert await Queues(QueueAccount(base), token, clock).put(QUEUE, b"{}") == 307
    assert asked == ["https://storage.azure.com/.default"]
    assert (seen, reached) == ([f"POST /{QUEUE}/messages HTTP/1.1"], [])
    failing = Senders(HttpSender(to_loopback=False), Queues(QueueAccount("https://x"), _no_token, clock).put)
    assert (await failing.send(BELL.url, {}, b"{}")).outcome == "no answer (the app's identity gets no token)"


async def test_410_of_a_queue_ends_nothing(clock: Clock) -> None:
    async with server(saying("410 Gone")) as (url, _):
        account = QueueAccount(url.removesuffix("/hook").replace("localhost", "127.0.0.1"), "x", b"key")
        attempt = await Senders(HttpSender(to_loopback=False), Queues(account, _no_token, clock).put).send(
            BELL.url, {}, b"{}"
        )
    assert (attempt.taken, attempt.gone, attempt.outcome) == (False, False, "answered 410")


@pytest.mark.parametrize(
    ("connection", "url", "found"),
    [
        (None, "https://st.queue.core.windows.net", QueueAccount("https://st.queue.core.windows.net")),
        ("AccountName=x;AccountKey=a2V5;QueueEndpoint=http://q/x/", None, QueueAccount("http://q/x", "x", b"key")),
        ("AccountName=x;AccountKey=a2V5;TableEndpoint=http://t/x", None, None),
        (None, None, None),
    ],
)
def test_where_queues_are(connection: str | None, url: str | None, found: QueueAccount | None) -> None:
    assert queue_account(StorageSettings("scim", connection, None, None), url) == found


def test_the_development_account_is_azurites() -> None:
    found = queue_account(StorageSettings("scim", "UseDevelopmentStorage=true", None, None), None)
    assert found is not None
    assert (found.url, found.name) == ("http://127.0.0.1:10001/devstoreaccount1", "devstoreaccount1")


@pytest.mark.parametrize("text", ["http://st.queue.core.windows.net", "https://st/x", "st", "https://u:p@st"])
def test_an_account_that_is_no_address_is_refused(text: str) -> None:
    environment = {
        "SCIM_TOKEN_SHA256": "0" * 64,
        "SCIM_STORAGE_CONNECTION": "UseDevelopmentStorage=true",
        "SCIM_QUEUE_ACCOUNT_URL": text,
    }
    with pytest.raises(SettingsError, match="SCIM_QUEUE_ACCOUNT_URL must look like"):
        Settings.from_environment(environment)


def test_the_slash_that_azure_writes_at_the_end_is_taken() -> None:
    environment = {
        "SCIM_TOKEN_SHA256": "0" * 64,
        "SCIM_STORAGE_CONNECTION": "UseDevelopmentStorage=true",
        "SCIM_QUEUE_ACCOUNT_URL": "https://st.queue.core.windows.net/",
    }
    assert Settings.from_environment(environment).queue_account_url == "https://st.queue.core.windows.net"


def test_names_of_queues() -> None:
    assert queue_of("queue:scim-doorbells") == QUEUE
    assert queue_of("https://example.com/") is None
