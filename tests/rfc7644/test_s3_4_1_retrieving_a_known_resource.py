"""RFC 7644 section 3.4.1: GET of one resource."""

import pytest

from scim_core.storage.tables import TableStorage
from tests.scim import BASE, Client, Clock, endpoint_over, group_ids, path


@pytest.mark.parametrize(
    "url", ["/Users/{id}", "/users/{id}", "/Users/{id}/", "//Users//{id}", "/USERS/{id}?x=y&aadOptscim062020"]
)
async def test_a_resource_is_found_by_its_id(client: Client, url: str) -> None:
    user = await client.user()
    answer = await client.get(url.format(id=user["id"]))
    assert (answer.status, answer.document) == (200, user)
    assert answer.headers["content-type"] == "application/scim+json"
    assert answer.headers["etag"] == user["meta"]["version"]


@pytest.mark.parametrize(
    "resource_id",
    [
        "018f0000-0000-7000-8000-000000000000",
        "x",
        "0",
        "bjensen@example.com",
        "a%2Fb",
        "%00",
        "%F0%9F%98%80",
        "x" * 5000,
    ],
)
@pytest.mark.parametrize("endpoint", ["Users", "Groups"])
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_an_unknown_id_is_not_found(client: Client, method: str, endpoint: str, resource_id: str) -> None:
    await client.user()
    body = {"userName": "x", "displayName": "x", "Operations": []} if method in ("PUT", "PATCH") else None
    answer = await client.send(method, f"/{endpoint}/{resource_id}", body)
    assert answer.status == 404


async def test_an_id_is_compared_with_regard_to_case(client: Client) -> None:
    user = await client.user()
    assert (await client.get(f"/Users/{user['id'].upper()}")).status == 404


async def test_a_resource_is_of_its_type_only(client: Client) -> None:
    user, group = await client.user(), await client.group()
    assert (await client.get(f"/Groups/{user['id']}")).status == 404
    assert (await client.get(f"/Users/{group['id']}")).status == 404


async def test_a_user_shows_its_groups_as_they_are_now(client: Client) -> None:
    user = await client.user()
    assert "groups" not in user
    one, two = await client.group("one", user), await client.group("two", user)
    assert group_ids(await client.document(user)) == [one["id"], two["id"]]
    await client.delete(path(one))
    assert group_ids(await client.document(user)) == [two["id"]]


async def test_an_inactive_user_is_shown(client: Client) -> None:
    user = await client.user(active=False)
    assert (await client.document(user))["active"] is False


async def test_locations_follow_the_public_base_url(storage: TableStorage, clock: Clock) -> None:
    client = Client(endpoint_over(storage, clock, SCIM_PUBLIC_BASE_URL="https://front.example.com/identity/"))
    user = await client.user()
    assert user["meta"]["location"] == f"https://front.example.com/identity/scim/v2/Users/{user['id']}"
    assert not user["meta"]["location"].startswith(BASE)
