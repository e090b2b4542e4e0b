"""A real Chromium without a window, that of the machine: nothing is downloaded. Where there is none, its tests are left
out; not where tests are to decide, in CI.
"""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from playwright.async_api import Browser, Page, ViewportSize, async_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
REQUIRED = ("CI", "REQUIRE_CHROMIUM")
"""Where one of these is set, a browser that is missing is a failure."""

ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--font-render-hinting=none", "--force-color-profile=srgb")
"""Its sandbox needs rights that a container does not give. It opens nothing but pages of these tests."""

PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1280, "height": 800}


def chromium() -> str | None:
    """Where the machine's Chromium is."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@asynccontextmanager
async def running_browser() -> AsyncIterator[Browser]:
    """A browser, until the block ends."""
    found = chromium()
    if found is None:
        told = f"There is no Chromium: none of {', '.join(NAMES)} is on the PATH."
        if any(name in os.environ for name in REQUIRED):
            pytest.fail(told)
        pytest.skip(told)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            await browser.close()


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One for the whole run. A test that uses it has the mark `processes`."""
    async with running_browser() as running:
        yield running


@dataclass
class Complaints:
    """What the browser says against a page: errors of its console, which a refusal by the policy is, and failures."""

    said: list[str] = field(default_factory=list)

    def of(self, page: Page) -> None:
        """Those of this page are collected from now on."""
        page.on(
            "console", lambda message: self.said.append(message.text) if message.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: self.said.append(str(error)))


@asynccontextmanager
async def opened(
    browser: Browser, size: ViewportSize = DESK, *, dark: bool = False, script: bool = True
) -> AsyncIterator[tuple[Page, Complaints]]:
    """A page of a browser that knows nothing yet, and what it complains about."""
    context = await browser.new_context(
        viewport=size,
        color_scheme="dark" if dark else "light",
        java_script_enabled=script,
        locale="en-GB",
        timezone_id="UTC",
        reduced_motion="reduce",
    )
    try:
        page, complaints = await context.new_page(), Complaints()
        complaints.of(page)
        yield page, complaints
    finally:
        await context.close()


async def overflow(page: Page) -> int:
    """By how many pixels the page is wider than its window: 0 means that nobody has to scroll sideways."""
    found: int = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return found
