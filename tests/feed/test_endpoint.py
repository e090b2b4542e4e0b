"""What the endpoint does with the feed: parameters, waiting, problem details, limits, and what the log holds."""

import asyncio
import json
import logging
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

import scim_core
from scim_core import composition
from scim_core.access.credential_plans import Wanted
from scim_core.endpoint import feed_handlers
from scim_core.endpoint.feed_handlers import MAX_WAIT_SECONDS, POLL_SECONDS, FeedHandlers, Waiting
from scim_core.endpoint.wakes import Wakes
from scim_core.feed.feed import Feed, Importing, Resync, UnknownCursor
from scim_core.messages import ScimResponse
from scim_core.protocol.costs import READ_ROW
from scim_core.registry import Access, CredentialKind
from scim_core.storage.port import StorageBusy
from scim_core.work import UNITS_PER_REQUEST, Work
from tests.feed.described import deviations
from tests.feed.stand_in import StandIn, entry
from tests.scim import UNLIMITED, sentence
from tests.tenancy import Service, Timer, document, settings

CHANGES = "/feed/v1/changes"
SNAPSHOT = "/feed/v1/snapshot"
TENANTS = "/feed/v1/tenants"


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    feed = StandIn()
    monkeypatch.setattr(composition, "Feed", lambda *_: feed)
    return feed


@pytest.fixture
def service(stand_in: StandIn) -> Service:  # noqa: ARG001 -- it is in place before the service is built
    return Service(settings(**UNLIMITED))


@pytest.fixture
async def reader(service: Service) -> str:
    """A token that reads the feed of a tenant."""
    return (await service.tenant("Contoso", access=Access.FEED)).secret


async def get(service: Service, path: str, token: str | None, status: int = 200) -> ScimResponse:
    """The answer, which has this status and is as the description says."""
    answer = await service.send("GET", path, token)
    assert answer.status == status, answer
    assert deviations(path, answer.status, answer.headers, answer.body) == []
    return answer


def said_of(stand_in: StandIn) -> dict[str, Any]:
    """How the feed was called last."""
    return stand_in.calls[-1][1]


async def test_a_page_has_the_entries_the_cursor_and_whether_there_is_more(
    service: Service, stand_in: StandIn, reader: str
) -> None:
    stand_in.entries = [entry(number) for number in (1, 2, 3)]
    answer = await get(service, f"{CHANGES}?after=1&limit=1", reader)
    assert document(answer) == {"entries": [entry(2)], "cursor": "2", "more": True}
    assert said_of(stand_in) == {
        "tenant": "contoso",
        "after": "1",
        "limit": 1,
        "base_url": "https://scim.example.com",
    }
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"


async def test_without_parameters_the_oldest_is_first_and_a_page_is_full(
    service: Service, stand_in: StandIn, reader: str
) -> None:
    stand_in.entries = [entry(number) for number in range(1, 151)]
    page = document(await get(service, CHANGES, reader))
    assert (len(page["entries"]), page["entries"][0]["number"], page["more"]) == (100, 1, True)
    assert said_of(stand_in)["after"] is None


@pytest.mark.parametrize(("path", "most"), [(CHANGES, 100), (SNAPSHOT, 1000)])
async def test_more_than_the_most_counts_as_the_most(
    service: Service, stand_in: StandIn, reader: str, path: str, most: int
) -> None:
    for asked in (most, most + 1, 999_999_999):
        await get(service, f"{path}?limit={asked}", reader)
        assert said_of(stand_in)["limit"] == most


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=x", "limit=", "limit=1.5", "limit=1e9", "wait=x",
                                   "wait=-1", "limit=%D9%A1", "limit=1000000000000"])  # fmt: skip
async def test_a_number_that_is_none_is_400(service: Service, stand_in: StandIn, reader: str, query: str) -> None:
    answer = await get(service, f"{CHANGES}?{query}", reader, 400)
    assert "must be a whole number from" in document(answer)["detail"]
    assert stand_in.calls == []


async def test_a_query_that_cannot_be_read_is_400(service: Service, reader: str) -> None:
    assert "percent-encoded UTF-8" in document(await get(service, f"{CHANGES}?after=%FF", reader, 400))["detail"]


async def test_a_snapshot_is_handed_on_with_its_page(service: Service, stand_in: StandIn, reader: str) -> None:
    page = document(await get(service, f"{SNAPSHOT}?page=p%2F2&limit=700", reader))
    assert (len(page["memberships"]), page["next"], page["cursor"]) == (700, None, "0")
    assert page["memberships"][699] == {"group": "g", "member": "m699"}
    assert (said_of(stand_in)["page"], said_of(stand_in)["limit"]) == ("p/2", 700)


async def test_an_application_sees_which_tenants_have_moved(service: Service) -> None:
    token = (await service.applications.create(Wanted(CredentialKind.TOKEN))).secret
    found = document(await get(service, TENANTS, token))["tenants"]
    assert [(item["tenant"], item["number"]) for item in found] == [("b", 7), ("a", 3)]


async def test_the_tenants_come_in_pages(service: Service, stand_in: StandIn) -> None:
    token = (await service.applications.create(Wanted(CredentialKind.TOKEN))).secret
    first = document(await get(service, f"{TENANTS}?limit=1", token))
    assert ([item["tenant"] for item in first["tenants"]], first["next"]) == (["b"], "n2")
    assert document(await get(service, f"{TENANTS}?page=n2&limit=5000", token))["next"] is None
    assert [given for _, given in stand_in.calls] == [{"page": None, "limit": 1}, {"page": "n2", "limit": 1_000}]
    await get(service, f"{TENANTS}?limit=x", token, 400)
    stand_in.failure = UnknownCursor("Say what to do.")
    problem = document(await get(service, f"{TENANTS}?page=x", token, 400))
    assert problem["type"] == "/feed/v1/problems/cursor"


FAILURES = {
    UnknownCursor: (400, "/feed/v1/problems/cursor", "cursor", None),
    Resync: (410, "/feed/v1/problems/resync", "resync", None),
    Importing: (503, "/feed/v1/problems/importing", "importing", "60"),
    StorageBusy: (503, "about:blank", None, "5"),
    TimeoutError: (503, "about:blank", None, "5"),
    KeyError: (500, "about:blank", None, None),
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_what_goes_wrong_is_a_problem_that_says_what_to_do(
    service: Service, stand_in: StandIn, reader: str, failure: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    status, problem_type, logged, retry_after = FAILURES[failure]
    stand_in.failure = failure("Say what to do.")
    for path in (CHANGES, SNAPSHOT):
        caplog.clear()
        with caplog.at_level(logging.INFO):
            answer = await get(service, path, reader, status)
        body = document(answer)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert (body["type"], body["status"], answer.headers.get("Retry-After")) == (problem_type, status, retry_after)
        assert body["title"]
        [line] = [record for record in caplog.records if getattr(record, "operation", "").startswith("feed_")]
        assert vars(line)["error"] == logged
        assert (sentence(answer) == "Say what to do.") is (problem_type != "about:blank")


@pytest.mark.parametrize("path", [CHANGES, SNAPSHOT, TENANTS])
async def test_who_is_not_let_in_gets_a_problem_too(service: Service, path: str) -> None:
    writer = (await service.tenant("Fabrikam")).secret
    for token, status in ((None, 401), ("x", 401), (writer, 403)):
        answer = await get(service, path, token, status)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


async def test_a_tenant_beyond_its_requests_gets_a_problem_that_says_when_to_come_back(stand_in: StandIn) -> None:
    service = Service(settings(SCIM_TENANT_REQUESTS_PER_SECOND="25"))
    token = (await service.tenant("Contoso", access=Access.FEED)).secret
    answers = [await service.send("GET", CHANGES, token) for _ in range(101)]
    assert [answer.status for answer in answers] == [200] * 100 + [429]
    assert answers[-1].headers["Retry-After"] == "1"
    assert deviations(CHANGES, 429, answers[-1].headers, answers[-1].body) == []
    assert len(stand_in.calls) == 100


@pytest.mark.parametrize(("path", "items"), [(CHANGES, 100), (SNAPSHOT, 1000)])
async def test_a_page_counts_what_it_takes_to_read_and_to_write_it(
    service: Service, stand_in: StandIn, reader: str, monkeypatch: pytest.MonkeyPatch, *, path: str, items: int
) -> None:
    stand_in.entries = [entry(number) for number in range(1, 101)]
    spent = list[int]()
    monkeypatch.setattr(Work, "__exit__", lambda work, *_: spent.append(work.spent))
    await get(service, f"{path}?limit=1", reader)
    await get(service, f"{path}?limit=1000", reader)
    one, many = spent
    assert one >= UNITS_PER_REQUEST + READ_ROW
    assert many - one >= (items - 1) * READ_ROW


@pytest.mark.parametrize("path", ["/feed/v1/nothing", "/feed/v2/changes", "/feed", "/feed/v1/changes/1"])
async def test_there_is_nothing_else_below_the_feed(service: Service, reader: str, path: str) -> None:
    answer = await service.send("GET", path, reader)
    assert (answer.status, answer.headers["Content-Type"]) == (404, "application/problem+json")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_wrong_method_is_a_problem_with_those_that_there_are(
    service: Service, reader: str, method: str
) -> None:
    answer = await service.send(method, CHANGES, reader)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
    assert document(answer)["status"] == 405


async def test_head_is_what_get_is_without_a_body_and_options_says_what_there_is(
    service: Service, stand_in: StandIn, reader: str
) -> None:
    stand_in.entries = [entry(1)]
    for path in (CHANGES, SNAPSHOT, f"{CHANGES}?limit=x", TENANTS):
        got, head = [await service.send(method, path, reader) for method in ("GET", "HEAD")]
        assert (head.status, head.headers, head.body) == (got.status, got.headers, b"")
        options = await service.send("OPTIONS", path)
        assert (options.status, options.headers["Allow"], options.body) == (204, "GET, HEAD, OPTIONS", b"")


async def test_letter_case_and_slashes_of_the_path_do_not_matter(service: Service, reader: str) -> None:
    for path in ("/Feed/V1/Changes", "/feed/v1/changes/", "//feed//v1//changes"):
        assert (await service.send("GET", path, reader)).status == 200


async def test_the_log_names_the_tenant_and_no_value(
    service: Service, stand_in: StandIn, reader: str, caplog: pytest.LogCaptureFixture
) -> None:
    stand_in.entries = [entry(8)]
    with caplog.at_level(logging.INFO):
        await get(service, f"{CHANGES}?after=7&secret-parameter=x", reader)
        await get(service, f"{CHANGES}?limit=private", reader, 400)
    lines = [record for record in caplog.records if getattr(record, "operation", "") == "feed_changes"]
    assert [(vars(line)["tenant"], vars(line)["status"]) for line in lines] == [("contoso", 200), ("contoso", 400)]
    for value in ("user8@example.com", "secret-parameter", "private", reader):
        assert value not in caplog.text


# Waiting


@dataclass
class Patience:
    """Time that passes only while a reader waits. `then` happens once so many seconds have passed."""

    timer: Timer
    pauses: list[float] = field(default_factory=list)
    then: dict[float, Any] = field(default_factory=dict)
    began: float = 0.0

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.timer.now += seconds
        for moment in [moment for moment in self.then if self.timer.now - self.began >= moment]:
            self.then.pop(moment)()
        await asyncio.sleep(0)


@pytest.fixture
def patience(service: Service) -> Patience:
    patience = Patience(service.timer, began=service.timer.now)
    service.endpoint = scim_core.build(
        service.settings,
        service.storage,
        service.clock,
        registry=service.registry,
        timer=service.timer,
        pause=patience.pause,
    )
    return patience


async def test_without_wait_an_empty_page_is_answered_at_once(
    service: Service, stand_in: StandIn, patience: Patience, reader: str
) -> None:
    assert document(await get(service, f"{CHANGES}?after=4", reader)) == {"entries": [], "cursor": "4", "more": False}
    assert (len(stand_in.calls), patience.pauses) == (1, [])


async def test_a_page_that_has_entries_is_answered_at_once_whatever_the_wait(
    service: Service, stand_in: StandIn, patience: Patience, reader: str
) -> None:
    stand_in.entries = [entry(5)]
    await get(service, f"{CHANGES}?after=4&wait=20", reader)
    assert (len(stand_in.calls), patience.pauses) == (1, [])


async def test_a_change_that_this_process_relays_ends_the_wait_at_once(service: Service, stand_in: StandIn) -> None:
    begun, forever = asyncio.Event(), asyncio.Event()

    async def pause(_: float) -> None:
        begun.set()
        await forever.wait()

    wakes = Wakes(pause)
    handlers = FeedHandlers(
        cast("Feed", stand_in), service.endpoint._hooks, Waiting(concurrency=32), wakes, service.timer
    )
    servings = service.endpoint._servings
    servings.whole = replace(servings.whole, feed=handlers)
    token = (await service.tenant("Contoso", access=Access.FEED)).secret
    asking = asyncio.create_task(get(service, f"{CHANGES}?after=4&wait=20", token))
    await begun.wait()
    wakes.wake("fabrikam")
    stand_in.entries = [entry(5)]
    wakes.wake("contoso")
    assert [item["number"] for item in document(await asking)["entries"]] == [5]
    assert len(stand_in.calls) == 2
    assert wakes._waiting == {}


async def test_a_reader_that_hangs_up_leaves_nobody_to_wake() -> None:
    wakes, begun = Wakes(asyncio.sleep), asyncio.Event()

    async def wait() -> None:
        with wakes.waiter("contoso") as waiter:
            begun.set()
            await waiter.pause(3600)

    waiting = asyncio.create_task(wait())
    await begun.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert wakes._waiting == {}


async def test_a_reader_that_waits_is_answered_as_soon_as_there_is_something(
    service: Service, stand_in: StandIn, patience: Patience, reader: str
) -> None:
    patience.then[3.5] = lambda: stand_in.entries.append(entry(5))
    page = document(await get(service, f"{CHANGES}?after=4&wait=20", reader))
    assert [item["number"] for item in page["entries"]] == [5]
    assert [seconds for seconds in patience.pauses if seconds >= POLL_SECONDS] == [POLL_SECONDS] * 4
    assert len(stand_in.calls) == 5


@pytest.mark.parametrize(("asked", "waited"), [("1", 1), ("7", 7), ("25", 25), ("26", 25), ("3600", 25)])
async def test_a_reader_waits_as_long_as_it_asks_and_no_longer_than_the_most(
    service: Service, patience: Patience, reader: str, asked: str, waited: int
) -> None:
    page = document(await get(service, f"{CHANGES}?after=4&wait={asked}", reader))
    assert page == {"entries": [], "cursor": "4", "more": False}
    assert waited <= service.timer.now - patience.began < waited + 1


async def test_what_goes_wrong_while_a_reader_waits_is_answered(
    service: Service, stand_in: StandIn, patience: Patience, reader: str
) -> None:
    patience.then[2] = lambda: setattr(stand_in, "failure", Resync("Begin a snapshot."))
    await get(service, f"{CHANGES}?after=4&wait=20", reader, 410)


async def test_a_quarter_of_what_an_instance_takes_may_wait_and_further_readers_are_answered_at_once(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Service(settings(SCIM_INSTANCE_CONCURRENCY="11", **UNLIMITED))
    token = (await service.tenant("Contoso", access=Access.FEED)).secret
    over, two_wait, waiting_now = asyncio.Event(), asyncio.Event(), 0

    async def pause(seconds: float) -> None:
        nonlocal waiting_now
        if seconds < POLL_SECONDS:
            return
        waiting_now += 1
        if waiting_now == 2:
            two_wait.set()
        await over.wait()
        service.timer.now += MAX_WAIT_SECONDS

    service.endpoint = scim_core.build(
        service.settings, service.storage, service.clock, registry=service.registry, timer=service.timer, pause=pause
    )
    asked = f"{CHANGES}?after=4&wait=25"
    waiting = [asyncio.ensure_future(service.send("GET", asked, token)) for _ in range(2)]
    await two_wait.wait()
    for _ in range(3):
        assert (await service.send("GET", asked, token)).status == 200, "11 // 4 wait already"
    assert not any(future.done() for future in waiting)
    assert (await service.send("GET", "/feed/v1/snapshot", token)).status == 200
    over.set()
    assert [answer.status for answer in await asyncio.gather(*waiting)] == [200, 200]
    monkeypatch.setattr(feed_handlers, "POLL_SECONDS", 25)
    calls = len(stand_in.calls)
    await service.send("GET", asked, token)
    assert len(stand_in.calls) == calls + 2, "the places are free again"


async def test_a_reader_that_hangs_up_leaves_its_place(stand_in: StandIn) -> None:
    service = Service(settings(SCIM_INSTANCE_CONCURRENCY="4", **UNLIMITED))
    token = (await service.tenant("Contoso", access=Access.FEED)).secret
    waits: asyncio.Queue[float] = asyncio.Queue()

    async def pause(seconds: float) -> None:
        await waits.put(seconds)
        await asyncio.Event().wait()

    service.endpoint = scim_core.build(
        service.settings, service.storage, service.clock, registry=service.registry, timer=service.timer, pause=pause
    )
    for _ in range(2):
        reading = asyncio.ensure_future(service.send("GET", f"{CHANGES}?after=4&wait=25", token))
        assert await waits.get() == POLL_SECONDS
        reading.cancel()
        await asyncio.wait([reading])
    assert len(stand_in.calls) == 2


async def test_an_instance_that_takes_few_requests_lets_nobody_wait(stand_in: StandIn) -> None:
    service = Service(settings(SCIM_INSTANCE_CONCURRENCY="3", **UNLIMITED))
    token = (await service.tenant("Contoso", access=Access.FEED)).secret
    answer = await service.send("GET", f"{CHANGES}?after=4&wait=25", token)
    assert (answer.status, json.loads(answer.body)["cursor"], len(stand_in.calls)) == (200, "4", 1)
