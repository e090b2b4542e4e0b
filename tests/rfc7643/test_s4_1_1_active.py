"""Whether a user is active (RFC 7643 section 4.1.1): the service provider determines it, and no omission changes it."""

from typing import Any

import pytest

from scim_core.model import Json, StoredResource
from tests.memory_rows import memory_storage
from tests.scim import Client, Clock, add, endpoint_over, path, remove, replace, without

NOT_GIVEN: dict[str, Json] = {
    "left out": {},
    "null": {"active": None},
    "an empty text": {"active": ""},
    "an empty array": {"ACTIVE": []},
}


@pytest.fixture
def client() -> Client:
    return Client(endpoint_over(memory_storage(), Clock()))


@pytest.mark.parametrize("body", NOT_GIVEN.values(), ids=NOT_GIVEN)
async def test_who_is_created_without_it_is_active(client: Client, body: Json) -> None:
    user = await client.user("tom", **body)
    assert user["active"] is True
    assert await client.document(user) == user
    assert await client.names("active eq true") == ["tom"]
    assert await client.names("not (active pr)") == []
    shown = await client.get(path(user), attributes="active")
    assert shown.document["active"] is True


@pytest.mark.parametrize("given", [True, False, "True", "false"])
async def test_what_is_given_counts(client: Client, given: Any) -> None:
    user = await client.user("tom", active=given)
    assert user["active"] is (str(given).lower() == "true")


@pytest.mark.parametrize("body", NOT_GIVEN.values(), ids=NOT_GIVEN)
@pytest.mark.parametrize("active", [True, False])
async def test_a_put_that_leaves_it_out_keeps_it(client: Client, body: Json, active: bool) -> None:
    user = await client.user("tom", active=active, title="T")
    answer = await client.put(path(user), {"userName": "tom", **body})
    assert (answer.status, answer.document["active"]) == (200, active)
    assert "title" not in answer.document
    assert await client.document(user) == answer.document
    again = await client.put(path(user), without(answer.document, "active"))
    assert again.document == answer.document


@pytest.mark.parametrize(
    "operation",
    [remove("active"), replace("active", None), replace("active", ""), add("active", None), replace("ACTIVE", [])],
)
async def test_an_explicit_removal_stays_one(client: Client, operation: Json) -> None:
    user = await client.user("tom")
    answer = await client.patch(path(user), operation)
    assert (answer.status, "active" in answer.document) == (200, False)
    assert await client.names("not (active pr)") == ["tom"]
    put = await client.put(path(user), {"userName": "tom", "title": "T"})
    assert "active" not in put.document
    await client.patch(path(user), replace("active", value=True))
    assert await client.names("active eq true") == ["tom"]


async def test_who_was_stored_without_it_stays_so_and_is_found() -> None:
    storage = memory_storage()
    document = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "old"}
    old = "018f0000-0000-7000-8000-000000000000"
    instant = "2026-01-01T00:00:00.000000Z"
    stored = StoredResource("User", old, document | {"id": old}, instant, instant, "1")
    client = Client(endpoint_over(storage, Clock()))
    await client.user("new")
    await storage.create("default", stored, ())
    assert await client.names("not (active pr)") == ["old"]
    assert await client.names("active eq true") == ["new"]
    put = await client.put(f"/Users/{old}", {"userName": "old", "title": "T"})
    patched = await client.patch(f"/Users/{old}", replace("title", "X"))
    assert "active" not in put.document
    assert "active" not in patched.document


async def test_a_group_has_none(client: Client) -> None:
    assert "active" not in await client.group("group")
