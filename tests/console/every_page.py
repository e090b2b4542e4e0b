"""Every page of the console, by its handler, with a path that shows something."""

from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlencode

from scim_core import ScimResponse
from scim_core.clock import instant_text
from scim_core.console.routes import ROUTES
from scim_core.console.visitors import CSRF_FIELD, Visitor
from scim_core.messages import ScimRequest
from scim_core.pages.forms import FORM
from scim_core.storage.hook_port import DeadBatch, Hook, HookCursor, Stream
from tests.console.world import BEGIN, NOW, OPERATOR, OpenDoor, World
from tests.memory_rows import MemoryRows

LOOKED_AT = [route.handler for route in ROUTES if route.method == "GET"]
ABOUT_NOBODY = {"confirm_customer"}
"""Pages that show no customer."""

EVER = {"from": "2026-11-01T00:00", "to": "2026-12-31T00:00", "by": ""}
FIELDS = {
    "undo": {**EVER, "to": instant_text(BEGIN + timedelta(minutes=1))},
    "switch_hold": {"hold": "on"},
    "link_setup": {"days": "7"},
    "create_customer": {"name": "Fourth Coffee", "id": ""},
}
"""What a person fills into the form of a page."""

CHANGING = [route.handler for route in ROUTES if route.method == "POST"]


def path_of(world: World, handler: str, tenant: str, text: str) -> tuple[str, str]:
    """The path and the query of this page of a customer; `text` is looked for where something is."""
    base = f"/console/customers/{tenant}"
    credential, hook = world.ids["credential"], world.ids["hook"]
    found = {
        "home": ("/console", ""),
        "find": ("/console/find", f"q={text}"),
        "customer": (base, ""),
        "refusals": (f"{base}/refusals", "days=30"),
        "feed": (f"{base}/feed", ""),
        "credentials": (f"{base}/credentials", ""),
        "live": (f"{base}/live", ""),
        "resource": (f"{base}/resources/{world.ids['person']}", f"why={text}"),
        "confirm_revocation": (f"{base}/credentials/{credential}/revoke", ""),
        "revoke": (f"{base}/credentials/{credential}/revoke", ""),
        "confirm_replay": (f"{base}/hooks/{hook}/replay", ""),
        "replay": (f"{base}/hooks/{hook}/replay", ""),
        "mass_changes": (f"{base}/mass-changes", ""),
        **dict.fromkeys(("confirm_release", "release"), (f"{base}/release", "")),
        **dict.fromkeys(("confirm_hold", "switch_hold"), (f"{base}/hold", "")),
        **dict.fromkeys(("confirm_undo", "undo"), (f"{base}/undo", urlencode(EVER))),
        **dict.fromkeys(("confirm_setup_link", "link_setup"), (f"{base}/setup-link", "")),
        **dict.fromkeys(("confirm_setup_end", "end_setup"), (f"{base}/end-setup-link", "")),
        **dict.fromkeys(("confirm_customer", "create_customer"), ("/console/new-customer", "")),
    }
    return found[handler]


async def shown(world: World, path: str, query: str = "", visitor: Visitor = OPERATOR) -> ScimResponse:
    """What this visitor sees there."""
    return await world.console(OpenDoor(visitor)).handle(ScimRequest("GET", path, query))


async def text(world: World, path: str, query: str = "", visitor: Visitor = OPERATOR) -> str:
    """The page, with one space between two words."""
    answer = await shown(world, path, query, visitor)
    assert answer.status == 200, answer
    return " ".join(answer.body.decode().split())


async def post(
    world: World,
    path: str,
    visitor: Visitor = OPERATOR,
    fields: Mapping[str, str] | None = None,
    *,
    acts: bool = True,
    token: str | None = None,
    site: str = "same-origin",
) -> ScimResponse:
    """What becomes of the form of this page. It has the visitor's own token, unless another is given."""
    given = {CSRF_FIELD: visitor.csrf(path) if token is None else token, **(fields or {})}
    headers = {"content-type": FORM, "sec-fetch-site": site}
    request = ScimRequest("POST", path, headers=headers, body=urlencode(given).encode())
    return await world.console(OpenDoor(visitor), acts=acts).handle(request)


def rows_of(rows: MemoryRows) -> dict[str, object]:
    """All rows as they are."""
    return {name: dict(held.rows) for name, held in rows._partitions.items() if held.rows}


async def one_customer(name: str) -> tuple[World, str]:
    """A customer whose every text is this one, as far as there are rules that allow it: with an event of each kind."""
    world = World()
    line = "".join(filter(str.isprintable, name))  # what people may be called; external ids have no such rule
    tenant = str((await world.administration.create_tenant(f"c {line}", "hostile")).id)
    world.ids["credential"] = await world.token(tenant, f"l {line}")
    world.ids["person"] = await world.user(tenant, f"u {line}", displayName=f"d {line}", externalId=f"e {name}")
    other = await world.user(tenant, f"u2 {line}")
    group = await world.group(tenant, f"g {line}", world.ids["person"], other)
    world.ids["group"] = group
    await world.send(
        tenant, "PUT", f"Users/{world.ids['person']}", {"userName": f"u {line}", "displayName": f"n {line}"}
    )
    await world.send(tenant, "PUT", f"Users/{other}", {"userName": f"u2 {line}", "accountEnabled": 1})
    await world.send(tenant, "POST", "Users", {"userName": f"u {line}", "externalId": f"r {name}"})
    await world.send(tenant, "DELETE", f"Users/{other}")
    await world.settle()
    world.clock.advance(minutes=1)
    hook = Hook("0123456789ab", "https://example.com/in", tenant, f"https://example.com/{name}", instant_text(BEGIN))
    await world.storage.save_hook(hook)
    world.ids["hook"] = hook.id
    head = await world.storage.feed_head(tenant)
    dead = DeadBatch(head.epoch, 1, 2, instant_text(NOW), f"o {name}")
    at = HookCursor(head.epoch, 2, attempts=1, outcome=f"o {name}", time=instant_text(NOW), due=instant_text(NOW))
    await world.storage.save_hook_cursor(tenant, hook.id, Stream.EVENTS, at, dead)
    return world, tenant
