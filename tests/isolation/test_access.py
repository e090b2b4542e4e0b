"""Every route, by every access, of every tenant and of the whole deployment: what a credential opens, and what not.

The requests are made from the route table, as in test_cross_tenant.
"""

import hashlib
import json
import re
from collections.abc import AsyncIterator, Iterator
from copy import copy
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest

from devhost.authority import Authority
from scim_core.access.credential_plans import Wanted
from scim_core.endpoint.routes import ANY, ROOT_ROUTES, ROUTES, Route
from scim_core.ids import uuid7
from scim_core.messages import ScimResponse
from scim_core.registry import Access, CredentialKind
from scim_core.storage.tables import TableRegistry, TableStorage
from tests.isolation.test_cross_tenant import ENDPOINTS, Named, Sent, likeness, sent_to
from tests.memory_rows import MemoryRows
from tests.scim import GROUP, UNLIMITED, USER, sentence
from tests.tenancy import APPLICATION, ENTRA_TENANT, KEYS, SUBJECT, Service, document, settings

SETTINGS_TOKEN = "the token of the settings"
SETTINGS_FEED_TOKEN = "the feed token of the settings"

APP = "an application"
IDENTITY = "the vendor's identity"


@dataclass(frozen=True)
class Sender:
    """Who sends: of tenant A, of another one, of the whole deployment, or nobody; and what the credential may do."""

    tenant: str
    access: Access | None
    by_token: bool = False

    @property
    def of_deployment(self) -> bool:
        return self.tenant in (APP, IDENTITY)


SENDERS = {
    "nobody": Sender("", None),
    "A, write": Sender("a", Access.WRITE),
    "A, read": Sender("a", Access.READ),
    "A, access token, write": Sender("a", Access.WRITE, by_token=True),
    "A, access token, read": Sender("a", Access.READ, by_token=True),
    "B, write": Sender("b", Access.WRITE),
    "B, read": Sender("b", Access.READ),
    "B, access token, write": Sender("b", Access.WRITE, by_token=True),
    "B, access token, read": Sender("b", Access.READ, by_token=True),
    "the settings' token": Sender("default", Access.WRITE),
    "A, feed": Sender("a", Access.FEED),
    "A, access token, feed": Sender("a", Access.FEED, by_token=True),
    "B, feed": Sender("b", Access.FEED),
    "B, access token, feed": Sender("b", Access.FEED, by_token=True),
    "the settings' feed token": Sender("default", Access.FEED),
    "application, read": Sender(APP, Access.READ),
    "application, feed": Sender(APP, Access.FEED),
    "application, access token, read": Sender(APP, Access.READ, by_token=True),
    "application, access token, feed": Sender(APP, Access.FEED, by_token=True),
    "the vendor's identity": Sender(IDENTITY, Access.FEED),
}


@dataclass
class World:
    """Tenants A and B, each with a user in a group, and a bearer token for each sender."""

    service: Service
    bearers: dict[str, str | None]
    of_a: Named

    async def directories(self) -> dict[str, Any]:
        """What each tenant holds."""
        found = {}
        for tenant in ("A", "B"):
            token = self.bearers[f"{tenant}, write"]
            answers = [await self.service.send("GET", f"/scim/v2/{endpoint}", token) for endpoint in ENDPOINTS]
            found[tenant] = [document(answer)["Resources"] for answer in answers]
        return found


async def bearer(service: Service, sender: Sender, entra: Authority) -> str | None:
    if sender.access is None:
        return None
    if sender.tenant == "default":
        return SETTINGS_FEED_TOKEN if sender.access is Access.FEED else SETTINGS_TOKEN
    if sender.tenant == IDENTITY:
        now = service.clock().timestamp()
        return entra.role_token(ENTRA_TENANT, APPLICATION, SUBJECT, "Feed.Read", now=now)
    kind = CredentialKind.SECRET if sender.by_token else CredentialKind.TOKEN
    if sender.tenant == APP:
        issued = await service.applications.create(Wanted(kind, str(sender.access), access=sender.access))
    else:
        issued = await service.credential(sender.tenant, kind, access=sender.access)
    service.restart()  # an instance learns of a new credential within a minute
    return await service.access_token(issued) if sender.by_token else issued.secret


@dataclass(frozen=True)
class Template:
    """What each test starts from. It is made once: its rows, and what each tenant holds."""

    service: Service
    rows: MemoryRows
    registry: MemoryRows
    bearers: dict[str, str | None]
    of_a: Named
    held: dict[str, Any]

    def world(self) -> World:
        """A process that has just started, over rows of its own."""
        service = Service(
            self.service.settings,
            TableStorage(self.rows.copy()),
            TableRegistry(self.registry.copy()),
            copy(self.service.clock),
            copy(self.service.timer),
        )
        return World(service, self.bearers, self.of_a)


@pytest.fixture(scope="module")
async def entra() -> AsyncIterator[Authority]:
    authority = await Authority(KEYS[0]).start()
    yield authority
    await authority.stop()


@pytest.fixture(scope="module")
async def template(entra: Authority) -> Template:
    ours = {
        "SCIM_TOKEN_SHA256": hashlib.sha256(SETTINGS_TOKEN.encode()).hexdigest(),
        "SCIM_FEED_TOKEN_SHA256": hashlib.sha256(SETTINGS_FEED_TOKEN.encode()).hexdigest(),
        "SCIM_FEED_ENTRA_TENANT": ENTRA_TENANT,
        "SCIM_FEED_ENTRA_AUDIENCE": APPLICATION,
    }
    rows, registry = MemoryRows(), MemoryRows()
    service = Service(settings(entra.url, **ours, **UNLIMITED), TableStorage(rows), TableRegistry(registry))
    for name in ("A", "B"):
        await service.administration.create_tenant(name)
    bearers = {name: await bearer(service, sender, entra) for name, sender in SENDERS.items()}
    made = {}
    for tenant in ("A", "B"):
        token = bearers[f"{tenant}, write"]
        user = {"schemas": [USER], "userName": f"user of {tenant}"}
        user_id = document(await service.send("POST", "/scim/v2/Users", token, user))["id"]
        group = {"schemas": [GROUP], "displayName": f"group of {tenant}", "members": [{"value": user_id}]}
        group_id = document(await service.send("POST", "/scim/v2/Groups", token, group))["id"]
        made[tenant] = Named(user_id, group_id, f"user of {tenant}")
    held = await World(service, bearers, made["A"]).directories()
    return Template(service, rows, registry, bearers, made["A"], held)


@pytest.fixture
def world(template: Template) -> World:
    return template.world()


def asked_of_the_log(route: Route, it: Named) -> str:
    """What a question of this route would tell of it."""
    return {
        "log_entries": f"?resource={it.user}",
        "log_people": f"?text={quote(it.name)}",
        "log_refusals": "",
        "log_timeline": f"?id={it.user}",
        "log_why": f"?user={it.user}&group={it.group}",
    }[route.handler]


def requests_to(route: Route, endpoint: str, it: Named) -> Iterator[Sent]:
    if route.of_applications:
        yield Sent("GET", f"/{'/'.join(route.segments)}{asked_of_the_log(route, it)}")
    elif route in ROOT_ROUTES:
        yield Sent("POST" if route.method == ANY else route.method, "/" + "/".join(route.segments))
    elif route.needs is None:
        yield Sent(route.method, "/scim/v2/" + "/".join(route.segments).replace("{id}", "User"))
    else:
        yield from sent_to(route, endpoint, it)


CASES = [
    pytest.param(route, endpoint, name, id=f"{route.method} {'/'.join(route.segments)} {endpoint}, {name}")
    for route in (*ROUTES, *ROOT_ROUTES)
    for endpoint in (ENDPOINTS if "{type}" in route.segments else ENDPOINTS[:1])
    for name in SENDERS
]


def told(answer: ScimResponse) -> bytes | str:
    """What the answer says, without the id of the request."""
    if answer.headers.get("Content-Type", "").startswith("text/html"):
        return re.sub(rb"\(request [0-9a-f-]+\)", b"", answer.body)
    return sentence(answer) if b"(request " in answer.body and b'"detail"' in answer.body else answer.body


@pytest.mark.parametrize(("route", "endpoint", "name"), CASES)
async def test_a_route_answers_whom_it_says_and_changes_nothing_of_others(
    world: World, template: Template, route: Route, endpoint: str, name: str
) -> None:
    sender, before = SENDERS[name], template.held
    for sent in requests_to(route, endpoint, world.of_a):
        path = about("a", sent.path) if sender.of_deployment else sent.path
        answer = await world.service.send(sent.method, path, world.bearers[name], sent.body)
        if route.needs is None:
            without = await world.service.send(sent.method, path, None, sent.body)
            assert (answer.status, told(answer)) == (without.status, told(without))
        elif sender.access is None:
            assert answer.status == 401
        elif route.needs not in OPENS[sender.access]:
            assert is_refusal(answer, sender, route.needs)
        elif (route.of_all_tenants or route.of_applications) and not sender.of_deployment:
            assert answer.status == 403
            assert "belongs to one customer" in document(answer)["detail"]
            assert f"with the access {route.needs}." in document(answer)["detail"]
        else:
            assert answer.status not in (401, 403)
            if route.of_applications:
                assert answer.status == 200
                assert (world.of_a.user in answer.body.decode()) is (route.handler != "log_refusals")
            if route.needs is Access.FEED and sender.tenant in ("b", "default"):
                assert "user of A" not in answer.body.decode()
    after = await world.directories()
    assert before["A"] == after["A"] or name in ("A, write", "A, access token, write")
    assert before["B"] == after["B"] or name in ("B, write", "B, access token, write")


OPENS = {
    Access.WRITE: {Access.WRITE, Access.READ},
    Access.READ: {Access.READ},
    Access.FEED: {Access.FEED},
}
"""What each access opens: the feed is no part of SCIM, and whoever writes does not read it."""

SCOPES = {Access.WRITE: "scim", Access.READ: "scim.read", Access.FEED: "scim.feed"}


def about(tenant: str, path: str) -> str:
    """The path of an application's request about this tenant."""
    return f"{path}{'&' if '?' in path else '?'}tenant={tenant}"


def is_refusal(answer: ScimResponse, sender: Sender, needed: Access = Access.WRITE) -> bool:
    """Whether this is the 403 of RFC 6750 section 3.1, with a sentence that says what to change."""
    body, challenge = document(answer), answer.headers["WWW-Authenticate"]
    never_changes = sender.of_deployment and needed is Access.WRITE
    if "type" in body:
        assert body.keys() == {"type", "title", "status", "detail"}
    else:
        assert body.keys() == {"schemas", "status", "detail"}
    if needed is Access.FEED:
        assert "does not open the feed. Ask the operator of this service for one with the access feed" in body["detail"]
    else:
        said = "may only read" if sender.access is Access.READ else "opens no part of SCIM"
        assert ("changes nothing" if never_changes else said) in body["detail"]
        assert ("ask the operator" in body["detail"].lower()) is not never_changes
    assert ("get a new access token" in body["detail"]) is (sender.by_token and not never_changes)
    scope = SCOPES[needed]
    assert f'error="insufficient_scope", scope="{scope}", resource_metadata="https://scim.example.com/' in challenge
    return answer.status == 403


@pytest.mark.parametrize("route", [route for route in ROUTES if route.needs is not None], ids=str)
def test_what_a_route_needs_follows_from_what_it_does(route: Route) -> None:
    only_reads = route.method in ("GET", "HEAD") or route.segments[-1] == ".search"
    assert route.needs is (Access.READ if only_reads else Access.WRITE)


@pytest.mark.parametrize("route", [route for route in ROOT_ROUTES if route.needs is Access.FEED], ids=str)
def test_the_feed_needs_an_access_of_its_own_and_changes_nothing(route: Route) -> None:
    assert (route.needs, route.method) == (Access.FEED, "GET")


@pytest.mark.parametrize("route", [route for route in ROOT_ROUTES if route.segments[0] == "log"], ids=str)
def test_the_log_is_for_applications_that_read_and_changes_nothing(route: Route) -> None:
    assert (route.needs, route.method, route.of_applications) == (Access.READ, "GET", True)


@pytest.mark.parametrize("name", ["application, read", "application, access token, read"])
@pytest.mark.parametrize("route", [route for route in ROOT_ROUTES if route.segments[0] == "log"], ids=str)
async def test_the_log_of_one_tenant_tells_nothing_of_another(world: World, route: Route, name: str) -> None:
    """What is A's is asked for in the log of B: the answer is that about something that nobody has."""
    path = f"/{'/'.join(route.segments)}"
    nothing = Named(uuid7(world.service.clock()), uuid7(world.service.clock()), "nobodys-own")
    answers = [
        await world.service.send("GET", about("b", path + asked_of_the_log(route, it)), world.bearers[name])
        for it in (world.of_a, nothing)
    ]
    assert likeness(answers[0], world.of_a) == likeness(answers[1], nothing)
    for secret in (world.of_a.user, world.of_a.group, world.of_a.name):
        assert secret not in answers[0].body.decode()
    unknown = await world.service.send("GET", about("c", path + asked_of_the_log(route, nothing)), world.bearers[name])
    assert (unknown.status, unknown.headers["Content-Type"]) == (404, "application/problem+json")


@pytest.mark.parametrize("name", [name for name, sender in SENDERS.items() if sender.of_deployment])
async def test_an_application_sees_the_tenant_that_it_names_and_no_other(world: World, name: str) -> None:
    feeds = SENDERS[name].access is Access.FEED
    path = "/feed/v1/snapshot" if feeds else "/scim/v2/Users"
    for tenant in ("a", "b"):
        answer = await world.service.send("GET", about(tenant, path), world.bearers[name])
        assert answer.status == 200
        assert f"user of {tenant.upper()}" in answer.body.decode()
        assert f"user of {'AB'.replace(tenant.upper(), '')}" not in answer.body.decode()


@pytest.mark.parametrize("tenant", ["", "c", "A", ":applications", "a b", "x" * 500, "%00"])
@pytest.mark.parametrize("name", ["application, read", "application, feed", "the vendor's identity"])
async def test_an_application_that_names_no_tenant_of_ours_gets_nothing(world: World, name: str, tenant: str) -> None:
    path = "/feed/v1/changes" if SENDERS[name].access is Access.FEED else "/scim/v2/Users"
    answer = await world.service.send("GET", f"{path}?tenant={quote(tenant)}", world.bearers[name])
    assert answer.status == (404 if tenant else 400)
    assert "customer" in document(answer)["detail"]


@pytest.mark.parametrize("name", ["application, read", "application, feed"])
async def test_an_application_is_refused_where_the_tenant_is_suspended(world: World, name: str) -> None:
    await world.service.administration.suspend("a")
    world.service.pass_time(61)
    path = "/feed/v1/changes" if SENDERS[name].access is Access.FEED else "/scim/v2/Users"
    answers = [await world.service.send("GET", about(tenant, path), world.bearers[name]) for tenant in ("a", "b")]
    assert [answer.status for answer in answers] == [403, 200]
    assert "suspended" in document(answers[0])["detail"]


@pytest.mark.parametrize("name", ["B, feed", "B, access token, feed", "the settings' feed token"])
async def test_the_feed_credential_of_one_tenant_opens_no_other(world: World, name: str) -> None:
    own = {"b": "b", "default": "default"}[SENDERS[name].tenant]
    for path in ("/feed/v1/changes", "/feed/v1/snapshot"):
        other = await world.service.send("GET", about("a", path), world.bearers[name])
        unknown = await world.service.send("GET", about("nobody", path), world.bearers[name])
        assert (other.status, sentence(other)) == (404, sentence(unknown))
        assert (await world.service.send("GET", about(own, path), world.bearers[name])).status == 200


async def test_scim_of_a_tenants_own_credential_ignores_the_parameter_as_it_did(world: World) -> None:
    answers = [
        await world.service.send("GET", path, world.bearers["B, read"])
        for path in ("/scim/v2/Users", "/scim/v2/Users?tenant=a")
    ]
    assert answers[0] == answers[1]


async def test_who_may_only_read_is_refused_before_the_body_is_looked_at(world: World) -> None:
    for body, headers in ((b"x" * 2_000_000, {}), (b"{", {}), (b"{}", {"content-type": "text/html"})):
        answer = await world.service.send("POST", "/scim/v2/Users", world.bearers["A, read"], body, headers)
        assert is_refusal(answer, SENDERS["A, read"])


@pytest.mark.parametrize("name", ["x-http-method-override", "x-method-override", "x-http-method"])
async def test_no_header_makes_a_read_a_change(world: World, name: str) -> None:
    before = await world.directories()
    path = f"/scim/v2/Users/{world.of_a.user}"
    answer = await world.service.send("GET", path, world.bearers["A, read"], headers={name: "DELETE"})
    assert (answer.status, json.loads(answer.body)["id"]) == (200, world.of_a.user)
    assert await world.directories() == before


async def test_head_is_what_get_is_whatever_the_access(world: World) -> None:
    for name, bearer in world.bearers.items():
        for path in ("/scim/v2/Users", f"/scim/v2/Users/{world.of_a.user}"):
            get, head = [await world.service.send(method, path, bearer) for method in ("GET", "HEAD")]
            assert (head.status, head.body) == (get.status, b""), name
            assert head.headers == get.headers


async def test_options_changes_and_shows_nothing_whatever_the_access(world: World) -> None:
    before = await world.directories()
    for bearer in world.bearers.values():
        answer = await world.service.send("OPTIONS", f"/scim/v2/Users/{world.of_a.user}", bearer)
        assert (answer.status, answer.headers["Allow"]) == (204, "DELETE, GET, HEAD, OPTIONS, PATCH, PUT")
        assert not answer.body
    assert await world.directories() == before
