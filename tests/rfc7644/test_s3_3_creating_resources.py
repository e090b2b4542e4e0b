"""RFC 7644 section 3.3: POST."""

from typing import Any

import pytest

from scim_core.ids import is_id
from tests.scim import (
    BASE,
    ENTERPRISE,
    GLOBAL_RELAY,
    GROUP,
    USER,
    Client,
    Clock,
    Json,
    member_ids,
    path,
    references,
    without,
)


async def test_the_answer_is_the_resource_as_it_can_be_read(client: Client) -> None:
    answer = await client.post("/Users", {"schemas": [USER], "userName": "bjensen", "externalId": "701984"})
    assert answer.status == 201
    location = answer.headers["location"]
    created = answer.document
    assert without(created, "id", "meta") == {"schemas": [USER], "userName": "bjensen", "externalId": "701984"}
    assert location == created["meta"]["location"] == f"{BASE}/Users/{created['id']}"
    assert answer.headers["etag"] == created["meta"]["version"]
    assert created["meta"]["resourceType"] == "User"
    assert created["meta"]["created"] == created["meta"]["lastModified"]
    read = await client.get(path(location))
    assert (read.status, read.body, read.headers["etag"]) == (200, answer.body, answer.headers["etag"])


async def test_ids_are_ours_and_in_the_order_of_creation(client: Client) -> None:
    ids = [(await client.user(f"user{number}", id="mine"))["id"] for number in range(20)]
    assert all(is_id(item) for item in ids)
    assert sorted(set(ids)) == ids


@pytest.mark.parametrize(
    "assigned",
    [
        {"id": "x"},
        {"meta": {"resourceType": "Group", "created": "2001-01-01T00:00:00Z", "version": 'W/"x"', "location": "x"}},
        {"meta": "x"},
        {"groups": [{"value": "x", "display": "Admins"}]},
        {"schemas": ["urn:x"]},
        {"schemas": "urn:x"},
        {"schemas": None},
        {ENTERPRISE: {"manager": {"displayName": "Boss", "$ref": "https://x"}}},
    ],
)
async def test_what_only_we_assign_is_ignored(client: Client, assigned: Json) -> None:
    user = await client.user(**assigned)
    assert without(user, "id", "meta") == {"schemas": [USER], "userName": "bjensen@example.com"}
    assert user["id"] != "x"
    assert user["meta"]["resourceType"] == "User"
    assert user["meta"]["created"].startswith("2026-")


@pytest.mark.parametrize("url", ["/Users", "/Groups"])
@pytest.mark.parametrize("name", [None, "", "   ", "\t\n", [], {}, [""]])
async def test_a_name_is_required(client: Client, url: str, name: Any) -> None:
    attribute = "userName" if url == "/Users" else "displayName"
    for body in ({attribute: name}, {}, {"schemas": [USER], "title": "x"}):
        answer = await client.post(url, body)
        assert (answer.status, answer.document["scimType"]) == (400, "invalidValue")
        assert attribute in answer.document["detail"]
    assert (await client.get(url)).document["totalResults"] == 0


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("bjensen", "bjensen"),
        ("bjensen", "BJENSEN"),
        ("Zo\u00eb", "ZOE\u0308"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("a\u00a0b", "A\u00a0B"),
    ],
)
@pytest.mark.parametrize("url", ["/Users", "/Groups"])
async def test_a_name_that_compares_equal_is_a_conflict(client: Client, url: str, first: str, second: str) -> None:
    attribute = "userName" if url == "/Users" else "displayName"
    assert (await client.post(url, {attribute: first})).status == 201
    answer = await client.post(url, {attribute: second, "externalId": "x"})
    assert (answer.status, answer.document["scimType"]) == (409, "uniqueness")
    assert attribute in answer.document["detail"]
    assert (await client.get(url)).document["totalResults"] == 1
    assert await client.found(url, 'externalId eq "x"') == []


async def test_only_names_are_unique(client: Client) -> None:
    same: Json = {
        "externalId": "1",
        "displayName": "Same",
        "emails": [{"value": "same@example.com", "type": "work"}],
        ENTERPRISE: {"employeeNumber": "1"},
    }
    await client.user("one", **same)
    await client.user("two", **same)
    await client.group("one", externalId="1")
    await client.group("two", externalId="1")
    for text in ('externalId eq "1"', 'displayName eq "same"', 'emails eq "same@example.com"'):
        assert await client.names(text) == ["one", "two"]
    assert await client.names('externalId eq "1"', "/Groups") == ["one", "two"]


async def test_a_user_may_be_called_as_a_group(client: Client) -> None:
    await client.user("Admins", displayName="Admins")
    await client.group("Admins")


async def test_values_come_back_exactly_as_they_were_sent(client: Client) -> None:
    sent: Json = {
        "userName": "Łukasz.O'Neil  +tag@Sub.EXAMPLE.local",
        "externalId": "\u0000\u001f\\/\"'",
        "name": {"formatted": "Dr.\u00a0Łukasz\tO\u2019Neil\n", "honorificSuffix": "III."},
        "profileUrl": "not a url",
        "preferredLanguage": "xx_YY",
        "locale": "nowhere",
        "timezone": "Mars/Olympus",
        "emails": [{"value": "Not An Email", "type": "WORK"}, {"value": "USER@EXAMPLE.COM", "type": "home"}],
        "phoneNumbers": [{"value": "55555555555", "type": "Mobile"}, {"value": "tel:+1;ext=5", "type": "pager"}],
        "ims": [{"value": "someone", "type": "irc"}],
        "photos": [{"value": "data:,x", "type": "selfie"}],
        "addresses": [{"country": "Utopia", "postalCode": " 007 ", "type": "holiday", "formatted": "a\r\nb"}],
        "entitlements": [{"value": "e", "display": "E"}],
        "roles": [{"value": "r", "type": "WindowsAzureActiveDirectoryRole", "primary": True}],
        "x509Certificates": [{"value": "### no base64 ###"}],
        ENTERPRISE: {"employeeNumber": "0007", "manager": {"value": "no such user"}},
        GLOBAL_RELAY: {"proxyAddresses": "SMTP:a@b; smtp:c@d", "extensionAttribute15": "\U0001f600 e\u0301"},
    }
    created = await client.user(sent["userName"], **without(sent, "userName"))
    assert without(created, "id", "meta", "schemas") == sent
    assert created["schemas"] == [USER, ENTERPRISE, GLOBAL_RELAY]


async def test_what_stands_for_unassigned_is_not_kept(client: Client) -> None:
    user = await client.user(
        title=None,
        displayName="",
        addresses=None,
        roles=[],
        emails=[
            {},
            None,
            {"type": "work"},
            {"type": "home", "primary": True, "value": ""},
            {"value": "a@b", "display": None},
        ],
        name={"givenName": None, "familyName": ""},
        phoneNumbers=[{"value": None, "type": "work"}],
        department=None,
        **{ENTERPRISE: {"manager": {"value": ""}, "division": None}, GLOBAL_RELAY: {}},
    )
    assert without(user, "id", "meta", "userName") == {"schemas": [USER], "emails": [{"value": "a@b"}]}


@pytest.mark.parametrize(
    "attributes",
    [
        {"USERNAME": "x", "DisplayName": "d", "Name": {"GIVENNAME": "g"}, "Emails": [{"VALUE": "v", "Primary": True}]},
        {
            f"{USER}:userName": "x",
            f"{USER}:displayName": "d",
            f"{USER}:name": {"givenName": "g"},
            "emails": {"value": "v", "primary": "TRUE"},
        },
        {
            "userName": ["x"],
            "displayName": {"value": "d"},
            "name": [{"givenName": "g"}],
            "emails": [{"value": "v", "primary": "true"}],
        },
    ],
)
async def test_names_and_shapes_are_read_leniently(client: Client, attributes: Json) -> None:
    answer = await client.post("/Users", attributes)
    assert answer.status == 201
    assert without(answer.document, "id", "meta") == {
        "schemas": [USER],
        "userName": "x",
        "displayName": "d",
        "name": {"givenName": "g"},
        "emails": [{"value": "v", "primary": True}],
    }


@pytest.mark.parametrize(
    "sent",
    [
        {ENTERPRISE: {"department": "d", "manager": {"value": "m"}}},
        {ENTERPRISE.lower(): {"DEPARTMENT": "d", "Manager": {"Value": "m"}}},
        {ENTERPRISE: {"department": "d", "manager": "m"}},
        {"department": "d", "manager": {"value": "m"}},
        {"department": "d", "manager": [{"$ref": "http://x", "value": "m"}]},
        {f"{ENTERPRISE}:department": "d", f"{ENTERPRISE}:manager": {"managerId": "?", "value": "m"}},
        {ENTERPRISE: {"department": "d"}, f"{ENTERPRISE}:manager": "m"},
    ],
)
@pytest.mark.parametrize(
    "schemas", [[USER], [USER, ENTERPRISE], [f"{ENTERPRISE[:-5]}User", "urn:scim:schemas:core:1.0"]]
)
async def test_an_extension_is_read_in_every_way(client: Client, sent: Json, schemas: list[str]) -> None:
    user = await client.user(schemas=schemas, **sent)
    assert user[ENTERPRISE] == {"department": "d", "manager": {"value": "m"}}
    assert user["schemas"] == [USER, ENTERPRISE]


async def test_what_no_schema_declares_is_ignored_and_named_in_the_log(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("WARNING", logger="scim_core"):
        user = await client.user(
            shoeSize=44, emails=[{"value": "a@b", "verified": True}], **{"urn:x:2.0:User": {}, "name": {"nick": "x"}}
        )
    assert without(user, "id", "meta", "userName") == {"schemas": [USER], "emails": [{"value": "a@b"}]}
    [record] = [item for item in caplog.records if hasattr(item, "ignored")]
    assert record.ignored == ["emails.verified", "name.nick", "shoeSize", "urn:x:2.0:User"]


async def test_a_password_is_neither_stored_nor_shown_nor_logged(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        user = await client.user(password="t0pSecret")
    assert "t0pSecret" not in str(user)
    assert "t0pSecret" not in (await client.get(f"{path(user)}?attributes=password,userName")).body.decode()
    assert not any("t0pSecret" in str(record.__dict__) for record in caplog.records)


async def test_equal_pairs_of_type_and_value_are_kept_once(client: Client) -> None:
    user = await client.user(
        emails=[
            {"value": "a@b", "type": "work"},
            {"value": "a@b", "type": "home"},
            {"value": "a@b", "type": "work", "primary": True, "display": "A"},
            {"value": "a@b"},
        ]
    )
    assert user["emails"] == [
        {"value": "a@b", "display": "A", "type": "work", "primary": True},
        {"value": "a@b", "type": "home"},
        {"value": "a@b"},
    ]


@pytest.mark.parametrize("name", ["emails", "phoneNumbers", "addresses", "roles", "entitlements", "photos", "ims"])
async def test_only_one_value_is_primary(client: Client, name: str) -> None:
    values = [{"value": "a", "primary": True}, {"value": "b", "primary": True}]
    if name == "addresses":
        values = [{"region": "a", "primary": True}, {"region": "b", "primary": "True"}]
    answer = await client.post("/Users", {"userName": "x", name: values})
    assert (answer.status, answer.document["scimType"]) == (400, "invalidValue")


@pytest.mark.parametrize(
    "body", [b"[]", b'"x"', b"5", b"null", b"true", b'[{"userName": "x"}]', b"", b"{", b"userName=x"]
)
@pytest.mark.parametrize("url", ["/Users", "/Groups"])
async def test_the_body_must_be_a_json_object(client: Client, url: str, body: bytes) -> None:
    answer = await client.post(url, body)
    assert (answer.status, answer.document["scimType"]) == (400, "invalidSyntax")


async def test_only_the_named_attributes_are_answered(client: Client) -> None:
    body: Json = {"userName": "x", "title": "t", "emails": [{"value": "a@b", "type": "work"}]}
    named = await client.post("/Users?attributes=emails.value", body)
    assert named.document == {"schemas": [USER], "id": named.document["id"], "emails": [{"value": "a@b"}]}
    assert named.headers["location"].endswith(named.document["id"])
    without_some = await client.post("/Users?excludedAttributes=emails,meta", {**body, "userName": "y"})
    assert without(without_some.document, "id") == {"schemas": [USER], "userName": "y", "title": "t"}


async def test_nothing_is_created_when_the_named_attributes_cannot_be_read(client: Client) -> None:
    answer = await client.post("/Users?attributes=a&excludedAttributes=b", {"userName": "x"})
    assert answer.status == 400
    assert (await client.get("/Users")).document["totalResults"] == 0


class TestGroups:
    async def test_a_group_may_be_empty(self, client: Client) -> None:
        cases: list[list[Json | None] | None] = [[], None, [None], [{}]]
        for members in cases:
            answer = await client.post("/Groups", {"displayName": f"g {members}", "members": members})
            assert answer.status == 201
            assert "members" not in answer.document

    async def test_members_are_shown_as_references_of_ours(self, client: Client) -> None:
        user, inner = await client.user(), await client.group("inner")
        sent = [
            {"value": user["id"], "display": "Somebody", "$ref": "https://elsewhere", "type": "user"},
            {"value": inner["id"], "type": "Group"},
        ]
        group = await client.group("outer", members=sent)
        assert group["members"] == [
            {"value": user["id"], "$ref": user["meta"]["location"], "type": "User"},
            {"value": inner["id"], "$ref": inner["meta"]["location"], "type": "Group"},
        ]
        assert await client.document(group) == group

    async def test_a_members_type_is_what_it_is(self, client: Client) -> None:
        user, inner = await client.user(), await client.group("inner")
        sent = [{"value": user["id"], "type": "Group"}, {"value": inner["id"]}]
        group = await client.group("outer", members=sent)
        assert [item["type"] for item in group["members"]] == ["User", "Group"]

    async def test_unknown_members_are_skipped_and_the_known_kept(self, client: Client) -> None:
        user = await client.user()
        unknown = ["nobody", "018f0000-0000-7000-8000-000000000000", user["id"].upper(), "a/b\\c#d?e%f"]
        sent = [*({"value": item} for item in unknown), *references(user, user)]
        group = await client.group("group", members=sent)
        assert member_ids(group) == [user["id"]]

    @pytest.mark.parametrize("members", [[5], [{"value": 5}], [{"type": "User"}], [True], 5])
    async def test_members_must_name_an_id(self, client: Client, members: Any) -> None:
        answer = await client.post("/Groups", {"displayName": "x", "members": members})
        assert (answer.status, answer.document["scimType"]) == (400, "invalidValue")
        assert (await client.get("/Groups")).document["totalResults"] == 0

    async def test_a_members_version_moves_and_its_last_modified_does_not(self, client: Client, clock: Clock) -> None:
        user = await client.user()
        clock.advance(hours=1)
        group = await client.group("group", user)
        after = await client.document(user)
        assert after["groups"] == [{"value": group["id"], "$ref": group["meta"]["location"], "type": "direct"}]
        assert after["meta"]["version"] != user["meta"]["version"]
        assert after["meta"]["lastModified"] == user["meta"]["lastModified"]

    async def test_the_obsolete_schema_of_groups_is_not_echoed(self, client: Client) -> None:
        urns = [GROUP, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"]
        assert (await client.group("x", schemas=urns))["schemas"] == [GROUP]
