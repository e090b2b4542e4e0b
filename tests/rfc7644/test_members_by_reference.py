"""Members, managers and groups are named by ids, which clients write in several ways. What is no id empties nothing.

RFC 7643 sections 2.3.7, 2.4 and 4.2; RFC 7644 section 3.5.2.
"""

import json
import logging
from typing import Any

import pytest

from scim_core.model import Json, StoredResource
from tests.memory_rows import memory_storage
from tests.scim import (
    BASE,
    ENTERPRISE,
    USER,
    Client,
    Clock,
    add,
    endpoint_over,
    member_ids,
    path,
    references,
    remove,
    replace,
)

NO_ID = "someone@example.com"
UNKNOWN = "018f0000-0000-7000-8000-000000000000"


@pytest.fixture
def client() -> Client:
    return Client(endpoint_over(memory_storage(), Clock()))


@pytest.fixture
async def people(client: Client) -> list[Json]:
    return [await client.user(f"user{number}") for number in range(3)]


@pytest.fixture
async def group(client: Client, people: list[Json]) -> Json:
    """A group of the first two people."""
    return await client.group("group", *people[:2])


def ways(resource: Json) -> dict[str, Json]:
    """The ways to name a member or a manager."""
    identifier, location = resource["id"], resource["meta"]["location"]
    return {
        "its id": {"value": identifier},
        "its id in upper case": {"value": identifier.upper()},
        "its location": {"value": location},
        "the location in upper case": {"value": location.upper()},
        "a location on another host": {"value": f"https://proxy.example.org/x/Users/{identifier}/"},
        "a relative location": {"value": f"../Users/{identifier}"},
        "its $ref alone": {"$ref": location},
        "its $ref, and no value": {"value": None, "$ref": location},
        "its relative $ref": {"$ref": f"Users/{identifier}"},
    }


WAYS = list(ways({"id": "", "meta": {"location": ""}}))

NO_MEMBERS: dict[str, Any] = {
    "addresses": [{"value": NO_ID}, {"value": "https://example.com/Users/tom"}],
    "a bare text": NO_ID,
    "broken JSON": '[{"value": "x"}',
    "an empty id": [{"value": ""}],
    "an empty object": [{}],
    "null": [None],
    "an id within a text": [{"value": f"x{UNKNOWN}"}],
    "a location of another type": [{"value": f"https://example.com/Devices/{UNKNOWN}"}],
}


@pytest.mark.parametrize("value", NO_MEMBERS.values(), ids=NO_MEMBERS)
async def test_replacing_members_by_what_can_be_no_id_is_refused(client: Client, group: Json, value: Any) -> None:
    renamed = replace("displayName", "renamed")
    for operation in (replace("members", value), {"op": "replace", "value": {"members": value}}):
        for operations in ([operation, renamed], [renamed, operation]):
            answer = await client.patch(path(group), *operations)
            assert (answer.status, answer.document["scimType"]) == (400, "invalidValue")
            assert "members" in answer.document["detail"]
    answer = await client.put(path(group), {"displayName": "group", "members": value})
    assert (answer.status, answer.document["scimType"]) == (400, "invalidValue")
    assert await client.document(group) == group


@pytest.mark.parametrize("value", NO_MEMBERS.values(), ids=NO_MEMBERS)
async def test_elsewhere_what_can_be_no_id_is_skipped_and_logged(
    client: Client, group: Json, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for operation in (add("members", value), remove("members", value=value)):
            assert (await client.patch(path(group), operation)).status == 204
            assert await client.document(group) == group
        assert "members" not in await client.group("created", members=value)
    assert "named by no id of ours" in caplog.text


@pytest.mark.parametrize("value", [[], None, ""])
async def test_an_empty_list_still_empties_the_group(client: Client, group: Json, value: Any) -> None:
    assert (await client.patch(path(group), replace("members", value))).status == 204
    assert "members" not in await client.document(group)
    await client.patch(path(group), add("members", references(await client.user("another"))))
    assert (await client.put(path(group), {"displayName": "group", "members": value})).status == 200
    assert "members" not in await client.document(group)


async def test_beside_a_good_id_what_can_be_no_id_is_skipped(client: Client, group: Json, people: list[Json]) -> None:
    both = [{"value": NO_ID}, *references(people[2])]
    assert (await client.patch(path(group), replace("members", both))).status == 204
    assert member_ids(await client.document(group)) == [people[2]["id"]]
    answer = await client.put(path(group), {"displayName": "group", "members": [*both, *references(people[0])]})
    assert member_ids(answer.document) == [people[0]["id"], people[2]["id"]]


async def test_unknown_ids_may_empty_the_group_and_are_logged_with_it(
    client: Client, group: Json, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert (await client.patch(path(group), replace("members", [{"value": UNKNOWN}]))).status == 204
    assert "members" not in await client.document(group)
    [record] = [item for item in caplog.records if item.getMessage().startswith("members that do not exist")]
    assert (record.__dict__["group"], record.__dict__["ids"]) == (group["id"], [UNKNOWN])


async def test_the_log_names_the_group_of_members_without_an_id_and_not_what_was_sent(
    client: Client, group: Json, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        await client.patch(path(group), remove("members", value=[{"value": NO_ID}]))
    [record] = [item for item in caplog.records if "no id of ours" in item.getMessage()]
    assert (record.__dict__["group"], record.__dict__["members"]) == (group["id"], 1)
    assert NO_ID not in str([item.__dict__ for item in caplog.records])


@pytest.mark.parametrize("way", WAYS)
async def test_a_member_is_named_in_any_of_these_ways(
    client: Client, group: Json, people: list[Json], way: str
) -> None:
    first, _, third = people
    assert (await client.patch(path(group), add("members", [ways(third)[way]]))).status == 204
    assert member_ids(await client.document(group)) == [item["id"] for item in people]
    assert (await client.patch(path(group), remove("members", value=[ways(first)[way]]))).status == 204
    assert member_ids(await client.document(group)) == [people[1]["id"], third["id"]]
    assert (await client.patch(path(group), replace("members", [ways(first)[way]]))).status == 204
    shown = await client.document(group)
    assert shown["members"] == [{"value": first["id"], "$ref": first["meta"]["location"], "type": "User"}]
    answer = await client.put(path(group), {"displayName": "group", "members": [ways(third)[way]]})
    assert member_ids(answer.document) == [third["id"]]
    assert member_ids(await client.group("other", members=[ways(third)[way]])) == [third["id"]]


async def test_a_group_is_a_member_by_its_location(client: Client, group: Json) -> None:
    for number, member in enumerate(({"value": group["meta"]["location"]}, {"$ref": group["meta"]["location"]})):
        outer = await client.group(f"outer {number}", members=[member])
        assert outer["members"] == [{"value": group["id"], "$ref": group["meta"]["location"], "type": "Group"}]
    answer = await client.patch(path(group), add("members", [{"$ref": group["meta"]["location"]}]))
    assert answer.status == 400


@pytest.mark.parametrize("way", WAYS)
async def test_a_manager_is_named_in_any_of_these_ways(client: Client, people: list[Json], way: str) -> None:
    boss, user, _ = people
    shown = {"value": boss["id"], "$ref": boss["meta"]["location"]}
    given = ways(boss)[way]
    assert (await client.user("created", manager=given))[ENTERPRISE]["manager"] == shown
    for operation in (
        add(f"{ENTERPRISE}:manager", given),
        replace("manager", given),
        {"op": "replace", "value": {f"{ENTERPRISE}:manager": given}},
        *(replace(f"manager.{name}", text) for name, text in given.items() if text),
    ):
        answer = await client.patch(path(user), operation)
        assert answer.document[ENTERPRISE]["manager"] == shown, operation
        await client.patch(path(user), remove("manager"))
    answer = await client.put(path(user), {"userName": "user1", ENTERPRISE: {"manager": given}})
    assert answer.document[ENTERPRISE]["manager"] == shown


@pytest.mark.parametrize(
    "text", ["tom", f"https://example.com/Groups/{UNKNOWN}", f"x {UNKNOWN}", '{"value": "x"', "[x]"]
)
async def test_a_manager_may_be_any_other_text(client: Client, people: list[Json], text: str) -> None:
    answer = await client.patch(path(people[0]), replace("manager", text))
    assert answer.document[ENTERPRISE]["manager"] == {"value": text}


@pytest.mark.parametrize(
    "value", ["", None, {"value": ""}, {"value": None}, {"value": "", "$ref": None}, '{"value":""}']
)
async def test_an_empty_manager_is_none(client: Client, people: list[Json], value: Any) -> None:
    await client.patch(path(people[0]), replace("manager", people[1]["id"]))
    answer = await client.patch(path(people[0]), replace("manager", value))
    assert (answer.status, ENTERPRISE in answer.document) == (200, False)


class TestJsonAsText:
    """SCIM-SDK sends the array or object of an operation as text."""

    @pytest.mark.parametrize("spaces", ["", " \n"])
    async def test_members_are_read(self, client: Client, group: Json, people: list[Json], spaces: str) -> None:
        third = spaces + json.dumps([{"value": people[2]["id"]}])
        for operation, left in (
            (add("members", third), people),
            (remove("members", value=json.dumps(references(people[0]))), people[1:]),
            (replace("members", third), people[2:]),
            ({"op": "add", "value": {"members": json.dumps({"value": people[0]["id"]})}}, [people[0], people[2]]),
        ):
            assert (await client.patch(path(group), operation)).status == 204
            assert member_ids(await client.document(group)) == [item["id"] for item in left]

    async def test_a_manager_is_read(self, client: Client, people: list[Json]) -> None:
        boss, user, _ = people
        for value in ({"value": boss["id"]}, [{"value": boss["id"]}], {"$ref": boss["meta"]["location"]}):
            answer = await client.patch(path(user), replace("manager", json.dumps(value)))
            assert answer.document[ENTERPRISE]["manager"]["value"] == boss["id"]
            await client.patch(path(user), remove("manager"))

    async def test_any_complex_attribute_is_read(self, client: Client) -> None:
        user = await client.user("u", name={"givenName": "G"}, emails=[{"value": "a@example.com", "type": "work"}])
        answer = await client.patch(
            path(user),
            replace("name", '{"familyName": "F"}'),
            add("emails", '[{"value": "b@example.com", "type": "home"}]'),
            replace('emails[type eq "work"]', '{"value": "c@example.com"}'),
            {"op": "add", "value": {"roles": '[{"value": "R"}]'}},
        )
        assert answer.document["name"] == {"givenName": "G", "familyName": "F"}
        assert answer.document["emails"] == [
            {"value": "c@example.com", "type": "work"},
            {"value": "b@example.com", "type": "home"},
        ]
        assert answer.document["roles"] == [{"value": "R"}]

    async def test_the_text_of_a_simple_attribute_stays(self, client: Client, people: list[Json]) -> None:
        text = '{"value": "x"}'
        answer = await client.patch(path(people[0]), replace("title", text), replace("manager.value", text))
        assert (answer.document["title"], answer.document[ENTERPRISE]["manager"]["value"]) == (text, text)

    @pytest.mark.parametrize("text", ['{"value": "x", "VALUE": "y"}', '{"value": "x", "value": "y"}'])
    async def test_a_name_that_is_given_twice_is_no_value(self, client: Client, people: list[Json], text: str) -> None:
        user = await client.document(people[0])
        answer = await client.patch(path(user), replace("name", text))
        assert answer.status == 400
        assert await client.document(user) == user


class TestPathFilters:
    """Members are matched as they are shown."""

    @pytest.mark.parametrize(
        ("condition", "left"),
        [
            ('value eq "{ID}"', [1]),
            ('VALUE eq "{ID}"', [1]),
            ('value eq "{location}"', [1]),
            ('$ref eq "{location}"', [1]),
            ('$ref eq "https://other.example.com/Users/{ID}"', [1]),
            ('$ref eq "{location}" or value eq "{id}"', [1]),
            ('value eq "{ID}" and type eq "User"', [1]),
            ('$ref eq "{location}" and type eq "User"', [1]),
            ('$ref eq "{location}" and type eq "Group"', [0, 1]),
            ('not (value eq "{ID}")', [0]),
            ('value ne "{ID}"', [0]),
            ('$ref ne "{location}"', [0]),
            ('$ref ew "/Users/{id}"', [1]),
            ('$ref sw "{base}/Users/"', []),
            ('$ref sw "{base}/Groups/"', [0, 1]),
            ("$ref pr", []),
            ('$ref eq "x"', [0, 1]),
            (f'value eq "{NO_ID}"', [0, 1]),
        ],
    )
    async def test_a_removal(
        self, client: Client, group: Json, people: list[Json], condition: str, left: list[int]
    ) -> None:
        first = people[0]
        filled = (
            condition.replace("{ID}", first["id"].upper())
            .replace("{id}", first["id"])
            .replace("{location}", first["meta"]["location"])
            .replace("{base}", BASE)
        )
        assert (await client.patch(path(group), remove(f"members[{filled}]"))).status == 204
        assert member_ids(await client.document(group)) == [people[number]["id"] for number in left]

    async def test_a_member_that_the_same_request_adds_is_matched(
        self, client: Client, group: Json, people: list[Json]
    ) -> None:
        third = people[2]
        condition = f'$ref ew "{third["id"]}"'
        await client.patch(path(group), add("members", references(third)), remove(f"members[{condition}]"))
        assert member_ids(await client.document(group)) == [item["id"] for item in people[:2]]

    async def test_a_member_that_a_filter_names_is_added(self, client: Client, group: Json, people: list[Json]) -> None:
        third = people[2]
        for operation in (
            add(f'members[value eq "{third["id"].upper()}"]', {"value": third["id"]}),
            add(f'members[value eq "{third["id"]}"]', {"value": third["meta"]["location"]}),
            replace(f'members[$ref eq "{third["meta"]["location"]}"]', {"$ref": third["meta"]["location"]}),
        ):
            assert (await client.patch(path(group), operation)).status == 204
            assert member_ids(await client.document(group)) == [item["id"] for item in people]
            await client.patch(path(group), remove("members", value=references(third)))


@pytest.mark.parametrize("named", ["{ID}", "{location}", "{id}"])
@pytest.mark.parametrize(
    "of",
    [
        ("/Groups", "members"),
        ("/Groups", "members.value"),
        ("/Groups", "members[value"),
        ("/Users", "id"),
        ("/Users", "urn:ietf:params:scim:schemas:core:2.0:User:id"),
        ("/Users", "manager"),
        ("/Users", "manager.value"),
        ("/Users", f"{ENTERPRISE}:manager.value"),
    ],
)
async def test_filters_find_by_an_id_in_upper_case_and_by_a_location(
    client: Client, group: Json, people: list[Json], of: tuple[str, str], named: str
) -> None:
    url, attribute = of
    first = people[0]
    await client.patch(path(people[1]), replace("manager", first["id"]))
    text = named.replace("{ID}", first["id"].upper()).replace("{id}", first["id"])
    text = text.replace("{location}", first["meta"]["location"])
    found = await client.found(url, f'{attribute} eq "{text}"{"]" if "[" in attribute else ""}')
    expected = group if url == "/Groups" else first if attribute.endswith("id") else people[1]
    assert [item["id"] for item in found] == [expected["id"]]


async def test_users_are_found_by_a_group_in_upper_case(client: Client, group: Json, people: list[Json]) -> None:
    for named in (group["id"].upper(), group["meta"]["location"]):
        for text in (f'groups.value eq "{named}"', f'groups eq "{named}"', f'groups[value eq "{named}"]'):
            found = await client.found("/Users", text)
            assert sorted(item["id"] for item in found) == [item["id"] for item in people[:2]], text
        others = await client.found("/Users", f'groups.value ne "{named}"')
        assert [item["id"] for item in others] == [people[2]["id"]]


async def test_a_manager_that_an_older_version_stored_as_it_was_sent_is_found_by_that() -> None:
    storage = memory_storage()
    client = Client(endpoint_over(storage, Clock()))
    old, text, instant = UNKNOWN, UNKNOWN.upper(), "2026-01-01T00:00:00.000000Z"
    document: Json = {
        "schemas": [USER, ENTERPRISE],
        "id": old,
        "userName": "tom",
        ENTERPRISE: {"manager": {"value": text}},
    }
    await storage.create("default", StoredResource("User", old, document, instant, instant, "1"), ())
    for found in (f'manager eq "{text}"', f'manager.VALUE eq "{text}"', f'{ENTERPRISE}:manager eq "{text}"'):
        assert await client.names(found) == ["tom"]
        assert await client.names(found.replace(" eq ", " ne ")) == []
