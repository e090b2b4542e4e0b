"""RFC 7643 section 2: names, types, plurality and the absence of values."""

from typing import Any

import pytest

from tests.scim import ENTERPRISE, USER, Client, Json, path, replace, without


def variants(name: str) -> list[str]:
    return [name, name.lower(), name.upper(), name.swapcase()]


@pytest.mark.parametrize(
    "name", ["displayName", "nickName", "profileUrl", "preferredLanguage", "userType", "externalId"]
)
@pytest.mark.parametrize("form", range(4))
async def test_attribute_names_have_no_case(client: Client, name: str, form: int) -> None:  # section 2.1
    spelt = variants(name)[form]
    user = await client.user(**{spelt: "x"})
    assert user[name] == "x"
    assert (await client.patch(path(user), replace(spelt, "y"))).document[name] == "y"
    assert await client.names(f'{spelt} eq "y"') == [user["userName"]]
    answer = await client.get(path(user), attributes=spelt)
    assert answer.document[name] == "y"


WRONG: dict[str, list[Any]] = {
    "displayName": [5, 1.5, True, {"a": 1}, ["a", "b"], [5], [["x", "y"]]],
    "active": ["yes please", "yes", "no", "off", "on", "0", "1", 0, 1, 5, {"a": True}, ["True", "False"], "1e3"],
    "name": ["Barbara", 5, [1], True, [{"givenName": "a"}, {"givenName": "b"}]],
    "name.givenName": [5, {"x": 1}, ["a", "b"]],
    "emails": [5, True, [5], [True], [["a", "b"]], [{"value": 5}], [{"value": {"x": 1}}], [{"type": ["x", "y"]}]],
    "emails.primary": ["maybe", "1", 0, 5, {"x": 1}],
    "x509Certificates": [5, [{"value": 5}]],
    "profileUrl": [5, {"x": 1}],
    f"{ENTERPRISE}:manager": [5, True, ["a", "b"], {"value": 5}, {"value": ["a", "b"]}],
    f"{ENTERPRISE}:department": [5, {"x": 1}],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
async def test_a_value_of_another_type_is_refused(client: Client, name: str, value: Any) -> None:  # section 2.3
    user = await client.user(emails=[{"value": "a@b"}])
    answer = await client.patch(path(user), replace("title", "x"), replace(name, value))
    assert (answer.status, answer.document["scimType"]) == (400, "invalidValue")
    assert await client.document(user) == user
    urn, _, local = name.rpartition(":")
    head, _, part = local.partition(".")
    content = {head: {part: value} if part and head != "emails" else [{part: value}] if part else value}
    created = await client.post("/Users", {"userName": "new", **({urn: content} if urn else content)})
    assert (created.status, created.document["scimType"]) == (400, "invalidValue")


@pytest.mark.parametrize("name", ["emails", "phoneNumbers", "addresses", "roles", "photos", "entitlements", "ims"])
async def test_sub_attributes_of_values_are_all_kept(client: Client, name: str) -> None:  # section 2.4
    value = {"type": "work", "primary": True}
    value |= {"formatted": "x", "country": "US"} if name == "addresses" else {"value": "v", "display": "D"}
    other = {"country": "DE"} if name == "addresses" else {"value": "w"}
    user = await client.user(**{name: [value, other]})
    assert user[name] == [value, other]


@pytest.mark.parametrize("nothing", [None, [], ""])
@pytest.mark.parametrize("name", ["displayName", "name", "emails", "active", "manager", ENTERPRISE])
async def test_null_and_empty_are_as_absent(client: Client, name: str, nothing: Any) -> None:  # section 2.5
    if name == ENTERPRISE and nothing == []:
        nothing = {}
    if name == ENTERPRISE and nothing == "":
        nothing = {"department": ""}
    plain = await client.user("plain")
    user = await client.user("user", **{name: nothing})
    assert set(user) == set(plain)
    replaced = await client.put(path(user), {"userName": "user", name: nothing})
    assert replaced.document == user


async def test_an_extension_object_must_be_an_object(client: Client) -> None:
    for value in ("x", 5, True, ["x"], [{"department": "d"}]):
        answer = await client.post("/Users", {"userName": "x", ENTERPRISE: value})
        assert (answer.status, answer.document["scimType"]) == (400, "invalidValue")


@pytest.mark.parametrize(
    "body",
    [
        {"userName": "x", "USERNAME": "y"},
        {"userName": "x", "emails": [{"value": "a", "VALUE": "b"}]},
        {"userName": "x", "name": {"givenName": "a", "GivenName": "b"}},
        {"userName": "x", ENTERPRISE: {}, ENTERPRISE.upper(): {}},
        {"userName": "x", ENTERPRISE: {"department": "a", "Department": "b"}},
        {"userName": "x", ENTERPRISE: {"manager": {"value": "a", "Value": "b"}}},
    ],
)
async def test_a_name_that_differs_in_case_only_is_the_same_name(client: Client, body: Json) -> None:
    answer = await client.post("/Users", body)
    assert (answer.status, answer.document["scimType"]) == (400, "invalidSyntax")


async def test_a_name_and_its_qualified_form_are_one_attribute(client: Client) -> None:
    user = await client.user(
        "x", **{f"{USER}:displayName": "d", f"{ENTERPRISE}:department": "e", ENTERPRISE: {"division": "f"}}
    )
    assert without(user, "id", "meta") == {
        "schemas": [USER, ENTERPRISE],
        "userName": "x",
        "displayName": "d",
        ENTERPRISE: {"division": "f", "department": "e"},
    }
