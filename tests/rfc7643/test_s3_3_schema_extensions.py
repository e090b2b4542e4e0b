"""RFC 7643 section 3.3: an extension of a vendor's own is one JSON file, known to every part of the service."""

from pathlib import Path
from typing import Any

import pytest

from scim_core.storage.tables import TableStorage
from tests.scim import (
    USER,
    Client,
    Clock,
    Json,
    add,
    attribute,
    endpoint_over,
    path,
    remove,
    replace,
    schema_files,
    without,
)

CONTOSO = "urn:contoso:params:scim:schemas:extension:Contoso:2.0:User"


ATTRIBUTES = [
    attribute("badge", mutability="immutable"),
    attribute("issuedBy", mutability="readOnly"),
    attribute("pin", mutability="writeOnly", returned="never"),
    attribute("notes", returned="request"),
    attribute("site", returned="always"),
    attribute("active", "boolean"),
    attribute("region"),
    attribute("members"),
    attribute("floor", "integer"),
    attribute("height", "decimal"),
    attribute("hired", "dateTime"),
    attribute("code", caseExact=True),
    attribute("tags", multiValued=True),
    attribute("copy"),
    attribute(
        "lockers",
        "complex",
        multiValued=True,
        subAttributes=[
            attribute("value"),
            attribute("size", "integer"),
            attribute("hint", returned="never"),
            attribute("type"),
            attribute("primary", "boolean"),
        ],
    ),
]
DESK: Json = {
    "badge": "B-1",
    "pin": "no-hex-pin",
    "notes": "left-handed",
    "site": "Lisbon",
    "active": False,
    "region": "south",
    "members": "m",
    "floor": 3,
    "height": 72.5,
    "hired": "2020-01-01T08:00:00Z",
    "code": "aB",
    "tags": ["one", "two"],
    "copy": "c",
    "lockers": [{"value": "L1", "size": 4, "hint": "blue", "primary": True}],
}
SHOWN = {**without(DESK, "pin", "notes"), "lockers": [{"value": "L1", "size": 4, "primary": True}]}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    schema = {"id": CONTOSO, "name": "Desk", "description": "A desk", "attributes": ATTRIBUTES}
    return schema_files(tmp_path_factory.mktemp("schemas"), desk=schema)


@pytest.fixture
def client(storage: TableStorage, clock: Clock, directory: Path) -> Client:
    return Client(endpoint_over(storage, clock, SCIM_SCHEMA_DIRECTORY=str(directory)))


@pytest.fixture
async def user(client: Client) -> Json:
    return await client.user(active=True, addresses=[{"type": "work", "region": "Bavaria"}], **{CONTOSO: DESK})


async def test_it_is_stored_and_shown(client: Client, user: Json) -> None:
    assert user[CONTOSO] == SHOWN
    assert user["schemas"] == [USER, CONTOSO]
    assert await client.document(user) == user
    assert await client.found("/Users", 'userName eq "bjensen@example.com"') == [user]


async def test_instants_without_an_offset_are_compared_as_instants_in_utc(client: Client) -> None:
    hired = ["2020-01-01T08:00:00", "2020-01-01T09:00:00+02:00", "2020-01-01T08:00:00Z", "2020-01-02"]
    for number, instant in enumerate(hired):
        await client.user(f"user{number}", **{CONTOSO: {"hired": instant}})
    for eight in ("2020-01-01T08:00:00", "2020-01-01T08:00:00Z", "2020-01-01T10:00:00+02:00"):
        assert await client.names(f'hired eq "{eight}"') == ["user0", "user2"]
        assert await client.names(f'{CONTOSO}:hired lt "{eight}"') == ["user1"]
        assert await client.names(f'not (hired le "{eight}")') == ["user3"]
    ordered = (await client.get("/Users", sortBy=f"{CONTOSO}:hired")).document["Resources"]
    assert [item["userName"] for item in ordered] == ["user1", "user0", "user2", "user3"]
    assert ordered[1][CONTOSO]["hired"] == hired[0]


async def test_it_is_announced(client: Client) -> None:
    schema = (await client.get(f"/Schemas/{CONTOSO}")).document
    assert schema["attributes"] == ATTRIBUTES
    listed = (await client.get("/Schemas")).document["Resources"]
    assert schema in listed
    types = (await client.get("/ResourceTypes/User")).document
    assert {"schema": CONTOSO, "required": False} in types["schemaExtensions"]


@pytest.mark.parametrize(
    "filter_text",
    [
        f"{CONTOSO}:active eq false",
        f"{CONTOSO}:active ne true",
        "active eq true",
        f'{CONTOSO}:region eq "SOUTH"',
        'region eq "south"',
        f'{CONTOSO}:members eq "m"',
        f"{CONTOSO}:floor eq 3",
        "floor gt 2",
        "floor gt 1",
        f"{CONTOSO}:height ge 72.5",
        f'{CONTOSO}:hired eq "2020-01-01T09:00:00+01:00"',
        "hired lt 2020-01-01T08:00:01Z",
        f'{CONTOSO}:code eq "aB"',
        'tags eq "TWO"',
        "lockers[size gt 3 and primary eq true]",
        f'{CONTOSO}:lockers[value eq "l1"]',
        'copy eq "c"',
        'addresses[type eq "work" and region eq "Bavaria"]',
        "addresses[type eq work and region eq Bavaria]",
        'addresses[region eq "bavaria" and type eq "work"]',
        f'addresses[type eq "work"].region eq "Bavaria" and {CONTOSO}:region eq "south"',
    ],
)
async def test_it_is_filtered(client: Client, user: Json, filter_text: str) -> None:
    await client.user("another", active=False, **{CONTOSO: {"active": True, "region": "Bavaria", "floor": 1}})
    assert await client.names(filter_text) == [user["userName"]]


@pytest.mark.parametrize("filter_text", [f"{CONTOSO}:active eq true", 'code eq "AB"', "floor gt 3"])
async def test_what_does_not_match_is_not_found(client: Client, user: Json, filter_text: str) -> None:
    assert user
    assert await client.names(filter_text) == []


async def test_it_is_patched(client: Client, user: Json) -> None:
    answer = await client.patch(
        path(user),
        replace(f"{CONTOSO}:floor", "4"),
        replace("region", "north"),
        add(f"{CONTOSO}:tags", ["three"]),
        remove(f'{CONTOSO}:lockers[value eq "L1"].size'),
        {"op": "replace", "value": {CONTOSO: {"Active": "True"}, f"{CONTOSO}:height": 80}},
    )
    expected = {**SHOWN, "floor": 4, "region": "north", "tags": ["one", "two", "three"], "active": True, "height": 80.0}
    assert answer.document[CONTOSO] == {**expected, "lockers": [{"value": "L1", "primary": True}]}


async def test_what_is_never_returned_is_not_in_any_answer(client: Client, user: Json) -> None:
    location = path(user)
    for url in (location, f"{location}?attributes={CONTOSO}", f"{location}?attributes={CONTOSO}:pin", "/Users"):
        assert "no-hex-pin" not in (await client.get(url)).body.decode()
    answers = [
        await client.patch(location, replace(f"{CONTOSO}:pin", "no-hex-pin, another")),
        await client.put(location, {"userName": "x", CONTOSO: DESK}),
        await client.post("/.search", {"filter": 'pin eq "no-hex-pin"'}),
    ]
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert not any("no-hex-pin" in answer.body.decode() for answer in answers)


async def test_what_is_returned_on_request_is_returned_then_only(client: Client, user: Json) -> None:
    answer = await client.get(f"{path(user)}?attributes={CONTOSO}:notes")
    assert answer.document[CONTOSO] == {"notes": "left-handed", "site": "Lisbon"}
    assert "notes" not in (await client.get(f"{path(user)}?attributes=userName")).document.get(CONTOSO, {})


async def test_what_is_always_returned_cannot_be_excluded(client: Client, user: Json) -> None:
    answer = await client.get(f"{path(user)}?excludedAttributes={CONTOSO}:site,{CONTOSO}:floor")
    assert answer.document[CONTOSO]["site"] == "Lisbon"
    assert "floor" not in answer.document[CONTOSO]


@pytest.mark.parametrize("operation", [replace(f"{CONTOSO}:badge", "B-2"), remove(f"{CONTOSO}:badge"), remove(CONTOSO)])
async def test_what_is_immutable_stays(client: Client, user: Json, operation: Json) -> None:
    answer = await client.patch(path(user), replace("title", "x"), operation)
    assert (answer.status, answer.document["scimType"]) == (400, "mutability")
    assert await client.document(user) == user
    assert (await client.patch(path(user), replace(f"{CONTOSO}:badge", "B-1"))).document == user


async def test_what_is_immutable_can_be_set_once(client: Client) -> None:
    user = await client.user()
    assert (await client.patch(path(user), add(f"{CONTOSO}:badge", "B-9"))).document[CONTOSO] == {"badge": "B-9"}
    assert (await client.patch(path(user), add(f"{CONTOSO}:badge", "B-8"))).status == 400


async def test_a_put_keeps_what_is_immutable_and_refuses_another_value(client: Client, user: Json) -> None:
    other = await client.put(path(user), {"userName": "x", CONTOSO: {**DESK, "badge": "B-2"}})
    assert (other.status, other.document["scimType"]) == (400, "mutability")
    assert await client.document(user) == user
    omitted = await client.put(path(user), {"userName": "x", CONTOSO: {"floor": 1}})
    assert omitted.document[CONTOSO] == {"badge": "B-1", "floor": 1}


async def test_what_is_read_only_is_ignored(client: Client) -> None:
    user = await client.user(**{CONTOSO: {"issuedBy": "me", "floor": 1}})
    assert user[CONTOSO] == {"floor": 1}
    written = {"op": "replace", "value": {CONTOSO: {"issuedBy": "me"}}}
    assert (await client.patch(path(user), written)).document == user
    named = await client.patch(path(user), replace(f"{CONTOSO}:issuedBy", "me"))
    assert (named.status, named.document["scimType"]) == (400, "mutability")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("floor", 3.5),
        ("floor", "three"),
        ("floor", "1" * 5000),
        ("height", "tall"),
        ("hired", "yesterday"),
        ("hired", ["2020-01-01T08:00:00Z", "2020-01-01T08:00:00Z"]),
        ("tags", [5]),
        ("tags", ["a", ["b", "c"]]),
        ("tags", [{"a": 1}]),
        ("lockers", [{"size": "big"}]),
        ("lockers", "big"),
        ("active", 2),
        ("copy", 5),
        ("copy", {"a": 1}),
    ],
)
async def test_a_value_of_another_type_is_refused(client: Client, user: Json, name: str, value: Any) -> None:
    answer = await client.patch(path(user), replace(f"{CONTOSO}:{name}", value))
    if (name, value) == ("lockers", "big"):
        assert answer.document[CONTOSO]["lockers"] == [{"value": "big"}]
        return
    assert (answer.status, answer.document["scimType"]) == (400, "invalidValue")
    assert (await client.post("/Users", {"userName": "new", CONTOSO: {name: value}})).status == 400
    assert await client.document(user) == user


async def test_a_number_beyond_all_bounds_is_refused(client: Client, user: Json) -> None:
    for number in (b"1e999", b"-1e999"):
        body = b'{"Operations": [{"op": "replace", "path": "%s:height", "value": %s}]}' % (CONTOSO.encode(), number)
        assert (await client.send("PATCH", path(user), body)).status == 400
    assert await client.document(user) == user


async def test_an_extension_that_is_taken_away_hides_what_was_stored(
    user: Json, storage: TableStorage, clock: Clock
) -> None:
    """A deployment may drop a schema; what was stored under it must not stand in the way of anything."""
    assert user[CONTOSO]
    plain = Client(endpoint_over(storage, clock))
    assert (await plain.get(path(user), attributes="userName,active")).document["active"] is True
    assert (await plain.patch(path(user), replace("title", "x"))).document["title"] == "x"
    assert await plain.names("title pr and active eq true") == [user["userName"]]
