"""A deployment's file changes while resources are stored: what happens is defined in docs/extend.md."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scim_core.admin.declared import declared_indexes
from scim_core.storage.maintenance.checking import check
from scim_core.storage.maintenance.reindexing import Surroundings, reindex
from scim_core.storage.tables import TableStorage
from tests.scim import USER, Client, Clock, Json, attribute, endpoint_over, path, replace, schema_files, without

TENANT = "default"
THING = "urn:example:core:Thing"
EXTENSION = "urn:example:extension:more:Thing"
OF_USER = "urn:example:extension:acme:User"
PARTS = [attribute("value"), attribute("size", "integer")]

type Deploy = Callable[..., Client]


@pytest.fixture
def deploy(storage: TableStorage, clock: Clock, tmp_path: Path) -> Deploy:
    """Starts the service again over the same table, with these attributes, and so much more of the type's file."""

    def started(
        *attributes: Json, more: list[Json] | None = None, acme: list[Json] | None = None, **kind: Any
    ) -> Client:
        folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        files: Json = {"thing": {"id": THING, "name": "Thing", "attributes": [attribute("label"), *attributes]}}
        files["type"] = {"id": "Thing", "name": "Thing", "endpoint": "/Things", "schema": THING, **kind}
        if more is not None:
            files["more"] = {"id": EXTENSION, "name": "More", "attributes": more}
        if acme is not None:
            files["acme"] = {"id": OF_USER, "name": "Acme", "attributes": acme}
        table = TableStorage(storage.rows, clock)
        return Client(endpoint_over(table, clock, SCIM_SCHEMA_DIRECTORY=str(schema_files(folder, **files))))

    return started


async def thing(client: Client, **values: Any) -> Json:
    answer = await client.post("/Things", {"label": "x"} | values)
    assert answer.status == 201, answer.document
    created: Json = answer.document
    return created


async def shown(client: Client, resource: Json) -> Json:
    """The attributes of the resource, which every way of reading shows alike."""
    whole = without(await client.document(resource), "id", "meta", "schemas")
    [listed] = (await client.get(path(resource).rpartition("/")[0])).document["Resources"]
    assert without(listed, "id", "meta", "schemas") == whole
    projected = (await client.get(path(resource), excludedAttributes="externalId")).document
    assert without(projected, "id", "meta", "schemas") == whole
    return whole


async def test_an_attribute_that_is_removed_is_not_shown_and_goes_with_the_next_change(
    deploy: Deploy, storage: TableStorage
) -> None:
    extended = {"colour": "red"}
    before = deploy(
        attribute("gone"),
        attribute("parts", "complex", multiValued=True, subAttributes=PARTS),
        more=[attribute("colour")],
    )
    resource = await thing(before, gone="y", parts=[{"value": "a", "size": 1}], **{EXTENSION: extended})
    after = deploy(attribute("parts", "complex", multiValued=True, subAttributes=PARTS[:1]))
    assert await shown(after, resource) == {"label": "x", "parts": [{"value": "a"}]}
    assert (await after.document(resource))["schemas"] == [THING]
    assert await after.found("/Things", 'gone eq "y"') == []
    assert await after.found("/Things", f'{EXTENSION}:colour eq "red"') == []
    assert await shown(before, resource) == {
        "label": "x",
        "gone": "y",
        "parts": [{"value": "a", "size": 1}],
        EXTENSION: extended,
    }
    assert (await after.patch(path(resource), replace("label", "z"))).status == 200
    assert await shown(before, resource) == {"label": "z", "parts": [{"value": "a"}]}
    assert (await check(storage.rows, TENANT)).findings == []


async def test_an_extension_whose_file_is_removed_is_not_shown_of_a_user(deploy: Deploy) -> None:
    before, after = deploy(acme=[attribute("badge"), attribute("floor")]), deploy(acme=[attribute("badge")])
    user = await before.user("ann", **{OF_USER: {"badge": "7", "floor": "2"}})
    assert (await after.document(user))[OF_USER] == {"badge": "7"}
    plain = deploy()
    assert await plain.document(user) == without(user, OF_USER) | {"schemas": [USER], "meta": user["meta"]}
    assert (await plain.get(path(user), attributes="userName")).document["userName"] == "ann"


TYPES: list[tuple[Json, Any, Json, Any]] = [
    (attribute("x"), "text", attribute("x", "integer"), None),
    (attribute("x"), "text", attribute("x", "boolean"), None),
    (attribute("x"), "text", attribute("x", "dateTime"), None),
    (attribute("x"), "2026-11-24T10:00:00Z", attribute("x", "dateTime"), "2026-11-24T10:00:00Z"),
    (attribute("x"), "text", attribute("x", "reference", referenceTypes=["external"]), "text"),
    (attribute("x"), "text", attribute("x", "complex", subAttributes=PARTS), None),
    (attribute("x", "integer"), 5, attribute("x"), None),
    (attribute("x", "integer"), 5, attribute("x", "decimal"), 5),
    (attribute("x", "decimal"), 2.5, attribute("x", "integer"), None),
    (attribute("x", "boolean"), True, attribute("x", "integer"), None),
    (attribute("x", "complex", subAttributes=PARTS), {"value": "a"}, attribute("x"), None),
    (attribute("x"), "text", attribute("x", multiValued=True), ["text"]),
    (attribute("x", multiValued=True), ["text"], attribute("x"), "text"),
    (attribute("x", multiValued=True), ["a", "b"], attribute("x"), None),
    (attribute("x", "integer", multiValued=True), [1, 2], attribute("x", multiValued=True), None),
    (
        attribute("x", "complex", subAttributes=PARTS),
        {"value": "a", "size": 1},
        attribute("x", "complex", subAttributes=[PARTS[0], attribute("size", "boolean")]),
        {"value": "a"},
    ),
]


@pytest.mark.parametrize(("before", "value", "after", "kept"), TYPES)
@pytest.mark.parametrize("extended", [False, True], ids=["core", "extension"])
async def test_a_value_of_another_type_than_the_files_is_as_if_there_were_none(
    deploy: Deploy, before: Json, value: Any, after: Json, kept: Any, *, extended: bool
) -> None:
    first, second = (deploy(more=[item]) if extended else deploy(item) for item in (before, after))
    resource = await thing(first, **({EXTENSION: {"x": value}} if extended else {"x": value}))
    of_x = {"x": kept} if kept is not None else {}
    expected = {EXTENSION: of_x} if extended and of_x else of_x
    assert await shown(second, resource) == {"label": "x", **expected}
    place = f"{EXTENSION}:x" if extended else "x"
    assert len(await second.found("/Things", f"{place} pr")) == (kept is not None)
    patched = await second.patch(path(resource), replace("label", "z"))
    assert patched.status == 200, patched.document
    assert await shown(second, resource) == {"label": "z", **expected}
    put = await second.put(path(resource), {"label": "w"})
    assert put.status == 200, put.document


async def test_what_becomes_required_is_asked_for_when_it_is_next_written(deploy: Deploy) -> None:
    before = deploy(attribute("active", "boolean"))
    resource = await thing(before, active=True)
    after = deploy(
        attribute("active", "boolean"),
        attribute("size", "integer", required=True),
        attribute("number", required=True, uniqueness="server"),
        more=[attribute("colour", required=True)],
        indexed=["number"],
        schemaExtensions=[{"schema": EXTENSION, "required": True}],
    )
    assert await shown(after, resource) == {"label": "x", "active": True}
    off = await after.patch(path(resource), replace("active", "False"))
    assert (off.status, off.document["active"]) == (200, False)
    refused = await after.put(path(resource), {"label": "x"})
    assert (refused.status, refused.document["scimType"]) == (400, "invalidValue")
    whole = {"size": 1, "number": "7", EXTENSION: {"colour": "red"}}
    assert (await after.put(path(resource), whole)).status == 200
    assert await shown(after, resource) == {"active": False, **whole}
    assert (await after.patch(path(resource), replace("active", "True"))).status == 200
    refused = await after.patch(path(resource), {"op": "remove", "path": "size"})
    assert refused.status == 400


async def test_an_index_that_is_added_is_used_once_reindex_has_completed_it(
    deploy: Deploy, storage: TableStorage, clock: Clock, tmp_path: Path
) -> None:
    async def pause(seconds: float) -> None:
        clock.advance(seconds=seconds)

    size = attribute("size")
    before = deploy(size)
    resource = await thing(before, size="large")
    after, declared = deploy(size, indexed=["size"]), declared_indexes(str(tmp_path / "1"))
    assert [item["id"] for item in await after.found("/Things", 'size eq "large"')] == [resource["id"]]
    assert "Thing.size" in str((await check(storage.rows, TENANT, declared=declared)).findings)
    await reindex(storage.rows, TENANT, declared, Surroundings(clock, pause))
    assert (await check(storage.rows, TENANT, declared=declared)).findings == []
    assert [item["id"] for item in await after.found("/Things", 'size eq "LARGE"')] == [resource["id"]]


async def test_writes_wait_for_two_minutes_when_an_index_is_removed_and_nothing_is_left_that_check_finds(
    deploy: Deploy, storage: TableStorage, clock: Clock
) -> None:
    before = deploy(attribute("size", uniqueness="server"), indexed=["size"])
    resource = await thing(before, size="large")
    after = deploy(attribute("size"))
    assert len(await after.found("/Things", 'size eq "large"')) == 1
    busy = await after.post("/Things", {"label": "y", "size": "large"})
    assert busy.status == 503
    clock.advance(seconds=int(busy.headers["retry-after"]))
    second = await thing(after, label="y", size="large")
    assert second["size"] == "large"
    assert (await after.patch(path(resource), replace("label", "z"))).status == 200
    assert (await check(storage.rows, TENANT)).findings == []


REFERENCES = [
    attribute("value"),
    attribute("$ref", "reference", referenceTypes=["User"]),
    attribute("type"),
]


async def test_members_that_were_an_attribute_are_not_shown_once_the_type_has_memberships(
    deploy: Deploy, storage: TableStorage
) -> None:
    links = attribute("links", "complex", multiValued=True, subAttributes=REFERENCES)
    before = deploy(links)
    user = await before.user("ann")
    resource = await thing(before, links=[{"value": user["id"]}])
    after = deploy(links, memberships="links")
    assert await shown(after, resource) == {"label": "x"}
    answer = await after.patch(path(resource), {"op": "add", "path": "links", "value": [{"value": user["id"]}]})
    assert answer.status == 204
    assert [item["value"] for item in (await after.document(resource))["links"]] == [user["id"]]
    assert (await check(storage.rows, TENANT)).findings == []


async def test_memberships_of_a_type_that_has_none_any_more_go_with_the_resource(
    deploy: Deploy, storage: TableStorage
) -> None:
    links = attribute("links", "complex", multiValued=True, subAttributes=REFERENCES)
    before = deploy(links, memberships="links")
    user = await before.user("ann")
    resource = await thing(before, links=[{"value": user["id"]}])
    after = deploy(links)
    assert await shown(after, resource) == {"label": "x"}
    assert (await after.delete(path(resource))).status == 204
    assert (await after.delete(path(user))).status == 204
    assert (await check(storage.rows, TENANT)).findings == []


async def test_a_required_extension_whose_attribute_was_renamed_keeps_nobody_active(deploy: Deploy) -> None:
    required = {"schemaExtensions": [{"schema": EXTENSION, "required": True}]}
    active = attribute("active", "boolean")
    before = deploy(active, more=[attribute("colour")], **required)
    there = await thing(before, active=True, **{EXTENSION: {"colour": "red"}})
    after = deploy(active, more=[attribute("hue")], **required)
    assert (await after.patch(path(there), replace("active", "False"))).status == 200
    assert (await after.document(there))["active"] is False


async def test_one_refused_operation_keeps_nobody_active_whatever_form_a_stored_value_has(deploy: Deploy) -> None:
    before = deploy(acme=[attribute("phones", multiValued=True)])
    user = await before.user("ann", **{OF_USER: {"phones": ["1", "2"]}})
    parts = [attribute("value"), attribute("primary", "boolean")]
    after = deploy(acme=[attribute("phones", "complex", multiValued=True, subAttributes=parts)])
    assert (await after.patch(path(user), replace("title", "x"), replace("no.such", "x"))).status == 400
    assert (await after.patch(path(user), replace("active", "False"), replace("no.such", "x"))).status == 200
    assert (await after.document(user))["active"] is False
