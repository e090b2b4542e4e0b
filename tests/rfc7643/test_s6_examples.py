"""The files of examples/schemas, which docs/extend.md explains: what it says of them is so."""

import json
import re
from pathlib import Path

import pytest

from scim_core.protocol.definition_files import DefinitionError
from scim_core.protocol.schemas import load_catalogue
from scim_core.storage.tables import TableStorage
from tests.running import ROOT
from tests.scim import USER, Client, Clock, Json, add, endpoint_over, path, replace, schema_files, without

EXAMPLES = ROOT / "examples" / "schemas"
PAGE = (ROOT / "docs" / "extend.md").read_text(encoding="utf-8")
ACME = "urn:example:params:scim:schemas:extension:acme:2.0:User"
DEVICE = "urn:ietf:params:scim:schemas:core:2.0:Device"
MAB = "urn:ietf:params:scim:schemas:extension:ethernet-mab:2.0:Device"
GLOBAL_RELAY = "urn:ietf:params:scim:schemas:extension:GlobalRelay:2.0:User"


@pytest.fixture
def client(storage: TableStorage, clock: Clock) -> Client:
    return Client(endpoint_over(storage, clock, SCIM_SCHEMA_DIRECTORY=str(EXAMPLES)))


def blocks() -> list[Json]:
    """The JSON objects that the page shows."""
    indented = re.findall(r"\n\n((?:    .*\n)+)", PAGE)
    return [json.loads(text) for text in indented if text.strip().startswith("{")]


def test_what_the_page_shows_is_in_the_files() -> None:
    extension, device = blocks()
    whole = json.loads((EXAMPLES / "schemas" / "acme-user.json").read_text())
    assert (extension["id"], extension["name"]) == (whole["id"], whole["name"])
    assert extension["attributes"][0].items() <= whole["attributes"][0].items()
    of_file = json.loads((EXAMPLES / "resource-types" / "device.json").read_text())
    assert without(of_file, "schemas") | {"schemaExtensions": device["schemaExtensions"]} == device
    assert device["schemaExtensions"][0] in of_file["schemaExtensions"]


def test_the_error_that_the_page_shows_is_what_is_said(schema_directory: Path) -> None:
    [shown] = re.findall(r"\n    error: (device\.json: .*)\n", PAGE)
    device = json.loads((EXAMPLES / "schemas" / "device.json").read_text())
    device["attributes"][2]["mutability"] = "readwrite"
    kind = json.loads((EXAMPLES / "resource-types" / "device.json").read_text())
    of_device = without(kind, "schemaExtensions", "memberships")
    device["attributes"] = device["attributes"][:3]
    schema_files(schema_directory, device=device, device_type=of_device)
    with pytest.raises(DefinitionError) as refused:
        load_catalogue(schema_directory)
    assert str(refused.value) == shown


async def test_an_extension_of_another_vendor_is_one_file(client: Client) -> None:
    deputy = await client.user("deputy")
    extended = {"badgeNumber": "B7", "building": "East", "deputy": {"value": deputy["meta"]["location"]}}
    user = await client.user("ann", **{ACME: extended})
    shown = {"value": deputy["id"], "$ref": deputy["meta"]["location"]}
    assert user[ACME] == {**extended, "deputy": shown}
    assert user["schemas"] == [USER, ACME]
    patched = await client.patch(path(user), replace(f"{ACME}:badgeNumber", "B8"))
    assert patched.document[ACME]["badgeNumber"] == "B8"
    assert [item["id"] for item in await client.found("/Users", f'{ACME}:badgeNumber eq "B8"')] == [user["id"]]
    assert [item["id"] for item in await client.found("/Users", f'{ACME}:deputy eq "{deputy["id"]}"')] == [user["id"]]
    extensions = (await client.get("/ResourceTypes/User")).document["schemaExtensions"]
    assert [item["schema"] for item in extensions][1:] == [GLOBAL_RELAY, ACME]


async def test_the_global_relay_extension_is_always_there(storage: TableStorage, clock: Clock) -> None:
    plain = Client(endpoint_over(storage, clock))
    user = await plain.user("ann", **{GLOBAL_RELAY: {"extensionAttribute1": "x"}})
    assert user[GLOBAL_RELAY] == {"extensionAttribute1": "x"}


async def test_devices_are_two_files(client: Client) -> None:
    mac = {"deviceMacAddress": "2C:54:91:88:C9:E2"}
    answer = await client.post("/Devices", {"schemas": [DEVICE, MAB], "displayName": "printer", MAB: mac})
    assert (answer.status, answer.document["active"], answer.document[MAB]) == (201, True, mac)
    refused = await client.post("/Devices", {"active": True, MAB: {}})
    assert (refused.status, refused.document["scimType"]) == (400, "invalidValue")


async def test_an_agent_is_in_groups_and_names_its_owners(client: Client) -> None:
    owner, group = await client.user("owner"), await client.group("Automation")
    answer = await client.post("/Agents", {"name": "helper", "owners": [{"value": owner["id"]}]})
    assert answer.status == 201, answer.document
    agent: Json = answer.document
    await client.patch(path(group), add("members", [{"value": agent["id"]}]))
    shown = await client.document(agent)
    assert [item["value"] for item in shown["groups"]] == [group["id"]]
    again = await client.post("/Agents", {"name": "HELPER"})
    assert (again.status, again.document["scimType"]) == (409, "uniqueness")
