"""Nobody sees another's directory: every route, with tenant B's credential and tenant A's ids, values and references.

The requests are made from the route table. B's answer about something of A's must be the answer about something that
nobody has, except for what is new in every answer; and A's directory must be as it was.
"""

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest

from scim_core.endpoint.routes import ROOT_ROUTES, ROUTES, Route
from scim_core.ids import uuid7
from scim_core.protocol.schemas import load_catalogue
from tests.memory_rows import memory_storage
from tests.scim import ENTERPRISE, GROUP, PATCH_OP, SEARCH_REQUEST, UNLIMITED, USER
from tests.tenancy import Service, document, settings

CATALOGUE = load_catalogue(None)
ENDPOINTS = [item.endpoint.strip("/") for item in CATALOGUE]
GUARDED = [route for route in ROUTES if not route.anonymous]

_NEW = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[\d:.]+Z")
"""What is new in every answer: ids, versions and instants."""


@dataclass(frozen=True)
class Named:
    """Something by all that a request can call it: of tenant A, or of nobody."""

    user: str
    group: str
    name: str

    def id(self, endpoint: str) -> str:
        return self.group if endpoint == "Groups" else self.user


@dataclass(frozen=True)
class Sent:
    """A request about something."""

    method: str
    path: str
    body: Any = None


def user_body(it: Named) -> dict[str, Any]:
    """A user that refers to it wherever a user can."""
    return {
        "schemas": [USER, ENTERPRISE],
        "id": it.user,
        "userName": "fresh",
        "groups": [{"value": it.group}],
        ENTERPRISE: {"manager": {"value": it.user}},
        "meta": {"location": f"https://scim.example.com/scim/v2/Users/{it.user}"},
    }


def group_body(it: Named) -> dict[str, Any]:
    members = [{"value": it.user}, {"value": it.group, "type": "Group"}]
    return {"schemas": [GROUP], "id": it.group, "displayName": "fresh", "members": members}


def filters(it: Named) -> Iterator[str]:
    """Filters by which each of the plans of a search could reach it."""
    yield f'id eq "{it.user}" or id eq "{it.group}"'
    yield f'userName eq "{it.name}"'
    yield f'displayName sw "{it.name}"'
    yield f'externalId eq "{it.name}"'
    yield f'emails.value eq "{it.name}"'
    yield f'emails[value co "{it.name}"]'
    yield f'members eq "{it.user}"'
    yield f'id eq "{it.group}" and members eq "{it.user}"'
    yield f'groups.value eq "{it.group}"'
    yield f'{ENTERPRISE}:manager eq "{it.user}"'
    yield 'meta.created ge "2000-01-01T00:00:00Z"'


def queries(it: Named) -> Iterator[dict[str, Any]]:
    yield {}
    yield {"startIndex": 2, "count": 1}
    yield {"startIndex": 3, "count": 1}
    yield {"sortBy": "meta.created", "count": 1}
    yield from ({"filter": text} for text in filters(it))


def patches(it: Named) -> Iterator[list[Any]]:
    yield [{"op": "add", "path": "members", "value": [{"value": it.user}]}]
    yield [{"op": "remove", "path": f'members[value eq "{it.user}"]'}]
    yield [{"op": "replace", "path": "displayName", "value": "taken over"}]
    yield [{"op": "replace", "path": f"{ENTERPRISE}:manager", "value": it.user}]


def body_of(endpoint: str, it: Named) -> dict[str, Any]:
    return group_body(it) if endpoint == "Groups" else user_body(it)


def _query(query: dict[str, Any]) -> str:
    return f"?{urlencode(query)}" if query else ""


def sent_to(route: Route, endpoint: str, it: Named) -> Iterator[Sent]:
    """The requests to a route. A route whose handler is not known here fails the test: say how it could leak."""
    parts = [{"{type}": endpoint, "{id}": it.id(endpoint)}.get(part, part) for part in route.segments]
    path = "/scim/v2/" + "/".join(parts)
    search = [{"schemas": [SEARCH_REQUEST], **query} for query in queries(it)]
    match route.handler:
        case "search":
            yield from (Sent("GET", path + _query(query)) for query in queries(it))
        case "search_with_body" | "search_all":
            yield from (Sent("POST", path, body) for body in search)
        case "get":
            for query in ({}, {"attributes": "userName,members,groups"}, {"excludedAttributes": "members"}):
                yield Sent("GET", path + _query(query))
        case "create" | "replace":
            yield Sent(route.method, path, body_of(endpoint, it))
        case "patch":
            for operations in patches(it):
                yield Sent("PATCH", path, {"schemas": [PATCH_OP], "Operations": operations})
        case "delete" | "me":
            yield Sent(route.method, path)
        case "bulk":
            operations = [
                {"method": "POST", "path": "/Groups", "bulkId": "new", "data": group_body(it)},
                {"method": "PUT", "path": f"/Users/{it.user}", "data": user_body(it)},
                *(
                    {"method": "PATCH", "path": where, "data": {"Operations": item}}
                    for item in patches(it)
                    for where in (f"/Users/{it.user}", f"/Groups/{it.group}", "/Groups/bulkId:new")
                ),
                {"method": "DELETE", "path": f"/Users/{it.user}", "bulkId": it.user},
                {"method": "DELETE", "path": f"/Groups/{it.group}", "version": "*"},
            ]
            yield Sent("POST", path, {"Operations": operations})
        case _:
            raise AssertionError(f"say for {route} how a request to it could reach another tenant")


@pytest.fixture(params=["memory", "azurite"])
def service(request: pytest.FixtureRequest) -> Service:
    storage = memory_storage() if request.param == "memory" else request.getfixturevalue("azurite_storage")
    return Service(settings(**UNLIMITED), storage)


@dataclass
class World:
    """Two tenants: A, whose directory is to stay its own, and B, which has a user and a group of its own."""

    service: Service
    a: str
    b: str
    theirs: Named

    async def all_of_a(self) -> list[Any]:
        answers = [await self.service.send("GET", f"/scim/v2/{endpoint}", self.a) for endpoint in ENDPOINTS]
        return [document(answer) for answer in answers]

    async def undo(self, route: Route, answer: Any) -> None:
        """What a create of B's made is gone, so that the next one meets what this one met."""
        made = [answer.headers["Location"]] if route.handler == "create" and answer.status == 201 else []
        if route.handler == "bulk":
            results = document(answer)["Operations"]
            assert results[0]["status"] == "201"
            made = [result["location"] for result in results if result["status"] == "201"]
        for url in made:
            location = url.removeprefix("https://scim.example.com")
            assert (await self.service.send("DELETE", location, self.b)).status == 204


@pytest.fixture
async def world(service: Service) -> World:
    tokens = [(await service.tenant(name)).secret for name in ("A", "B")]
    found: dict[str, str] = {}
    for token, owner in zip(tokens, ("secret-of-a", "of-b"), strict=True):
        users = []
        for number in range(3):
            body = {
                "schemas": [USER],
                "userName": f"{owner}-{number}" if number else owner,
                "displayName": owner,
                "externalId": owner,
                "emails": [{"value": owner}],
            }
            users.append(document(await service.send("POST", "/scim/v2/Users", token, body))["id"])
        members = [{"value": user} for user in users]
        body = {"schemas": [GROUP], "displayName": owner, "externalId": owner, "members": members}
        group = document(await service.send("POST", "/scim/v2/Groups", token, body))["id"]
        found |= {f"{owner} user": users[0], f"{owner} group": group}
    theirs = Named(found["secret-of-a user"], found["secret-of-a group"], "secret-of-a")
    # A has walked its pages, and left page positions where it stood.
    for start in (1, 2, 3):
        await service.send("GET", f"/scim/v2/Users?startIndex={start}&count=1", tokens[0])
    return World(service, tokens[0], tokens[1], theirs)


def nobodys(service: Service) -> Named:
    """What has the same form and is nowhere."""
    return Named(uuid7(service.clock()), uuid7(service.clock()), "nobodys-own")


def likeness(answer: Any, it: Named) -> tuple[Any, ...]:
    """The answer without what the request itself said, and without what is new in every answer."""
    status, headers, text = likeness_of_text(answer)
    return status, headers, text.replace(it.name, "NAME")


def likeness_of_text(answer: Any) -> tuple[int, dict[str, str], str]:
    """Status, headers and body without what is new in every answer."""
    headers = {name: _NEW.sub("NEW", value) for name, value in answer.headers.items()}
    return answer.status, headers, _NEW.sub("NEW", answer.body.decode())


CASES = [
    pytest.param(route, endpoint, id=f"{route.method} {'/'.join(route.segments)} {endpoint}")
    for route in GUARDED
    for endpoint in (ENDPOINTS if "{type}" in route.segments else ENDPOINTS[:1])
]


@pytest.mark.parametrize(("route", "endpoint"), CASES)
async def test_another_tenants_is_answered_as_nobodys_and_stays_as_it_is(
    world: World, route: Route, endpoint: str
) -> None:
    before = await world.all_of_a()
    nothing = nobodys(world.service)
    pairs = zip(sent_to(route, endpoint, world.theirs), sent_to(route, endpoint, nothing), strict=True)
    for about_a, about_nobody in pairs:
        first = await world.service.send(about_a.method, about_a.path, world.b, about_a.body)
        await world.undo(route, first)
        second = await world.service.send(about_nobody.method, about_nobody.path, world.b, about_nobody.body)
        await world.undo(route, second)
        assert likeness(first, world.theirs) == likeness(second, nothing), about_a
        assert first.status < 500 or first.status == 501
        # B may be told what it said itself; nothing else of A's is in any answer.
        said = json.dumps([about_a.path, about_a.body])
        for secret in (world.theirs.user, world.theirs.group, world.theirs.name):
            assert secret in said or secret not in str(first)
    assert await world.all_of_a() == before


@pytest.mark.parametrize("route", GUARDED, ids=str)
async def test_no_guarded_route_answers_without_a_credential(service: Service, route: Route) -> None:
    for endpoint in ENDPOINTS:
        path = "/scim/v2/" + "/".join({"{type}": endpoint, "{id}": "x"}.get(part, part) for part in route.segments)
        assert (await service.send(route.method, path)).status == 401


def test_what_needs_no_credential_is_known() -> None:
    anonymous = {route.handler for route in itertools.chain(ROUTES, ROOT_ROUTES) if route.anonymous}
    assert anonymous == {
        *("service_provider_config", "resource_types", "resource_type", "schemas", "schema"),
        *("health", "token", "authorization_server", "protected_resource", "feed_keys"),
        *("setup_page", "setup_open", "setup_mapping", "setup_asset"),  # a cookie opens them: tests/setup_page
    }
