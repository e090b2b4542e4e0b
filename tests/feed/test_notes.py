"""What the provisioning log keeps of a change: who asked, what changed, and nothing that nobody may read."""

import json
from pathlib import Path
from typing import Any

import pytest

from scim_core.messages import Origin
from scim_core.protocol.schemas import load_catalogue
from scim_core.service.change_notes import MAX_NAMES, MAX_NOTE_BYTES, BeforeAndAfter, change_note
from scim_core.storage.tables import TableStorage, keys
from scim_core.storage.tables.reading import read_range
from tests.scim import (
    USER,
    Client,
    Clock,
    Json,
    add,
    attribute,
    endpoint_over,
    path,
    references,
    remove,
    replace,
    schema_files,
)

TENANT = "default"
SECRET = "correct horse battery staple"


async def notes(storage: TableStorage) -> list[tuple[list[str], Json]]:
    """The names and the note of each change that waits for the relay, in their order."""
    found = await read_range(storage.rows, TENANT, keys.of_kind("change"))
    return [((row.properties.get("attributes") or "").split("\n"), json.loads(row.properties["n0"])) for row in found]


async def everything(storage: TableStorage) -> str:
    """What people and programs read of changes. What a deletion keeps for an undo is the document at rest."""
    await storage.relay(TENANT)
    rows = await read_range(storage.rows, TENANT, keys.everything())
    read = keys.FEED_KINDS - {"gone"}
    return json.dumps([row.properties for row in rows if keys.kind_of(row.properties["RowKey"]) in read])


async def test_a_note_says_who_asked_and_how_to_find_the_request(storage: TableStorage, client: Client) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {"traceparent": trace, "client-request-id": "c-1", "x-request-id": "x" * 500}
    await client.post("/Users", {"userName": "ann"}, headers=headers)
    [(_, note)] = await notes(storage)
    assert (note["method"], note["credential"] != "") == ("POST", True)
    assert note["request"] == "0af7651916cd43dd8448eb211c80319c"
    assert (note["traceparent"], note["client-request-id"], note["x-request-id"]) == (trace, "c-1", "x" * 128)


async def test_values_are_kept_of_few_attributes_and_names_of_the_others(storage: TableStorage, client: Client) -> None:
    user = await client.user("ann", title="Director", displayName="Ann", externalId="7")
    await client.patch(path(user), replace("active", value=False), replace("title", "Chief"))
    await client.delete(path(user))
    [(created, one), (changed, two), (deleted, three)] = await notes(storage)
    assert set(created) == {"userName", "externalId", "displayName", "title", "active"}
    assert one["after"] == {"active": True, "userName": "ann", "externalId": "7", "displayName": "Ann"}
    assert "before" not in one
    assert set(changed) == {"title", "active"}
    assert (two["before"], two["after"], two["method"]) == ({"active": True}, {"active": False}, "PATCH")
    assert set(deleted) == set(created)
    assert three["before"]["userName"] == "ann"
    assert "Chief" not in json.dumps([one, two, three])


@pytest.mark.parametrize(
    "characteristics",
    [{"returned": "never"}, {"mutability": "writeOnly", "returned": "never"}, {"mutability": "writeOnly"}],
)
async def test_what_a_client_can_never_read_has_neither_name_nor_value(
    storage: TableStorage, clock: Clock, schema_directory: Path, characteristics: Json
) -> None:
    urn = "urn:example:params:scim:schemas:extension:hidden:2.0:User"
    secret = attribute("pin", **characteristics)
    schema: Json = {"id": urn, "name": "Hidden", "description": "Hidden", "attributes": [secret, attribute("floor")]}
    folder = schema_files(schema_directory, hidden=schema)
    client = Client(endpoint_over(storage, clock, SCIM_SCHEMA_DIRECTORY=str(folder)))
    body: Json = {"schemas": [USER, urn], "userName": "ann", "password": SECRET, urn: {"pin": SECRET, "floor": "3"}}
    user = (await client.post("/Users", body)).document
    await client.patch(path(user), replace(f"{urn}:pin", f"{SECRET}2"), replace("password", SECRET))
    await client.delete(path(user))
    [(created, _), (changed, _), _] = await notes(storage)
    assert f"{urn}:floor" in created
    assert changed == [""]
    told = await everything(storage)
    assert "pin" not in told
    assert SECRET not in told
    assert "password" not in told or '"ignored"' in told


async def test_members_that_were_skipped_are_in_the_note_of_the_group(storage: TableStorage, client: Client) -> None:
    user = await client.user("ann")
    absent = "018f0000-0000-7000-8000-0000000000ff"
    group = await client.group("team")
    members = [{"value": user["id"]}, {"value": absent}, {"value": "ann@example.com"}]
    await client.patch(path(group), add("members", members))
    note = (await notes(storage))[-1][1]
    assert (note["skippedMembers"], note["malformedMembers"]) == ([absent], 1)
    await client.post("/Groups", {"displayName": "other", "members": members})
    note = (await notes(storage))[-1][1]
    assert (note["skippedMembers"], note["malformedMembers"]) == ([absent], 1)


async def test_names_that_were_ignored_are_in_the_note_and_no_secret_is(storage: TableStorage, client: Client) -> None:
    token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9abcdefghijklmnop"
    await client.post("/Users", {"userName": "ann", "favouriteColour": "red", token: "x"})
    [(_, note)] = await notes(storage)
    assert (note["ignored"], note["ignoredOthers"]) == (["favouriteColour"], 1)


async def test_names_that_are_too_long_are_only_counted_and_the_change_is_made(
    storage: TableStorage, client: Client
) -> None:
    user = await client.user("ann")
    long = ["a." * 200_000 + str(number) for number in range(2)]
    answer = await client.put(path(user), {"userName": "ann", "active": False, **dict.fromkeys(long, "x"), "b": "x"})
    assert (answer.status, answer.document["active"]) == (200, False)
    note = (await notes(storage))[-1][1]
    assert (note["ignored"], note["ignoredOthers"]) == (["b"], 2)


async def test_a_note_is_bounded_and_says_that_it_was_cut(storage: TableStorage, client: Client) -> None:
    many = [{"value": f"{number}-{'ü' * 400}@example.com", "type": "work"} for number in range(60)]
    user = await client.user("ann", emails=many, displayName="Ann")
    await client.patch(path(user), remove("emails"))
    [(names, one), (_, two)] = await notes(storage)
    assert one["cut"] is True
    assert two["cut"] is True
    assert "emails" in names
    assert one["after"] == {"active": True, "userName": "ann", "displayName": "Ann"}
    for note in (one, two):
        assert len(json.dumps(note, ensure_ascii=False).encode()) <= MAX_NOTE_BYTES


async def test_many_names_are_cut_too(storage: TableStorage, clock: Clock, schema_directory: Path) -> None:
    urn = "urn:example:params:scim:schemas:extension:wide:2.0:User"
    wide = [attribute(f"field{number}") for number in range(MAX_NAMES + 50)]
    schema: Json = {"id": urn, "name": "Wide", "description": "Wide", "attributes": wide}
    folder = schema_files(schema_directory, wide=schema)
    client = Client(endpoint_over(storage, clock, SCIM_SCHEMA_DIRECTORY=str(folder)))
    values: dict[str, Any] = {item["name"]: "x" for item in wide}
    assert (await client.post("/Users", {"schemas": [USER, urn], "userName": "ann", urn: values})).status == 201
    [(names, note)] = await notes(storage)
    assert (len(names), note["cut"]) == (MAX_NAMES, True)


def test_half_a_surrogate_pair_that_an_older_version_has_stored_does_not_break_a_note() -> None:
    [users] = [item for item in load_catalogue() if item.name == "User"]
    before = {"userName": "ann", "displayName": "\ud83d"}
    note = change_note(users, Origin("DELETE"), BeforeAndAfter(tuple(before), before, {}))
    assert json.loads(note.text)["before"] == {"userName": "ann", "displayName": "\ud83d"}
    assert note.text.isascii()


async def test_a_refused_change_leaves_nothing_and_one_that_changes_nothing_too(
    storage: TableStorage, client: Client
) -> None:
    user = await client.user("ann", title="Director")
    await client.patch(path(user), replace("title", "Director"))
    assert (await client.post("/Users", {"userName": "ann"})).status == 409
    assert (await client.patch(path(user), replace("title", "x"), headers={"if-match": 'W/"old"'})).status == 412
    assert len(await notes(storage)) == 1


async def test_a_change_that_is_made_again_leaves_one_row(storage: TableStorage, client: Client) -> None:
    user = await client.user("ann")
    group = await client.group("team")
    await client.patch(path(group), add("members", references(user)))
    await client.patch(path(group), add("members", references(user)))
    assert len(await notes(storage)) == 3
