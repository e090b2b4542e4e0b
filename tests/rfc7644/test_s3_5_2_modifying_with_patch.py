"""RFC 7644 section 3.5.2: PATCH, with its examples, and what clients send besides."""

from typing import Any

import pytest

from scim_core.storage.tables import TableStorage
from tests.scim import (
    ENTERPRISE,
    GLOBAL_RELAY,
    GROUP,
    PATCH_OP,
    USER,
    Client,
    Clock,
    Json,
    add,
    member_ids,
    path,
    references,
    remove,
    replace,
    sentence,
    without,
)

WORK = {"value": "bjensen@example.com", "type": "work", "primary": True}
HOME = {"value": "babs@jensen.org", "type": "home"}


@pytest.fixture
async def babs(client: Client) -> Json:
    return await client.user(
        "bjensen@example.com",
        externalId="701984",
        displayName="Babs",
        name={"givenName": "Barbara", "familyName": "Jensen"},
        emails=[WORK, HOME],
        active=True,
        **{ENTERPRISE: {"department": "Tours", "costCenter": "4130", "manager": {"value": "26118915"}}},
    )


async def patched(client: Client, resource: Json, *operations: Json) -> Json:
    """The resource after a PATCH, as its answer and as GET show it; they must be the same."""
    answer = await client.patch(path(resource), *operations)
    assert answer.status == 200, answer.document
    shown = await client.document(resource)
    assert shown == answer.document
    return shown


async def refused(client: Client, resource: Json, *operations: Json) -> str:
    """The scimType of the refusal of a PATCH, which must have changed nothing."""
    before = await client.get(path(resource))
    answer = await client.patch(path(resource), *operations)
    assert answer.status == 400, answer.document
    assert (await client.get(path(resource))).body == before.body
    return str(answer.document["scimType"])


class TestExamples:
    """The examples of the section, as they stand there."""

    @pytest.fixture
    async def user(self, client: Client) -> Json:
        return await client.user(
            "bjensen",
            emails=[{"value": "bjensen@example.com", "type": "work"}, {"value": "babs@jensen.org", "type": "home"}],
            addresses=[
                {"type": "work", "streetAddress": "100 Universal City Plaza", "locality": "Hollywood", "primary": True},
                {"type": "home", "streetAddress": "456 Hollywood Blvd"},
            ],
        )

    async def test_of_add(self, client: Client, user: Json) -> None:
        group = await client.group()
        member = {"display": "Babs Jensen", "$ref": f"https://example.com/v2/Users/{user['id']}", "value": user["id"]}
        assert (await client.patch(path(group), {"op": "add", "path": "members", "value": [member]})).status == 204
        assert member_ids(await client.document(group)) == [user["id"]]
        value = {"emails": [{"value": "babs@jensen.org", "type": "home"}], "nickname": "Babs"}
        after = await patched(client, user, {"op": "add", "value": value})
        assert (after["emails"], after["nickName"]) == (user["emails"], "Babs")

    async def test_of_remove(self, client: Client, user: Json) -> None:
        other = await client.user("jsmith")
        group = await client.group("group", user, other)
        by_filter = {"op": "remove", "path": f'members[value eq "{user["id"]}"]'}
        assert (await client.patch(path(group), by_filter)).status == 204
        assert member_ids(await client.document(group)) == [other["id"]]
        assert (await client.patch(path(group), {"op": "remove", "path": "members"})).status == 204
        assert "members" not in await client.document(group)
        by_two = {"op": "remove", "path": 'emails[type eq "work" and value ew "example.com"]'}
        assert (await patched(client, user, by_two))["emails"] == user["emails"][1:]

    async def test_of_remove_and_add(self, client: Client, user: Json) -> None:
        james = await client.user("James Smith")
        group = await client.group("group", user)
        operations: list[Json] = [
            {"op": "remove", "path": f'members[value eq "{user["id"]}"]'},
            {"op": "add", "path": "members", "value": [{"display": "James Smith", "value": james["id"]}]},
        ]
        assert (await client.patch(path(group), *operations)).status == 204
        assert member_ids(await client.document(group)) == [james["id"]]
        operations = [{"op": "remove", "path": "members"}, add("members", references(user, james))]
        assert (await client.patch(path(group), *operations)).status == 204
        assert member_ids(await client.document(group)) == [user["id"], james["id"]]

    async def test_of_replace(self, client: Client, user: Json) -> None:
        group = await client.group("group", await client.user("other"))
        assert (await client.patch(path(group), replace("members", references(user)))).status == 204
        assert member_ids(await client.document(group)) == [user["id"]]
        work = {"type": "work", "streetAddress": "911 Universal City Plaza", "region": "CA", "country": "US"}
        after = await patched(client, user, replace('addresses[type eq "work"]', work))
        assert after["addresses"][0] == {**user["addresses"][0], **work}
        after = await patched(client, user, replace('addresses[type eq "work"].streetAddress', "1010 Broadway Ave"))
        assert after["addresses"][0]["streetAddress"] == "1010 Broadway Ave"
        assert after["addresses"][1] == user["addresses"][1]
        value = {"emails": [{"value": "babs@jensen.org", "type": "home"}], "nickname": "Babs"}
        after = await patched(client, user, {"op": "replace", "value": value})
        assert (after["emails"], after["nickName"]) == (value["emails"], "Babs")


class TestAdd:
    """Section 3.5.2.1."""

    async def test_without_a_path_the_attributes_of_the_value_are_added(self, client: Client, babs: Json) -> None:
        after = await patched(
            client,
            babs,
            {"op": "add", "value": {"emails": [{"value": "x@y.org", "type": "other"}], "nickname": "Babs"}},
        )
        assert after["emails"] == [WORK, HOME, {"value": "x@y.org", "type": "other"}]
        assert after["nickName"] == "Babs"

    async def test_a_value_is_appended_to_a_multi_valued_attribute(self, client: Client, babs: Json) -> None:
        after = await patched(client, babs, add("emails", [{"value": "x@y.org"}]))
        assert after["emails"] == [WORK, HOME, {"value": "x@y.org"}]

    async def test_one_value_need_not_be_in_an_array(self, client: Client, babs: Json) -> None:
        after = await patched(client, babs, add("emails", {"value": "x@y.org"}))
        assert after["emails"] == [WORK, HOME, {"value": "x@y.org"}]

    async def test_a_single_value_is_replaced(self, client: Client, babs: Json) -> None:
        assert (await patched(client, babs, add("displayName", "Barb")))["displayName"] == "Barb"

    async def test_a_complex_attribute_keeps_what_the_value_leaves_out(self, client: Client, babs: Json) -> None:
        after = await patched(client, babs, add("name", {"middleName": "J"}))
        assert after["name"] == {"familyName": "Jensen", "givenName": "Barbara", "middleName": "J"}

    async def test_a_value_that_is_there_changes_nothing(self, client: Client, clock: Clock, babs: Json) -> None:
        clock.advance(hours=1)
        after = await patched(client, babs, add("emails", [HOME]), add("displayName", "Babs"), add("emails", [WORK]))
        assert after == babs

    async def test_a_new_primary_value_is_the_only_one(self, client: Client, babs: Json) -> None:
        new = {"value": "x@y.org", "primary": True}
        after = await patched(client, babs, add("emails", [new]))
        assert [item for item in after["emails"] if item.get("primary")] == [new]

    async def test_a_filtered_path_without_a_match_creates_the_element(self, client: Client, babs: Json) -> None:
        after = await patched(
            client,
            babs,
            add('addresses[type eq "work"].formatted', "Building 5"),
            add('addresses[type eq "work"].streetAddress', "1 Main Street"),
        )
        assert after["addresses"] == [{"type": "work", "formatted": "Building 5", "streetAddress": "1 Main Street"}]

    @pytest.mark.parametrize("operation", [{"op": "add", "path": "title"}, {"op": "add", "path": "emails"}])
    async def test_a_value_is_required(self, client: Client, babs: Json, operation: Json) -> None:
        assert await refused(client, babs, operation) == "invalidValue"

    @pytest.mark.parametrize("nothing", [None, "", [], [None], [{}], {}])
    async def test_adding_nothing_to_a_multi_valued_attribute_changes_nothing(
        self, client: Client, babs: Json, nothing: Any
    ) -> None:
        assert await patched(client, babs, add("emails", nothing)) == babs

    @pytest.mark.parametrize("nothing", [None, "", [], [None]])
    async def test_adding_nothing_clears_a_single_value(self, client: Client, babs: Json, nothing: Any) -> None:
        assert "displayName" not in await patched(client, babs, add("displayName", nothing))


class TestRemove:
    """Section 3.5.2.2."""

    async def test_a_single_value_is_gone(self, client: Client, babs: Json) -> None:
        assert "displayName" not in await patched(client, babs, remove("displayName"))

    async def test_a_multi_valued_attribute_is_gone(self, client: Client, babs: Json) -> None:
        assert "emails" not in await patched(client, babs, remove("emails"))

    async def test_only_the_values_that_match_are_gone(self, client: Client, babs: Json) -> None:
        after = await patched(client, babs, remove('emails[type eq "work" and value ew "example.com"]'))
        assert after["emails"] == [HOME]

    async def test_the_last_value_leaves_the_attribute_unassigned(self, client: Client, babs: Json) -> None:
        after = await patched(client, babs, remove('emails[type eq "work"]'), remove('emails[type eq "home"]'))
        assert "emails" not in after

    async def test_a_sub_attribute_of_the_values_that_match_is_gone(self, client: Client, babs: Json) -> None:
        after = await patched(client, babs, remove('emails[type eq "work"].primary'))
        assert after["emails"] == [without(WORK, "primary"), HOME]

    async def test_a_sub_attribute_is_gone(self, client: Client, babs: Json) -> None:
        assert (await patched(client, babs, remove("name.givenName")))["name"] == {"familyName": "Jensen"}

    async def test_the_last_sub_attribute_takes_its_attribute_along(self, client: Client, babs: Json) -> None:
        assert "name" not in await patched(client, babs, remove("name.givenName"), remove("name.familyName"))

    async def test_what_is_not_there_is_removed_without_effect(self, client: Client, babs: Json) -> None:
        operations = [
            remove("title"),
            remove('emails[type eq "other"]'),
            remove("name.middleName"),
            remove("manager.x"),
        ]
        assert await patched(client, babs, *operations[:3]) == babs
        assert await refused(client, babs, *operations) == "invalidPath"

    async def test_a_value_says_which_values_are_meant(self, client: Client, babs: Json) -> None:
        after = await patched(client, babs, remove("emails", value=[{"type": "home"}, {"value": "no@such.org"}]))
        assert after["emails"] == [WORK]

    async def test_an_empty_value_names_nothing_to_remove(self, client: Client, babs: Json) -> None:
        assert await patched(client, babs, remove("emails", value=[])) == babs

    async def test_an_extension_is_removed_by_its_urn(self, client: Client, babs: Json) -> None:
        after = await patched(client, babs, remove(ENTERPRISE))
        assert ENTERPRISE not in after
        assert after["schemas"] == [USER]

    @pytest.mark.parametrize("operation", [{"op": "remove"}, {"op": "remove", "path": ""}, remove(USER)])
    async def test_a_path_is_required(self, client: Client, babs: Json, operation: Json) -> None:
        assert await refused(client, babs, operation) == "noTarget"

    @pytest.mark.parametrize("name", ["userName", "USERNAME", f"{USER}:userName"])
    async def test_a_required_attribute_stays(self, client: Client, babs: Json, name: str) -> None:
        assert await refused(client, babs, remove("displayName"), remove(name)) == "mutability"


class TestReplace:
    """Section 3.5.2.3."""

    async def test_without_a_path_each_attribute_of_the_value_is_replaced(self, client: Client, babs: Json) -> None:
        after = await patched(
            client, babs, {"op": "replace", "value": {"emails": [HOME], "nickname": "Babs", "active": False}}
        )
        assert (after["emails"], after["nickName"], after["active"]) == ([HOME], "Babs", False)
        assert after["displayName"] == "Babs"

    async def test_an_absent_attribute_is_added(self, client: Client, babs: Json) -> None:
        assert (await patched(client, babs, replace("title", "Guide")))["title"] == "Guide"

    async def test_a_complex_attribute_keeps_what_the_value_leaves_out(self, client: Client, babs: Json) -> None:
        after = await patched(client, babs, replace("name", {"familyName": "Smith"}))
        assert after["name"] == {"familyName": "Smith", "givenName": "Barbara"}

    async def test_a_multi_valued_attribute_is_replaced_as_a_whole(self, client: Client, babs: Json) -> None:
        after = await patched(client, babs, replace("emails", [{"value": "x@y.org"}]))
        assert after["emails"] == [{"value": "x@y.org"}]

    async def test_the_elements_that_match_are_merged_with_the_value(self, client: Client, babs: Json) -> None:
        after = await patched(client, babs, replace('emails[type eq "work"]', {"value": "x@y.org", "display": "X"}))
        assert after["emails"] == [{**WORK, "value": "x@y.org", "display": "X"}, HOME]

    async def test_a_sub_attribute_of_each_match_is_replaced(self, client: Client) -> None:
        both = await client.user(emails=[{"value": "a@x", "type": "work"}, {"value": "b@x", "type": "work"}, HOME])
        after = await patched(client, both, replace('emails[type eq "work"].display', "Office"))
        assert [item.get("display") for item in after["emails"]] == ["Office", "Office", None]

    async def test_a_filtered_path_without_a_match_creates_the_element(self, client: Client, babs: Json) -> None:
        after = await patched(client, babs, replace('phoneNumbers[type eq "mobile"].value', "555-0100"))
        assert after["phoneNumbers"] == [{"value": "555-0100", "type": "mobile"}]

    async def test_three_operations_on_one_role_make_one_role(self, client: Client, babs: Json) -> None:
        after = await patched(
            client,
            babs,
            replace('roles[primary eq "True"].display', "Administrators"),
            replace('roles[primary eq "True"].type', "App"),
            replace('roles[primary eq "True"].value', "admin"),
        )
        role = {"value": "admin", "display": "Administrators", "type": "App", "primary": True}
        assert after["roles"] == [role]
        again = await patched(client, babs, replace('roles[primary eq "True"].value', "reader"))
        assert again["roles"] == [{**role, "value": "reader"}]

    @pytest.mark.parametrize(
        "condition", ['type ne "work"', 'value co "x"', "display pr", 'type eq "x" or type eq "y"', 'not (type eq "x")']
    )
    async def test_a_filter_that_describes_no_element_and_matches_none_has_no_target(
        self, client: Client, condition: str
    ) -> None:
        pat = await client.user()
        assert await refused(client, pat, replace(f"emails[{condition}].value", "x@y.org")) == "noTarget"

    @pytest.mark.parametrize("nothing", [None, "", [], [None]])
    @pytest.mark.parametrize(
        "name", ["displayName", "name", "emails", "name.givenName", "manager", f"{ENTERPRISE}:manager"]
    )
    async def test_nothing_clears_the_attribute(self, client: Client, babs: Json, name: str, nothing: Any) -> None:
        after = await patched(client, babs, replace(name, nothing))
        holder = after.get(ENTERPRISE, {}) if "manager" in name else after
        names = name.removeprefix(f"{ENTERPRISE}:").split(".")
        assert names[-1] not in (holder.get("name", {}) if len(names) > 1 else holder)

    @pytest.mark.parametrize("nothing", [None, "", [], [None]])
    @pytest.mark.parametrize("op", ["replace", "add"])
    async def test_nothing_removes_the_elements_that_match(
        self, client: Client, babs: Json, op: str, nothing: Any
    ) -> None:
        after = await patched(client, babs, {"op": op, "path": 'emails[type eq "work"]', "value": nothing})
        assert after["emails"] == [HOME]

    @pytest.mark.parametrize("nothing", [None, ""])
    async def test_an_element_without_its_value_is_gone(self, client: Client, babs: Json, nothing: Any) -> None:
        after = await patched(client, babs, replace('emails[type eq "work"].value', nothing))
        assert after["emails"] == [HOME]

    @pytest.mark.parametrize("nothing", [None, ""])
    async def test_clearing_what_is_not_there_changes_nothing(self, client: Client, babs: Json, nothing: Any) -> None:
        operations = [
            replace("title", nothing),
            replace('emails[type eq "other"].value', nothing),
            replace('addresses[type eq "home"].formatted', nothing),
            replace('roles[primary eq "True"].value', nothing),
            replace("name.middleName", nothing),
            replace(f"{GLOBAL_RELAY}:extensionAttribute1", nothing),
        ]
        assert await patched(client, babs, *operations) == babs

    @pytest.mark.parametrize("nothing", [None, "", [], [None]])
    @pytest.mark.parametrize("op", ["replace", "add"])
    async def test_a_required_attribute_stays(self, client: Client, babs: Json, op: str, nothing: Any) -> None:
        operation = {"op": op, "path": "userName", "value": nothing}
        assert await refused(client, babs, replace("title", "x"), operation) == "mutability"
        assert await refused(client, babs, {"op": op, "value": {"title": "x", "userName": nothing}}) == "mutability"

    async def test_white_space_is_no_user_name(self, client: Client, babs: Json) -> None:
        assert await refused(client, babs, replace("userName", "  ")) == "invalidValue"

    async def test_a_value_is_required(self, client: Client, babs: Json) -> None:
        assert await refused(client, babs, {"op": "replace", "path": "title"}) == "invalidValue"
        assert await refused(client, babs, {"op": "replace"}) == "invalidValue"


class TestPaths:
    """The path of an operation, and the keys of a value without one."""

    @pytest.mark.parametrize(
        "name",
        [
            "name.givenName",
            "NAME.GIVENNAME",
            "Name.givenname",
            f"{USER}:name.givenName",
            f"{USER.upper()}:NAME.GivenName",
        ],
    )
    @pytest.mark.parametrize("dialect", ["path", "key"])
    async def test_names_are_read_in_any_case(self, client: Client, babs: Json, name: str, dialect: str) -> None:
        operation = replace(name, "Bab") if dialect == "path" else {"op": "replace", "value": {name: "Bab"}}
        after = await patched(client, babs, operation)
        assert after["name"] == {"givenName": "Bab", "familyName": "Jensen"}
        assert after.keys() == babs.keys()

    @pytest.mark.parametrize(
        "name",
        [
            'emails[type eq "work"].value',
            'Emails[Type Eq "WORK"].Value',
            f'{USER}:emails[type eq "work"].value',
            'emails[type eq "work" and primary eq true].value',
            'emails[primary eq "True"].value',
            'emails[value eq "bjensen@example.com"].value',
            'emails[ type eq "work" ].value',
        ],
    )
    @pytest.mark.parametrize("dialect", ["path", "key"])
    async def test_a_value_path_selects_the_element(self, client: Client, babs: Json, name: str, dialect: str) -> None:
        operation = replace(name, "x@y.org") if dialect == "path" else {"op": "replace", "value": {name: "x@y.org"}}
        assert (await patched(client, babs, operation))["emails"] == [{**WORK, "value": "x@y.org"}, HOME]

    @pytest.mark.parametrize(
        "operation",
        [
            replace(f"{ENTERPRISE}:department", "Sales"),
            replace(f"{ENTERPRISE.upper()}:DEPARTMENT", "Sales"),
            replace("department", "Sales"),
            replace(f"{ENTERPRISE}.department", "Sales"),
            replace(ENTERPRISE, {"department": "Sales"}),
            add(ENTERPRISE, {"DEPARTMENT": "Sales"}),
            {"op": "replace", "value": {f"{ENTERPRISE}:department": "Sales"}},
            {"op": "replace", "value": {ENTERPRISE: {"department": "Sales"}}},
            {"op": "add", "value": {ENTERPRISE.lower(): {"Department": "Sales"}}},
        ],
    )
    async def test_an_extension_is_reached_in_every_way(self, client: Client, babs: Json, operation: Json) -> None:
        after = await patched(client, babs, operation)
        assert after[ENTERPRISE] == {**babs[ENTERPRISE], "department": "Sales"}

    async def test_an_extension_that_was_absent_joins_schemas(self, client: Client, babs: Json) -> None:
        after = await patched(client, babs, replace(f"{GLOBAL_RELAY}:proxyAddresses", "smtp:x"))
        assert after["schemas"] == [USER, ENTERPRISE, GLOBAL_RELAY]
        assert after[GLOBAL_RELAY] == {"proxyAddresses": "smtp:x"}

    @pytest.mark.parametrize(
        "name",
        [
            "shoeSize",
            "name.shoeSize",
            'emails[type eq "work"].shoeSize',
            f"{USER}:shoeSize",
            f"{ENTERPRISE}:shoeSize",
            f"{ENTERPRISE}:manager.shoeSize",
            "urn:ietf:params:scim:schemas:extension:Contoso:2.0:User:shoeSize",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0User:department",
            "shoeSize[type eq 1]",
            "displayName.value",
        ],
    )
    @pytest.mark.parametrize("op", ["add", "replace", "remove"])
    async def test_a_path_that_names_nothing_is_refused(self, client: Client, babs: Json, op: str, name: str) -> None:
        assert (
            await refused(client, babs, replace("title", "x"), {"op": op, "path": name, "value": "x"}) == "invalidPath"
        )

    async def test_the_refusal_names_the_path(self, client: Client, babs: Json) -> None:
        answer = await client.patch(path(babs), replace("shoeSize", "44"))
        assert "shoeSize" in answer.document["detail"]

    @pytest.mark.parametrize(
        "name",
        ["bogus[", "emails[type eq", "emails[type eq ].value", "a b", ".", "emails[].value", "name.", '"x"', "a.b.c"],
    )
    async def test_a_path_that_is_none_is_refused(self, client: Client, babs: Json, name: str) -> None:
        assert await refused(client, babs, replace("title", "x"), replace(name, "x")) == "invalidPath"

    @pytest.mark.parametrize("value", [5, True, ["title"], {"a": 1}, 1.5])
    async def test_a_path_must_be_text(self, client: Client, babs: Json, value: Any) -> None:
        assert await refused(client, babs, {"op": "replace", "path": value, "value": "x"}) == "invalidPath"

    @pytest.mark.parametrize(
        "name", ['name[givenName eq "x"]', 'title[value eq "x"]', 'name[givenName eq "x"].familyName']
    )
    async def test_a_single_value_has_no_elements_to_select(self, client: Client, babs: Json, name: str) -> None:
        assert await refused(client, babs, replace(name, {"familyName": "x"})) in ("invalidFilter", "invalidPath")

    async def test_a_filter_on_a_sub_attribute_nothing_declares_is_refused(self, client: Client, babs: Json) -> None:
        kind = await refused(client, babs, replace('emails[shoeSize eq "44"].value', "x"))
        assert kind in ("invalidFilter", "invalidPath")

    async def test_a_value_may_not_contradict_its_filter(self, client: Client) -> None:
        pat = await client.user()
        assert await refused(client, pat, replace('emails[type eq "work"].type', "home")) == "invalidValue"

    @pytest.mark.parametrize(
        "operation",
        [
            replace("name", {"shoeSize": 44}),
            replace('emails[type eq "work"]', {"shoeSize": 44}),
            replace("manager", {"displayName": "Boss", "$ref": "https://x"}),
            add("name", {"shoeSize": 44}),
            add("emails", [{"shoeSize": 44}]),
            replace(ENTERPRISE, {"manager": {"displayName": "Boss"}, "shoeSize": 44}),
            remove("emails", value=[{"shoeSize": 44}]),
        ],
    )
    async def test_an_object_of_nothing_that_can_be_written_changes_nothing(
        self, client: Client, babs: Json, operation: Json
    ) -> None:
        assert await patched(client, babs, operation) == babs

    async def test_keys_that_nothing_declares_are_ignored(self, client: Client, babs: Json) -> None:
        value = {"shoeSize": 44, "name.shoeSize": 44, "title": "x", "schemas": [], f"{ENTERPRISE}:shoeSize": 1}
        value |= {ENTERPRISE: {"shoeSize": 44}, "name": {"shoeSize": 44}}
        after = await patched(client, babs, {"op": "replace", "value": value})
        assert after == {**babs, "title": "x", "meta": after["meta"]}


class TestOperations:
    """The message: op, Operations, and that all are applied or none is."""

    @pytest.mark.parametrize("op", ["add", "Add", "ADD", "replace", "Replace", "rEPLACE"])
    async def test_op_is_read_in_any_case(self, client: Client, babs: Json, op: str) -> None:
        assert (await patched(client, babs, {"op": op, "path": "title", "value": "x"}))["title"] == "x"

    @pytest.mark.parametrize("op", ["move", "", None, 5, ["add"], {"op": "add"}, "add "])
    async def test_an_unknown_op_is_refused(self, client: Client, babs: Json, op: Any) -> None:
        operation = {"op": op, "path": "title", "value": "x"}
        assert await refused(client, babs, replace("title", "y"), operation) == "invalidSyntax"

    async def test_an_operation_without_op_is_refused(self, client: Client, babs: Json) -> None:
        assert await refused(client, babs, {"path": "title", "value": "x"}) == "invalidSyntax"

    @pytest.mark.parametrize("operation", ["add", 5, None, [], ["add"]])
    async def test_an_operation_must_be_an_object(self, client: Client, babs: Json, operation: Any) -> None:
        assert await refused(client, babs, replace("title", "y"), operation) == "invalidSyntax"

    @pytest.mark.parametrize("operations", [None, {}, "add", 5, replace("title", "x")])
    async def test_operations_must_be_an_array(self, client: Client, babs: Json, operations: Any) -> None:
        answer = await client.send("PATCH", path(babs), {"schemas": [PATCH_OP], "Operations": operations})
        assert (answer.status, answer.document["scimType"]) == (400, "invalidSyntax")

    @pytest.mark.parametrize("body", [[], [replace("title", "x")], "Operations", 5, None, True])
    async def test_the_body_must_be_an_object(self, client: Client, babs: Json, body: Any) -> None:
        answer = await client.send("PATCH", path(babs), b"null" if body is None else body)
        assert (answer.status, answer.document["scimType"]) == (400, "invalidSyntax")

    @pytest.mark.parametrize(
        "body",
        [
            {"Operations": [replace("title", "x")]},
            {"operations": [replace("title", "x")], "schemas": []},
            {
                "schemas": [PATCH_OP],
                "Operations": [{"name": "x", "OP": "Replace", "Path": "title", "Value": "x"}],
                "id": "1",
            },
        ],
    )
    async def test_what_else_the_message_holds_or_lacks_does_not_matter(
        self, client: Client, babs: Json, body: Json
    ) -> None:
        answer = await client.send("PATCH", path(babs), body)
        assert (answer.status, answer.document["title"]) == (200, "x")

    async def test_no_operations_change_nothing(self, client: Client, clock: Clock, babs: Json) -> None:
        clock.advance(hours=1)
        assert await patched(client, babs) == babs

    async def test_operations_are_applied_in_order(self, client: Client, babs: Json) -> None:
        after = await patched(
            client,
            babs,
            remove("displayName"),
            add("displayName", "one"),
            replace("displayName", "two"),
            remove("emails"),
            add("emails", [HOME]),
            replace('emails[type eq "home"].value', "last@x"),
        )
        assert (after["displayName"], after["emails"]) == ("two", [{**HOME, "value": "last@x"}])

    @pytest.mark.parametrize(
        ("broken", "kind"),
        [
            (replace("shoeSize", 44), "invalidPath"),
            (replace("active", "perhaps"), "invalidValue"),
            (replace("displayName", 5), "invalidValue"),
            (replace("displayName", ["a", "b"]), "invalidValue"),
            (replace("displayName", {"a": "b"}), "invalidValue"),
            (replace("emails", [5]), "invalidValue"),
            (replace(ENTERPRISE, "x"), "invalidValue"),
            (add(USER, ["x"]), "invalidValue"),
            ({"op": "add", "value": ["x"]}, "invalidValue"),
            (replace("name", "Barbara"), "invalidValue"),
            (replace("emails", [{"value": ["x"], "type": {"y": 1}}]), "invalidValue"),
            (add("emails", [{"value": "a", "primary": True}, {"value": "b", "primary": True}]), "invalidValue"),
            (remove("userName"), "mutability"),
            ({"op": "remove"}, "noTarget"),
        ],
    )
    async def test_one_refused_operation_leaves_all_as_it_was(
        self, client: Client, storage: TableStorage, babs: Json, broken: Json, kind: str
    ) -> None:
        [before] = await storage.read("default", "User", [babs["id"]])
        fine = [replace("nickName", "N"), add("emails", [{"value": "x@y"}]), replace("userName", "other")]
        assert await refused(client, babs, *fine, broken) == kind
        assert await refused(client, babs, broken, *fine) == kind
        assert await storage.read("default", "User", [babs["id"]]) == [before]
        assert await client.names('userName eq "other"') == []
        assert await client.names('emails eq "x@y"') == []

    async def test_an_unknown_resource_is_not_found(self, client: Client, babs: Json) -> None:
        await client.delete(path(babs))
        for url in (path(babs), "/Users/x", "/Groups/018f0000-0000-7000-8000-000000000000"):
            assert (await client.patch(url, replace("displayName", "x"))).status == 404

    async def test_a_change_moves_last_modified_and_version(self, client: Client, clock: Clock, babs: Json) -> None:
        clock.advance(hours=1)
        after = await patched(client, babs, replace("title", "x"))
        assert after["meta"]["lastModified"] > babs["meta"]["lastModified"]
        assert after["meta"]["version"] != babs["meta"]["version"]
        assert without(after["meta"], "lastModified", "version") == without(babs["meta"], "lastModified", "version")

    async def test_operations_that_undo_each_other_change_nothing(self, client: Client, babs: Json) -> None:
        operations = [replace("displayName", "x"), replace("displayName", "Babs"), add("title", "x"), remove("title")]
        assert await patched(client, babs, *operations) == babs


class TestMutability:
    """What only the service provider assigns is never taken from a client. A path that names it is a mistake."""

    @pytest.mark.parametrize(
        "operation",
        [
            replace("id", "x"),
            replace("meta.created", "2001-01-01T00:00:00Z"),
            replace("meta", {"version": "x"}),
            replace("schemas", []),
            remove("id"),
            remove("schemas"),
            {"op": "replace", "value": {"id": "x", "meta": {}, "groups": [], "schemas": ["x"]}},
            {"op": "add", "value": {f"{ENTERPRISE}:manager.displayName": "Boss"}},
            replace(f"{ENTERPRISE}:manager.$ref", "https://x"),
        ],
    )
    async def test_read_only_attributes_are_left_alone(self, client: Client, babs: Json, operation: Json) -> None:
        assert await patched(client, babs, operation) == babs
        assert (await patched(client, babs, operation, replace("title", "x")))["title"] == "x"

    @pytest.mark.parametrize(
        "operation",
        [
            remove("groups"),
            add("groups", [{"value": "x"}]),
            replace('groups[value eq "x"].display', "y"),
            replace(f"{ENTERPRISE}:manager.displayName", "Boss"),
        ],
    )
    async def test_a_path_that_is_read_only_is_refused(self, client: Client, babs: Json, operation: Json) -> None:
        assert await refused(client, babs, operation) == "mutability"

    async def test_a_password_is_dropped(self, client: Client, storage: TableStorage, babs: Json) -> None:
        after = await patched(
            client, babs, replace("password", "t0pSecret"), {"op": "replace", "value": {"password": "t0pSecret"}}
        )
        assert after == babs
        [stored] = await storage.read("default", "User", [babs["id"]])
        assert "t0pSecret" not in str(stored)


class TestManager:
    """The shapes in which clients send a reference."""

    @pytest.mark.parametrize(
        "value",
        ["42", {"value": "42"}, [{"$ref": "http://x/Users/42", "value": "42"}], ["42"], {"Value": "42"}],
    )
    @pytest.mark.parametrize("name", ["manager", f"{ENTERPRISE}:manager", f"{ENTERPRISE}.manager"])
    @pytest.mark.parametrize("op", ["add", "replace"])
    async def test_a_manager_is_named_in_every_way(
        self, client: Client, babs: Json, op: str, name: str, value: Any
    ) -> None:
        after = await patched(client, babs, {"op": op, "path": name, "value": value})
        assert after[ENTERPRISE]["manager"] == {"value": "42"}

    async def test_a_manager_sent_again_changes_nothing(self, client: Client, babs: Json) -> None:
        assert await patched(client, babs, add("manager", "26118915")) == babs

    @pytest.mark.parametrize(
        "operation",
        [
            replace("manager", ""),
            replace("manager", {"value": ""}),
            remove("manager"),
            remove(f"{ENTERPRISE}:manager.value"),
        ],
    )
    async def test_a_manager_is_removed_in_every_way(self, client: Client, babs: Json, operation: Json) -> None:
        after = await patched(client, babs, operation)
        assert after[ENTERPRISE] == {"department": "Tours", "costCenter": "4130"}

    async def test_a_manager_that_is_a_user_here_is_referred_to(self, client: Client, babs: Json) -> None:
        boss = await client.user("boss")
        after = await patched(client, babs, add("manager", boss["id"]))
        assert after[ENTERPRISE]["manager"] == {"value": boss["id"], "$ref": boss["meta"]["location"]}


class TestShapes:
    """Value shapes of lenient clients."""

    @pytest.mark.parametrize("value", ["False", "false", "FALSE", False, ["False"], {"value": "False"}])
    async def test_text_is_read_as_a_boolean(self, client: Client, babs: Json, value: Any) -> None:
        assert (await patched(client, babs, replace("active", value)))["active"] is False

    @pytest.mark.parametrize("value", [["X"], {"value": "X"}, [{"$ref": None, "value": "X"}]])
    async def test_one_value_in_an_array_or_object_is_unwrapped(self, client: Client, babs: Json, value: Any) -> None:
        assert (await patched(client, babs, replace("displayName", value)))["displayName"] == "X"

    async def test_an_app_role_as_json_text_becomes_a_role(self, client: Client, babs: Json) -> None:
        text = '{"id":"06b07648-ecfe-589f-9d2f-6325724a46ee","value":"Admin","displayName":"Administrator"}'
        after = await patched(client, babs, add("roles", [{"value": text}]))
        assert after["roles"] == [{"value": "Admin", "display": "Administrator"}]

    @pytest.mark.parametrize(
        "text", ["{", "{}", '{"a": 1}', "[1]", '{"value"', '{"value": NaN}', '{"value": 1, "value": 2}', "{value: 1}"]
    )
    async def test_text_that_is_no_app_role_is_kept(self, client: Client, babs: Json, text: str) -> None:
        assert (await patched(client, babs, add("roles", [{"value": text}])))["roles"] == [{"value": text}]

    async def test_display_name_of_an_element_is_its_display(self, client: Client, babs: Json) -> None:
        after = await patched(client, babs, add("roles", [{"value": "a", "displayName": "A", "id": "1"}]))
        assert after["roles"] == [{"value": "a", "display": "A"}]

    async def test_text_is_kept_exactly(self, client: Client, babs: Json) -> None:
        text = "  Łukasz\u00a0\u0301 \t\n\x00\x1f\u2028 <b>&amp;</b> 'x' \"y\" \\ 😀  "
        after = await patched(client, babs, replace("displayName", text), replace("timezone", "XKQZ/nowhere"))
        assert (after["displayName"], after["timezone"]) == (text, "XKQZ/nowhere")


class TestUniqueness:
    async def test_a_taken_user_name_is_refused_and_nothing_changes(self, client: Client, babs: Json) -> None:
        await client.user("Taken")
        answer = await client.patch(path(babs), replace("title", "x"), replace("userName", "tAKEN"))
        assert (answer.status, answer.document["scimType"]) == (409, "uniqueness")
        assert await client.document(babs) == babs

    async def test_a_rename_frees_the_old_name(self, client: Client, babs: Json) -> None:
        await patched(client, babs, replace("userName", "new"))
        assert await client.names('userName eq "bjensen@example.com"') == []
        assert await client.names('userName eq "NEW"') == ["new"]
        assert (await client.user("bjensen@example.com"))["id"] != babs["id"]

    async def test_the_own_name_in_another_case_is_no_conflict(self, client: Client, babs: Json) -> None:
        assert (await patched(client, babs, replace("userName", "BJensen@Example.COM")))[
            "userName"
        ] == "BJensen@Example.COM"

    async def test_values_are_found_by_their_new_form_only(self, client: Client, babs: Json) -> None:
        await patched(
            client,
            babs,
            replace("externalId", "new"),
            replace("displayName", "new"),
            replace('emails[type eq "work"].value', "new"),
        )
        for attribute, old in (("externalId", "701984"), ("displayName", "Babs"), ("emails", WORK["value"])):
            assert await client.names(f'{attribute} eq "{old}"') == []
            assert await client.names(f'{attribute} eq "new"') == ["bjensen@example.com"]


class TestGroups:
    @pytest.fixture
    async def people(self, client: Client) -> list[Json]:
        return [await client.user(f"user{number}") for number in range(4)]

    @pytest.fixture
    async def group(self, client: Client, people: list[Json]) -> Json:
        return await client.group("Group", *people[:2])

    async def after(self, client: Client, group: Json, *operations: Json) -> list[str]:
        """The member ids after a PATCH, which must answer 204 with the version the group then has."""
        answer = await client.patch(path(group), *operations)
        assert answer.status == 204, answer.document
        now = await client.get(path(group))
        assert answer.headers["etag"] == now.headers["etag"]
        return member_ids(now.document)

    @pytest.mark.parametrize(
        "operation",
        [
            {"op": "Add", "path": "members", "value": [{"$ref": None, "value": "{2}"}]},
            {"op": "add", "path": "members", "value": {"value": "{2}"}},
            {"op": "add", "path": "members", "value": "{2}"},
            {"op": "add", "path": "members", "value": ["{2}"]},
            {
                "op": "add",
                "path": "members",
                "value": [{"displayName": "x", "value": "{2}", "display": "y"}],
                "name": "z",
            },
            {"op": "add", "path": "MEMBERS", "value": [{"VALUE": "{2}", "type": "User"}]},
            {"op": "add", "path": f"{GROUP}:members", "value": [{"value": "{2}"}]},
            {"op": "add", "value": {"members": [{"value": "{2}"}]}},
            {"op": "add", "value": {"Members": [{"value": "{2}"}, {"value": "{0}"}]}},
            {"op": "add", "path": 'members[value eq "{2}"]', "value": {"value": "{2}"}},
            {"op": "replace", "path": "members", "value": [{"value": "{0}"}, {"value": "{1}"}, {"value": "{2}"}]},
            {"op": "replace", "value": {"members": [{"value": "{0}"}, {"value": "{1}"}, {"value": "{2}"}]}},
            {"op": "add", "path": "members", "value": [{"value": "{2}"}, {"value": "no-such-user"}]},
            {
                "op": "add",
                "path": "members",
                "value": [{"value": "018f0000-0000-7000-8000-000000000000"}, {"value": "{2}"}],
            },
            {"op": "add", "path": "members", "value": [{"value": "{2}", "type": "Group"}]},
        ],
    )
    async def test_a_member_is_added(self, client: Client, group: Json, people: list[Json], operation: Json) -> None:
        expected = [item["id"] for item in people[:3]]
        assert await self.after(client, group, _filled(operation, people)) == expected
        assert await self.after(client, group, _filled(operation, people)) == expected
        [found] = await client.found("/Groups", f'members eq "{people[2]["id"]}"')
        assert member_ids(found) == expected

    @pytest.mark.parametrize(
        "operation",
        [
            {"op": "Remove", "path": "members", "value": [{"$ref": None, "value": "{1}"}]},
            {"op": "remove", "path": "members", "value": [{"value": "{1}"}, {"value": "{3}"}]},
            {"op": "remove", "path": "members", "value": "{1}"},
            {"op": "remove", "path": "members", "value": {"value": "{1}", "type": "User", "display": "x"}},
            {"op": "remove", "path": 'members[value eq "{1}"]'},
            {"op": "remove", "path": f'{GROUP}:members[value eq "{{1}}"]'},
            {"op": "remove", "path": 'members[value eq "{1}" or value eq "{3}"]'},
            {"op": "remove", "path": 'members[value ne "{0}"]'},
            {"op": "remove", "path": 'members[type eq "User" and value eq "{1}"]'},
            {"op": "remove", "path": 'members[not (value eq "{0}")]'},
            {"op": "replace", "path": "members", "value": [{"value": "{0}"}]},
            {"op": "replace", "path": 'members[value eq "{1}"]', "value": None},
            {"op": "replace", "path": 'members[value eq "{1}"]', "value": ""},
        ],
    )
    async def test_a_member_is_removed(self, client: Client, group: Json, people: list[Json], operation: Json) -> None:
        expected = [people[0]["id"]]
        assert await self.after(client, group, _filled(operation, people)) == expected
        assert await self.after(client, group, _filled(operation, people)) == expected

    @pytest.mark.parametrize(
        "operation",
        [
            {"op": "remove", "path": "members"},
            {"op": "replace", "path": "members", "value": []},
            {"op": "replace", "path": "members", "value": None},
            {"op": "replace", "value": {"members": []}},
            {"op": "remove", "path": "members[value pr]"},
            {"op": "remove", "path": 'members[type eq "User"]'},
        ],
    )
    async def test_all_members_are_removed(self, client: Client, group: Json, operation: Json) -> None:
        assert await self.after(client, group, operation) == []

    @pytest.mark.parametrize(
        "operation",
        [
            {"op": "add", "path": "members", "value": []},
            {"op": "add", "path": "members", "value": None},
            {"op": "add", "path": "members", "value": ""},
            {"op": "add", "path": "members", "value": [None, {"display": "x"}]},
            {"op": "add", "value": {"members": None}},
            {"op": "add", "path": "members", "value": [{"value": "{0}"}, {"value": "{1}"}]},
            {"op": "add", "path": "members", "value": [{"value": "unknown"}]},
            {"op": "remove", "path": "members", "value": []},
            {"op": "remove", "path": "members", "value": ""},
            {"op": "remove", "path": "members", "value": [{"value": "{3}"}]},
            {"op": "remove", "path": 'members[value eq "{3}"]'},
            {"op": "remove", "path": 'members[type eq "Group"]'},
            {"op": "replace", "path": "members", "value": [{"value": "{1}"}, {"value": "{0}"}, {"value": "{1}"}]},
            {"op": "replace", "path": 'members[value eq "{0}"].display', "value": "Nobody"},
            {"op": "replace", "path": "displayName", "value": "Group"},
        ],
    )
    async def test_nothing_changes(
        self, client: Client, clock: Clock, group: Json, people: list[Json], operation: Json
    ) -> None:
        clock.advance(hours=1)
        before = await client.document(group)
        await self.after(client, group, _filled(operation, people))
        assert await client.document(group) == before

    async def test_operations_on_members_are_applied_in_order(
        self, client: Client, group: Json, people: list[Json]
    ) -> None:
        a, b, c, d = (item["id"] for item in people)

        def one(op: str, member_id: str) -> Json:
            return {"op": op, "path": "members", "value": [{"value": member_id}]}

        assert await self.after(client, group, one("add", c), one("remove", c), one("add", d)) == [a, b, d]
        assert await self.after(client, group, one("remove", a), one("add", a)) == [a, b, d]
        assert await self.after(client, group, remove("members"), one("add", c)) == [c]
        assert await self.after(client, group, one("add", a), one("replace", b), one("add", d)) == [b, d]
        assert await self.after(client, group, one("add", a), remove('members[type eq "User"]'), one("add", c)) == [c]
        assert await self.after(client, group, remove("members[value pr]"), one("add", c)) == [c]

    async def test_members_and_attributes_change_together(
        self, client: Client, group: Json, people: list[Json]
    ) -> None:
        operations = [replace("displayName", "New"), add("members", references(people[2])), replace("externalId", "e")]
        assert await self.after(client, group, *operations) == [item["id"] for item in people[:3]]
        [found] = await client.found("/Groups", 'displayName eq "new"')
        assert found["externalId"] == "e"

    @pytest.mark.parametrize(
        ("operation", "kind"),
        [
            (add("members", [{"value": 5}]), "invalidValue"),
            (add("members", [5]), "invalidValue"),
            (replace("members", [{"type": "User"}]), "invalidValue"),
            (add("members", ["{group}"]), "invalidValue"),
            (add('members[type eq "User"]', {"value": "{2}"}), "invalidFilter"),
            (replace('members[value eq "{0}"]', {"value": "{2}"}), "mutability"),
            (replace('members[value eq "{0}"].value', "{2}"), "mutability"),
            (remove("members[value eq]"), "invalidPath"),
            (remove("members.shoeSize"), "invalidPath"),
            (remove("displayName"), "mutability"),
            (replace("displayName", ""), "mutability"),
            (replace("shoeSize", 1), "invalidPath"),
        ],
    )
    async def test_one_refused_operation_leaves_all_as_it_was(
        self, client: Client, group: Json, people: list[Json], operation: Json, kind: str
    ) -> None:
        before = [await client.document(item) for item in (group, *people)]
        fine = add("members", references(people[2], people[3]))
        broken = _filled(operation, people, group=group)
        assert await refused(client, group, fine, replace("displayName", "New"), broken) == kind
        assert [await client.document(item) for item in (group, *people)] == before

    async def test_a_value_at_a_schema_that_is_no_object_is_refused_by_the_schemas_name(
        self, client: Client, group: Json
    ) -> None:
        answer = await client.patch(path(group), add(GROUP, "text"))
        assert (answer.status, answer.document["scimType"]) == (400, "invalidValue")
        assert sentence(answer).endswith(f": The value for {GROUP} must be an object of its attributes.")

    async def test_a_taken_name_is_refused_and_no_member_joins(
        self, client: Client, group: Json, people: list[Json]
    ) -> None:
        await client.group("Taken")
        operations = [add("members", references(people[3])), replace("displayName", "TAKEN")]
        answer = await client.patch(path(group), *operations)
        assert (answer.status, answer.document["scimType"]) == (409, "uniqueness")
        assert await client.document(group) == await client.document(group)
        assert member_ids(await client.document(group)) == [item["id"] for item in people[:2]]

    async def test_groups_may_be_members(self, client: Client, group: Json, people: list[Json]) -> None:
        inner = await client.group("Inner", people[3])
        await self.after(client, group, add("members", references(inner)))
        document = await client.document(group)
        assert document["members"][-1] == {"value": inner["id"], "$ref": inner["meta"]["location"], "type": "Group"}
        expected = [item["id"] for item in people[:2]]
        assert await self.after(client, group, remove('members[type eq "Group"]')) == expected

    async def test_members_are_many(self, client: Client, group: Json) -> None:
        many = [await client.user(f"many{number}") for number in range(250)]
        assert len(await self.after(client, group, add("members", references(*many)))) == 252
        assert len(await self.after(client, group, remove("members", value=references(*many[:200])))) == 52

    async def test_named_attributes_are_answered_with_200(
        self, client: Client, group: Json, people: list[Json]
    ) -> None:
        answer = await client.patch(
            f"{path(group)}?attributes=displayName", add("members", references(people[2])), replace("displayName", "N")
        )
        assert answer.status == 200
        assert answer.document == {"schemas": [GROUP], "id": group["id"], "displayName": "N"}
        excluded = await client.patch(f"{path(group)}?excludedAttributes=members,meta", replace("displayName", "M"))
        assert excluded.document == {"schemas": [GROUP], "id": group["id"], "displayName": "M"}


def _filled(template: Any, people: list[Json], group: Json | None = None) -> Any:
    """The template with {0}, {1} ... as the ids of these people, and {group} as that of the group."""
    if isinstance(template, str):
        for number, person in enumerate(people):
            template = template.replace(f"{{{number}}}", person["id"])
        return template.replace("{group}", group["id"]) if group else template
    if isinstance(template, list):
        return [_filled(item, people, group) for item in template]
    if isinstance(template, dict):
        return {name: _filled(item, people, group) for name, item in template.items()}
    return template
