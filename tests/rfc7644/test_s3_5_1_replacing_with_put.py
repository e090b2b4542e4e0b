"""RFC 7644 section 3.5.1: PUT."""

from typing import Any

import pytest

from tests.scim import (
    ENTERPRISE,
    GLOBAL_RELAY,
    GROUP,
    USER,
    Client,
    Clock,
    Json,
    group_ids,
    member_ids,
    path,
    references,
    without,
)


@pytest.fixture
async def babs(client: Client) -> Json:
    return await client.user(
        "bjensen",
        externalId="701984",
        displayName="Babs",
        active=True,
        name={"givenName": "Barbara", "familyName": "Jensen"},
        emails=[{"value": "a@b", "type": "work", "primary": True}],
        **{ENTERPRISE: {"department": "Tours"}, GLOBAL_RELAY: {"extensionAttribute1": "1"}},
    )


async def test_the_answer_is_the_resource_as_it_can_be_read(client: Client, clock: Clock, babs: Json) -> None:
    clock.advance(hours=1)
    answer = await client.put(path(babs), {"schemas": [USER], "userName": "bjensen", "title": "Guide"})
    assert answer.status == 200
    assert without(answer.document, "meta") == {
        "schemas": [USER],
        "id": babs["id"],
        "userName": "bjensen",
        "active": babs["active"],
        "title": "Guide",
    }
    read = await client.get(path(babs))
    assert (read.body, read.headers["etag"]) == (answer.body, answer.headers["etag"])
    meta = answer.document["meta"]
    assert meta["created"] == babs["meta"]["created"]
    assert meta["lastModified"] > babs["meta"]["lastModified"]
    assert meta["version"] != babs["meta"]["version"]


async def test_what_is_omitted_null_or_empty_is_cleared(client: Client, babs: Json) -> None:
    body: Json = {"userName": "bjensen", "name": {"givenName": "Bab"}, "displayName": None, "emails": [], "title": ""}
    answer = await client.put(path(babs), body)
    assert without(answer.document, "id", "meta") == {
        "schemas": [USER],
        "userName": "bjensen",
        "name": {"givenName": "Bab"},
        "active": babs["active"],
    }
    assert await client.names('externalId eq "701984" or emails eq "a@b" or displayName eq "Babs"') == []


async def test_the_body_of_a_get_changes_nothing(client: Client, clock: Clock, babs: Json) -> None:
    group = await client.group("group", babs)
    clock.advance(hours=1)
    for resource in (await client.document(babs), await client.document(group)):
        answer = await client.put(path(resource), resource)
        assert (answer.status, answer.document) == (200, resource)


@pytest.mark.parametrize(
    "assigned",
    [
        {"id": "x"},
        {"meta": {"created": "2001-01-01T00:00:00Z", "version": 'W/"x"', "resourceType": "Group"}},
        {"groups": [{"value": "x"}]},
        {"schemas": ["urn:x"]},
        {"password": "t0pSecret"},
        {"shoeSize": 44},
    ],
)
async def test_what_only_we_assign_or_nobody_declares_is_ignored(client: Client, babs: Json, assigned: Json) -> None:
    answer = await client.put(path(babs), {**babs, **assigned})
    assert (answer.status, answer.document) == (200, babs)


async def test_memberships_of_a_user_stay(client: Client, babs: Json) -> None:
    group = await client.group("group", babs)
    answer = await client.put(path(babs), {"userName": "other", "groups": []})
    assert group_ids(answer.document) == [group["id"]]
    assert member_ids(await client.document(group)) == [babs["id"]]


@pytest.mark.parametrize("name", [None, "", " ", []])
async def test_a_required_attribute_must_be_given(client: Client, babs: Json, name: Any) -> None:
    group = await client.group()
    for resource, attribute in ((babs, "userName"), (group, "displayName")):
        for body in ({attribute: name}, {"externalId": "x"}):
            answer = await client.put(path(resource), body)
            assert (answer.status, answer.document["scimType"]) == (400, "invalidValue")
        assert await client.document(resource) == resource


async def test_a_put_never_creates(client: Client) -> None:
    answer = await client.put("/Users/018f0000-0000-7000-8000-000000000000", {"userName": "x"})
    assert answer.status == 404
    assert (await client.get("/Users")).document["totalResults"] == 0


async def test_a_taken_name_is_a_conflict_and_changes_nothing(client: Client, babs: Json) -> None:
    await client.user("Taken")
    answer = await client.put(path(babs), {**babs, "userName": "TAKEN", "title": "x"})
    assert (answer.status, answer.document["scimType"]) == (409, "uniqueness")
    assert await client.document(babs) == babs


async def test_a_rename_frees_the_old_name(client: Client, babs: Json) -> None:
    await client.put(path(babs), {**babs, "userName": "new"})
    assert await client.names('userName eq "bjensen"') == []
    assert await client.names('userName eq "new"') == ["new"]
    await client.user("bjensen")


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"5", b"null", b"", b"{", b'{"userName": "a", "USERNAME": "b"}'])
async def test_the_body_must_be_a_json_object_with_each_name_once(client: Client, babs: Json, body: bytes) -> None:
    answer = await client.put(path(babs), body)
    assert (answer.status, answer.document["scimType"]) == (400, "invalidSyntax")
    assert await client.document(babs) == babs


@pytest.mark.parametrize(
    "wrong",
    [
        {"active": "perhaps"},
        {"displayName": 5},
        {"name": "Barbara"},
        {"emails": [5]},
        {"emails": [{"value": "a", "primary": True}, {"value": "b", "primary": True}]},
        {ENTERPRISE: "x"},
        {ENTERPRISE: {"department": ["a", "b"]}},
    ],
)
async def test_a_wrong_value_changes_nothing(client: Client, babs: Json, wrong: Json) -> None:
    answer = await client.put(path(babs), {**babs, "title": "x", **wrong})
    assert (answer.status, answer.document["scimType"]) == (400, "invalidValue")
    assert await client.document(babs) == babs


async def test_only_the_named_attributes_are_answered(client: Client, babs: Json) -> None:
    named = await client.put(f"{path(babs)}?attributes=title", {"userName": "bjensen", "title": "x"})
    assert named.document == {"schemas": [USER], "id": babs["id"], "title": "x"}
    excluded = await client.put(
        f"{path(babs)}?excludedAttributes=title,meta,active", {"userName": "bjensen", "title": "y"}
    )
    assert excluded.document == {"schemas": [USER], "id": babs["id"], "userName": "bjensen"}


class TestGroups:
    async def test_the_members_are_exactly_those_of_the_body(self, client: Client) -> None:
        users = [await client.user(f"user{number}") for number in range(4)]
        group = await client.group("group", *users[:2])
        answer = await client.put(path(group), {"displayName": "new", "members": references(users[1], *users[2:])})
        assert (answer.status, answer.document["displayName"]) == (200, "new")
        assert member_ids(answer.document) == [item["id"] for item in users[1:]]
        assert await client.document(group) == answer.document
        assert "groups" not in await client.document(users[0])

    @pytest.mark.parametrize("members", [{}, {"members": None}, {"members": []}])
    async def test_without_members_the_group_is_emptied(self, client: Client, members: Json) -> None:
        user = await client.user()
        group = await client.group("group", user)
        answer = await client.put(path(group), {"displayName": "group", **members})
        assert without(answer.document, "meta") == {"schemas": [GROUP], "id": group["id"], "displayName": "group"}
        assert "groups" not in await client.document(user)

    async def test_unknown_members_are_skipped(self, client: Client) -> None:
        user = await client.user()
        group = await client.group("group")
        unknown = [{"value": "018f0000-0000-7000-8000-000000000000"}, {"value": "nobody"}]
        answer = await client.put(path(group), {"displayName": "group", "members": [*unknown, *references(user)]})
        assert member_ids(answer.document) == [user["id"]]

    async def test_a_group_is_no_member_of_itself(self, client: Client) -> None:
        group = await client.group("group")
        answer = await client.put(path(group), {"displayName": "x", "members": references(group)})
        assert (answer.status, answer.document["scimType"]) == (400, "invalidValue")
        assert await client.document(group) == group
