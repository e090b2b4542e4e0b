"""A program follows the feed of the real endpoint: both feeds, from the first start to whatever may come."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import httpx
import pytest

from scim_core.access.credential_plans import Wanted
from scim_core.registry import Access, CredentialKind
from scim_core.storage.tables.feed_rows import head_change, new_epoch
from scim_feed import AsyncFeed, Feed, Page, Refused, following
from scim_feed.feed import Options
from tests.consumer.directories import (
    FEED_TOKEN,
    TENANT,
    URL,
    AsyncMemoryStore,
    Directory,
    MemoryStore,
    Provider,
)
from tests.scim import TOKEN, UNLIMITED
from tests.tenancy import Service, settings

type CatchUp = Callable[[Directory, MemoryStore], Awaitable[None]]


async def by_task(directory: Directory, store: MemoryStore, token: str = FEED_TOKEN) -> None:
    async with directory.http() as http:
        await AsyncFeed(URL, token, http=http).catch_up(AsyncMemoryStore(store))


async def by_thread(directory: Directory, store: MemoryStore, token: str = FEED_TOKEN) -> None:
    with directory.http_of_a_thread() as http:
        await asyncio.to_thread(Feed(URL, token, http=http).catch_up, store)


@pytest.fixture(params=[by_task, by_thread])
def catch_up(request: pytest.FixtureRequest) -> CatchUp:
    found: CatchUp = request.param
    return found


@pytest.fixture
def directory() -> Directory:
    return Directory()


@pytest.fixture(autouse=True)
def _no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "FIRST_BACKOFF", 0.0)


async def test_a_copy_begins_with_a_snapshot_and_goes_on_from_its_cursor(
    directory: Directory, catch_up: CatchUp
) -> None:
    provider, store = Provider(directory, Random(1)), MemoryStore()
    for _ in range(40):
        await provider.change()
    await catch_up(directory, store)
    assert store.holds == await directory.holds()
    assert [request.partition("?")[0] for request in directory.requests] == ["/feed/v1/snapshot"] * 3 + [
        "/feed/v1/changes"
    ]
    for _ in range(40):
        await provider.change()
    asked = len(directory.requests)
    await catch_up(directory, store)
    assert store.holds == await directory.holds()
    assert all(request.startswith("/feed/v1/changes") for request in directory.requests[asked:])


async def test_changes_during_the_snapshot_and_between_pages_are_not_missed(
    directory: Directory, catch_up: CatchUp
) -> None:
    provider, store = Provider(directory, Random(2)), MemoryStore()
    for _ in range(60):
        await provider.change()
    left = 60

    async def change() -> None:
        nonlocal left
        for _ in range(min(left, 12)):
            left -= 1
            await provider.change()

    directory.before = change
    while left:
        await catch_up(directory, store)
    await catch_up(directory, store)
    assert store.holds == await directory.holds()


async def test_nothing_is_saved_when_there_is_nothing_new(directory: Directory, catch_up: CatchUp) -> None:
    store = MemoryStore()
    await directory.provider.user()
    await catch_up(directory, store)
    applied = len(store.pages)
    await catch_up(directory, store)
    assert len(store.pages) == applied


async def test_a_copy_that_is_behind_the_epoch_is_made_again_and_what_is_gone_goes(
    directory: Directory, catch_up: CatchUp
) -> None:
    provider, store = Provider(directory, Random(3)), MemoryStore()
    for _ in range(60):
        await provider.change()
    await catch_up(directory, store)
    for _ in range(60):
        await provider.change()
    await directory.storage.new_epoch(TENANT)
    before = len(store.pages)
    await catch_up(directory, store)
    assert store.holds == await directory.holds()
    page = store.pages[before]
    assert (page.snapshot is not None, page.after) == (True, store.pages[before - 1].cursor)


async def test_a_snapshot_goes_on_where_the_program_died(directory: Directory, catch_up: CatchUp) -> None:
    await directory.provider.group("Staff", await directory.provider.user())

    class Dying(MemoryStore):
        def apply(self, page: Page) -> None:
            super().apply(page)
            raise RuntimeError("died")

    store = Dying()
    for _ in range(3):
        with pytest.raises(RuntimeError, match="died"):
            await catch_up(directory, store)
    assert store.holds == await directory.holds()
    assert len({page.snapshot for page in store.pages}) == 1
    assert [page.completes_snapshot for page in store.pages] == [False, False, True]


async def test_a_snapshot_of_another_epoch_begins_again_with_another_mark(
    directory: Directory, catch_up: CatchUp
) -> None:
    await directory.provider.group("Staff", await directory.provider.user())
    store = MemoryStore()

    async def change() -> None:
        if len(directory.requests) == 2:
            await directory.storage.new_epoch(TENANT)

    directory.before = change
    await catch_up(directory, store)
    assert store.holds == await directory.holds()
    marks = [page.snapshot for page in store.pages if page.snapshot]
    assert len(marks) == 4
    assert marks[0] not in marks[1:]


async def test_during_an_import_a_reader_waits_and_then_begins_again(
    directory: Directory, catch_up: CatchUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = list[float]()
    await directory.provider.user()
    store = MemoryStore()
    await catch_up(directory, store)

    async def no_pause(_: AsyncFeed, pause: following.Pause) -> None:
        waits.append(pause.seconds)

    monkeypatch.setattr(AsyncFeed, "_pause", no_pause)
    monkeypatch.setattr(Feed, "_pause", lambda _, pause: waits.append(pause.seconds))
    await directory.rows.transact(TENANT, [head_change(epoch=new_epoch(), importing=True)])

    async def end() -> None:
        if len(waits) == 3:
            await directory.rows.transact(TENANT, [head_change(epoch=new_epoch(), importing=False)])

    directory.before = end
    applied = len(store.pages)
    await catch_up(directory, store)
    assert waits[:3] == [60.0, 60.0, 60.0]
    assert {page.snapshot is None for page in store.pages[applied:]} == {False}
    assert store.holds == await directory.holds()


@pytest.mark.parametrize(("token", "status"), [("wrong", 401), (TOKEN, 403)])
async def test_another_access_ends_it_with_the_services_words_and_without_the_token(
    directory: Directory, token: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    store = MemoryStore()
    for way in (by_task, by_thread):
        with pytest.raises(Refused) as refused:
            await way(directory, store, token)
        assert refused.value.status == status
        assert len(str(refused.value)) > 20
        assert token not in str(refused.value) + caplog.text
    assert store.pages == []


async def test_a_cursor_of_another_service_ends_it_and_the_copy_stays(directory: Directory, catch_up: CatchUp) -> None:
    store = MemoryStore()
    await directory.provider.user()
    await catch_up(directory, store)
    before = store.holds
    store.cursor = "after:elsewhere"
    with pytest.raises(Refused, match="HTTP 400"):
        await catch_up(directory, store)
    store.cursor = "c.of.my.own"
    with pytest.raises(ValueError, match="not made by scim_feed"):
        await catch_up(directory, store)
    assert store.holds == before


async def test_of_two_readers_of_one_cursor_each_page_is_applied_by_one(directory: Directory) -> None:
    provider, store = Provider(directory, Random(4)), MemoryStore()
    left = 100

    async def change() -> None:
        nonlocal left
        left -= 1
        if left > 0:
            await provider.change()

    directory.before = change
    while left > 0:
        await asyncio.gather(*(by_task(directory, store) for _ in range(3)))
    await by_task(directory, store)
    assert store.holds == await directory.holds()
    assert [page.after for page in store.pages[1:]] == [page.cursor for page in store.pages[:-1]]


async def test_an_application_names_the_customer_and_sees_which_have_moved() -> None:
    service = Service(settings(**UNLIMITED))
    issued = await service.tenant("Contoso")
    await service.tenant("Fabrikam")
    body = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ann"}
    assert (await service.send("POST", "/scim/v2/Users", issued.secret, body)).status == 201
    wanted = Wanted(CredentialKind.TOKEN, access=Access.FEED)
    token = (await service.applications.create(wanted)).secret

    async def answer(request: httpx.Request) -> httpx.Response:
        found = await service.send("GET", request.url.raw_path.decode(), token, None, dict(request.headers))
        return httpx.Response(found.status, headers=found.headers, content=found.body)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        stores = {}
        for tenant in ("contoso", "fabrikam"):
            stores[tenant] = MemoryStore()
            await AsyncFeed(URL, lambda: token, tenant=tenant, http=http).catch_up(AsyncMemoryStore(stores[tenant]))
        assert [len(store.resources) for store in stores.values()] == [1, 0]
        assert [(head.tenant, head.number) for head in await AsyncFeed(URL, token, http=http).tenants()] == [
            ("contoso", 1)
        ]
        with pytest.raises(Refused, match="HTTP 404"):
            await AsyncFeed(URL, token, tenant="nobody", http=http).catch_up(AsyncMemoryStore(MemoryStore()))


async def test_who_waits_is_woken_by_a_ring_and_ended_by_stop(directory: Directory) -> None:
    await directory.provider.user("first")
    store = MemoryStore()
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()

    async def heard() -> None:
        asked.set()

    async def quiet() -> None:
        while directory.requests[-1].startswith("/feed/v1/snapshot"):
            asked.clear()
            await asked.wait()

    directory.before = heard
    with (
        directory.http_of_a_thread() as http_of_a_thread,
        Feed(URL, FEED_TOKEN, http=http_of_a_thread, poll=3600, idle=3600) as feed,
    ):
        following_feed = loop.run_in_executor(None, feed.follow, store)
        await asked.wait()
        await quiet()
        await directory.provider.user("second")
        asked.clear()
        feed.ring()
        await asked.wait()
        feed.stop()
        await following_feed
    async with directory.http() as http, AsyncFeed(URL, FEED_TOKEN, http=http, poll=3600, idle=3600) as async_feed:
        asked.clear()
        task = asyncio.create_task(async_feed.follow(AsyncMemoryStore(store)))
        await asked.wait()
        await directory.provider.user("third")
        asked.clear()
        async_feed.ring()
        await asked.wait()
        async_feed.stop()
        await task
    await by_task(directory, store)
    assert store.holds == await directory.holds()


async def test_the_connections_of_its_own_are_closed() -> None:
    with Feed(URL, FEED_TOKEN) as feed:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        feed.tenants()
    async with AsyncFeed(URL, FEED_TOKEN) as async_feed:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        await async_feed.tenants()


@pytest.mark.parametrize("url", ["http://scim.example.com/feed/v1", "scim.example.com", "ftp://localhost/feed/v1", ""])
def test_a_credential_goes_nowhere_without_tls(url: str) -> None:
    with pytest.raises(ValueError, match="https://"):
        Feed(url, FEED_TOKEN)


@pytest.mark.parametrize("options", [{"poll": 0}, {"idle": -1}, {"wait": 26}, {"wait": -1}])
def test_numbers_that_make_no_sense_are_refused(options: Options) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        AsyncFeed(URL, FEED_TOKEN, **options)


def test_a_representation_holds_no_token() -> None:
    assert FEED_TOKEN not in repr(Feed(URL, FEED_TOKEN))
