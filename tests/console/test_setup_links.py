"""A setup link, and a new customer with one, are made on the console; what is secret is shown on one answer alone."""

import hashlib
import html
import json
import logging
import re

import pytest

from scim_core.access.administration import Administration
from scim_core.access.setup_plans import DEFAULT_LINK_DAYS
from scim_core.console.console import Console
from scim_core.console.deeds import Deeds
from scim_core.console.reading import Reading
from scim_core.messages import ScimRequest
from scim_core.registry import Overtaken
from scim_core.storage.port import StorageBusy
from tests.console.every_page import post, shown, text
from tests.console.world import OPERATOR, VIEWER, OpenDoor, World, no_pause
from tests.setup_page.world import SAME_ORIGIN
from tests.tenancy import HOST

PAGE = "/console/customers/contoso-ltd"
LINK = re.compile(rf"{HOST}/setup#([a-z0-9-]+)\.(\S+?)<")


async def with_customer() -> World:
    """One customer."""
    world = World()
    await world.customer("Contoso Ltd")
    return world


async def made(world: World, path: str, fields: dict[str, str], status: int = 200) -> tuple[str, str, str]:
    """The page that shows a link, and its tenant and secret."""
    answer = await post(world, path, OPERATOR, fields)
    page = answer.body.decode()
    assert answer.status == status, page
    assert answer.headers["Cache-Control"] == "no-store"
    [(tenant, secret)] = LINK.findall(page)
    return " ".join(page.split()), tenant, secret


async def opens(world: World, link: str) -> bool:
    """Whether the link opens the setup page."""
    tenant, _, secret = link.partition(".")
    body = f"link={tenant}.{secret}".encode()
    answer = await world.endpoint.handle(ScimRequest("POST", "/setup", "", dict(SAME_ORIGIN), body, HOST))
    return answer.status == 303


async def test_a_link_is_made_shown_once_and_opens_the_setup_page(caplog: pytest.LogCaptureFixture) -> None:
    world = await with_customer()
    assert "There is no setup link" in await text(world, PAGE)
    assert "It opens the setup page once" in await text(world, f"{PAGE}/setup-link")
    caplog.clear()
    with caplog.at_level(logging.DEBUG):
        page, tenant, secret = await made(world, f"{PAGE}/setup-link", {"days": "3"})
    assert tenant == "contoso-ltd"
    ends = (await world.administration.tenant(tenant)).setup.expires
    assert f"until {ends[:10]} {ends[11:19]} UTC" in page
    records = [json.dumps(record.properties) async for record in world.registry.audit_records()]
    assert '"setup link created"' in records[-1]
    assert "ann@vendor.example" in records[-1]
    hidden = [secret, hashlib.sha256(secret.encode()).hexdigest()]
    told = [caplog.text, *(json.dumps(vars(item), default=str) for item in caplog.records), *records]
    told += [await text(world, path) for path in (PAGE, f"{PAGE}/setup-link", f"{PAGE}/end-setup-link", "/console")]
    assert [item for item in hidden for where in told if item in where] == []
    assert "The setup link was not opened yet" in await text(world, PAGE)
    assert await opens(world, f"{tenant}.{secret}")
    assert "The setup page is open" in await text(world, PAGE)


async def test_a_newer_link_takes_its_place_and_one_that_is_ended_opens_nothing() -> None:
    world = await with_customer()
    _, tenant, first = await made(world, f"{PAGE}/setup-link", {"days": str(DEFAULT_LINK_DAYS)})
    assert "end with it" in await text(world, f"{PAGE}/setup-link")
    _, _, second = await made(world, f"{PAGE}/setup-link", {"days": "30"})
    assert not await opens(world, f"{tenant}.{first}")
    assert "not yet" in await text(world, f"{PAGE}/end-setup-link")
    answer = await post(world, f"{PAGE}/end-setup-link", OPERATOR)
    assert (answer.status, answer.headers["Location"]) == (303, PAGE)
    assert not await opens(world, f"{tenant}.{second}")
    assert "The setup link was ended" in await text(world, PAGE)
    *_, record = [record async for record in world.registry.audit_records()]
    assert (record.text("event"), record.text("user")) == ("setup link revoked", "ann@vendor.example")
    world.clock.advance(days=40)
    await made(world, f"{PAGE}/setup-link", {"days": "1"})
    world.clock.advance(days=2)
    assert "The setup link has ended" in await text(world, PAGE)


async def test_there_is_nothing_to_end_without_a_link_and_days_are_chosen_from_the_page() -> None:
    world = await with_customer()
    assert "So nothing is to end" in await text(world, f"{PAGE}/end-setup-link")
    assert (await post(world, f"{PAGE}/end-setup-link", OPERATOR)).status == 404
    for days in ("", "0", "2", "-1", "31", "x"):
        assert (await post(world, f"{PAGE}/setup-link", OPERATOR, {"days": days})).status == 400
    assert not (await world.administration.tenant("contoso-ltd")).setup.sha256


async def test_a_viewer_sees_the_state_of_the_link_and_no_button() -> None:
    world = await with_customer()
    await made(world, f"{PAGE}/setup-link", {"days": "3"})
    page = await text(world, PAGE, visitor=VIEWER)
    assert "was not opened yet" in page
    assert "new setup link" not in page
    assert "End it" not in page
    assert "New customer" not in await text(world, "/console", visitor=VIEWER)
    assert "New customer" in await text(world, "/console")


async def test_a_new_customer_has_a_token_and_a_link_that_work() -> None:
    world = World()
    page, tenant, secret = await made(
        world, "/console/new-customer", {"name": " Fourth <Coffee> ", "id": ""}, status=201
    )
    assert tenant == "fourth-coffee"
    assert "Fourth &lt;Coffee&gt;" in page
    assert f"{HOST}/scim/v2" in page
    [token] = re.findall(r">(scim_[^<]+)<", page)
    world.tokens[tenant] = html.unescape(token)
    assert (await world.user(tenant, "ann@fourth.example")) in str(world.answers)
    assert await opens(world, f"{tenant}.{secret}")
    found = await text(world, f"/console/customers/{tenant}/credentials")
    assert token not in found
    records = [record async for record in world.registry.audit_records()]
    events = [record.text("event") for record in records]
    assert events == ["tenant created", "credential created", "setup link created"]
    assert {record.text("user") for record in records} == {"ann@vendor.example"}
    assert [item for item in (token, secret) for record in records if item in json.dumps(record.properties)] == []


async def test_an_id_is_used_once_and_a_name_must_be_one() -> None:
    world = await with_customer()
    for fields, status, said in (
        ({"name": "Contoso Ltd"}, 409, "There is a tenant contoso-ltd already"),
        ({"name": "Contoso", "id": "contoso-ltd"}, 409, "Choose another id"),
        ({"name": ""}, 409, "display name"),
        ({"name": "x" * 201}, 400, "at most 200"),
        ({"name": "Contoso", "id": "Contoso!"}, 409, "lower-case letters"),
    ):
        answer = await post(world, "/console/new-customer", OPERATOR, fields)
        assert answer.status == status, fields
        assert said in answer.body.decode()
    assert [item.id for item in await world.administration.tenants()] == ["contoso-ltd"]


async def test_a_new_customer_gets_no_directory_that_is_there() -> None:
    world = World()
    tenant = await world.customer("Contoso Ltd")
    user = await world.user(tenant, "ann@contoso.example")
    [there] = await world.storage.read(tenant, "User", [user])
    assert there
    for other in ("default", "northwind"):
        await world.storage.create(other, there)
    await world.storage.new_epoch("fabrikam")  # nobody is there, and something was
    for name, said in (
        ("Default", "The directory default is that of the tenant of the settings."),
        ("DÉFAULT!", "The directory default is that of the tenant of the settings."),
        ("Northwind", "The directory northwind is there already."),
        ("Fabrikam", "The directory fabrikam is there already."),
    ):
        answer = await post(world, "/console/new-customer", OPERATOR, {"name": name})
        assert answer.status == 409
        assert said in answer.body.decode()
    assert (await post(World(), "/console/new-customer", OPERATOR, {"name": "x", "id": "default"})).status == 409
    assert [item.id for item in await world.administration.tenants()] == [tenant]


@pytest.mark.parametrize("error", [Overtaken("others"), StorageBusy("a reason")])
async def test_a_customer_that_is_created_in_part_is_told(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*given: object) -> None:  # noqa: ARG001
        raise error

    monkeypatch.setattr(Administration, "link_setup", fails)
    world = World()
    answer = await post(world, "/console/new-customer", OPERATOR, {"name": "Fourth Coffee"})
    assert answer.status == 409
    assert b"The customer fourth-coffee is created, but not all that belongs to it" in answer.body
    assert b"a reason" not in answer.body


async def test_a_console_that_does_not_know_the_address_makes_nothing() -> None:
    world = await with_customer()
    reading = Reading(world.storage, world.registry, world.catalogue, world.clock)
    deeds = Deeds(world.storage, world.registry, world.catalogue, world.clock, no_pause, base_url=None)
    console = Console(reading, deeds, OpenDoor(OPERATOR), world.clock, acts=True)
    for path in (f"{PAGE}/setup-link", "/console/new-customer"):
        answer = await console.handle(ScimRequest("GET", path))
        assert answer.status == 409
        assert b"SCIM_PUBLIC_BASE_URL is not set" in answer.body


async def test_the_link_of_a_customer_that_is_not_there_is_not_made() -> None:
    assert (await shown(World(), f"{PAGE}/setup-link")).status == 404
