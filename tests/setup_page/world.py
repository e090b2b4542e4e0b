"""A service with a customer who is being set up: it notes what a setup page shows, and browsers can reach it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

from aiohttp import web

import scim_core
from scim_core import ScimRequest, ScimResponse
from scim_core.access.credential_plans import Issued
from scim_core.access.setup_plans import DEFAULT_LINK_DAYS, url_of
from scim_core.registry import CredentialKind
from tests.scim import Json
from tests.synchronization_schema import EVERYTHING, GROUP, USER, attribute, objects, written
from tests.tenancy import FORM, HOST, Service, settings

SAME_ORIGIN = {"sec-fetch-site": "same-origin", "origin": HOST, "content-type": FORM}
"""What a browser says of a form that comes from this page."""

BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW"


@dataclass
class SetupService(Service):
    """The endpoint as the function app has it: it notes requests after their answers."""

    issued: list[Issued] = field(default_factory=list)

    def restart(self) -> None:
        self.endpoint = scim_core.build(
            self.settings, self.storage, self.clock, registry=self.registry, timer=self.timer, relays=True
        )

    async def customer(self, name: str = "Contoso Ltd", days: int = DEFAULT_LINK_DAYS, **wanted: str) -> str:
        """The setup link of a new customer, who has a token."""
        self.issued.append(await self.tenant(name, CredentialKind.TOKEN, **wanted))
        return await self.link(self.issued[-1].tenant.id, days)

    async def link(self, tenant_id: str, days: int = DEFAULT_LINK_DAYS) -> str:
        """Another setup link."""
        tenant, secret = await self.administration.link_setup(tenant_id, days)
        return url_of(self.settings.public_base_url or "", tenant.id, secret)

    async def open(self, link: str, **headers: str) -> ScimResponse:
        """The answer to the form in which somebody sends a link."""
        sent = {**SAME_ORIGIN, **{name.replace("_", "-"): text for name, text in headers.items()}}
        return await self.send("POST", "/setup", body=f"link={quote(link)}".encode(), headers=sent)

    async def opened(self, link: str) -> str:
        """The cookie for which the link is exchanged."""
        answer = await self.open(link)
        assert (answer.status, answer.headers["Location"]) == (303, "/setup"), answer.body.decode()
        return answer.headers["Set-Cookie"].partition(";")[0]

    async def page(self, cookie: str = "") -> str:
        """The page that a browser with this cookie sees."""
        answer = await self.send("GET", "/setup", headers={"cookie": cookie} if cookie else {})
        return answer.body.decode()

    async def upload(self, cookie: str, content: bytes, **headers: str) -> ScimResponse:
        """The answer to a file that is uploaded in the page's form."""
        sent = {**SAME_ORIGIN, "content-type": f"multipart/form-data; boundary={BOUNDARY}", "cookie": cookie, **headers}
        return await self.send("POST", "/setup/mapping", body=form_of(content), headers=sent)

    async def scim(self, method: str, path: str, token: str, body: Json | None = None) -> Json:
        """The answer of the SCIM endpoint; what it leaves behind is written."""
        answer = await self.send(method, f"/scim/v2/{path}", token, body)
        await self.settle()
        found: Json = json.loads(answer.body) if answer.body else {}
        return found

    async def settle(self) -> None:
        """What runs after the answers has ended."""
        assert self.endpoint._attempts is not None
        assert self.endpoint._notes._visitors is not None
        await self.endpoint._notes._visitors.idle()
        await self.endpoint._attempts.idle()


def form_of(content: bytes, name: str = "schema.json") -> bytes:
    """The body of a form with one file."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
    return f"{head}Content-Type: application/json\r\n\r\n".encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()


def service(**environment: str) -> SetupService:
    return SetupService(settings(**environment))


def mistaken_mapping(folder: Path) -> Path:
    """An export of Entra's with what people do wrong."""
    user = [
        attribute("userName", matching=1),
        attribute("active"),
        attribute("displayName"),
        attribute("name.givenName"),
        attribute("name.familyName"),
        attribute("wrkEmail"),
        attribute('emails[type eq "work"].value', matching=2),
        attribute("extensionAttribute1"),
        attribute("groups"),
    ]
    group = [attribute("displayName", matching=1), attribute("members")]
    return written(folder / "schema.json", objects(USER, user, actions="Add, Update"), objects(GROUP, group))


def good_mapping(folder: Path) -> Path:
    """An export of Entra's with nothing to complain about."""
    user = [attribute("userName", matching=1), attribute("active"), attribute("displayName")]
    return written(folder / "schema.json", objects(USER, user, actions=EVERYTHING))


@asynccontextmanager
async def served(public: str = "") -> AsyncIterator[tuple[SetupService, str]]:
    """A service that browsers reach on this machine, and its address. It names `public` as its address, if given."""
    runner = web.AppRunner(application := web.Application(client_max_size=8 * 1024 * 1024), access_log=None)
    made: list[SetupService] = []

    async def answer(request: web.Request) -> web.Response:
        sent = ScimRequest(
            request.method,
            unquote(request.rel_url.raw_path),
            request.rel_url.raw_query_string,
            {name.lower(): value for name, value in request.headers.items()},
            await request.read(),
            "http://host.invalid",
        )
        response = await made[0].endpoint.handle(sent)
        return web.Response(status=response.status, headers=response.headers, body=response.body)

    application.router.add_route("*", "/{path:.*}", answer)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        url = f"http://localhost:{runner.addresses[0][1]}"
        made.append(service(SCIM_PUBLIC_BASE_URL=public or url))
        yield made[0], url
    finally:
        await runner.cleanup()
