"""RFC 7644 section 3.5.2: a PATCH changes what it names, and nothing else. Values that are empty, equal or primary."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.memory_rows import memory_storage
from tests.scim import ENTERPRISE, Client, Clock, Json, add, endpoint_over, path, remove, replace

NUMBERS = itertools.count()

ADDRESS = {"type": "work", "streetAddress": "1 High St", "locality": "Leeds", "country": "GB"}
NAME = {"givenName": "G", "familyName": "F", "middleName": "M"}


@pytest.fixture(scope="module")
def client() -> Client:
    return Client(endpoint_over(memory_storage(), Clock()))


async def after(client: Client, stored: Json, *operations: Json) -> Json:
    """What a user with these attributes is after a PATCH, as the answer and GET show it."""
    user = await client.user(f"person {next(NUMBERS)}", **stored)
    answer = await client.patch(path(user), *operations)
    assert answer.status == 200, answer.document
    shown = await client.document(user)
    assert shown == answer.document
    return shown


class TestSubAttributesThatAreGivenEmpty:
    """Only the named sub-attributes are cleared (RFC 7644 section 3.5.2.3)."""

    @pytest.mark.parametrize("empty", ["", None, [], [None]])
    @pytest.mark.parametrize("op", [add, replace])
    async def test_one_of_a_complex_attribute(self, client: Client, op: Any, empty: Any) -> None:
        stored = {"name": {"givenName": "G", "familyName": "F"}}
        for written in (op("name", {"middleName": empty}), op(None, {"name": {"middleName": empty}})):
            assert (await after(client, stored, written))["name"] == stored["name"]
        for written in (op("name", {"familyName": empty}), op(None, {"name": {"familyName": empty}})):
            assert (await after(client, stored, written))["name"] == {"givenName": "G"}

    async def test_several_at_once_and_with_a_value(self, client: Client) -> None:
        changed = await after(client, {"name": NAME}, replace("name", {"middleName": "", "familyName": None}))
        assert changed["name"] == {"givenName": "G"}
        changed = await after(client, {"name": NAME}, replace("name", {"middleName": "", "familyName": "N"}))
        assert changed["name"] == {"givenName": "G", "familyName": "N"}

    async def test_all_of_them_leave_none(self, client: Client) -> None:
        assert "name" not in await after(client, {"name": NAME}, replace("name", dict.fromkeys(NAME, "")))

    @pytest.mark.parametrize("op", [add, replace])
    async def test_an_empty_object_changes_nothing(self, client: Client, op: Any) -> None:
        stored = {"name": NAME, "addresses": [ADDRESS]}
        for operation in (op("name", {}), op(None, {"name": {}}), op('addresses[type eq "work"]', {})):
            changed = await after(client, stored, operation)
            assert (changed["name"], changed["addresses"]) == (NAME, [ADDRESS])

    @pytest.mark.parametrize("op", [add, replace])
    async def test_of_a_selected_element(self, client: Client, op: Any) -> None:
        home = {"type": "home", "locality": "York"}
        written = op('addresses[type eq "work"]', {"locality": None})
        changed = await after(client, {"addresses": [ADDRESS, home]}, written)
        assert changed["addresses"] == [{key: ADDRESS[key] for key in ("type", "streetAddress", "country")}, home]

    async def test_of_an_element_that_is_not_there(self, client: Client) -> None:
        changed = await after(client, {"addresses": [ADDRESS]}, replace('addresses[type eq "home"]', {"locality": ""}))
        assert changed["addresses"] == [ADDRESS]

    async def test_the_last_one_takes_the_element_along(self, client: Client) -> None:
        home = {"type": "home", "locality": "York"}
        written = replace('addresses[type eq "home"]', {"locality": ""})
        assert (await after(client, {"addresses": [ADDRESS, home]}, written))["addresses"] == [ADDRESS]

    async def test_of_an_attribute_of_an_extension(self, client: Client) -> None:
        stored = {ENTERPRISE: {"department": "D", "manager": {"value": "26118915"}}}
        kept = await after(client, stored, replace(f"{ENTERPRISE}:manager", {"displayName": ""}))
        assert kept[ENTERPRISE] == stored[ENTERPRISE]
        for nobody in ({"value": ""}, {"value": None}, "", None, {"value": "", "$ref": None}):
            changed = await after(client, stored, replace(f"{ENTERPRISE}:manager", nobody))
            assert changed[ENTERPRISE] == {"department": "D"}

    async def test_an_empty_value_of_a_selected_element_removes_it(self, client: Client) -> None:
        stored = {"emails": [{"type": "work", "value": "a"}, {"type": "home", "value": "b", "primary": True}]}
        for written in ({"value": ""}, {"value": None, "primary": True}):
            changed = await after(client, stored, replace('emails[type eq "work"]', written))
            assert changed["emails"] == stored["emails"][1:]


class TestPrimary:
    """There is one primary value at most, and it is the one that was asked for last (RFC 7643 section 2.4)."""

    EMAILS = ({"type": "work", "value": "a", "primary": False}, {"type": "home", "value": "b", "primary": True})

    async def test_an_element_that_is_there_becomes_the_primary_one(self, client: Client) -> None:
        again = {"type": "work", "value": "a", "primary": True}
        changed = await after(client, {"emails": self.EMAILS}, add("emails", [again]))
        assert changed["emails"] == [again, {"type": "home", "value": "b", "primary": False}]

    @pytest.mark.parametrize("empty", [{"type": "other", "value": ""}, {"type": "other", "value": None}, {"value": ""}])
    async def test_an_element_without_a_value_takes_it_from_no_other(self, client: Client, empty: Json) -> None:
        changed = await after(client, {"emails": self.EMAILS}, add("emails", [empty | {"primary": True}]))
        assert changed["emails"] == list(self.EMAILS)

    @pytest.mark.parametrize("method", ["POST", "PUT"])
    async def test_an_element_without_a_value_is_no_second_one(self, client: Client, method: str) -> None:
        emails = [self.EMAILS[1], {"type": "home", "value": None, "primary": True}]
        body = {"userName": f"person {next(NUMBERS)}", "emails": emails}
        url = path(await client.user(f"person {next(NUMBERS)}")) if method == "PUT" else "/Users"
        answer = await client.send(method, url, body)
        assert answer.status == (200 if method == "PUT" else 201)
        assert answer.document["emails"] == [self.EMAILS[1]]

    async def test_equal_elements_are_one_primary_one(self, client: Client) -> None:
        emails = [self.EMAILS[1], self.EMAILS[1]]
        assert (await client.user(f"person {next(NUMBERS)}", emails=emails))["emails"] == [self.EMAILS[1]]
        assert (await after(client, {}, replace("emails", emails)))["emails"] == [self.EMAILS[1]]

    async def test_two_are_refused(self, client: Client) -> None:
        two = [self.EMAILS[1], {"type": "work", "value": "c", "primary": True}]
        body = {"userName": f"person {next(NUMBERS)}", "emails": two}
        assert (await client.post("/Users", body)).status == 400
        user = await client.user(f"person {next(NUMBERS)}")
        assert (await client.patch(path(user), replace("emails", two))).status == 400

    async def test_an_element_that_does_not_say_is_found_as_not_primary(self, client: Client) -> None:
        stored = {"emails": [{"type": "home", "value": "h"}, {"type": "work", "value": "w", "primary": True}]}
        selected = 'emails[type eq "home" and primary eq false]'
        changed = await after(client, stored, replace(f"{selected}.value", "n"))
        assert [item["value"] for item in changed["emails"]] == ["n", "w"]
        assert (await after(client, stored, remove(selected)))["emails"] == stored["emails"][1:]
        changed = await after(client, stored, remove("emails", value=[{"value": "h", "primary": False}]))
        assert changed["emails"] == stored["emails"][1:]
        changed = await after(client, stored, replace("emails[primary ne true].display", "D"))
        assert [item.get("display") for item in changed["emails"]] == ["D", None]

    async def test_what_was_not_selected_comes_back_as_it_was(self, client: Client) -> None:
        stored = {
            "emails": [{"type": "home", "value": "h"}, {"type": "other", "value": "o"}],
            "roles": [{"value": "r"}],
        }
        changed = await after(client, stored, replace('emails[type eq "home" and primary eq false].value', "n"))
        assert changed["emails"][1] == stored["emails"][1]
        assert changed["roles"] == stored["roles"]

    async def test_an_element_is_still_created_by_such_a_filter(self, client: Client) -> None:
        changed = await after(client, {}, add('emails[type eq "home" and primary eq false].value', "n"))
        assert [(item["type"], item["value"]) for item in changed["emails"]] == [("home", "n")]


class TestElements:
    async def test_what_is_said_of_an_element_that_is_there_counts(self, client: Client) -> None:
        stored = {"roles": [{"value": "R", "type": "t", "display": "old"}, {"value": "S"}]}
        changed = await after(client, stored, add("roles", [{"value": "R", "type": "t", "display": "new"}]))
        assert changed["roles"] == [{"value": "R", "type": "t", "display": "new"}, {"value": "S"}]
        changed = await after(client, stored, add("roles", [{"value": "R", "type": "t"}]))
        assert changed["roles"] == stored["roles"]

    async def test_an_element_may_be_made_piece_by_piece(self, client: Client) -> None:
        changed = await after(client, {}, add('roles[primary eq "True"].type', "T"))
        assert changed["roles"] == [{"type": "T", "primary": True}]
        changed = await after(client, {}, add('roles[primary eq "True"].type', "T"), add("title", "x"))
        assert changed["roles"] == [{"type": "T", "primary": True}]

    async def test_the_pieces_may_come_in_several_requests(self, client: Client) -> None:
        user = await client.user(f"person {next(NUMBERS)}")
        for attribute, value in (("type", "T"), ("display", "D"), ("value", "V")):
            answer = await client.patch(path(user), add(f'roles[primary eq "True"].{attribute}', value))
            assert answer.status == 200
        assert (await client.document(user))["roles"] == [{"type": "T", "primary": True, "display": "D", "value": "V"}]

    @pytest.mark.parametrize(
        "emptying", [remove('emails[type eq "work"].value'), replace('emails[type eq "work"].value', "")]
    )
    async def test_an_element_that_an_operation_emptied_is_gone(self, client: Client, emptying: Json) -> None:
        stored = {"emails": [{"type": "work", "value": "a", "primary": True}, {"type": "home", "value": "b"}]}
        assert (await after(client, stored, emptying))["emails"] == stored["emails"][1:]

    @pytest.mark.parametrize("method", ["POST", "PUT"])
    async def test_in_a_whole_resource_an_element_of_labels_alone_is_none(self, client: Client, method: str) -> None:
        body = {"userName": f"person {next(NUMBERS)}", "roles": [{"type": "T", "primary": True}, {"value": "R"}]}
        url = path(await client.user(f"person {next(NUMBERS)}")) if method == "PUT" else "/Users"
        assert (await client.send(method, url, body)).document["roles"] == [{"value": "R"}]


@pytest.mark.parametrize("empty", [[], "", None, {}])
async def test_an_extension_that_is_given_empty_is_not_given(client: Client, empty: Any) -> None:
    body = {"userName": f"person {next(NUMBERS)}", "title": "T", ENTERPRISE: empty}
    created = await client.post("/Users", body)
    assert (created.status, ENTERPRISE in created.document) == (201, False)
    assert (await client.put(path(created.document), body)).status == 200


@pytest.mark.parametrize("name", ["entitlements", "photos", "ims"])
async def test_json_as_text_is_kept_where_no_client_packs_it(client: Client, name: str) -> None:
    text = '{"value":"x","scope":"prod"}'
    assert (await client.user(f"person {next(NUMBERS)}", **{name: [{"value": text}]}))[name] == [{"value": text}]
    assert (await after(client, {}, add(name, [{"value": text}])))[name] == [{"value": text}]


SUB_ATTRIBUTES = ("streetAddress", "locality", "region", "postalCode", "country", "formatted")
PARTS = st.dictionaries(st.sampled_from(SUB_ATTRIBUTES), st.sampled_from(["x", "y"]), min_size=1)
CHANGES = st.dictionaries(st.sampled_from(SUB_ATTRIBUTES), st.sampled_from(["z", "", None]))
NAME_PARTS = ("formatted", "familyName", "givenName", "middleName", "honorificPrefix")


@given(PARTS, PARTS, CHANGES, st.sampled_from([add, replace]))
async def test_what_an_object_does_not_name_is_unchanged_in_an_element(
    client: Client, work: Json, home: Json, change: Json, op: Any
) -> None:
    stored = {"addresses": [{"type": "work", **work}, {"type": "home", **home}]}
    changed = await after(client, stored, op('addresses[type eq "work"]', change))
    expected = {key: value for key, value in (work | change).items() if value}
    elements = [{"type": "work", **expected}] if expected else []
    assert changed.get("addresses", []) == [*elements, {"type": "home", **home}]


@given(
    st.dictionaries(st.sampled_from(NAME_PARTS), st.sampled_from(["x", "y"]), min_size=1),
    st.dictionaries(st.sampled_from(NAME_PARTS), st.sampled_from(["z", "", None])),
    st.sampled_from([add, replace]),
    st.booleans(),
)
async def test_what_an_object_does_not_name_is_unchanged_in_an_attribute(
    client: Client, name: Json, change: Json, op: Any, with_path: bool
) -> None:
    changed = await after(client, {"name": name}, op("name", change) if with_path else op(None, {"name": change}))
    assert changed.get("name", {}) == {key: value for key, value in (name | change).items() if value}


EMAIL = st.fixed_dictionaries({"value": st.sampled_from("abc"), "primary": st.booleans()})


@given(
    st.lists(EMAIL, max_size=3, unique_by=lambda item: item["value"]),
    st.lists(EMAIL, min_size=1, max_size=3, unique_by=lambda item: item["value"]),
)
async def test_primary_is_one_at_most_and_the_last_asked_for(
    client: Client, stored: list[Json], added: list[Json]
) -> None:
    first = next((item["value"] for item in stored if item["primary"]), None)
    stored = [item | {"primary": item["value"] == first} for item in stored]
    changed = await after(client, {"emails": stored}, *[add("emails", [item]) for item in added])
    primary = first
    for item in added:
        if item["primary"]:
            primary = item["value"]
        elif primary == item["value"]:
            primary = None
    assert [item["value"] for item in changed["emails"] if item["primary"]] == ([primary] if primary else [])
    assert [item["value"] for item in changed["emails"]] == list(
        dict.fromkeys([item["value"] for item in (*stored, *added)])
    )
