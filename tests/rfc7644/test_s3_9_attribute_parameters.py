"""RFC 7644 section 3.9: attributes and excludedAttributes."""

from collections.abc import Awaitable, Callable

import pytest

from scim_core.storage.tables import TableStorage
from tests.clients.targets import Answer
from tests.memory_rows import memory_storage
from tests.scim import ENTERPRISE, GLOBAL_RELAY, GROUP, USER, Client, Clock, Json, add, endpoint_over, path, replace

BODY: Json = {
    "userName": "bjensen",
    "externalId": "1",
    "name": {"givenName": "Barbara", "familyName": "Jensen"},
    "active": True,
    "emails": [{"value": "a@b", "type": "work", "primary": True}, {"value": "c@d", "type": "home"}],
    ENTERPRISE: {"department": "Tours", "manager": {"value": "42"}},
    GLOBAL_RELAY: {"extensionAttribute1": "x"},
}
ALWAYS = {"schemas", "id"}


@pytest.fixture(scope="module")
async def client() -> Client:
    return Client(endpoint_over(memory_storage(), Clock()))


@pytest.fixture(scope="module")
async def babs(client: Client) -> Json:
    user = (await client.post("/Users", BODY)).document
    await client.group("group", user)
    return await client.document(user)


NAMED = {
    "userName": {"userName": "bjensen"},
    "USERNAME": {"userName": "bjensen"},
    " userName , active ": {"userName": "bjensen", "active": True},
    f"{USER}:userName": {"userName": "bjensen"},
    f"{USER.lower()}:USERNAME": {"userName": "bjensen"},
    "name": {"name": BODY["name"]},
    "department": {ENTERPRISE: {"department": "Tours"}},
    "Department,userName": {"userName": "bjensen", ENTERPRISE: {"department": "Tours"}},
    "manager.value": {ENTERPRISE: {"manager": {"value": "42"}}},
    f"{ENTERPRISE}.department": {ENTERPRISE: {"department": "Tours"}},
    f"{ENTERPRISE.upper()}:DEPARTMENT": {ENTERPRISE: {"department": "Tours"}},
    f"{USER}.userName": {"userName": "bjensen"},
    "name.givenName": {"name": {"givenName": "Barbara"}},
    f"{USER}:name.familyName": {"name": {"familyName": "Jensen"}},
    "name.givenName,name.familyName": {"name": BODY["name"]},
    "emails": {"emails": BODY["emails"]},
    "emails.value": {"emails": [{"value": "a@b"}, {"value": "c@d"}]},
    "emails.primary": {"emails": [{"primary": True}]},
    'emails[type eq "work"]': {"emails": BODY["emails"]},
    'emails[type eq "work"].value': {"emails": [{"value": "a@b"}, {"value": "c@d"}]},
    ENTERPRISE: {ENTERPRISE: BODY[ENTERPRISE]},
    ENTERPRISE.lower(): {ENTERPRISE: BODY[ENTERPRISE]},
    f"{ENTERPRISE}:department": {ENTERPRISE: {"department": "Tours"}},
    f"{ENTERPRISE}:manager.value": {ENTERPRISE: {"manager": {"value": "42"}}},
    f"{GLOBAL_RELAY}:extensionAttribute1,userName": {
        "userName": "bjensen",
        GLOBAL_RELAY: {"extensionAttribute1": "x"},
    },
    "id": {},
    "schemas": {},
    "title": {},
    "shoeSize": {},
    "name.shoeSize,shoeSize": {},
    "password": {},
    "urn:ietf:params:scim:schemas:extension:Contoso:2.0:User:shoeSize": {},
}


@pytest.mark.parametrize(("attributes", "shown"), NAMED.items(), ids=NAMED)
async def test_only_the_named_attributes_are_shown(client: Client, babs: Json, attributes: str, shown: Json) -> None:
    answer = await client.get(path(babs), attributes=attributes)
    document = answer.document
    assert {name: value for name, value in document.items() if name not in ALWAYS} == shown
    assert document["id"] == babs["id"]
    assert USER in document["schemas"]
    listed = await client.get("/Users", attributes=attributes)
    assert listed.document["Resources"] == [document]


async def test_meta_and_groups_can_be_named(client: Client, babs: Json) -> None:
    answer = await client.get(path(babs), attributes="meta.version,groups.value")
    assert answer.document["meta"] == {"version": babs["meta"]["version"]}
    assert answer.document["groups"] == [{"value": babs["groups"][0]["value"]}]
    assert answer.headers["etag"] == babs["meta"]["version"]


EXCLUDED = {
    "userName": ["userName"],
    "USERNAME,active": ["userName", "active"],
    f"{USER}:emails": ["emails"],
    ENTERPRISE: [ENTERPRISE],
    "groups,meta": ["groups", "meta"],
    f"{USER}:groups": ["groups"],
    "id,schemas": [],
    "shoeSize": [],
    'emails[type eq "work"]': ["emails"],
}


@pytest.mark.parametrize(("attributes", "hidden"), EXCLUDED.items(), ids=EXCLUDED)
async def test_excluded_attributes_are_hidden(client: Client, babs: Json, attributes: str, hidden: list[str]) -> None:
    answer = await client.get(path(babs), excludedAttributes=attributes)
    schemas = [urn for urn in babs["schemas"] if urn not in hidden]
    assert answer.document == {name: value for name, value in babs.items() if name not in hidden} | {"schemas": schemas}
    listed = await client.get("/Users", excludedAttributes=attributes)
    assert listed.document["Resources"] == [answer.document]


@pytest.mark.parametrize(
    ("attributes", "changed"),
    [
        ("name.givenName", {"name": {"familyName": "Jensen"}}),
        ("emails.type,emails.primary", {"emails": [{"value": "a@b"}, {"value": "c@d"}]}),
        (f"{ENTERPRISE}:department", {ENTERPRISE: {"manager": {"value": "42"}}}),
        (f"{ENTERPRISE}:manager.value", {ENTERPRISE: {"department": "Tours"}}),
    ],
)
async def test_excluded_sub_attributes_are_hidden(client: Client, babs: Json, attributes: str, changed: Json) -> None:
    answer = await client.get(path(babs), excludedAttributes=attributes)
    assert answer.document == babs | changed


async def test_a_part_of_meta_can_be_excluded(client: Client, babs: Json) -> None:
    answer = await client.get(path(babs), excludedAttributes="meta.version,meta.location")
    assert set(answer.document["meta"]) == {"resourceType", "created", "lastModified"}


@pytest.mark.parametrize(
    "query", ["attributes=", "attributes=,", "attributes=%20", "excludedAttributes=", "attributes"]
)
async def test_naming_nothing_is_no_choice(client: Client, babs: Json, query: str) -> None:
    assert (await client.get(f"{path(babs)}?{query}")).document == babs


@pytest.mark.parametrize("url", ["/Users", "/Users/{id}"])
async def test_both_at_once_are_refused(client: Client, babs: Json, url: str) -> None:
    answer = await client.get(url.format(id=babs["id"]), attributes="userName", excludedAttributes="emails")
    assert (answer.status, answer.document["scimType"]) == (400, "invalidValue")


async def test_more_names_than_there_are_attributes_are_refused(client: Client, babs: Json) -> None:
    assert (await client.get(path(babs), attributes=",".join(["userName"] * 200))).status == 200
    answer = await client.get(path(babs), attributes=",".join(["userName"] * 201))
    assert (answer.status, answer.document["scimType"]) == (400, "invalidValue")


@pytest.mark.parametrize("text", ["user name", "a.b.c", "[", "emails[", "1", "..", '"userName"', "userName;active"])
async def test_what_is_no_attribute_name_is_refused(client: Client, babs: Json, text: str) -> None:
    assert (await client.get(path(babs), attributes=text)).status == 400


type Sending = Callable[[Client, str, str], Awaitable[Answer]]


async def _post(client: Client, _: str, query: str) -> Answer:
    return await client.post(f"/Users?{query}", {**BODY, "userName": f"new {query}"})


async def _put(client: Client, url: str, query: str) -> Answer:
    return await client.put(f"{url}?{query}", {**BODY, "userName": "renamed"})


async def _patch(client: Client, url: str, query: str) -> Answer:
    return await client.patch(f"{url}?{query}", replace("nickName", query))


@pytest.mark.parametrize("send", [_post, _put, _patch])
async def test_every_request_that_answers_a_resource_obeys(client: Client, send: Sending) -> None:
    user = (await client.post("/Users", {**BODY, "userName": f"{send.__name__}"})).document
    named = await send(client, path(user), "attributes=emails.type,active")
    assert set(named.document) == {*ALWAYS, "emails", "active"}
    assert named.document["emails"] == [{"type": "work"}, {"type": "home"}]
    excluded = await send(client, path(user), f"excludedAttributes=meta,emails,{ENTERPRISE},{GLOBAL_RELAY},groups")
    assert {"meta", "emails", ENTERPRISE, GLOBAL_RELAY}.isdisjoint(excluded.document)
    assert excluded.document["active"] is True
    refused = await send(client, path(user), "attributes=active&excludedAttributes=active")
    assert refused.status == 400
    assert "nickName" not in refused.document


class TestMembers:
    @pytest.fixture
    async def group(self, client: Client) -> Json:
        user = await client.user(f"member {id(self)}")
        return await client.group(f"group {id(self)}", user)

    @pytest.mark.parametrize(
        "query",
        [
            "excludedAttributes=members",
            "excludedAttributes=MEMBERS",
            f"excludedAttributes={GROUP}:members",
            "attributes=displayName",
            "attributes=id",
        ],
    )
    async def test_members_are_hidden_and_not_read(
        self, client: Client, group: Json, query: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def unread(*_: object) -> None:
            pytest.fail("the members are read although they are not shown")

        monkeypatch.setattr(TableStorage, "members_of", unread)
        assert "members" not in (await client.get(f"{path(group)}?{query}")).document
        listed = await client.get(f"/Groups?{query}&filter=id%20eq%20%22{group['id']}%22")
        assert ["members" in item for item in listed.document["Resources"]] == [False]

    @pytest.mark.parametrize(
        ("query", "shown"),
        [
            ("attributes=members", {"value", "$ref", "type"}),
            ("attributes=members.value", {"value"}),
            (f"attributes={GROUP}:members.$ref", {"$ref"}),
            (f"attributes={GROUP}", {"value", "$ref", "type"}),
            ("excludedAttributes=members.value,members.type", {"$ref"}),
            ("excludedAttributes=members.display", {"value", "$ref", "type"}),
        ],
    )
    async def test_parts_of_members_are_shown(self, client: Client, group: Json, query: str, shown: set[str]) -> None:
        answer = await client.get(f"{path(group)}?{query}")
        assert [set(item) for item in answer.document["members"]] == [shown]

    async def test_a_change_that_shows_nothing_reads_nothing_more(self, client: Client, group: Json) -> None:
        user = await client.user(f"another {id(self)}")
        answer = await client.patch(f"{path(group)}?attributes=members.value", add("members", user["id"]))
        assert sorted(item["value"] for item in answer.document["members"]) == sorted(
            [group["members"][0]["value"], user["id"]]
        )
