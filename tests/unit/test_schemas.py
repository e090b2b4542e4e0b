"""Definitions that cannot be served are refused at the start, and say why."""

import json
from pathlib import Path
from typing import Any

import pytest

from scim_core.model import FIRST_INDEXES
from scim_core.protocol.definition_files import DefinitionError
from scim_core.protocol.schemas import Catalogue, load_catalogue

URN = "urn:example:params:scim:schemas:core:2.0:Thing"
EXTENSION = "urn:example:params:scim:schemas:extension:More:2.0:Thing"
SCHEMA: dict[str, Any] = {"id": URN, "name": "Thing", "attributes": [{"name": "label", "type": "string"}]}
RESOURCE_TYPE: dict[str, Any] = {"id": "Thing", "name": "Thing", "endpoint": "/Things", "schema": URN}


def attribute(**definition: Any) -> dict[str, Any]:
    return {**SCHEMA, "attributes": [{"name": "label", "type": "string"} | definition]}


def extension(**definition: Any) -> dict[str, Any]:
    return {**attribute(**definition), "id": EXTENSION, "name": "More"}


def load(directory: Path, *documents: Any) -> Catalogue:
    for number, document in enumerate(documents):
        folder = "resource-types" if isinstance(document, dict) and "endpoint" in document else "schemas"
        text = document if isinstance(document, str) else json.dumps(document)
        (directory / folder / f"{number}.json").write_text(text)
    return load_catalogue(directory)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"There is no folder .*nowhere"):
        load_catalogue(tmp_path / "nowhere")


def test_a_folder_adds_to_what_is_built_in(schema_directory: Path) -> None:
    catalogue = load(schema_directory, SCHEMA, RESOURCE_TYPE, extension(name="size"))
    assert list(catalogue.resource_types) == ["groups", "users", "things"]
    assert list(catalogue.resource_types["things"].extensions) == [EXTENSION]
    assert URN in catalogue.schemas


def test_an_empty_folder_adds_nothing(schema_directory: Path) -> None:
    assert list(load(schema_directory).resource_types) == ["groups", "users"]


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        (["{"], "not JSON"),
        (["[]"], "0.json is no JSON object"),
        ([{"name": "Thing", "attributes": []}], "lacks id or name"),
        ([SCHEMA, {**SCHEMA, "id": URN.upper()}, RESOURCE_TYPE], "twice"),
        ([SCHEMA | {"id": 1}], "lacks id or name"),
        ([RESOURCE_TYPE], "no file defines its schema"),
        ([SCHEMA, {**RESOURCE_TYPE, "schema": None}], "lacks schema or endpoint"),
        ([SCHEMA, {**RESOURCE_TYPE, "schema": [URN]}], "lacks schema or endpoint"),
        ([SCHEMA, {**RESOURCE_TYPE, "endpoint": 1}], "lacks schema or endpoint"),
        ([SCHEMA, {**RESOURCE_TYPE, "indexed": 1}], URN),
        ([SCHEMA, {**RESOURCE_TYPE, "indexed": [1]}], "1.json: its indexed is to be a list"),
        ([SCHEMA, {**RESOURCE_TYPE, "indexed": ["label["]}], "is not declared"),
        ([{**SCHEMA, "attributes": [1]}, RESOURCE_TYPE], "0.json: attribute 1: it is no JSON object"),
        ([SCHEMA], "no resource type has the schema"),
        ([SCHEMA, RESOURCE_TYPE, {**extension(), "id": f"{EXTENSION}s"}], "no resource type has the schema"),
        ([SCHEMA, RESOURCE_TYPE, {**RESOURCE_TYPE, "name": "Thing2"}], "two resource types"),
        ([SCHEMA, RESOURCE_TYPE, {**RESOURCE_TYPE, "endpoint": "/Others"}], "two resource types"),
        ([SCHEMA, {**RESOURCE_TYPE, "name": "User"}], "two resource types"),
        ([SCHEMA, {**RESOURCE_TYPE, "endpoint": "/users"}], "two resource types"),
        ([SCHEMA, {**RESOURCE_TYPE, "indexed": ["size"]}], "size is not declared"),
        ([SCHEMA, {**RESOURCE_TYPE, "names": ["size"]}], "size is not declared"),
        ([attribute(type="boolean"), {**RESOURCE_TYPE, "names": ["label"]}], "label is no text"),
        ([SCHEMA, {**RESOURCE_TYPE, "name": "a:b"}], "letters and digits"),
        ([attribute(type="strin"), RESOURCE_TYPE], "0.json: attribute label: its type is 'strin'"),
        ([attribute(name=None), RESOURCE_TYPE], "0.json: attribute 1: its name"),
        ([{**SCHEMA, "attributes": [{"type": "string"}]}, RESOURCE_TYPE], "attribute 1: its name"),
        ([{**SCHEMA, "attributes": [{"name": "x"}]}, RESOURCE_TYPE], "attribute x: its type is None"),
        ([{**SCHEMA, "attributes": None}, RESOURCE_TYPE], "attributes is to be a list"),
        (
            [{**SCHEMA, "attributes": [*SCHEMA["attributes"], {"name": "LABEL", "type": "string"}]}, RESOURCE_TYPE],
            "attribute label: it is declared twice",
        ),
        ([attribute(name="id"), RESOURCE_TYPE], "id"),
        ([attribute(uniqueness="server"), RESOURCE_TYPE], "label"),
        ([SCHEMA, RESOURCE_TYPE, extension(uniqueness="global")], "label"),
        ([SCHEMA, RESOURCE_TYPE, extension(name="externalId")], "2.json: attribute externalId"),
        ([SCHEMA, RESOURCE_TYPE, extension(name="meta")], "meta"),
    ],
)
def test_what_cannot_be_served_is_refused_by_name(schema_directory: Path, documents: list[Any], said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        load(schema_directory, *documents)


@pytest.mark.parametrize("name", ["User", "EnterpriseUser", "Two Words", "title", "userName", "7up", "model_dump", "ß"])
def test_extensions_may_be_called_anything(schema_directory: Path, name: str) -> None:
    urns = [f"urn:example:params:scim:schemas:extension:{part}:2.0:User" for part in ("One", "Two")]
    documents = [{"id": urn, "name": name, "attributes": SCHEMA["attributes"]} for urn in urns]
    user = load(schema_directory, *documents).resource_types["users"]
    content = {"userName": "x", "title": "t", **{urn: {"label": urn} for urn in urns}}
    dumped = user.model.model_validate(content).model_dump()
    assert {urn: dumped[urn]["label"] for urn in urns} == {urn: urn for urn in urns}
    assert dumped["title"] == "t"


@pytest.mark.parametrize(
    "name",
    ["copy", "json", "schema", "modelName", "validate", "class", "self", "a-b", "$x", "x_y", "xY", "id2"],
)
def test_attributes_may_be_called_anything(schema_directory: Path, name: str) -> None:
    thing = load(schema_directory, attribute(name=name), RESOURCE_TYPE).resource_types["things"]
    assert thing.model.model_validate({name: "x"}).model_dump()[name] == "x"


def test_the_indexes_that_need_no_record_are_those_that_version_0_1_declared() -> None:
    """A file that gains an index does not gain it here: tenants that have users already lack its rows."""
    declared = {index for resource_type in load_catalogue() for index in resource_type.indexes}
    assert declared >= FIRST_INDEXES
    assert {index.name for index in FIRST_INDEXES} == {
        "User.userName+unique",
        "User.externalId+exact",
        "User.displayName",
        "User.emails.value",
        "Group.displayName+unique",
        "Group.externalId+exact",
    }
