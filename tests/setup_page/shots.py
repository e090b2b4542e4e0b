"""The pictures of the setup page for docs/screenshots, by the tests' own code."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from playwright.async_api import Browser, Page

from tests.browser import DESK, PHONE, opened
from tests.console.shots import without_chance
from tests.console.small_png import small
from tests.scim import USER
from tests.setup_page.world import SetupService, mistaken_mapping, served
from tests.tenancy import HOST

ALSO_ELSEWHERE = frozenset({"open", "progress"})
"""The pages that are shown in the dark and on a phone, too."""


async def cut(it: SetupService, token: str) -> None:
    """A request with a token whose end is missing."""
    await it.scim("GET", "Users?startIndex=1&count=1", token[:-9])


async def provisioned(it: SetupService, token: str) -> None:
    """What Entra does when all is pasted, with one mapping that is mistyped."""
    it.clock.advance(seconds=95)
    await it.scim("GET", 'Users?filter=userName eq "018f2a6e"'.replace(" ", "%20").replace('"', "%22"), token)
    it.clock.advance(seconds=260)
    body = {
        "schemas": [USER],
        "userName": "ann.jensen@contoso.example",
        "active": True,
        "wrkEmail": "a@contoso.example",
    }
    made = await it.scim("POST", "Users", token, body)
    await it.scim("POST", "Users", token, {"schemas": [USER], "userName": "bob@contoso.example", "active": "maybe"})
    await it.scim("POST", "Groups", token, {"displayName": "Sales", "members": [{"value": made["id"]}]})


async def shoot_setup(browser: Browser, folder: Path) -> list[Path]:
    """The pictures: each page on a desk, some in the dark, and on a phone."""
    made = []
    for suffix, size, dark in (("", DESK, False), ("-dark", DESK, True), ("-phone", PHONE, False)):
        with without_chance():
            async with served(HOST) as (it, url), opened(browser, size, dark=dark) as (page, _):
                async for name in _told(it, url, page):
                    if suffix and name not in ALSO_ELSEWHERE:
                        continue
                    file = folder / f"setup-{name}{suffix}.png"
                    file.write_bytes(small(await page.screenshot(full_page=True, animations="disabled")))
                    made.append(file)
    return made


async def _told(it: SetupService, url: str, page: Page) -> AsyncIterator[str]:
    """The story of a setup. Each time that a name is told, the page is at a state to show."""
    link = (await it.customer()).replace(HOST, url)
    token = it.issued[0].secret
    await page.goto(link)
    yield "open"
    await page.get_by_role("button", name="Open the setup page").click()
    await page.wait_for_selector(".live")
    yield "begin"
    it.clock.advance(seconds=30)
    await cut(it, token)
    await page.goto(page.url)
    yield "cut"
    await provisioned(it, token)
    await page.goto(page.url)
    yield "progress"
    with tempfile.TemporaryDirectory() as files:
        await page.set_input_files("#file", mistaken_mapping(Path(files)))
        await page.get_by_role("button", name="Check the file").click()
        await page.wait_for_selector(".checked")
    yield "mapping"
    await page.context.clear_cookies()
    await page.goto("about:blank")
    await page.goto(link)
    await page.get_by_role("button", name="Open the setup page").click()
    await page.wait_for_selector("[role=alert]")
    yield "used"
