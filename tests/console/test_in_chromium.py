"""The console in a real browser: by keyboard, in the dark, on a phone, without a script, and without a complaint."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from playwright.async_api import Browser, Page, expect

from scim_core.console import deeds
from scim_core.console.visitors import CSRF_FIELD
from tests.browser import PHONE, opened, overflow
from tests.console.every_page import LOOKED_AT, one_customer, path_of
from tests.console.shots import shown
from tests.console.world import OPERATOR, VIEWER, World, some_customers
from tests.scim import replace

pytestmark = pytest.mark.processes

LONG = "w" * 90
"""A word that no phone shows on one line."""


async def test_a_person_is_found_and_the_timeline_read_with_the_keyboard_alone(browser: Browser) -> None:
    world = await some_customers()
    async with world.served(VIEWER) as server, opened(browser) as (page, complaints):
        await page.goto(server.link)
        await expect(page.locator("#q")).to_be_focused()
        await page.keyboard.type("ann.jen")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("ann.jensen@contoso.example")
        events = page.locator(".event")
        await expect(events).to_have_count(5)
        await expect(events.first).to_contain_text("accountEnabled")
        await expect(events.nth(1)).to_contain_text("Ann Jensen-Roy")
        await page.keyboard.press("Tab")
        await expect(page.locator(".skip")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.locator("main")).to_be_focused()
        for _ in range(3):
            await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="At a glance")).to_be_focused()
        assert await focus_is_seen(page)
        assert complaints.said == []


async def test_a_viewer_can_change_nothing(browser: Browser) -> None:
    world, tenant = await one_customer("plain")
    async with world.served(VIEWER) as server, opened(browser) as (page, _):
        await page.goto(server.link)
        await page.goto(f"{server.url}/console/customers/{tenant}/credentials")
        await expect(page.get_by_role("link", name="Revoke")).to_have_count(0)
        await expect(page.locator("form")).to_have_count(0)
        path, _ = path_of(world, "revoke", tenant, "")
        answer = await page.goto(f"{server.url}{path}")
        assert answer
        assert answer.status == 403
        await expect(page.get_by_text("You have the role viewer")).to_be_visible()
        sent = await page.request.post(
            f"{server.url}{path}", form={CSRF_FIELD: VIEWER.csrf(path)}, headers={"sec-fetch-site": "same-origin"}
        )
        assert sent.status == 403
        found = await world.registry.load(tenant)
        assert found
        assert not found.credentials[0].revoked


async def test_an_operator_revokes_a_credential(browser: Browser) -> None:
    world = await some_customers()
    async with world.served(OPERATOR) as server, opened(browser) as (page, complaints):
        await page.goto(server.link)
        await page.goto(f"{server.url}/console/customers/fabrikam-inc/credentials")
        await page.get_by_role("link", name="Revoke Okta").click()
        await expect(page.get_by_text("This cannot be taken back.")).to_be_visible()
        await page.get_by_role("button", name="Revoke it").click()
        await expect(page.get_by_text("was revoked on 2026-11-27")).to_be_visible()
        assert complaints.said == []


async def test_an_operator_sends_again_what_a_hook_missed(browser: Browser) -> None:
    world = await some_customers()
    async with world.served(OPERATOR) as server, opened(browser) as (page, complaints):
        await page.goto(server.link)
        await page.goto(f"{server.url}/console/customers/fabrikam-inc/feed")
        await page.get_by_role("link", name="Send again what was not taken").click()
        await page.get_by_role("button", name="Send again").click()
        await expect(page.get_by_text("1 of 4")).to_be_visible()
        assert complaints.said == []


async def test_an_operator_undoes_a_mass_change_from_the_page_that_tells_of_it(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a script, and with several presses."""
    monkeypatch.setattr(deeds, "UNDONE_AT_ONCE", 15)
    world = await some_customers()
    async with world.served(OPERATOR) as server, opened(browser, script=False) as (page, complaints):
        await page.goto(server.link)
        await page.get_by_role("link", name="Tailspin Toys").click()
        await page.get_by_role("link", name="Look at the mass changes").click()
        await page.get_by_role("link", name="Look whom an undo would put back").click()
        await expect(page.get_by_label("By which credential")).to_have_value(world.ids["Tailspin's Entra ID"])
        await expect(page.get_by_role("heading", name="5 will be there again")).to_be_visible()
        await page.get_by_role("button", name="Put them back").click()
        await expect(page.get_by_text("5 people and groups are still to be put back")).to_be_visible()
        await page.get_by_role("button", name="Go on").click()
        await expect(page.get_by_text("Nothing is left to put back.")).to_be_visible()
        await expect(page.get_by_role("heading", name="1 is left alone")).to_be_visible()
        assert await overflow(page) == 0
        assert complaints.said == []
    active = [item async for item in active_names(world, "tailspin-toys")]
    assert len(active) == 31


async def test_an_operator_writes_the_times_of_an_undo_with_the_keyboard(browser: Browser) -> None:
    world = await some_customers()
    async with world.served(OPERATOR) as server, opened(browser) as (page, complaints):
        await page.goto(server.link)
        await page.goto(f"{server.url}/console/customers/tailspin-toys/undo")
        await page.get_by_label("From (UTC)").fill("2026-11-27T11:35:00")
        await page.get_by_label("Until before (UTC)").fill("2026-11-27T11:40:20")
        await page.get_by_label("By which credential").select_option(label="Every credential")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="1 will be active again")).to_be_visible()
        await expect(page.get_by_role("heading", name="5 will be there again")).to_be_visible()
        assert complaints.said == []


async def test_an_operator_releases_what_is_held(browser: Browser) -> None:
    world = await some_customers()
    async with world.served(OPERATOR) as server, opened(browser) as (page, complaints):
        await page.goto(server.link)
        await page.goto(f"{server.url}/console/customers/tailspin-toys/mass-changes")
        await page.get_by_role("link", name="Release").click()
        await page.get_by_role("button", name="Release").click()
        await expect(page.get_by_text("Somebody has released")).to_be_visible()
        await page.get_by_role("link", name="Switch hold off").click()
        await page.get_by_role("button", name="Switch hold off").click()
        await expect(page.get_by_role("link", name="Switch hold on")).to_be_visible()
        assert complaints.said == []


async def test_an_operator_creates_a_customer_and_goes_back_to_no_secret(browser: Browser) -> None:
    world = await some_customers()
    async with world.served(OPERATOR) as server, opened(browser, PHONE) as (page, complaints):
        await page.goto(server.link)
        await page.get_by_role("link", name="New customer").click()
        await page.get_by_label("Name", exact=True).fill("Fourth Coffee")
        await page.get_by_role("button", name="Create").click()
        shown_once = page.locator(".paste-value", has_text="scim_")
        await expect(shown_once).to_have_count(2)
        assert await overflow(page) == 0
        assert "scim_" not in page.url
        await page.get_by_role("link", name="To the customer").click()
        await expect(page.get_by_text("The setup link was not opened yet")).to_be_visible()
        assert "scim_" not in await page.content()
        await page.get_by_role("link", name="End it").click()
        await page.get_by_role("button", name="End it").click()
        await expect(page.get_by_text("The setup link was ended")).to_be_visible()
        assert complaints.said == []


async def test_another_browser_does_not_come_in(browser: Browser) -> None:
    world = await some_customers()
    async with world.served(OPERATOR) as server, opened(browser) as (page, _), opened(browser) as (other, _):
        await page.goto(server.link)
        await expect(page.get_by_role("heading", level=1)).to_have_text("Whom do you look for?")
        for address in (server.link, f"{server.url}/console"):
            answer = await other.goto(address)
            assert answer
            assert answer.status == 401


@dataclass(frozen=True)
class Visited:
    """What a browser found on a page. `grounds` is the colour of the page, in the light and in the dark."""

    grounds: tuple[str, str]
    title: str
    main_parts: int
    first_headings: int
    nameless: list[str]


@pytest.fixture(scope="module")
async def visits(browser: Browser) -> tuple[dict[str, Visited], list[str]]:
    """Each page, visited once, and what the browser complained about."""
    world, found = await some_customers(), dict[str, Visited]()
    async with world.served(OPERATOR) as server, opened(browser) as (page, complaints):
        await page.goto(server.link)
        for path in shown(world).values():
            await page.emulate_media(color_scheme="light")
            await page.goto(f"{server.url}/console/{path}".rstrip("/"))
            light = await page.evaluate(GROUND)
            await page.emulate_media(color_scheme="dark")
            found[path] = Visited(
                (light, await page.evaluate(GROUND)),
                await page.title(),
                await page.get_by_role("main").count(),
                await page.get_by_role("heading", level=1).count(),
                await page.evaluate(NAMELESS),
            )
    return found, complaints.said


def test_no_page_is_complained_about_and_dark_is_dark(visits: tuple[dict[str, Visited], list[str]]) -> None:
    """The policy refuses nothing that a page needs: a refusal would be said on the browser's console."""
    found, complaints = visits
    assert {page.grounds for page in found.values()} == {("rgb(246, 246, 243)", "rgb(17, 19, 22)")}
    assert complaints == []


def test_a_screen_reader_finds_its_way(visits: tuple[dict[str, Visited], list[str]]) -> None:
    """Each page has one main part, one heading of the first rank, a title, and a name for each field and button."""
    for path, page in visits[0].items():
        assert (page.main_parts, page.first_headings, page.nameless) == (1, 1, []), path
        assert page.title, path


async def test_a_policy_that_is_broken_is_complained_about(browser: Browser) -> None:
    """What the test above listens to does speak."""
    world = await some_customers()
    async with world.served(OPERATOR) as server, opened(browser) as (page, complaints):
        await page.goto(server.link)
        await page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">x</p>')")
        await page.wait_for_function("document.querySelectorAll('p[style]').length === 1")
        assert any("Content Security Policy" in said for said in complaints.said)


@pytest.mark.parametrize("name", ["plain", LONG])
async def test_nobody_scrolls_sideways_on_a_phone(browser: Browser, name: str) -> None:
    world, tenant = await one_customer(name[:78])
    async with world.served(OPERATOR) as server, opened(browser, PHONE) as (page, complaints):
        await page.goto(server.link)
        for handler in LOOKED_AT:
            path, query = path_of(world, handler, tenant, "u")
            await page.goto(f"{server.url}{path}?{query}")
            assert await overflow(page) == 0, handler
        assert complaints.said == []


async def test_the_live_tail_shows_what_has_just_happened(browser: Browser) -> None:
    world = await some_customers()
    async with world.served(VIEWER) as server, opened(browser) as (page, complaints):
        await page.goto(server.link)
        await page.clock.install()
        await page.goto(f"{server.url}/console/customers/contoso-ltd/live")
        await expect(page.locator(".event").first).to_contain_text("Activated again")
        await disabled(world)
        await page.clock.run_for(2_500)
        await expect(page.locator(".event").first).to_contain_text("Deactivated")
        await expect(page.get_by_role("status")).to_have_text("asks again every two seconds")
        await page.get_by_role("button", name="Pause").click()
        await expect(page.get_by_role("status")).to_have_text("paused")
        await world.patch(
            "contoso-ltd", f"Users/{world.ids['eva.lindqvist@contoso.example']}", replace("active", value=True)
        )
        await world.settle()
        await page.clock.run_for(10_000)
        await expect(page.locator(".event").first).to_contain_text("Deactivated")
        assert complaints.said == []


async def test_without_a_script_a_link_looks_again(browser: Browser) -> None:
    world = await some_customers()
    async with world.served(VIEWER) as server, opened(browser, script=False) as (page, _):
        await page.goto(server.link)
        await page.goto(f"{server.url}/console/customers/contoso-ltd/live")
        await disabled(world)
        await page.get_by_role("link", name="Look again").click()
        await expect(page.locator(".event").first).to_contain_text("Deactivated")
        await expect(page.get_by_role("button", name="Pause")).to_have_count(0)


GROUND = "getComputedStyle(document.body).backgroundColor"

NAMELESS = """
Array.from(document.querySelectorAll('input:not([type=hidden]), select, button, a[href]')).filter(item =>
  !(item.labels && item.labels.length) && !item.getAttribute('aria-label') && !item.textContent.trim()
).map(item => item.outerHTML)
"""
"""The fields, buttons and links of a page that have no name."""


async def disabled(world: World) -> None:
    """Somebody is deactivated."""
    await world.patch(
        "contoso-ltd", f"Users/{world.ids['eva.lindqvist@contoso.example']}", replace("active", value=False)
    )
    await world.settle()


async def active_names(world: World, tenant: str) -> AsyncIterator[str]:
    """The user names of who is active."""
    for resource in (await world.storage.page(tenant, "User", after=None, limit=999)).resources:
        if resource.document.get("active") is not False:
            yield str(resource.document["userName"])


async def focus_is_seen(page: Page) -> bool:
    """Whether what has the focus has an outline."""
    found: str = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    return found not in ("none", "")
