"""RFC 7643 section 6: a resource type is data. Devices are served by two JSON files and no code."""

from pathlib import Path

import pytest

from scim_core.storage.tables import TableStorage
from tests.scim import (
    BASE,
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

DEVICE = "urn:example:params:scim:schemas:core:2.0:Device"
WARRANTY = "urn:example:params:scim:schemas:extension:Warranty:2.0:Device"
SCHEMA: Json = {
    "id": DEVICE,
    "name": "Device",
    "description": "A device",
    "attributes": [
        attribute("serialNumber", required=True, uniqueness="server", caseExact=True),
        attribute("displayName"),
        attribute("active", description="A state, which is no Boolean here."),
        attribute(
            "owner",
            "complex",
            subAttributes=[
                attribute("value", caseExact=True),
                attribute("$ref", "reference", referenceTypes=["User"], mutability="readOnly"),
            ],
        ),
        attribute("members", "complex", multiValued=True, subAttributes=[attribute("value"), attribute("type")]),
        attribute(
            "parts",
            "complex",
            multiValued=True,
            subAttributes=[attribute("value", caseExact=True), attribute("$ref", "reference", referenceTypes=["User"])],
        ),
        attribute("groups", multiValued=True),
        attribute("ports", "integer", multiValued=True),
    ],
}
EXTENSION: Json = {
    "id": WARRANTY,
    "name": "Warranty",
    "description": "How long it is covered",
    "attributes": [attribute("until", "dateTime")],
}
RESOURCE_TYPE: Json = {
    "id": "Device",
    "name": "Device",
    "description": "Things with a serial number",
    "endpoint": "/Devices",
    "schema": DEVICE,
    "indexed": ["serialNumber", "displayName", "externalId"],
    "names": ["serialNumber"],
}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    documents = {"device": SCHEMA, "warranty": EXTENSION, "device-type": RESOURCE_TYPE}
    return schema_files(tmp_path_factory.mktemp("schemas"), **documents)


@pytest.fixture
def client(storage: TableStorage, clock: Clock, directory: Path) -> Client:
    return Client(endpoint_over(storage, clock, SCIM_SCHEMA_DIRECTORY=str(directory)))


BODY: Json = {
    "schemas": [DEVICE],
    "externalId": "inv-7",
    "serialNumber": "SN-1",
    "displayName": "Printer",
    "active": "standby",
    "members": [{"value": "tray 1"}, {"value": "tray 2", "type": "paper"}],
    "groups": ["printers"],
    "ports": [80, 443],
    WARRANTY: {"until": "2030-01-01T00:00:00Z"},
}


@pytest.fixture
async def device(client: Client) -> Json:
    answer = await client.post("/Devices", BODY)
    assert answer.status == 201
    created: Json = answer.document
    return created


async def test_a_device_is_created_and_read(client: Client, device: Json) -> None:
    assert without(device, "id", "meta", "schemas") == without(BODY, "schemas")
    assert device["schemas"] == [DEVICE, WARRANTY]
    assert device["meta"]["resourceType"] == "Device"
    assert device["meta"]["location"] == f"{BASE}/Devices/{device['id']}"
    assert await client.document(device) == device


@pytest.mark.parametrize(
    "body", [{}, {"serialNumber": ""}, {"serialNumber": None}, {"serialNumber": 5}, {**BODY, "ports": ["eighty"]}]
)
async def test_a_body_that_its_schema_does_not_allow_is_refused(client: Client, body: Json) -> None:
    answer = await client.post("/Devices", body)
    assert (answer.status, answer.document["scimType"]) == (400, "invalidValue")


async def test_its_unique_attribute_is_unique_with_regard_to_case(client: Client, device: Json) -> None:
    assert device
    again = await client.post("/Devices", BODY)
    assert (again.status, again.document["scimType"]) == (409, "uniqueness")
    assert (await client.post("/Devices", {"serialNumber": "sn-1"})).status == 201


@pytest.mark.parametrize(
    "filter_text",
    [
        'serialNumber eq "SN-1"',
        'serialNumber sw "SN"',
        'externalId eq "inv-7"',
        'displayName eq "PRINTER"',
        'active eq "standby"',
        'active sw "stand"',
        'members eq "tray 2"',
        'members[value eq "tray 2" and type eq "paper"]',
        'groups eq "printers"',
        "ports eq 443",
        "ports gt 400",
        f"{WARRANTY}:until gt 2029-01-01T00:00:00Z",
        f'{DEVICE}:serialNumber eq "SN-1"',
        'meta.resourceType eq "Device"',
        'serialNumber eq "SN-1" and active eq "standby"',
    ],
)
async def test_it_is_filtered(client: Client, device: Json, filter_text: str) -> None:
    assert await client.found("/Devices", filter_text) == [device]


@pytest.mark.parametrize("filter_text", ['serialNumber eq "sn-1"', 'active eq "true"', 'members eq "tray"', "owner pr"])
async def test_what_does_not_match_is_not_found(client: Client, device: Json, filter_text: str) -> None:
    assert device
    assert await client.found("/Devices", filter_text) == []


async def test_what_its_file_calls_a_name_is_checked_as_one(client: Client, device: Json) -> None:
    for name in ("a\u202eb", "a\nb", " a"):
        answer = await client.patch(path(device), replace("serialNumber", name))
        assert (answer.status, answer.document["scimType"]) == (400, "invalidValue")
        assert "serialNumber" in answer.document["detail"]
    assert (await client.patch(path(device), replace("displayName", " a\u202eb"))).status == 200


async def test_it_is_patched(client: Client, device: Json) -> None:
    owner = await client.user()
    answer = await client.patch(
        path(device),
        replace("active", "off"),
        add("members", [{"value": "tray 3"}]),
        remove('members[value eq "tray 1"]'),
        add("ports", 8080),
        remove("groups"),
        add("owner", owner["id"]),
        replace("externalId", "inv-8"),
    )
    assert answer.status == 200
    after = answer.document
    assert (after["active"], after["ports"], after["externalId"]) == ("off", [80, 443, 8080], "inv-8")
    assert after["members"] == [{"value": "tray 2", "type": "paper"}, {"value": "tray 3"}]
    assert after["owner"] == {"value": owner["id"], "$ref": owner["meta"]["location"]}
    assert "groups" not in after
    assert await client.document(device) == after
    assert await client.found("/Devices", f'owner eq "{owner["id"]}"') == [after]


async def test_it_is_replaced_and_deleted(client: Client, device: Json) -> None:
    answer = await client.put(path(device), {"serialNumber": "SN-2", "members": [{"value": "m"}]})
    assert without(answer.document, "id", "meta") == {
        "schemas": [DEVICE],
        "serialNumber": "SN-2",
        "members": [{"value": "m"}],
    }
    assert (await client.delete(path(device))).status == 204
    assert (await client.get(path(device))).status == 404
    assert (await client.get("/Devices")).document["totalResults"] == 0


async def test_it_is_listed_sorted_and_projected(client: Client) -> None:
    for number in (3, 1, 2):
        await client.post("/Devices", {"serialNumber": f"SN-{number}", "ports": [number]})
    answer = await client.get("/Devices", sortBy="serialNumber", attributes="serialNumber", count=2)
    assert [item["serialNumber"] for item in answer.document["Resources"]] == ["SN-1", "SN-2"]
    assert answer.document["totalResults"] == 3
    assert set(answer.document["Resources"][0]) == {"schemas", "id", "serialNumber"}
    second = await client.get("/Devices", startIndex=3, count=2)
    assert [item["serialNumber"] for item in second.document["Resources"]] == ["SN-2"]


async def test_a_search_of_everything_finds_it_among_others(client: Client, device: Json) -> None:
    user, group = await client.user(displayName="Printer"), await client.group("Printer")
    answer = await client.post("/.search", {"filter": 'displayName eq "printer"'})
    found = {item["id"]: item for item in answer.document["Resources"]}
    assert found == {device["id"]: device, user["id"]: user, group["id"]: group}
    by_type = await client.post("/.search", {"filter": 'meta.resourceType eq "Device"'})
    assert by_type.document["Resources"] == [device]


async def test_references_that_are_no_memberships_are_found_as_they_are_stored(client: Client) -> None:
    text = "018F0000-0000-7000-8000-000000000000"
    created = await client.post("/Devices", {"serialNumber": "p", "parts": [{"value": text}]})
    assert created.document["parts"] == [{"value": text}]
    for found in (f'parts.value eq "{text}"', f'parts[value eq "{text}"]', f'parts[value pr].value eq "{text}"'):
        assert [item["id"] for item in await client.found("/Devices", found)] == [created.document["id"]]


async def test_it_is_announced(client: Client) -> None:
    announced = (await client.get("/ResourceTypes/Device")).document
    assert (announced["endpoint"], announced["schema"]) == ("/Devices", DEVICE)
    assert announced["schemaExtensions"] == [{"schema": WARRANTY, "required": False}]
    assert announced in (await client.get("/ResourceTypes")).document["Resources"]
    assert (await client.get(f"/Schemas/{DEVICE}")).document["attributes"] == SCHEMA["attributes"]


async def test_paths_of_other_methods_and_types_are_as_for_users(client: Client) -> None:
    assert (await client.send("PUT", "/Devices")).headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert (await client.get("/devices/")).status == 200
    assert (await client.get("/Device")).status == 404


@pytest.mark.parametrize("name", ["User", "Group"])
async def test_an_id_is_of_one_type_only(client: Client, device: Json, name: str) -> None:
    assert (await client.get(f"/{name}s/{device['id']}")).status == 404
    assert (await client.delete(f"/{name}s/{device['id']}")).status == 404
    assert await client.document(device) == device


async def test_the_built_in_types_are_announced(client: Client) -> None:
    listed = (await client.get("/ResourceTypes")).document["Resources"]
    by_name = {item["name"]: item for item in listed}
    assert list(by_name) == ["User", "Group", "Device"]
    assert by_name["User"] == {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "id": "User",
        "name": "User",
        "description": "User Account",
        "endpoint": "/Users",
        "schema": "urn:ietf:params:scim:schemas:core:2.0:User",
        "schemaExtensions": [
            {"schema": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", "required": False},
            {"schema": "urn:ietf:params:scim:schemas:extension:GlobalRelay:2.0:User", "required": False},
        ],
        "meta": {"resourceType": "ResourceType", "location": f"{BASE}/ResourceTypes/User"},
    }
