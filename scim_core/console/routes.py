"""Which pages there are. `{tenant}` and `{id}` stand for one segment each."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from scim_core.console.visitors import CONSOLE_PATH, Visitor
from scim_core.messages import HttpError, ScimRequest

PAGE_SECONDS = 30
"""Longest time that a page may take. People wait no longer."""

UNDO_PAGE_SECONDS = 210
"""Longest time of a page of an undo, which reads the log of all since then. After 230 s App Service has no answer."""


@dataclass(frozen=True, slots=True)
class PageRoute:
    """One page: its method, its path below the console, and its handler. What changes something is a POST.

    `acts`: only an operator may see it, because it changes something, or asks whether to. It may take `seconds`.
    """

    method: str
    path: str
    handler: str
    acts: bool = False
    seconds: int = PAGE_SECONDS


@dataclass(frozen=True, slots=True)
class Ask:
    """A request for a page, from a visitor. `query` are the values after the `?`, `fields` those of its form."""

    request: ScimRequest
    visitor: Visitor
    handler: str
    segments: Mapping[str, str]
    query: Mapping[str, str]
    fields: Mapping[str, str]


ROUTES = (
    PageRoute("GET", "", "home"),
    PageRoute("GET", "find", "find"),
    PageRoute("GET", "customers/{tenant}", "customer"),
    PageRoute("GET", "customers/{tenant}/refusals", "refusals"),
    PageRoute("GET", "customers/{tenant}/feed", "feed"),
    PageRoute("GET", "customers/{tenant}/credentials", "credentials"),
    PageRoute("GET", "customers/{tenant}/live", "live"),
    PageRoute("GET", "customers/{tenant}/resources/{id}", "resource"),
    PageRoute("GET", "customers/{tenant}/credentials/{id}/revoke", "confirm_revocation", acts=True),
    PageRoute("POST", "customers/{tenant}/credentials/{id}/revoke", "revoke", acts=True),
    PageRoute("GET", "customers/{tenant}/hooks/{id}/replay", "confirm_replay", acts=True),
    PageRoute("POST", "customers/{tenant}/hooks/{id}/replay", "replay", acts=True),
    PageRoute("GET", "customers/{tenant}/mass-changes", "mass_changes"),
    PageRoute("GET", "customers/{tenant}/release", "confirm_release", acts=True),
    PageRoute("POST", "customers/{tenant}/release", "release", acts=True),
    PageRoute("GET", "customers/{tenant}/hold", "confirm_hold", acts=True),
    PageRoute("POST", "customers/{tenant}/hold", "switch_hold", acts=True),
    PageRoute("GET", "customers/{tenant}/undo", "confirm_undo", acts=True, seconds=UNDO_PAGE_SECONDS),
    PageRoute("POST", "customers/{tenant}/undo", "undo", acts=True, seconds=UNDO_PAGE_SECONDS),
    PageRoute("GET", "customers/{tenant}/setup-link", "confirm_setup_link", acts=True),
    PageRoute("POST", "customers/{tenant}/setup-link", "link_setup", acts=True),
    PageRoute("GET", "customers/{tenant}/end-setup-link", "confirm_setup_end", acts=True),
    PageRoute("POST", "customers/{tenant}/end-setup-link", "end_setup", acts=True),
    PageRoute("GET", "new-customer", "confirm_customer", acts=True),
    PageRoute("POST", "new-customer", "create_customer", acts=True),
)
"""Every page. The files that pages use are below `assets`; they need no visitor."""

ASSETS = f"{CONSOLE_PATH}/assets"
"""Where the files are that pages use."""


def match(method: str, path: str) -> tuple[PageRoute, dict[str, str]]:
    """The route of a request and its segments. HEAD is wherever GET is. Raises HttpError 404, 405 with Allow."""
    wanted = [item for item in path.split("/") if item]
    if wanted[:1] != [CONSOLE_PATH.strip("/")]:
        raise HttpError(404, f"There is nothing here. The console is at {CONSOLE_PATH}.")
    fitting = [(route, found) for route in ROUTES if (found := _fit(route, wanted[1:])) is not None]
    if not fitting:
        raise HttpError(404, "There is no such page.")
    for route, found in fitting:
        if route.method == ("GET" if method == "HEAD" else method):
            return route, found
    allowed = sorted({route.method for route, _ in fitting})
    raise HttpError(405, f"This page takes {' and '.join(allowed)}.", Allow=", ".join(allowed))


def address(*segments: str) -> str:
    """The path of a page, from its segments below the console: each is quoted."""
    return "/".join([CONSOLE_PATH, *(quote(item, safe="") for item in segments)])


def _fit(route: PageRoute, wanted: list[str]) -> dict[str, str] | None:
    pattern = [item for item in route.path.split("/") if item]
    if len(pattern) != len(wanted):
        return None
    found: dict[str, str] = {}
    for name, given in zip(pattern, wanted, strict=True):
        if name.startswith("{"):
            found[name.strip("{}")] = given
        elif name != given:
            return None
    return found
