"""The pictures of the console for docs/screenshots, from the customers of the tests."""

import random
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.async_api import Browser

from tests.browser import DESK, PHONE, opened
from tests.console.small_png import small
from tests.console.world import OPERATOR, World, made_customers

LONG = "live"
"""A page whose picture ends where the window does."""

EVERYWHERE = {"home", "person", "undo"}
"""The pages whose pictures are taken in the dark and on a phone, too."""

MADE = "link-made"
"""The answer of a form: what is shown once."""

WINDOW = urlencode({"from": "2026-11-27T11:35", "to": "2026-11-27T12:00", "by": ""})
"""The time of the mass change. The id of the credential comes after it."""


def shown(world: World) -> dict[str, str]:
    """The pages by the names of their pictures: paths below the console."""
    contoso, fabrikam, tailspin = (f"customers/{item}" for item in ("contoso-ltd", "fabrikam-inc", "tailspin-toys"))
    return {
        "home": "",
        "find": "find?tenant=fabrikam-inc&q=user",
        "nobody": "find?q=kim.lee",
        "customer": contoso,
        "person": f"{contoso}/resources/{world.ids['ann.jensen@contoso.example']}",
        "gone": f"{contoso}/resources/{world.ids['bob.okafor@contoso.example']}",
        "group": f"{contoso}/resources/{world.ids['Sales Europe']}?why=bob",
        "refusals": f"{contoso}/refusals",
        "feed": f"{fabrikam}/feed",
        "credentials": f"{fabrikam}/credentials",
        "live": f"{contoso}/live",
        "mass-changes": f"{tailspin}/mass-changes",
        "undo": f"{tailspin}/undo?{WINDOW}{world.ids["Tailspin's Entra ID"]}",
        "new-customer": "new-customer",
    }


def pictures(world: World) -> set[str]:
    """The names of all pictures."""
    return {*shown(world), MADE, *(f"{name}-{kind}" for name in EVERYWHERE for kind in ("dark", "phone"))}


@contextmanager
def without_chance() -> Iterator[None]:
    """Ids are the same each time, so that the pictures are. Each kind has its own chance: tasks run in any order."""
    bits, octets, digits = (random.Random(seed) for seed in (17, 18, 19))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secrets, "randbits", bits.getrandbits)
        patch.setattr(secrets, "token_bytes", octets.randbytes)
        patch.setattr(secrets, "token_hex", lambda length: digits.randbytes(length).hex())
        yield


async def shoot(browser: Browser, folder: Path) -> list[Path]:
    """The pictures: each page on a desk; some in the dark, and on a phone."""
    with without_chance():
        world = await made_customers()
    made = []
    for dark, phone in ((False, False), (True, False), (False, True)):
        names = EVERYWHERE if dark or phone else set(shown(world))
        size = PHONE if phone else DESK
        async with world.served(OPERATOR) as server, opened(browser, size, dark=dark) as (page, _):
            await page.goto(server.link)
            for name, path in shown(world).items():
                if name in names:
                    await page.goto(f"{server.url}/console/{path}".rstrip("/"))
                    file = folder / f"{name}{'-dark' if dark else '-phone' if phone else ''}.png"
                    taken = await page.screenshot(full_page=name != LONG, animations="disabled")
                    file.write_bytes(small(taken))
                    made.append(file)
            if not dark and not phone:
                await page.goto(f"{server.url}/console/customers/northwind-traders/setup-link")
                await page.get_by_role("button", name="Make the link").click()
                await page.get_by_role("heading", name="The setup link").wait_for()
                file = folder / f"{MADE}.png"
                file.write_bytes(small(await page.screenshot(full_page=True, animations="disabled")))
                made.append(file)
    return made
