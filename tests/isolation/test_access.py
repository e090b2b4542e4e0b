"""Every route, by every access, of every tenant: who may read only changes nothing, and is told what to do.

The requests are made from the route table, as in test_cross_tenant.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from scim_core.endpoint.routes import ANY, ROOT_ROUTES, ROUTES, Route
from scim_core.messages import ScimResponse
from scim_core.registry import Access, CredentialKind
from tests.isolation.test_cross_tenant import ENDPOINTS, Named, Sent, sent_to
from tests.scim import GROUP, UNLIMITED, USER
from tests.tenancy import Service, document, settings

SETTINGS_TOKEN = "the token of the settings"


@dataclass(frozen=True)
class Sender:
    """Who sends: of tenant A, of another one, or nobody; and what the credential may do."""

    tenant: str
    access: Access | None
    by_token: bool = False


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


async def bearer(service: Service, sender: Sender) -> str | None:
    if sender.access is None:
        return None
    if sender.tenant == "default":
        return SETTINGS_TOKEN
    kind = CredentialKind.SECRET if sender.by_token else CredentialKind.TOKEN
    issued = await service.credential(sender.tenant, kind, access=sender.access)
    service.restart()  # an instance learns of a new credential within a minute
    return await service.access_token(issued) if sender.by_token else issued.secret


@pytest.fixture
async def world() -> World:
    hashed = hashlib.sha256(SETTINGS_TOKEN.encode()).hexdigest()
    service = Service(settings(SCIM_TOKEN_SHA256=hashed, **UNLIMITED))
    for name in ("A", "B"):
        await service.administration.create_tenant(name)
    bearers = {name: await bearer(service, sender) for name, sender in SENDERS.items()}
    made = {}
    for tenant in ("A", "B"):
        token = bearers[f"{tenant}, write"]
        user = {"schemas": [USER], "userName": f"user of {tenant}"}
        user_id = document(await service.send("POST", "/scim/v2/Users", token, user))["id"]
        group = {"schemas": [GROUP], "displayName": f"group of {tenant}", "members": [{"value": user_id}]}
        group_id = document(await service.send("POST", "/scim/v2/Groups", token, group))["id"]
        made[tenant] = Named(user_id, group_id, f"user of {tenant}")
    return World(service, bearers, made["A"])


def requests_to(route: Route, endpoint: str, it: Named) -> Iterator[Sent]:
    if route in ROOT_ROUTES:
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


@pytest.mark.parametrize(("route", "endpoint", "name"), CASES)
async def test_a_route_answers_whom_it_says_and_changes_nothing_of_others(
    world: World, route: Route, endpoint: str, name: str
) -> None:
    sender, before = SENDERS[name], await world.directories()
    for sent in requests_to(route, endpoint, world.of_a):
        answer = await world.service.send(sent.method, sent.path, world.bearers[name], sent.body)
        if route.needs is None:
            without = await world.service.send(sent.method, sent.path, None, sent.body)
            assert (answer.status, answer.body) == (without.status, without.body)
        elif sender.access is None:
            assert answer.status == 401
        elif sender.access is Access.READ and route.needs is Access.WRITE:
            assert is_refusal(answer, sender)
        else:
            assert answer.status not in (401, 403)
    after = await world.directories()
    assert before["A"] == after["A"] or name in ("A, write", "A, access token, write")
    assert before["B"] == after["B"] or name in ("B, write", "B, access token, write")


def is_refusal(answer: ScimResponse, sender: Sender) -> bool:
    """Whether this is the 403 of RFC 6750 section 3.1, with a sentence that says what to change."""
    body, challenge = document(answer), answer.headers["WWW-Authenticate"]
    assert body.keys() == {"schemas", "status", "detail"}
    assert "may only read" in body["detail"]
    assert "ask the operator" in body["detail"]
    assert ("get a new access token" in body["detail"]) is sender.by_token
    assert 'error="insufficient_scope", scope="scim", resource_metadata="https://scim.example.com/' in challenge
    return answer.status == 403


@pytest.mark.parametrize("route", [route for route in ROUTES if route.needs is not None], ids=str)
def test_what_a_route_needs_follows_from_what_it_does(route: Route) -> None:
    only_reads = route.method in ("GET", "HEAD") or route.segments[-1] == ".search"
    assert route.needs is (Access.READ if only_reads else Access.WRITE)


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


async def test_head_is_answered_the_same_whatever_the_access(world: World) -> None:
    for name in ("A, write", "A, read"):
        answer = await world.service.send("HEAD", "/scim/v2/Users", world.bearers[name])
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, POST")
