"""The setup page shows what arrives from its tenant, while it arrives, and nothing else of anybody."""

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import pytest

from scim_core.access.administration import DRAIN_SECONDS
from scim_core.access.open_links import OpenLinks
from scim_core.clock import instant_text
from scim_core.console.reading import TAIL_EVENTS, Reading
from scim_core.console.timeline import lines
from scim_core.feed import setup_progress
from scim_core.feed.attempts import MAX_SEEN_ROWS, SEEN_SECONDS, WINDOW_SECONDS, Attempts
from scim_core.feed.feed import ATTEMPT_DAYS
from scim_core.feed.log import Log
from scim_core.feed.setup_progress import NAMES_SHOWN, ROWS_READ, UNITS_PER_SEEN_ROW, Progress, SetupProgress
from scim_core.feed.visitors import MAX_STRANGERS, Visitors
from scim_core.protocol.nearest_name import UNITS_PER_NAME
from scim_core.protocol.schemas import load_catalogue
from scim_core.protocol.sub_catalogues import Catalogues
from scim_core.registry import Access, CredentialKind, TenantState
from scim_core.storage.feed_port import SEEN, Attempt, AttemptOutcome
from scim_core.storage.port import StorageBusy
from scim_core.storage.tables import log_keys
from scim_core.storage.tables.reading import read_range
from tests.scim import PATCH_OP, USER, Clock, Json
from tests.setup_page.world import SetupService, service
from tests.transcript import transcript

TENANT = "contoso-ltd"
CATALOGUES = Catalogues(load_catalogue(None), by_tenant=True)


@pytest.fixture
def it() -> SetupService:
    return service()


async def rows(it: SetupService, tenant: str = TENANT) -> list[Json]:
    """The rows that only a setup page shows, oldest first, with their texts as `note`."""
    found = await read_range(it.storage.rows, tenant, log_keys.seen_since())  # type: ignore[attr-defined]
    return [{**row.properties, "note": json.loads(row.properties["n0"])} for row in found]


def text_of(page: str) -> str:
    """The words of a page."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


async def test_the_steps_are_reached_one_after_the_other(it: SetupService) -> None:
    cookie = await it.opened(await it.customer())
    token = it.issued[0].secret
    page = text_of(await it.page(cookie))
    assert "Press Test Connection. It shows here within seconds." in page
    assert "begins with scim_" in page
    await it.scim("GET", "Users?startIndex=1&count=1", token)
    page = text_of(await it.page(cookie))
    assert "Test Connection arrived" in page
    assert "First user created" not in page
    await it.scim("POST", "Users", token, {"schemas": [USER], "userName": "ann@contoso.example"})
    page = text_of(await it.page(cookie))
    assert "First user created" in page
    assert "First group created" not in page
    await it.scim("POST", "Groups", token, {"displayName": "Sales"})
    page = text_of(await it.page(cookie))
    assert "First group created" in page
    assert "3 requests" in page


async def test_attributes_that_were_ignored_are_named_with_what_was_meant(it: SetupService) -> None:
    cookie = await it.opened(await it.customer())
    body = {"schemas": [USER], "userName": "ann", "wrkEmail": "a@contoso.example", "zzz": "1"}
    await it.scim("POST", "Users", it.issued[0].secret, body)
    page = text_of(await it.page(cookie))
    assert "wrkEmail Did you mean emails[type eq &#34;work&#34;].value ?" in page
    assert "zzz Nothing here is like it. Remove this mapping." in page
    assert "First user created" in page


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda token: token[:-1], "401: the token is cut"),
        (lambda token: token[:20], "401: the token is cut"),
        (lambda token: f"{token}x", "401: the token is mistyped"),
        (lambda token: token[:-10] + ("a" if token[-10] != "a" else "b") + token[-9:], "401: the token is mistyped"),
    ],
    ids=["one less", "many less", "one more", "another one"],
)
async def test_a_token_that_is_not_whole_is_told_on_the_page_of_its_tenant_alone(
    it: SetupService, damage: Callable[[str], str], said: str
) -> None:
    cookie, other = await it.opened(await it.customer()), await it.opened(await it.customer("Fabrikam"))
    await it.scim("GET", "Users", damage(it.issued[0].secret))
    assert said in text_of(await it.page(cookie))
    assert "401" not in text_of(await it.page(other))
    await it.scim("GET", "Users", it.issued[0].secret)
    page = text_of(await it.page(cookie))
    assert "401" not in page, "what is mended is not told any more"
    assert "Test Connection arrived" in page


async def test_a_token_of_nobody_or_too_short_to_tell_is_told_nowhere(it: SetupService) -> None:
    cookie = await it.opened(await it.customer())
    for token in ("scim_", it.issued[0].secret[:7], "another", "eyJhbGciOi", "scim_secret_x"):
        await it.scim("GET", "Users", token)
    assert await rows(it) == []
    assert "401" not in text_of(await it.page(cookie))


async def test_a_credential_that_has_ended_is_told_with_its_sentence(it: SetupService) -> None:
    cookie = await it.opened(await it.customer())
    await it.administration.revoke(TENANT, it.issued[0].credential.id)
    it.pass_time(61)
    await it.scim("GET", "Users", it.issued[0].secret)
    page = text_of(await it.page(cookie))
    assert "401: the credential is not good" in page
    assert "was revoked on 2026-11-23. Ask the operator of this service for a new one." in page
    assert "There is no credential for you yet." in page


async def test_a_new_token_is_known_by_its_start_as_well(it: SetupService) -> None:
    cookie = await it.opened(await it.customer())
    issued = await it.credential(TENANT, CredentialKind.TOKEN)
    await it.scim("GET", "Users", issued.secret[:-3])
    page = text_of(await it.page(cookie))
    assert "401: the token is cut" in page
    assert f"begins with {issued.secret[:8]}" in page


async def test_a_client_that_gets_its_token_and_one_whose_secret_is_wrong_are_told(it: SetupService) -> None:
    issued = await it.tenant("Contoso Ltd", CredentialKind.SECRET)
    cookie = await it.opened(await it.link(TENANT))
    page = text_of(await it.page(cookie))
    assert issued.credential.client_id in page
    assert "Okta needs a token" in page
    answer = await it.ask_for_token(basic=(issued.credential.client_id, issued.secret))
    assert answer.status == 200
    await it.settle()
    [row] = await rows(it)
    assert (row["note"]["operation"], row["note"]["status"]) == ("token", 200)


async def test_no_name_of_a_person_is_on_the_page(it: SetupService) -> None:
    cookie = await it.opened(await it.customer())
    token, secret = it.issued[0].secret, "Hildegard"
    body = {"schemas": [USER], "userName": f"{secret}@contoso.example", "displayName": secret, "externalId": secret}
    made = await it.scim("POST", "Users", token, body)
    await it.scim("POST", "Users", token, body)
    await it.scim("GET", f"Users?filter=userName%20eq%20%22{secret}%22", token)
    await it.scim("GET", f"Users?filter={secret}", token)
    await it.scim("PATCH", f"Users/{made['id']}", token, {"schemas": [PATCH_OP], "Operations": [{"op": secret}]})
    await it.scim("POST", "Users", token, {"schemas": [USER], "userName": secret, "active": secret})
    await it.scim("DELETE", f"Users/{secret}", token)
    page = await it.page(cookie)
    assert "409 uniqueness" in page
    assert secret not in page
    assert secret not in str(await rows(it))
    assert made["id"] not in page


async def test_hostile_names_of_attributes_and_tenants_are_shown_escaped(it: SetupService) -> None:
    evil = "<script>alert(1)</script>"
    cookie = await it.opened(await it.customer(f"Con{evil}toso"))
    await it.scim("POST", "Users", it.issued[0].secret, {"userName": "ann", evil: 1, "a-b": 2, "\u202eevil": 3})
    page = await it.page(cookie)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "\u202e" not in page
    assert "a-b" in page


async def test_without_a_link_reads_leave_no_row_and_cost_no_call_more(it: SetupService) -> None:
    issued = await it.tenant("Contoso Ltd")
    await it.scim("GET", "Users", issued.secret)
    with transcript(it.storage) as seen:  # type: ignore[arg-type]
        assert (await it.users(issued.secret)).status == 200
        without = list(seen.kinds)
    await it.link(TENANT)
    it.pass_time(61)
    await it.scim("GET", "Users", issued.secret)
    with transcript(it.storage) as seen:  # type: ignore[arg-type]
        assert (await it.users(issued.secret)).status == 200
        assert list(seen.kinds) == without, "the row is written after the answer"
    await it.settle()
    assert len(await rows(it)) == 2
    it.pass_time(8 * 86_400)
    await it.scim("GET", "Users", issued.secret)
    assert len(await rows(it)) == 2, "the link has ended"


async def test_a_revoked_link_ends_the_rows_within_a_minute(it: SetupService) -> None:
    await it.customer()
    await it.scim("GET", "Users", it.issued[0].secret)
    await it.administration.revoke_setup(TENANT)
    it.pass_time(61)
    await it.scim("GET", "Users", it.issued[0].secret)
    await it.scim("GET", "Users", it.issued[0].secret[:-1])
    assert [row["outcome"] for row in await rows(it)] == ["answered"]


async def test_what_a_page_shows_is_no_part_of_the_log(it: SetupService) -> None:
    await it.customer()
    token = it.issued[0].secret
    await it.scim("GET", "Users", token)
    await it.scim("GET", "Users", token[:-1])
    await it.scim("POST", "Users", token, {"userName": "ann", "active": "maybe"})
    log = Log(it.storage, CATALOGUES.whole, it.clock)
    assert [item.outcome for item in await log.attempts(TENANT)] == [AttemptOutcome.REFUSED]
    seen = await it.storage.seen(TENANT, since=log.days_ago(), limit=10)
    assert [item.outcome for item in seen] == [AttemptOutcome.ANSWERED, AttemptOutcome.DENIED]


async def test_a_reader_of_the_feed_and_an_application_are_no_provisioning(it: SetupService) -> None:
    cookie = await it.opened(await it.customer())
    reader = await it.credential(TENANT, CredentialKind.TOKEN, access=Access.FEED)
    await it.send("GET", "/feed/v1/changes", reader.secret)
    await it.settle()
    assert await rows(it) == []
    assert "Press Test Connection" in await it.page(cookie)


async def test_rows_go_with_the_tenant_and_after_their_days(it: SetupService) -> None:
    await it.customer()
    await it.scim("GET", "Users", it.issued[0].secret)
    assert len(await rows(it)) == 1
    it.pass_time((ATTEMPT_DAYS + 1) * 86_400)
    await it.endpoint.tend_feeds()
    assert await rows(it) == []


async def test_a_wrong_token_of_a_tenant_that_has_been_deleted_leaves_no_row(it: SetupService) -> None:
    await it.customer()
    await it.customer("Fabrikam")
    token, other = (issued.secret for issued in it.issued)
    await it.administration.suspend(TENANT)
    it.pass_time(DRAIN_SECONDS)
    await it.scim("GET", "Users", token[:-1])
    assert len(await rows(it)) == 1, "the open links have been read, and the deletion waits for nothing"
    await it.administration.delete(TENANT, lambda _: None)
    await it.scim("GET", "Users", token[:-1])
    assert len(await rows(it)) == 1
    await it.scim("GET", "Users", other[:-1])
    assert len(await rows(it, "fabrikam")) == 1


async def test_a_tenant_that_is_being_deleted_is_no_open_link(
    it: SetupService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await it.customer()
    await it.customer("Fabrikam")
    source = it.registry

    async def listed() -> list[str]:
        links = OpenLinks(source, it.clock, it.timer)
        return [tenant for name in (TENANT, "fabrikam") for tenant in await links.tenants(named=name, start="-")]

    assert await listed() == [TENANT, "fabrikam"]
    await it.administration.suspend(TENANT)
    it.pass_time(DRAIN_SECONDS)
    with monkeypatch.context() as patch:
        patch.setattr(source, "erase", interrupted)
        with pytest.raises(StorageBusy):
            await it.administration.delete(TENANT, lambda _: None)
    found = await source.load(TENANT)
    assert found is not None
    assert found.state is TenantState.DELETING
    assert await listed() == ["fabrikam"]
    await it.administration.delete(TENANT, lambda _: None)
    assert await source.load(TENANT) is None


def interrupted(_: object) -> None:
    raise StorageBusy("interrupted")


async def test_the_rows_of_one_kind_are_bounded_and_the_newest_still_shows() -> None:
    written: list[Attempt] = []
    now = [0.0]

    async def write(_: str, attempts: Sequence[Attempt]) -> None:
        written.extend(attempts)

    async def pause(_: float) -> None:
        await asyncio.sleep(0)

    attempts = Attempts(write, pause, lambda: now[0])
    for _ in range(3 * MAX_SEEN_ROWS):
        for about in ("GET User 2", "POST User 2"):
            attempts.note(TENANT, seen(about))
        await attempts.idle()
    assert len(written) == 2 * MAX_SEEN_ROWS
    for _ in range(WINDOW_SECONDS // 10):
        now[0] += 10
        attempts.note(TENANT, seen("GET User 2"))
        await attempts.idle()
    hourly = MAX_SEEN_ROWS + WINDOW_SECONDS // SEEN_SECONDS
    assert len(written) - 2 * MAX_SEEN_ROWS <= hourly
    assert written[-1].others > 0
    attempts.note(TENANT, Attempt(Clock().now, AttemptOutcome.REFUSED, "User", "", "{}"))
    await attempts.idle()
    assert written[-1].others == 0, "what a page leaves out is not counted among refusals"


def seen(about: str, note: Json | None = None, clock: Clock | None = None) -> Attempt:
    at = (clock or Clock())()
    return Attempt(at, AttemptOutcome.ANSWERED, "User", "", json.dumps(note or {"status": 200}), about=about)


async def test_of_many_rows_the_first_and_the_newest_are_read(it: SetupService, clock: Clock) -> None:
    since = clock.now
    first = [seen("x", {"status": 201}, clock), *(seen("x", clock=clock) for _ in range(ROWS_READ))]
    for start in range(0, len(first), 100):
        await it.storage.attempted(TENANT, first[start : start + 100])
    clock.advance(days=2)
    denied = json.dumps({"status": 401, "mistake": "cut", "sentence": "no"})
    await it.storage.attempted(TENANT, [Attempt(clock(), AttemptOutcome.DENIED, "", "", denied)])
    with it.endpoint._gate.shares.work(TENANT) as work:
        found = await SetupProgress(it.storage, CATALOGUES, clock).of(TENANT, since, work)
        assert work.spent >= UNITS_PER_SEEN_ROW * len(first)
    assert found.requests == ROWS_READ
    assert "User" in found.created
    assert found.denial
    assert {AttemptOutcome.ANSWERED, AttemptOutcome.DENIED} == SEEN
    assert timedelta(days=1) > setup_progress.RECENT


async def test_a_creation_in_part_is_not_forgotten_after_many_refusals_and_is_counted_once(it: SetupService) -> None:
    cookie = await it.opened(await it.customer())
    token = it.issued[0].secret
    await it.scim("POST", "Users", token, {"schemas": [USER], "userName": "ann@contoso.example", "wrkEmail": "x"})
    page = text_of(await it.page(cookie))
    assert "First user created" in page
    assert "1 request" in page
    assert "2 requests" not in page
    it.clock.advance(minutes=1)
    note = json.dumps({"method": "PATCH", "status": 400, "sentence": "no", "request": "x"})
    for _ in range(ROWS_READ // 100):
        refused = [Attempt(it.clock(), AttemptOutcome.REFUSED, "User", "", note) for _ in range(100)]
        await it.storage.attempted(TENANT, refused)
        it.clock.advance(minutes=1)
    it.clock.advance(hours=5)
    page = text_of(await it.page(cookie))
    assert "First user created" in page
    assert f"{ROWS_READ} requests" in page.replace(",", "")


async def test_a_first_creation_behind_all_rows_that_are_read_is_not_forgotten(it: SetupService) -> None:
    await it.customer()
    token = it.issued[0].secret
    await it.scim("POST", "Users", token, {"schemas": [USER], "userName": "before the link"})
    it.clock.advance(minutes=1)
    since = it.clock()
    cookie = await it.opened(await it.link(TENANT))
    for _ in range(ROWS_READ // 100):
        await it.storage.attempted(TENANT, [seen("x", clock=it.clock) for _ in range(100)])
    page = text_of(await it.page(cookie))
    assert "First user created" not in page
    it.clock.advance(minutes=1)
    await it.scim("POST", "Users", token, {"schemas": [USER], "userName": "ann@contoso.example"})
    await it.scim("POST", "Groups", token, {"displayName": "Sales"})
    first = await progress_of(it, since)
    it.clock.advance(hours=5)
    await it.scim("POST", "Users", token, {"schemas": [USER], "userName": "bob@contoso.example"})
    it.clock.advance(hours=5)
    found = await progress_of(it, since)
    assert found.created == first.created
    assert set(found.created) == {"User", "Group"}


async def progress_of(it: SetupService, since: datetime) -> Progress:
    with it.endpoint._gate.shares.work(TENANT) as work:
        return await SetupProgress(it.storage, CATALOGUES, it.clock).of(TENANT, since, work)


async def test_what_a_page_reads_is_counted_by_row_and_a_name_is_looked_for_once(it: SetupService) -> None:
    progress = SetupProgress(it.storage, CATALOGUES, it.clock)
    names, since, rows_made = [f"unlikely{number}" for number in range(2 * NAMES_SHOWN)], it.clock(), 100
    note = json.dumps({"method": "PATCH", "ignored": [*names, "wrkEmail", "wrkEmail"]})
    await it.storage.attempted(
        TENANT, [Attempt(it.clock(), AttemptOutcome.IN_PART, "User", "", note) for _ in range(rows_made)]
    )
    spent = []
    for _ in range(2):
        with it.endpoint._gate.shares.work(TENANT) as work:
            found = await progress.of(TENANT, since, work)
            spent.append(work.spent)
    assert spent == [UNITS_PER_SEEN_ROW * rows_made + UNITS_PER_NAME * NAMES_SHOWN, UNITS_PER_SEEN_ROW * rows_made]
    assert len(found.ignored) == NAMES_SHOWN
    assert (found.ignored[0].name, found.ignored[0].meant) == ("wrkEmail", 'emails[type eq "work"].value')
    assert found.ignored[1].meant is None


async def test_strangers_who_cause_look_ups_are_bounded_and_a_busy_registry_stops_nothing() -> None:
    asked: list[str] = []
    noted: list[str] = []
    busy = [False]

    async def whose(*, named: str, start: str) -> list[str]:
        asked.append(named or start)
        if busy[0]:
            raise StorageBusy("busy")
        return [TENANT]

    async def write(tenant: str, attempts: Sequence[Attempt]) -> None:
        noted.extend([tenant] * len(attempts))

    attempts = Attempts(write, asyncio.sleep, lambda: 0.0)
    visitors = Visitors(whose, attempts)
    for _ in range(MAX_STRANGERS + 20):
        visitors.note(seen("x"), start="scim_abc")
    await visitors.idle()
    await attempts.idle()
    assert len(asked) == MAX_STRANGERS
    assert len(noted) == MAX_SEEN_ROWS
    busy[0] = True
    visitors.note(seen("x"), start="scim_abc")
    await visitors.idle()
    busy[0] = False
    visitors.note(seen("y"), start="scim_abc")
    await visitors.idle()
    await attempts.idle()
    assert len(noted) == MAX_SEEN_ROWS + 1


async def test_the_list_of_open_links_is_read_once_in_ten_seconds_however_many_tokens_are_wrong(
    it: SetupService, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []
    read = it.registry.open_links

    async def counted(now: str) -> object:
        reads.append(now)
        return await read(now)

    await it.customer()
    monkeypatch.setattr(it.registry, "open_links", counted)
    for _ in range(20):
        await it.scim("GET", "Users", it.issued[0].secret[:-1])
    assert len(reads) == 1
    it.pass_time(11)
    await it.scim("GET", "Users", it.issued[0].secret[:-1])
    assert len(reads) == 2


async def test_a_wrong_client_secret_is_told(it: SetupService) -> None:
    issued = await it.tenant("Contoso Ltd", CredentialKind.SECRET)
    cookie = await it.opened(await it.link(TENANT))
    expired = await it.credential(TENANT, CredentialKind.SECRET, client_id=issued.credential.client_id, days=1)
    await it.administration.revoke(TENANT, issued.credential.id)
    it.pass_time(2 * 86_400)
    answer = await it.ask_for_token(basic=(expired.credential.client_id, expired.secret))
    assert answer.status == 401
    await it.settle()
    assert "401: the credential is not good" in text_of(await it.page(cookie))


async def test_the_live_tail_of_the_console_has_the_requests_of_an_open_link(it: SetupService) -> None:
    await it.customer()
    token = it.issued[0].secret
    await it.scim("GET", "Users", token)
    await it.scim("GET", "Users", token[:-1])
    await it.scim("POST", "Users", token, {"userName": "ann"})
    reading = Reading(it.storage, it.registry, CATALOGUES.whole, it.clock)
    tenant = await it.registry.load(TENANT)
    assert tenant
    shown = [(line.word, line.sentence, line.kind) for line in lines(await reading.tail(tenant))]
    assert shown[0][0] == "Created"
    assert shown[1][0] == "Not let in"
    assert shown[1][1].startswith("401 The bearer token is mistyped")
    assert shown[2] == ("Asked", "200 search", "quiet")
    assert len(shown) == 3
    await it.administration.revoke_setup(TENANT)
    closed = await it.registry.load(TENANT)
    assert closed
    assert [line.word for line in lines(await reading.tail(closed))] == ["Created"]


async def test_the_live_tail_goes_on_while_a_link_is_open_and_reads_only_what_it_shows(it: SetupService) -> None:
    """It has the newest requests, whether many came in the last minutes, or many came long ago and few since."""
    await it.customer()
    reading = Reading(it.storage, it.registry, CATALOGUES.whole, it.clock)
    tenant = await it.registry.load(TENANT)
    assert tenant
    for _ in range(7):
        minutes = [seen("x", clock=Clock(it.clock.now + timedelta(minutes=minute))) for minute in range(100)]
        await it.storage.attempted(TENANT, minutes)
        it.clock.advance(minutes=100)
        tail = await reading.tail(tenant)
        assert [event.time for event in tail] == [instant_text(item.at) for item in minutes[-TAIL_EVENTS:]]
    refusals = [Attempt(item.at, AttemptOutcome.REFUSED, "User", "", '{"status": 400}') for item in minutes]
    await it.storage.attempted(TENANT, refusals)
    limits = list[int]()
    read = it.storage.attempts

    async def attempts(tenant: str, *, since: datetime, limit: int, after: str = "") -> list[Attempt]:
        limits.append(limit)
        return await read(tenant, since=since, limit=limit, after=after)

    it.storage.attempts = attempts  # type: ignore[method-assign]
    it.clock.advance(hours=3)
    await it.storage.attempted(TENANT, [seen("x", clock=it.clock)])
    last = instant_text(it.clock.now)
    it.clock.advance(minutes=20)
    with transcript(it.storage) as asked:  # type: ignore[arg-type]
        assert (await reading.tail(tenant))[-1].time == last
    assert limits == [TAIL_EVENTS]
    assert len(asked.kinds) <= 10, asked.kinds


async def test_the_newest_requests_are_read_whatever_their_age(it: SetupService) -> None:
    since = it.clock.now
    every = [seen("x", clock=Clock(since + timedelta(minutes=minute**2 / 10))) for minute in range(100)]
    await it.storage.attempted(TENANT, every)
    for passed in (0, 1, 10, 90, 200, 1_000, 5_000):
        it.clock.now = since + timedelta(minutes=passed)
        for limit in (1, 7, 99, 100, 101):
            found = await it.storage.seen(TENANT, since=since, limit=limit, newest=True)
            assert [item.at for item in found] == [item.at for item in every[-limit:]]
    later = every[50].at
    found = await it.storage.seen(TENANT, since=later, limit=100, newest=True)
    assert [item.at for item in found] == [item.at for item in every[50:]]
