"""A deactivation is applied, whatever else a PATCH asks for (docs/adr/0036). Otherwise a PATCH is all or nothing."""

import itertools
import logging
from typing import Any

import pytest

from tests.memory_rows import memory_storage
from tests.scim import ENTERPRISE, PATCH_OP, USER, Client, Clock, Json, add, endpoint_over, path, remove, replace

NUMBERS = itertools.count()

OFF: Json = {"op": "replace", "path": "active", "value": False}
ON: Json = {"op": "replace", "path": "active", "value": True}

MISTAKES: dict[str, Json] = {
    "a path that names nothing": replace(f"{ENTERPRISE}:departement", "x"),
    "a sub-attribute that is not there": replace("name.nick", "x"),
    "a path that cannot be read": replace("emails[type eq", "x"),
    "a path that is no text": {"op": "replace", "path": 5, "value": "x"},
    "a read-only attribute": add("groups", [{"value": "g"}]),
    "a value of another type": replace("externalId", 5),
    "a value of another type within an object": replace("name", {"givenName": 5}),
    "a value of another type of a selected element": replace('emails[type eq "work"].value', 5),
    "no value": {"op": "add", "path": "title"},
    "a value of attributes that is none": {"op": "add", "value": "x"},
    "a required attribute taken away": remove("userName"),
    "a required attribute that is blank": replace("userName", "  "),
    "two primary values": replace("emails", [{"value": "a", "primary": True}, {"value": "b", "primary": True}]),
    "a filter without a target": replace('emails[value co "nobody"].display', "x"),
    "a removal of nothing": {"op": "remove"},
}
DEACTIVATIONS: dict[str, Json] = {
    "Boolean": OFF,
    "Entra": {"op": "Replace", "path": "active", "value": "False"},
    "without a path": {"op": "replace", "value": {"active": False}},
    "with its URN": OFF | {"path": f"{USER}:active"},
}


@pytest.fixture
def client() -> Client:
    return Client(endpoint_over(memory_storage(), Clock()))


async def leaver(client: Client) -> Json:
    return await client.user(
        f"leaver {next(NUMBERS)}", active=True, title="T", emails=[{"value": "w@example.com", "type": "work"}]
    )


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
@pytest.mark.parametrize("deactivation", DEACTIVATIONS.values(), ids=DEACTIVATIONS)
@pytest.mark.parametrize("mistake_first", [True, False])
async def test_a_mistake_in_a_mapping_keeps_nobody_active(
    client: Client, mistake: Json, deactivation: Json, mistake_first: bool, caplog: pytest.LogCaptureFixture
) -> None:
    user = await leaver(client)
    both = [mistake, deactivation] if mistake_first else [deactivation, mistake]
    with caplog.at_level(logging.WARNING):
        answer = await client.patch(path(user), *both, replace("nickName", "N"))
    assert answer.status == 200, answer.document
    shown = await client.document(user)
    assert shown == answer.document
    assert (shown["active"], shown["nickName"], shown["title"]) == (False, "N", "T")
    assert shown["emails"] == user["emails"]
    assert shown["userName"] == user["userName"]
    assert "were skipped" in caplog.text


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
@pytest.mark.parametrize("other", [replace("title", "X"), ON], ids=["title", "activation"])
async def test_without_a_deactivation_a_mistake_changes_nothing(client: Client, mistake: Json, other: Json) -> None:
    user = await leaver(client)
    answer = await client.patch(path(user), other, mistake)
    assert answer.status == 400
    assert await client.document(user) == user


async def test_a_deactivation_that_is_taken_back_is_none(client: Client) -> None:
    user = await leaver(client)
    wrong = replace("externalId", 5)
    answer = await client.patch(path(user), OFF, wrong, ON)
    assert (answer.status, await client.document(user)) == (400, user)


async def test_who_is_inactive_already_gets_what_can_be_applied(client: Client) -> None:
    user = await leaver(client)
    await client.patch(path(user), OFF)
    answer = await client.patch(path(user), replace("shoeSize", 44), replace("title", "X"))
    assert (answer.status, answer.document["title"], answer.document["active"]) == (200, "X", False)


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_a_name_that_is_taken_is_409_and_the_user_is_deactivated(client: Client, method: str) -> None:
    taken, user = await leaver(client), await leaver(client)
    body: Any = {"userName": taken["userName"], "active": False, "title": "X"}
    if method == "PATCH":
        operations = [replace(name, value) for name, value in body.items()]
        body = {"schemas": [PATCH_OP], "Operations": operations}
    answer = await client.send(method, path(user), body)
    assert (answer.status, answer.document["scimType"]) == (409, "uniqueness")
    shown = await client.document(user)
    assert shown["active"] is False
    assert [shown[name] for name in ("userName", "title", "emails")] == [user["userName"], "T", user["emails"]]
    again = await client.send(method, path(user), body)
    assert again.status == 409
    assert await client.document(user) == shown


async def test_a_condition_is_checked_before_anything_is_skipped(client: Client) -> None:
    user = await leaver(client)
    body = {"schemas": [PATCH_OP], "Operations": [replace("shoeSize", 44), OFF]}
    answer = await client.send("PATCH", path(user), body, headers={"if-match": 'W/"another"'})
    assert (answer.status, await client.document(user)) == (412, user)


async def test_a_group_has_no_such_exception(client: Client) -> None:
    group = await client.group(f"group {next(NUMBERS)}")
    answer = await client.patch(path(group), replace("shoeSize", 44), replace("displayName", "X"))
    assert answer.status == 400


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        (replace("externalId", 5), "Operations[1], path 'externalId': externalId must be a string."),
        (replace("EXTERNALID", 5), "Operations[1], path 'EXTERNALID': externalId must be a string."),
        (replace("name", {"givenName": 5}), "Operations[1], path 'name': givenName must be a string."),
        ({"op": "add", "value": {"title": 5}}, "Operations[1], path 'title': title must be a string."),
        (replace(f"{ENTERPRISE}:costCenter", 5), f"Operations[1], path '{ENTERPRISE}:costCenter': costCenter must be"),
        (replace('emails[type eq "work"].value', 5), "path 'emails[type eq \"work\"].value': value must be a string."),
        (replace("emails", [{"value": 5}]), "Operations[1], path 'emails': emails.0.value must be a string."),
        (replace("groups", []), "Operations[1], path 'groups': groups is read-only"),
        (replace("manager.displayName", "x"), "Operations[1], path 'manager.displayName': "),
        (replace("active", "off"), "Operations[1], path 'active': active must be true or false, not 'off'."),
        (replace("departement", "x"), "Operations[1], path 'departement': The path 'departement' names no attribute"),
        ({"op": "remove"}, "Operations[1]: A remove operation needs a path"),
    ],
)
async def test_an_error_names_the_operation_and_its_path(client: Client, operation: Json, said: str) -> None:
    user = await leaver(client)
    answer = await client.patch(path(user), replace("title", "X"), operation, replace("nickName", "N"))
    assert answer.status == 400
    assert said in answer.document["detail"]


@pytest.mark.parametrize("name", ["password", "id", "schemas", "meta", "meta.created"])
async def test_what_clients_send_with_every_change_is_ignored_as_a_path(client: Client, name: str) -> None:
    user = await leaver(client)
    answer = await client.patch(path(user), replace(name, "x"), replace("title", "X"))
    assert (answer.status, answer.document["title"]) == (200, "X")


@pytest.mark.parametrize(
    "value", [{"groups": [{"value": "g"}], "title": "X"}, {"meta": {"created": "x"}, "title": "X"}]
)
async def test_what_is_read_only_is_ignored_as_a_key(client: Client, value: Json) -> None:
    user = await leaver(client)
    answer = await client.patch(path(user), {"op": "replace", "value": value})
    assert (answer.status, answer.document["title"]) == (200, "X")
