"""The setup page in a real browser: progress that moves, an upload; on a phone, in the dark, without a script."""

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from scim_core.endpoint.setup.setup_endpoint import COOKIE
from tests.browser import DESK, PHONE, opened, overflow
from tests.setup_page.shots import cut, provisioned
from tests.setup_page.world import mistaken_mapping, served

pytestmark = pytest.mark.processes

OPEN = "Open the setup page"
LOOKS_AGAIN_MS = 2_500
"""After this time the page has asked for the progress again."""


async def test_a_link_opens_the_page_and_the_progress_moves_while_a_client_provisions(
    browser: Browser, tmp_path: Path
) -> None:
    async with served() as (it, url), opened(browser) as (page, complaints):
        link = await it.customer()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(link)
        await expect(page.locator("#link")).to_be_hidden()
        assert page.url == f"{url}/setup", "the secret is not in the address any more"
        await page.get_by_role("button", name=OPEN).click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Connect Contoso Ltd")
        assert not [item for item in asked if "scim_setup_" in item], "the secret is in no address that is asked for"
        [kept] = await page.context.cookies()
        assert (kept["name"], kept["path"]) == (COOKIE, "/setup")
        assert (kept["httpOnly"], kept["secure"], kept["sameSite"]) == (True, True, "Strict")
        await page.clock.install()
        await page.reload()
        live = page.locator(".live")
        await expect(live).to_contain_text("Press Test Connection")
        token = it.issued[0].secret
        await cut(it, token)
        await page.clock.run_for(LOOKS_AGAIN_MS)
        await expect(live).to_contain_text("401: the token is cut")
        await provisioned(it, token)
        await page.clock.run_for(LOOKS_AGAIN_MS)
        await expect(live).to_contain_text("Test Connection arrived")
        await expect(live).to_contain_text("First user created")
        await expect(live).to_contain_text("wrkEmail")
        await expect(live).to_contain_text('Did you mean emails[type eq "work"].value?')
        await expect(live).not_to_contain_text("401")
        await expect(live).not_to_contain_text("contoso.example")
        await page.set_input_files("#file", mistaken_mapping(tmp_path))
        await page.get_by_role("button", name="Check the file").click()
        await expect(page.locator(".checked")).to_contain_text("3 to look at")
        assert complaints.said == []


async def test_without_a_script_the_link_is_pasted_and_the_page_is_asked_for_again_by_a_link(
    browser: Browser, tmp_path: Path
) -> None:
    async with served() as (it, _), opened(browser, script=False) as (page, complaints):
        link = await it.customer()
        await page.goto(link)
        await page.get_by_label("Your link").fill(link)
        await page.get_by_role("button", name=OPEN).click()
        live = page.locator(".live")
        await expect(live).to_contain_text("Press Test Connection")
        await provisioned(it, it.issued[0].secret)
        await page.get_by_role("link", name="Look again").click()
        await expect(live).to_contain_text("First user created")
        await page.set_input_files("#file", mistaken_mapping(tmp_path))
        await page.get_by_role("button", name="Check the file").click()
        await expect(page.locator(".checked")).to_contain_text("wrkEmail")
        assert complaints.said == []


async def test_of_two_browsers_the_second_is_told_that_the_link_was_opened(browser: Browser) -> None:
    async with served() as (it, url), opened(browser) as (first, _), opened(browser) as (second, _):
        link = await it.customer()
        await asyncio.gather(first.goto(link), second.goto(link))
        await asyncio.gather(*(page.get_by_role("button", name=OPEN).click() for page in (first, second)))
        for page in (first, second):
            await expect(page.get_by_role("heading", level=1)).not_to_have_text("Open your setup page")
        shown = [await page.get_by_role("heading", level=1).inner_text() for page in (first, second)]
        assert sorted(shown) == ["Connect Contoso Ltd", "This link was opened before"]
        winner = first if shown[0].startswith("Connect") else second
        await winner.goto("about:blank")
        await winner.goto(link)
        await expect(winner.get_by_role("heading", level=1)).to_have_text("Connect Contoso Ltd")
        assert winner.url == f"{url}/setup"


async def test_all_of_it_can_be_done_with_the_keyboard(browser: Browser) -> None:
    async with served() as (it, _), opened(browser) as (page, complaints):
        await page.goto(await it.customer())
        await expect(page.get_by_role("button", name=OPEN)).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Connect Contoso Ltd")
        await page.keyboard.press("Tab")
        await expect(page.locator(".skip")).to_be_focused()
        okta = page.locator("summary", has_text="Okta")
        await okta.focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("Test Connector Configuration")).to_be_visible()
        assert complaints.said == []


@pytest.mark.parametrize(("dark", "phone"), [(False, True), (True, True), (True, False)])
async def test_on_a_phone_and_in_the_dark_nobody_scrolls_sideways(
    browser: Browser, tmp_path: Path, *, dark: bool, phone: bool
) -> None:
    async with served() as (it, _), opened(browser, PHONE if phone else DESK, dark=dark) as (page, complaints):
        link = await it.customer("C" * 79)
        await page.goto(link)
        assert await overflow(page) == 0
        await page.get_by_role("button", name=OPEN).click()
        await provisioned(it, it.issued[0].secret)
        await page.set_input_files("#file", mistaken_mapping(tmp_path))
        await page.get_by_role("button", name="Check the file").click()
        await expect(page.locator(".checked")).to_be_visible()
        await page.evaluate(
            "document.querySelectorAll('details').forEach(item => { item.name = ''; item.open = true })"
        )
        await expect(page.get_by_text("Test Connector Configuration")).to_be_visible()
        assert await overflow(page) == 0
        shade = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (shade == "rgb(17, 19, 22)") is dark
        assert complaints.said == []


async def test_a_value_is_copied_by_a_button(browser: Browser) -> None:
    async with served() as (it, url), opened(browser) as (page, _):
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await page.goto(await it.customer())
        await page.get_by_role("button", name=OPEN).click()
        await page.get_by_role("button", name="Copy Tenant URL").click()
        await expect(page.get_by_role("button", name="Copied Tenant URL")).to_be_visible()
        assert await page.evaluate("navigator.clipboard.readText()") == f"{url}/scim/v2"
