"""RFC 7643 sections 4.2 and 6: a type of a deployment's own can have members, as a Group has. Here it is the Fleet of
examples/schemas, whose members are devices and other fleets.
"""

from pathlib import Path
from typing import Any

import pytest

from scim_core.feed.feed import Feed, Kept
from scim_core.protocol.schemas import load_catalogue
from scim_core.storage.maintenance.checking import check, repair
from scim_core.storage.maintenance.invariants import Problem
from scim_core.storage.tables import TableStorage, keys, large_change_runner, writing
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from tests.commands import run_here
from tests.contract.builders import also_on_azurite
from tests.memory_rows import memory_storage
from tests.running import ROOT
from tests.scim import BASE, Client, Clock, Json, add, endpoint_over, path, remove, replace

EXAMPLES = ROOT / "examples" / "schemas"
DEVICE = "urn:ietf:params:scim:schemas:core:2.0:Device"
FLEET = "urn:example:params:scim:schemas:core:2.0:Fleet"
TENANT = "default"
CATALOGUE = load_catalogue(EXAMPLES)
MANY = 150
"""Members of a change that does not fit one transaction."""


def client_of(storage: TableStorage, clock: Clock, **settings: str) -> Client:
    return Client(endpoint_over(storage, clock, SCIM_SCHEMA_DIRECTORY=str(EXAMPLES), **settings))


@pytest.fixture
def client(storage: TableStorage, clock: Clock) -> Client:
    return client_of(storage, clock)


async def device(client: Client, name: str = "printer") -> Json:
    answer = await client.post("/Devices", {"schemas": [DEVICE], "displayName": name, "active": True})
    assert answer.status == 201, answer.document
    created: Json = answer.document
    return created


async def fleet(client: Client, name: str = "Floor 1", *devices: Json) -> Json:
    members = [{"value": item["id"], "type": item["meta"]["resourceType"]} for item in devices]
    answer = await client.post("/Fleets", {"schemas": [FLEET], "name": name, "devices": members})
    assert answer.status == 201, answer.document
    created: Json = answer.document
    return created


def shown(resource: Json) -> Json:
    """The resource as its fleet shows it."""
    kind = resource["meta"]["resourceType"]
    return {"value": resource["id"], "$ref": resource["meta"]["location"], "type": kind}


def fleets_of(resource: Json) -> list[Json]:
    """The groups that the resource shows."""
    groups: list[Json] = resource.get("groups", [])
    return groups


@also_on_azurite
async def test_both_ends_show_the_membership(client: Client) -> None:
    printer, scanner = await device(client, "printer"), await device(client, "scanner")
    floor = await fleet(client, "Floor 1", printer)
    assert floor["devices"] == [shown(printer)]
    house = await fleet(client, "House", floor, scanner)
    assert house["devices"] == [shown(floor), shown(scanner)] or house["devices"] == [shown(scanner), shown(floor)]
    assert (await client.document(floor))["devices"] == floor["devices"]
    location = f"{BASE}/Fleets/{floor['id']}"
    assert fleets_of(await client.document(printer)) == [{"value": floor["id"], "$ref": location, "type": "direct"}]
    assert (await client.document(printer))["meta"]["version"] != printer["meta"]["version"]


async def test_the_rows_of_a_membership_name_the_types_of_both_ends_and_those_of_a_group_stay_as_they_were(
    client: Client, storage: TableStorage
) -> None:
    printer, user = await device(client), await client.user()
    floor, group = await fleet(client, "Floor 1", printer), await client.group("Staff", user, printer)
    for key in (keys.member(floor["id"], printer["id"]), keys.member_of(printer["id"], floor["id"])):
        row = await storage.rows.get(TENANT, key)
        assert row is not None
        assert (row.properties["groupType"], row.properties["type"]) == ("Fleet", "Device")
    row = await storage.rows.get(TENANT, keys.member(group["id"], user["id"]))
    assert row is not None
    assert "groupType" not in row.properties
    [in_group, in_fleet] = sorted(
        fleets_of(await client.document(printer)), key=lambda item: item["value"] == floor["id"]
    )
    assert (in_group["$ref"], in_fleet["$ref"]) == (group["meta"]["location"], floor["meta"]["location"])


async def test_a_user_shows_groups_and_no_fleets_and_a_fleet_takes_no_users(client: Client) -> None:
    user = await client.user()
    floor = await fleet(client, "Floor 1", user)
    assert "devices" not in floor
    answer = await client.patch(path(floor), add("devices", [{"value": user["id"]}]))
    assert answer.status == 204
    assert "devices" not in await client.document(floor)
    assert "groups" not in await client.document(user)


async def test_members_are_patched_as_those_of_a_group(client: Client) -> None:
    printer, scanner, screen = [await device(client, name) for name in ("printer", "scanner", "screen")]
    floor = await fleet(client)
    url = path(floor)

    async def after(*operations: Json) -> list[str]:
        answer = await client.patch(url, *operations)
        assert answer.status == 204, answer.document
        return sorted(item["value"] for item in (await client.document(url)).get("devices", ()))

    assert await after(add("devices", [{"value": printer["id"]}, {"$ref": scanner["meta"]["location"]}])) == [
        printer["id"],
        scanner["id"],
    ]
    assert await after(remove(f'devices[value eq "{printer["id"].upper()}"]')) == [scanner["id"]]
    assert await after(replace("devices", [{"value": screen["meta"]["location"]}])) == [screen["id"]]
    assert await after(add("devices", [{"value": printer["id"]}]), remove('devices[type eq "Device"]')) == []
    assert await after({"op": "add", "value": {f"{FLEET}:devices": [{"value": printer["id"]}]}}) == [printer["id"]]
    assert await after(remove("devices")) == []
    refused = await client.patch(url, replace(f'devices[value eq "{printer["id"]}"].value', screen["id"]))
    assert (refused.status, refused.document["scimType"]) == (400, "mutability")
    refused = await client.patch(url, add("devices", [{"value": floor["id"], "type": "Fleet"}]))
    assert (refused.status, refused.document["scimType"]) == (400, "invalidValue")


async def test_a_put_replaces_members_and_a_patch_answers_as_the_setting_says(
    storage: TableStorage, clock: Clock
) -> None:
    client = client_of(storage, clock, SCIM_GROUP_PATCH_ANSWER="200")
    printer, scanner = await device(client, "printer"), await device(client, "scanner")
    floor = await fleet(client, "Floor 1", printer)
    put = await client.put(path(floor), {"name": "Floor 1", "devices": [{"value": scanner["id"]}]})
    assert put.document["devices"] == [shown(scanner)]
    assert "groups" not in await client.document(printer)
    patched = await client.patch(path(floor), add("devices", [{"value": printer["id"]}]))
    assert (patched.status, patched.document["devices"]) == (200, [shown(printer), shown(scanner)])


async def test_filters_look_through_memberships(client: Client) -> None:
    printer, scanner = await device(client, "printer"), await device(client, "scanner")
    floor = await fleet(client, "Floor 1", printer)
    house = await fleet(client, "House", floor, scanner)
    group = await client.group("Staff", printer)

    async def names(url: str, text: str) -> list[str]:
        return sorted(str(item.get("name") or item.get("displayName")) for item in await client.found(url, text))

    assert await names("/Fleets", f'devices.value eq "{printer["id"]}"') == ["Floor 1"]
    assert await names("/Fleets", f'devices[value eq "{floor["id"]}"]') == ["House"]
    assert await names("/Fleets", f'id eq "{floor["id"]}" and devices eq "{printer["id"]}"') == ["Floor 1"]
    assert await names("/Fleets", f'id eq "{house["id"]}" and devices eq "{printer["id"]}"') == []
    assert await names("/Fleets", 'devices.type eq "Fleet"') == ["House"]
    assert await names("/Groups", f'members.value eq "{printer["id"]}"') == ["Staff"]
    assert await names("/Devices", f'groups.value eq "{floor["id"]}"') == ["printer"]
    assert await names("/Devices", f'groups.value eq "{group["id"]}"') == ["printer"]
    assert await names("/Devices", f'groups.value eq "{floor["meta"]["location"]}"') == ["printer"]
    assert await names("/Devices", "groups pr") == ["printer", "scanner"]
    assert await names("/Users", f'groups.value eq "{floor["id"]}"') == []


async def test_lists_show_members_as_far_as_they_are_asked_for(client: Client) -> None:
    printer = await device(client)
    floor = await fleet(client, "Floor 1", printer)
    listed = (await client.get("/Fleets")).document["Resources"]
    assert listed == [floor]
    bare = (await client.get("/Fleets", excludedAttributes="devices")).document["Resources"]
    assert "devices" not in bare[0]
    [only] = (await client.get("/Fleets", attributes="devices.value", sortBy="name")).document["Resources"]
    assert only["devices"] == [{"value": printer["id"]}]
    everything = (await client.post("/.search", {})).document["Resources"]
    assert floor in everything


@also_on_azurite
async def test_a_large_change_is_applied_to_both_ends(client: Client, storage: TableStorage) -> None:
    devices = [await device(client, f"device {number}") for number in range(MANY)]
    floor = await fleet(client, "Floor 1", *devices)
    assert len((await client.document(floor))["devices"]) == MANY
    assert all([fleets_of(await client.document(item)) for item in devices[::40]])
    answer = await client.patch(path(floor), replace("devices", []))
    assert answer.status == 204
    assert "devices" not in await client.document(floor)
    answer = await client.patch(path(floor), add("devices", [{"value": item["id"]} for item in devices]))
    assert answer.status == 204
    assert (await client.delete(path(floor))).status == 204
    assert not any([fleets_of(await client.document(item)) for item in devices[::40]])
    assert (await check(storage.rows, TENANT)).findings == []


async def test_a_pending_change_is_shown_and_finished(
    client: Client, storage: TableStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices = [await device(client, f"device {number}") for number in range(MANY)]
    floor = await fleet(client)
    with monkeypatch.context() as patch:
        patch.setattr(writing, "APPLY_SECONDS", 0)
        patch.setattr(large_change_runner, "apply", _nothing_applied)
        await client.patch(path(floor), add("devices", [{"value": item["id"]} for item in devices]))
        document = await client.document(floor)
        assert [item["type"] for item in document["devices"]] == ["Device"] * MANY
    assert await large_change_runner.apply(storage.rows, TENANT, floor["id"], 60)
    assert await client.document(floor) == document
    assert (await check(storage.rows, TENANT)).findings == []


async def _nothing_applied(*_: Any, **__: Any) -> bool:
    return False


@also_on_azurite
async def test_who_is_deleted_leaves_its_fleets_and_a_deleted_fleet_its_members(
    client: Client, storage: TableStorage
) -> None:
    printer, scanner = await device(client, "printer"), await device(client, "scanner")
    floor = await fleet(client, "Floor 1", printer, scanner)
    house = await fleet(client, "House", floor)
    await client.group("Staff", printer)
    assert (await client.delete(path(printer))).status == 204
    assert (await client.document(floor))["devices"] == [shown(scanner)]
    assert (await client.delete(path(floor))).status == 204
    assert "devices" not in await client.document(house)
    assert "groups" not in await client.document(scanner)
    assert (await check(storage.rows, TENANT)).findings == []


async def test_an_unknown_member_is_skipped_and_one_of_another_type_is_known_by_its_own(client: Client) -> None:
    printer = await device(client)
    inner = await fleet(client, "inner")
    answer = await client.post(
        "/Fleets",
        {
            "name": "outer",
            "devices": [
                {"value": inner["id"], "type": "Device"},
                {"value": printer["id"], "type": "Fleet"},
                {"value": "018f0000-0000-7000-8000-000000000000"},
            ],
        },
    )
    assert sorted(item["type"] for item in answer.document["devices"]) == ["Device", "Fleet"]


async def test_check_finds_and_mends_broken_rows(client: Client, storage: TableStorage) -> None:
    printer, scanner = await device(client, "printer"), await device(client, "scanner")
    floor = await fleet(client, "Floor 1", printer, scanner)
    half = keys.member_of(printer["id"], floor["id"])
    await storage.rows.transact(TENANT, [RowOperation(Verb.DELETE, Role.MEMBERSHIP, half)])
    await storage.rows.transact(
        TENANT, [RowOperation(Verb.DELETE, Role.RESOURCE, keys.resource("Device", scanner["id"]))]
    )
    found = (await check(storage.rows, TENANT)).findings
    assert {item.problem for item in found} >= {Problem.HALF_MEMBERSHIP, Problem.DANGLING_MEMBERSHIP}
    for item in found:
        assert await repair(storage.rows, TENANT, item)
    row = await storage.rows.get(TENANT, half)
    assert row is not None
    assert row.properties["groupType"] == "Fleet"
    assert (await client.document(floor))["devices"] == [shown(printer)]
    feed = Feed(storage, CATALOGUE, Clock(), Kept(30, 90))
    entries = (await feed.changes(TENANT, after=None, limit=100, base_url="https://x")).entries
    assert [entry["type"] for entry in entries if entry["change"] == "members"] == ["Fleet", "Fleet"]


async def test_an_export_brings_it_to_another_table(client: Client, storage: TableStorage, tmp_path: Path) -> None:
    printer = await device(client)
    floor = await fleet(client, "Floor 1", printer)
    file, other = tmp_path / "export.ndjson", memory_storage()
    assert (await run_here(storage.rows, "export", file)).returncode == 0
    imported = await run_here(other.rows, "--schemas", EXAMPLES, "import", file)
    assert imported.returncode == 0, imported.stderr
    there = client_of(other, Clock())
    assert await there.document(path(floor)) == floor
    assert await there.document(path(printer)) == await client.document(printer)
    assert (await check(other.rows, TENANT)).findings == []


async def test_the_feed_tells_of_it_and_a_snapshot_has_it_after_its_members(
    client: Client, storage: TableStorage, clock: Clock
) -> None:
    printer = await device(client)
    floor = await fleet(client)
    await client.patch(path(floor), add("devices", [{"value": printer["id"]}]))
    feed = Feed(storage, CATALOGUE, clock, Kept(30, 90))
    [_, _, joined] = (await feed.changes(TENANT, after=None, limit=100, base_url="https://x")).entries
    assert (joined["change"], joined["type"], joined["joined"]) == ("members", "Fleet", [printer["id"]])
    types, memberships, page = [], [], None
    while True:
        found = await feed.snapshot(TENANT, page=page, limit=100, base_url="https://x")
        types += [item["type"] for item in found.resources]
        memberships += found.memberships
        page = found.next
        if page is None:
            break
    assert types == ["Device", "Fleet"]
    assert memberships == [{"group": floor["id"], "member": printer["id"]}]


async def test_the_log_answers_about_it(
    client: Client, storage: TableStorage, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scim_core.admin.history.utc_now", clock)
    user, group = await client.user("ann"), await client.group("Floor")
    printer = await device(client)
    floor = await fleet(client, "Floor 1", printer)
    schemas = ("--schemas", EXAMPLES, "--json")
    of_fleet = await run_here(storage.rows, *schemas, "log", TENANT, "--resource", floor["id"])
    assert '"what": "created"' in of_fleet.stdout
    of_device = await run_here(storage.rows, *schemas, "log", TENANT, "--resource", printer["id"])
    assert '"what": "joined"' in of_device.stdout
    for name in ("Floor 1", floor["id"]):
        why = await run_here(storage.rows, *schemas, "why", TENANT, "ann", name)
        assert (why.returncode, floor["id"] in why.stdout) == (0, True), why.stdout
    assert group["id"] != user["id"]


async def test_a_bulk_links_what_it_creates(client: Client) -> None:
    operations = [
        {
            "method": "POST",
            "path": "/Fleets",
            "bulkId": "f",
            "data": {"name": "Floor 1", "devices": [{"value": "bulkId:d", "type": "Device"}]},
        },
        {"method": "POST", "path": "/Devices", "bulkId": "d", "data": {"displayName": "printer", "active": True}},
    ]
    schemas = ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"]
    answer = await client.post("/Bulk", {"schemas": schemas, "Operations": operations})
    assert [item["status"] for item in answer.document["Operations"]] == ["201", "201"], answer.document
    [floor] = (await client.get("/Fleets")).document["Resources"]
    [printer] = (await client.get("/Devices")).document["Resources"]
    assert floor["devices"] == [shown(printer)]


async def test_members_of_a_type_that_is_not_served_any_more_are_not_shown(
    client: Client, storage: TableStorage, clock: Clock
) -> None:
    printer, user = await device(client), await client.user()
    group = await client.group("Staff", user, printer)
    plain = Client(endpoint_over(storage, clock))
    assert [item["type"] for item in (await plain.document(group))["members"]] == ["User"]
    assert len((await client.document(group))["members"]) == 2
