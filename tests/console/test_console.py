"""The console answers the questions of support, changes nothing for a viewer, and records what an operator does."""

import logging
from urllib.parse import urlencode

import pytest

from scim_core.console.deeds import Deeds
from scim_core.console.reading import CUSTOMERS_SHOWN
from scim_core.console.routes import ROUTES
from scim_core.console.visitors import Visitor
from scim_core.messages import ScimRequest
from scim_core.pages.answers import SECURITY_HEADERS
from scim_core.registry import Gone, Overtaken
from scim_core.storage.port import StorageBusy, VersionConflict
from scim_core.storage.tables import TableStorage
from tests.console.every_page import CHANGING, LOOKED_AT, one_customer, path_of, post, rows_of, shown, text
from tests.console.world import OPERATOR, VIEWER, OpenDoor, World, some_customers
from tests.running import ROOT
from tests.scim import Client, endpoint_over
from tests.transcript import RecordedRows, Transcript

CONTOSO = "/console/customers/contoso-ltd"


async def test_it_opens_with_a_question_and_names_what_to_look_at() -> None:
    page = await text(await some_customers(), "/console")
    assert "Whom do you look for?" in page
    for said in ("2 refused today", "a credential ends on 2026-12-02", "silent for 4 days", "never seen"):
        assert said in page


async def test_whoever_is_found_alone_is_shown_at_once() -> None:
    world = await some_customers()
    for sought in ("ann.jensen@contoso.example", "ann.j", "E-1007", world.ids["ann.jensen@contoso.example"]):
        answer = await shown(world, "/console/find", urlencode({"q": sought}))
        assert answer.status == 303, sought
        assert answer.headers["Location"] == f"{CONTOSO}/resources/{world.ids['ann.jensen@contoso.example']}"


async def test_a_group_and_somebody_who_is_gone_are_found() -> None:
    world = await some_customers()
    for sought, name in (("Sales", "Sales Europe"), ("bob.okafor@", "bob.okafor@contoso.example")):
        answer = await shown(world, "/console/find", urlencode({"q": sought, "tenant": "contoso ltd"}))
        assert answer.headers["Location"] == f"{CONTOSO}/resources/{world.ids[name]}"
    page = await text(world, f"{CONTOSO}/resources/{world.ids['bob.okafor@contoso.example']}")
    assert "deleted" in page
    assert "bob.okafor@contoso.example" in page


async def test_several_are_listed_and_nobody_is_said_to_be_never_sent() -> None:
    world = await some_customers()
    assert "5 are found" in await text(world, "/console/find", "q=user")
    assert "the identity provider never sent it" in await text(world, "/console/find", "q=kim")
    refused = await text(world, "/console/find", "q=zoe.marsh@contoso.example")
    assert "the request was refused" in refused
    assert "active must be true or false" in refused
    assert "no such customer" in await text(world, "/console/find", "q=kim&tenant=nobody")


async def test_the_timeline_names_the_values_the_cause_and_the_request() -> None:
    world = await some_customers()
    page = await text(world, f"{CONTOSO}/resources/{world.ids['ann.jensen@contoso.example']}")
    assert "active: can log in" in page
    assert "<del>Ann Jensen</del>" in page
    assert "<ins>Ann Jensen-Roy</ins>" in page
    assert "accountEnabled" in page
    assert "PUT by Entra ID, production" in page
    assert "Head of Sales" not in page, "of a title the log has the name alone"


async def test_who_has_no_active_is_deactivated_and_activated_again_like_anybody() -> None:
    world, tenant = await one_customer("plain")
    user = await world.user(tenant, "ann@example.com")
    removing = {"op": "remove", "path": "active"}  # as users of version 0.2 are stored
    for operation in (removing, {"op": "replace", "path": "active", "value": False}, removing):
        await world.patch(tenant, f"Users/{user}", operation)
    page = await text(world, f"/console/customers/{tenant}/resources/{user}")
    assert (page.count("Deactivated"), page.count("Activated again"), page.count("Changed")) == (1, 1, 1)


async def test_why_somebody_is_in_a_group_or_not_is_answered_on_both_pages() -> None:
    world = await some_customers()
    person, group = world.ids["eva.lindqvist@contoso.example"], world.ids["All employees"]
    assert "is no member. The membership was removed at" in await text(
        world, f"{CONTOSO}/resources/{person}", "why=All"
    )
    assert "is no member. The membership was removed at" in await text(world, f"{CONTOSO}/resources/{group}", "why=eva")
    assert "has been a member since" in await text(world, f"{CONTOSO}/resources/{group}", "why=ann")
    assert "There is no person kim here" in await text(world, f"{CONTOSO}/resources/{group}", "why=kim")


async def test_the_history_of_a_group_names_who_joined_and_who_left() -> None:
    world = await some_customers()
    page = await text(world, f"{CONTOSO}/resources/{world.ids['Sales Europe']}")
    assert "eva.lindqvist@contoso.example</a>" in page
    assert "bob.okafor@contoso.example (deleted)</a>" in page
    assert "Skipped members:" in page


async def test_refusals_are_by_cause_with_the_sentence_for_the_customer() -> None:
    world = await some_customers()
    page = await text(world, f"{CONTOSO}/refusals")
    assert "Did you mean emails[type eq &#34;work&#34;].value?" in page
    assert "Another resource already has this userName." in page
    assert "Nothing was refused" in await text(world, "/console/customers/northwind-traders/refusals", "days=1")
    assert (await shown(world, f"{CONTOSO}/refusals", "days=2")).status == 400


async def test_feed_hooks_and_credentials_are_shown_with_their_lag_and_their_end() -> None:
    world = await some_customers()
    feed = await text(world, "/console/customers/fabrikam-inc/feed")
    for said in (
        "has missed some",
        "entries 2 to 4: 503 Service Unavailable",
        "3 behind",
        "Warehouse sync",
        "up to date",
    ):
        assert said in feed
    assert "fabrikam.vendor.example/in?…" in feed
    assert "s3cret" not in feed
    credentials = await text(world, "/console/customers/fabrikam-inc/credentials")
    for said in ("ends soon", "was revoked on 2026-11-03", "in 4 days", "20.190.160.17"):
        assert said in credentials


async def test_a_credential_whose_successor_is_used_does_not_end_soon() -> None:
    """As the alert and the doctor see it: nobody has to do anything any more."""
    world = World()
    tenant = await world.customer("Contoso Ltd", "old", days=20)
    old = world.tokens[tenant]
    await world.token(tenant, "new", days=200)
    new, world.tokens[tenant] = world.tokens[tenant], old
    await world.user(tenant, "ann@contoso.example")
    page = "/console/customers/contoso-ltd/credentials"
    assert "ends soon" in await text(world, page)
    assert "a credential ends on" in await text(world, "/console")
    world.clock.advance(hours=2)
    world.tokens[tenant] = new
    await world.user(tenant, "bob@contoso.example")
    assert "ends soon" not in await text(world, page)
    assert "a credential ends on" not in await text(world, "/console")


async def test_changes_that_wait_too_long_are_told() -> None:
    world, tenant = await one_customer("plain")
    world.endpoint._kicks = None
    await world.send(tenant, "POST", "Users", {"userName": "late"})
    assert "1 wait for the feed" in await text(world, f"/console/customers/{tenant}")
    world.clock.advance(minutes=11)
    assert "Changes wait" in await text(world, f"/console/customers/{tenant}/feed")


async def test_the_live_tail_has_the_newest_first_and_asks_by_a_script_of_this_host() -> None:
    world = await some_customers()
    page = await text(world, f"{CONTOSO}/live")
    assert page.index("Activated again") < page.index("Members changed") < page.index("Refused")
    assert '<script src="/console/assets/again.js' in page
    assert "Look again" in page


@pytest.mark.parametrize("handler", LOOKED_AT)
async def test_every_page_only_reads_and_carries_the_headers(handler: str) -> None:
    world, tenant = await one_customer("plain")
    recorded = Transcript()
    world.storage = TableStorage(RecordedRows(world.rows, recorded), world.clock)
    answer = await shown(world, *path_of(world, handler, tenant, "u"))
    assert answer.status == 200
    assert "transact" not in recorded.kinds
    assert SECURITY_HEADERS.items() <= answer.headers.items()
    assert answer.headers["Cache-Control"] == "no-store"
    assert b" style=" not in answer.body
    assert b" onclick" not in answer.body


@pytest.mark.parametrize("handler", [route.handler for route in ROUTES if route.acts])
async def test_a_viewer_can_change_nothing_and_is_offered_nothing(handler: str) -> None:
    world, tenant = await one_customer("plain")
    path, _ = path_of(world, handler, tenant, "u")
    before = world.rows.copy()
    assert (await shown(world, path, visitor=VIEWER)).status == 403
    assert (await post(world, path, VIEWER)).status == 403
    assert rows_of(world.rows) == rows_of(before)
    for looked_at in ("credentials", "feed", "mass_changes"):
        page = await text(world, *path_of(world, looked_at, tenant, "u"), visitor=VIEWER)
        assert "<form" not in page
        assert "Revoke" not in page
        assert "Send again" not in page
        assert not [item for item in ("/release", "/hold", "/undo") if item in page]


@pytest.mark.parametrize("handler", CHANGING)
async def test_a_form_that_is_not_the_visitors_own_changes_nothing(handler: str) -> None:
    world, tenant = await one_customer("plain")
    path, _ = path_of(world, handler, tenant, "u")
    before = world.rows.copy()
    for token in ("", OPERATOR.csrf("/console"), VIEWER.csrf(path)):
        assert (await post(world, path, OPERATOR, token=token)).status == 403
    for site in ("cross-site", "same-site", "none"):
        assert (await post(world, path, OPERATOR, site=site)).status == 403
    assert (await post(world, path, OPERATOR, acts=False)).status == 403
    assert rows_of(world.rows) == rows_of(before)


async def test_a_revocation_holds_and_the_audit_trail_names_the_operator() -> None:
    world, tenant = await one_customer("plain")
    path, _ = path_of(world, "revoke", tenant, "")
    answer = await post(world, path, OPERATOR)
    assert (answer.status, answer.headers["Location"]) == (303, f"/console/customers/{tenant}/credentials")
    found = await world.registry.load(tenant)
    assert found
    assert found.credentials[0].revoked
    records = [record async for record in world.registry.audit_records()]
    assert records[-1].text("event") == "credential revoked"
    assert records[-1].text("user") == "ann@vendor.example"
    assert records[-1].text("identity") == "oid=1 tid=2"
    assert records[-1].text("tool").startswith("scim_core.console ")
    assert "was revoked on" in await text(world, f"/console/customers/{tenant}/credentials")


async def test_what_a_hook_missed_is_sent_again_and_recorded() -> None:
    world, tenant = await one_customer("plain")
    path, _ = path_of(world, "replay", tenant, "")
    assert (await post(world, path, OPERATOR)).status == 303
    assert await world.storage.tenants_to_deliver() == [tenant]
    records = [record async for record in world.registry.audit_records()]
    assert [record.text("event") for record in records[-2:]] == ["hooks replay began", "hooks replay ended"]
    assert "0 of 2" in await text(world, f"/console/customers/{tenant}/feed")
    again = await post(world, path, OPERATOR)
    assert again.status == 409
    assert b"under way" in again.body


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/console/nothing", 404),
        ("GET", "/scim/v2/Users", 404),
        ("GET", "/", 404),
        ("GET", "/console/customers/nobody", 404),
        ("GET", "/console/customers/:applications", 404),
        ("GET", "/console/customers/hostile/resources/0199aaaa-0000-7000-8000-0000000000ff", 404),
        ("GET", "/console/customers/hostile/hooks/none/replay", 404),
        ("GET", "/console/customers/hostile/credentials/none/revoke", 404),
        ("GET", "/console/assets/none", 404),
        ("DELETE", "/console", 405),
        ("POST", "/console/customers/hostile", 405),
        ("GET", "/console/find?q=" + "x" * 201, 400),
    ],
)
async def test_what_is_not_there_says_so(method: str, path: str, status: int) -> None:
    world, _ = await one_customer("plain")
    path, _, query = path.partition("?")
    answer = await world.console(OpenDoor(OPERATOR)).handle(ScimRequest(method, path, query))
    assert answer.status == status
    assert answer.headers["Content-Type"].startswith("text/html")
    assert SECURITY_HEADERS.items() <= answer.headers.items()
    assert ("Allow" in answer.headers) == (status == 405)


async def test_health_and_files_need_no_visitor_and_head_has_no_body() -> None:
    class Closed:
        sign_in = ""

        async def admit(self, request: ScimRequest) -> Visitor:  # noqa: ARG002 -- as Door.admit
            raise AssertionError("nobody asked")

    console = World().console(Closed())
    assert (await console.handle(ScimRequest("GET", "/health"))).body == b"ok"
    assert (await console.handle(ScimRequest("GET", "/console/assets/style.css"))).status == 200
    head = await console.handle(ScimRequest("HEAD", "/console/assets/style.css"))
    assert (head.status, head.body) == (200, b"")


@pytest.mark.parametrize(("error", "status"), [(StorageBusy("a reason"), 503), (RuntimeError("a secret"), 500)])
async def test_a_failure_is_a_page_without_its_cause(
    error: Exception, status: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails(*given: object) -> None:  # noqa: ARG001
        raise error

    world, _ = await one_customer("plain")
    monkeypatch.setattr(TableStorage, "moved_feeds", fails)
    caplog.clear()
    with caplog.at_level(logging.INFO, "scim_core.console"):
        answer = await shown(world, "/console")
    assert answer.status == status
    assert str(error).encode() not in answer.body
    assert str(error) not in caplog.text, "an error may quote somebody's values"
    *failures, line = caplog.records
    assert line.getMessage() == f"console home -> {status}"
    assert [bool(record.exc_info) for record in failures] == [True] * (status == 500)
    for record in failures:
        assert type(error).__name__ in caplog.text
        assert "in fails" in caplog.text, "the place of the error is told"
        assert vars(record)["correlation_id"] == vars(line)["correlation_id"]
        assert f"(request {vars(record)['correlation_id']})" in answer.body.decode()


async def test_a_customer_whom_nobody_can_reach_is_told() -> None:
    world, tenant = await one_customer("plain")
    await world.administration.revoke(tenant, world.ids["credential"])
    assert "no credential is good" in await text(world, "/console")
    await world.administration.suspend(tenant)
    assert "suspended" in await text(world, "/console")


async def test_the_tenant_of_the_settings_is_a_customer() -> None:
    """It is shown where there is no other, and where others are, as soon as it has changes."""
    world = World()
    assert "The tenant of the settings" in await text(world, "/console")
    await world.customer("Contoso Ltd")
    assert "The tenant of the settings" not in await text(world, "/console")
    client = Client(endpoint_over(world.storage, world.clock))
    user = await client.user("ann@example.com")
    await world.storage.relay("default")
    assert "The tenant of the settings" in await text(world, "/console")
    answer = await shown(world, "/console/find", "q=ann")
    assert answer.headers["Location"] == f"/console/customers/default/resources/{user['id']}"


async def test_many_customers_are_on_several_pages_and_are_found_by_a_part_of_their_names() -> None:
    world = World()
    for number in range(CUSTOMERS_SHOWN + 3):
        await world.administration.create_tenant(f"Customer {number:02}")
    first = await text(world, "/console")
    assert "customer-49" in first
    assert 'href="/console?after=customer-49' in first
    second = await text(world, "/console", "after=customer-49")
    assert 'href="/console/customers/customer-52"' in second
    assert 'href="/console/customers/customer-49"' not in second
    assert 'href="/console/customers/customer-07"' in await text(world, "/console", "customers=MER+07")
    assert "No customer has this text" in await text(world, "/console", "customers=nobody")
    assert "Say with which customer" in await text(world, "/console/find", "q=ann")


@pytest.mark.parametrize(
    ("error", "status"),
    [(Overtaken("others"), 409), (VersionConflict(), 409), (Gone("gone"), 404), (TimeoutError(), 504)],
)
async def test_what_others_did_at_the_same_time_is_said(
    error: Exception, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*given: object) -> None:  # noqa: ARG001
        raise error

    world, tenant = await one_customer("plain")
    monkeypatch.setattr(Deeds, "revoke", fails)
    path, _ = path_of(world, "revoke", tenant, "")
    assert (await post(world, path, OPERATOR)).status == status


async def test_types_of_a_deployments_own_have_their_pages() -> None:
    """A fleet has members, as a group has; of a device nobody says that it can log in."""
    world = World(schemas=ROOT / "examples" / "schemas")
    tenant = await world.customer("Contoso Ltd")
    device = await world.send(tenant, "POST", "Devices", {"displayName": "Scanner 7", "active": True})
    fleet = {"name": "Warehouse", "devices": [{"value": device["id"]}]}
    made = await world.send(tenant, "POST", "Fleets", fleet)
    await world.settle()
    assert "Who joined, who left" in await text(world, f"{CONTOSO}/resources/{made['id']}")
    page = await text(world, f"{CONTOSO}/resources/{device['id']}")
    assert "Scanner 7" in page
    assert "can log in" not in page
    assert "has been a member since" in await text(world, f"{CONTOSO}/resources/{made['id']}", "why=Scanner")
