"""No cache between a client and the service keeps what an answer says of a customer."""

import pytest

from scim_core.endpoint.caching import SAME_FOR_EVERYBODY
from scim_core.endpoint.routes import ROOT_ROUTES, ROUTES
from scim_core.endpoint.serving import DISCOVERY
from scim_core.messages import ScimRequest
from tests.memory_rows import memory_storage
from tests.scim import Client, Clock, endpoint_over, replace

ID = "/Users/018f0000-0000-7000-8000-000000000001"


@pytest.mark.parametrize(
    ("method", "url", "status"),
    [
        ("GET", "/Users", 200),
        ("GET", "/Users?filter=nonsense", 400),
        ("POST", "/.search", 200),
        ("POST", "/Users/.search", 200),
        ("GET", ID, 404),
        ("GET", "/nowhere", 404),
        ("DELETE", "/Users", 405),
        ("GET", "/Me", 501),
        ("GET", "/Schemas?filter=id pr", 403),
    ],
)
async def test_lists_and_errors_are_not_to_be_stored(client: Client, method: str, url: str, status: int) -> None:
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]} if method == "POST" else None
    answer = await client.send(method, url.replace(" ", "%20"), body)
    assert (answer.status, answer.headers.get("cache-control")) == (status, "no-store")


@pytest.mark.parametrize(
    ("path", "status"), [("/health", 200), ("/oauth2/token", 404), ("/.well-known/oauth-authorization-server", 404)]
)
async def test_health_and_errors_outside_scim_are_not_to_be_stored(path: str, status: int) -> None:
    endpoint = endpoint_over(memory_storage(), Clock())
    answer = await endpoint.handle(ScimRequest("GET", path, base_url="https://scim.example.com"))
    assert (answer.status, answer.headers.get("Cache-Control")) == (status, "no-store")


async def test_no_answer_with_a_resource_or_about_one_is_to_be_stored(client: Client) -> None:
    user = await client.user("ann@example.com")
    url = f"/Users/{user['id']}"
    first = await client.get(url)
    answers = [
        first,
        await client.get(url, headers={"if-none-match": first.headers["etag"]}),
        await client.patch(url, replace("title", "x")),
        await client.send("PUT", url, {"schemas": user["schemas"], "userName": user["userName"]}),
        await client.post("/Users", {"userName": "other@example.com"}),
        await client.post("/Users", {"userName": "other@example.com"}),
        await client.get(url, headers={"authorization": "Bearer wrong"}),
        await client.delete(url),
    ]
    assert [answer.status for answer in answers] == [200, 304, 200, 200, 201, 409, 401, 204]
    assert {answer.headers.get("cache-control") for answer in answers} == {"no-store"}


@pytest.mark.parametrize("path", ["/Schemas", "/ResourceTypes", "/ServiceProviderConfig", "/ResourceTypes/User"])
async def test_discovery_is_the_same_for_everybody_and_may_be_stored(client: Client, path: str) -> None:
    assert "cache-control" not in (await client.get(path)).headers


def test_only_what_needs_no_credential_may_be_stored() -> None:
    anonymous = {route.handler for route in (*ROUTES, *ROOT_ROUTES) if route.anonymous}
    pages = {"setup_page", "setup_open", "setup_mapping"}
    assert anonymous - {"health", "token", *pages} == SAME_FOR_EVERYBODY | DISCOVERY
