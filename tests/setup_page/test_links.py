"""A setup link opens once, in one browser, for one tenant; it ends when it should, and tells strangers nothing."""

import asyncio
import logging
from random import Random

import pytest

from scim_core.access.setup_plans import DEFAULT_LINK_DAYS
from scim_core.access.setup_sessions import MAX_SECRET_CHARACTERS, SETUP_FAILURES, SETUP_REQUESTS
from scim_core.access.token_format import digest, new_setup_secret
from scim_core.endpoint.setup.setup_endpoint import COOKIE
from scim_core.messages import SETUP_PATH
from scim_core.storage.tables import TableRegistry
from tests.faults.disturbed_rows import StumblingRows
from tests.lost_records import lost_records
from tests.memory_rows import MemoryRows
from tests.setup_page.world import SAME_ORIGIN, SetupService, service
from tests.tenancy import HOST, settings
from tests.transcript_of_registry import look_ups

DOOR, INSIDE = "Open your setup page", "What arrives here"
DAY = 86_400


@pytest.fixture
def it() -> SetupService:
    return service()


def fragment(link: str) -> str:
    return link.rpartition("#")[2]


async def test_a_link_opens_the_page_once_and_the_browser_that_opened_it_stays_in(it: SetupService) -> None:
    link = await it.customer()
    assert link.startswith(f"{HOST}{SETUP_PATH}#contoso-ltd.scim_setup_")
    cookie = await it.opened(link)
    assert INSIDE in await it.page(cookie)
    again = await it.open(link)
    assert (again.status, "This link was opened before" in again.body.decode()) == (403, True)
    assert "Set-Cookie" not in again.headers
    assert INSIDE in await it.page(cookie)
    from_here = await it.open(link, cookie=cookie)
    assert (from_here.status, from_here.headers["Location"]) == (303, SETUP_PATH)


async def test_the_cookie_is_closed_to_scripts_other_sites_other_paths_and_plain_http_and_ends_with_the_link(
    it: SetupService,
) -> None:
    link = await it.customer(days=2)
    it.pass_time(DAY)
    cookie = (await it.open(link)).headers["Set-Cookie"]
    pair, *attributes = cookie.split("; ")
    assert pair.startswith(f"{COOKIE}=contoso-ltd.scim_setup_")
    assert pair.partition("=")[2] != fragment(link)
    assert COOKIE.startswith("__Secure-")
    age = next(item for item in attributes if item.startswith("Max-Age="))
    assert DAY - 10 < int(age.partition("=")[2]) <= DAY
    assert {*attributes} - {age} == {"Path=/setup", "Secure", "HttpOnly", "SameSite=Strict"}


@pytest.mark.parametrize("seed", range(10))
async def test_of_two_browsers_at_once_one_gets_in(seed: int) -> None:
    rows = MemoryRows()
    it = SetupService(settings(), registry=TableRegistry(StumblingRows(rows, Random(seed))))
    link = await it.customer()
    answers = await asyncio.gather(*(it.open(link) for _ in range(4)))
    assert sorted(item.status for item in answers) == [303, 403, 403, 403]
    assert all("was opened before" in item.body.decode() for item in answers if item.status == 403)


async def test_a_session_is_good_on_another_instance_and_after_a_restart(it: SetupService) -> None:
    link = await it.customer()
    other = SetupService(it.settings, it.storage, it.registry, it.clock, it.timer)
    assert (await other.send("GET", "/health")).status == 200
    cookie = await it.opened(link)
    assert INSIDE in await other.page(cookie)
    it.restart()
    assert INSIDE in await it.page(cookie)


def damaged(link: str) -> dict[str, str]:
    secret = fragment(link)
    return {
        "cut": link[:-1],
        "cut much": link[:-30],
        "longer": f"{link}x",
        "a changed character": link[:-20] + ("A" if link[-20] != "A" else "B") + link[-19:],
        "without its tenant": secret.partition(".")[2],
        "of another tenant": link.replace("contoso-ltd.", "fabrikam."),
        "of no tenant": link.replace("contoso-ltd.", "nobody."),
        "of a tenant that is none": link.replace("contoso-ltd.", "../x."),
        "of the applications": link.replace("contoso-ltd.", ":applications."),
        "another secret": f"{HOST}{SETUP_PATH}#contoso-ltd.{new_setup_secret()}",
        "a token": f"contoso-ltd.scim_{secret[-49:]}",
        "nothing": "",
        "much": "a." * 200,
        "not text": "\x00\ud7ff\u202e",
    }


@pytest.mark.parametrize("how", damaged(f"{HOST}{SETUP_PATH}#contoso-ltd.{new_setup_secret()}"))
async def test_a_link_that_is_not_whole_opens_nothing_and_stays_good(it: SetupService, how: str) -> None:
    link = await it.customer()
    other = await it.customer("Fabrikam")
    answer = await it.open(damaged(link)[how])
    page = answer.body.decode()
    assert answer.status == 403
    assert ("The link is cut" in page) is (how in ("cut", "cut much"))
    assert "Set-Cookie" not in answer.headers
    assert "Contoso" not in page
    assert INSIDE in await it.page(await it.opened(link))
    assert INSIDE in await it.page(await it.opened(other))


async def test_the_secret_alone_is_taken_as_well_with_blanks_around_it(it: SetupService) -> None:
    link = await it.customer()
    assert INSIDE in await it.page(await it.opened(f"  {fragment(link)} "))


async def test_strangers_learn_nothing_about_tenants_and_links(it: SetupService) -> None:
    """Without the whole secret there is one answer: for a tenant without a link, with one, used or old, for none."""
    await it.customer("Waiting")
    await it.opened(await it.customer("Opened"))
    await it.customer("Old", days=1)
    await it.tenant("Unlinked")
    it.pass_time(2 * DAY)
    pages, made = set(), set()
    for tenant in ("waiting", "opened", "old", "unlinked", "nobody"):
        with look_ups(it) as seen:
            answer = await it.open(f"{tenant}.{new_setup_secret()}")
        pages.add((answer.status, answer.body))
        made.add(tuple(seen))
    assert len(pages) == 1
    assert made == {("load",)}


async def test_a_mistyped_link_costs_no_look_up_and_neither_does_a_page_without_a_session(it: SetupService) -> None:
    link = await it.customer()
    with look_ups(it) as seen:
        await it.open(link[:-1])
        await it.page()
        await it.page(f"{COOKIE}=contoso-ltd.{fragment(link)[12:-1]}")
        await it.page(f"{COOKIE}={'a' * (MAX_SECRET_CHARACTERS + 1)}.scim_setup_x")
        await it.send("GET", f"{SETUP_PATH}/assets/style.css")
    assert seen == []


async def test_who_guesses_is_told_to_wait(it: SetupService) -> None:
    link = await it.customer()
    statuses = [(await it.open(f"contoso-ltd.{new_setup_secret()}")).status for _ in range(SETUP_FAILURES[1] + 5)]
    assert statuses == [403] * SETUP_FAILURES[1] + [429] * 5
    with look_ups(it) as seen:
        held_up = await it.open(f"contoso-ltd.{new_setup_secret()}")
        cookie = await it.send("GET", SETUP_PATH, headers={"cookie": f"{COOKIE}=contoso-ltd.{new_setup_secret()}"})
    assert (held_up.status, cookie.status, seen) == (429, 429, [])
    assert int(held_up.headers["Retry-After"]) >= 1
    assert "Wait, then try again." in held_up.body.decode()
    it.source = "192.0.2.99"
    assert INSIDE in await it.page(await it.opened(link))


async def test_a_page_that_is_asked_for_too_often_is_told_to_wait_and_others_are_not(it: SetupService) -> None:
    cookie, other = await it.opened(await it.customer()), await it.opened(await it.customer("Fabrikam"))
    for _ in range(SETUP_REQUESTS[1]):
        assert INSIDE in await it.page(cookie)
    assert "This page was asked for too often" in await it.page(cookie)
    assert INSIDE in await it.page(other)


async def test_a_page_that_is_asked_for_too_often_costs_no_look_up_and_no_failure(it: SetupService) -> None:
    link, cookie = await it.customer("Fabrikam"), await it.opened(await it.customer())
    with look_ups(it) as seen:
        statuses = [(await it.send("GET", SETUP_PATH, headers={"cookie": cookie})).status for _ in range(200)]
    assert statuses.count(200) == SETUP_REQUESTS[1]
    assert statuses.count(429) == 200 - SETUP_REQUESTS[1]
    assert len(seen) == SETUP_REQUESTS[1]
    assert (await it.open(link)).status == 303


async def test_a_session_that_has_ended_is_looked_up_as_seldom_as_one_that_never_was(it: SetupService) -> None:
    cookie = await it.opened(await it.customer())
    it.pass_time(DEFAULT_LINK_DAYS * DAY)
    with look_ups(it) as seen:
        statuses = [(await it.send("GET", SETUP_PATH, headers={"cookie": cookie})).status for _ in range(200)]
    assert statuses == [403] * SETUP_FAILURES[1] + [429] * (200 - SETUP_FAILURES[1])
    assert len(seen) == SETUP_FAILURES[1]


async def test_a_link_and_its_session_end_and_who_has_them_is_told_why(it: SetupService) -> None:
    link = await it.customer()
    unused = await it.customer("Fabrikam")
    cookie = await it.opened(link)
    it.pass_time(DEFAULT_LINK_DAYS * DAY - 60)
    assert INSIDE in await it.page(cookie)
    it.pass_time(60)
    for page in ((await it.open(unused)).body.decode(), await it.page(cookie)):
        assert "This link has ended" in page
        assert "Ask the person who sent it for a new one." in page
        assert "Fabrikam" not in page


async def test_a_revoked_link_and_its_session_are_good_no_longer_at_once(it: SetupService) -> None:
    link = await it.customer()
    cookie = await it.opened(link)
    await it.administration.revoke_setup("contoso-ltd")
    assert "This link was taken back" in await it.page(cookie)
    assert "This link was taken back" in (await it.open(link)).body.decode()


async def test_a_new_link_takes_the_place_of_the_old_one_and_of_its_session(it: SetupService) -> None:
    link = await it.customer()
    cookie = await it.opened(link)
    newer = await it.link("contoso-ltd")
    assert DOOR in await it.page(cookie)
    assert "a newer link has taken its place" in (await it.open(link)).body.decode()
    assert INSIDE in await it.page(await it.opened(newer))


async def test_the_page_of_a_suspended_tenant_says_so_and_that_of_a_deleted_one_is_unknown(it: SetupService) -> None:
    link = await it.customer()
    cookie = await it.opened(link)
    await it.administration.suspend("contoso-ltd")
    assert "Provisioning for this customer is suspended since" in await it.page(cookie)
    await it.administration.delete("contoso-ltd", lambda _: None)
    await it.tenant("Contoso Ltd")
    assert DOOR in await it.page(cookie)
    assert "not known here" in (await it.open(link)).body.decode()


async def test_a_session_opens_no_page_of_another_tenant(it: SetupService) -> None:
    contoso, fabrikam = await it.opened(await it.customer()), await it.opened(await it.customer("Fabrikam"))
    assert "Connect Contoso Ltd" in await it.page(contoso)
    assert "Connect Fabrikam" in await it.page(fabrikam)
    forged = contoso.replace("contoso-ltd.", "fabrikam.")
    assert DOOR in await it.page(forged)
    assert DOOR in await it.page(f"{COOKIE}={fragment(await it.link('fabrikam'))}")


async def test_the_secret_of_a_session_or_link_opens_no_scim_and_a_token_no_page(it: SetupService) -> None:
    link = await it.customer()
    cookie = await it.opened(link)
    for secret in (fragment(link).partition(".")[2], cookie.partition(".")[2]):
        assert (await it.users(secret)).status == 401
    assert DOOR in await it.page(f"{COOKIE}=contoso-ltd.{it.issued[0].secret}")


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site", "origin": "https://evil.example"},
        {"sec-fetch-site": "same-site", "origin": "https://other.example.com"},
        {"sec-fetch-site": "cross-site", "origin": HOST},
        {"sec-fetch-site": "none", "origin": "null"},
        {"sec-fetch-site": "", "origin": "https://evil.example"},
        {"sec-fetch-site": "", "origin": "null"},
        {"sec-fetch-site": "", "origin": ""},
    ],
)
async def test_a_form_of_another_site_is_refused_and_uses_up_no_link(it: SetupService, headers: dict[str, str]) -> None:
    link = await it.customer()
    answer = await it.open(link, **{name.replace("-", "_"): text for name, text in headers.items()})
    assert (answer.status, "sent from another page" in answer.body.decode()) == (403, True)
    cookie = await it.opened(link)
    assert (await it.upload(cookie, b"{}", **headers)).status == 403


async def test_a_browser_that_says_only_its_origin_gets_in(it: SetupService) -> None:
    assert (await it.open(await it.customer(), sec_fetch_site="")).status == 303


async def test_what_is_no_form_is_refused(it: SetupService) -> None:
    link = await it.customer()
    for content_type, body, status in (
        ("application/json", b"{}", 415),
        ("", b"link=x", 415),
        (SAME_ORIGIN["content-type"], b"link=" + b"x" * 5_000, 413),
        (SAME_ORIGIN["content-type"], b"&".join([b"a=1"] * 50), 400),
    ):
        headers = {**SAME_ORIGIN, "content-type": content_type}
        answer = await it.send("POST", SETUP_PATH, body=body, headers=headers)
        assert answer.status == status
        assert answer.headers["Content-Type"].startswith("text/html")
    assert (await it.open(link)).status == 303


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/setup", 405),
        ("DELETE", "/setup/mapping", 405),
        ("GET", "/setup/contoso-ltd", 404),
        ("GET", "/setup/assets/../setup_endpoint.py", 404),
        ("GET", "/setup/assets/nothing.js", 404),
        ("HEAD", "/setup", 200),
        ("GET", "/SETUP/", 200),
    ],
)
async def test_every_answer_is_a_page_that_is_closed_to_everything_else(
    it: SetupService, method: str, path: str, status: int
) -> None:
    answer = await it.send(method, path)
    assert answer.status == status
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


async def test_without_a_registry_there_is_no_page_and_the_log_names_the_setting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    it = service(SCIM_TENANTS="one", SCIM_TOKEN_SHA256="0" * 64)
    for answer in (await it.send("GET", SETUP_PATH), await it.open(f"contoso.{new_setup_secret()}")):
        assert (answer.status, "This service has no setup pages." in answer.body.decode()) == (404, True)
    assert "SCIM_TENANTS" in caplog.text


async def test_no_secret_gets_into_a_log_or_a_row_and_every_opening_is_in_the_log(
    it: SetupService, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    link = await it.customer()
    secret = fragment(link).partition(".")[2]
    with lost_records() as lost:
        cookie = await it.opened(link)
        await it.open(link)
        await it.page(cookie)
        await it.open(f"nobody.{secret}")
    session = cookie.partition(".")[2]
    assert lost == []
    said = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert "setup link opened" in said
    assert "setup link refused" in said
    stored = str(it.registry.rows._partitions)  # type: ignore[attr-defined]
    trail = [record async for record in it.registry.audit_records()]
    for text in (said, stored, str(trail)):
        assert secret not in text
        assert session not in text
    assert [record.text("event") for record in trail] == ["tenant created", "credential created", "setup link created"]
    assert digest(secret) not in str(trail)
    assert '"setup_made_by": "upn=ann@example.com oid=1"' in trail[-1].text("after")
