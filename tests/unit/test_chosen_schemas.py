"""What a tenant's choice of resource types and extensions says, and what it makes of the catalogue."""

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest

from scim_core.chosen_schemas import AS_BY_DEFAULT, ChosenSchemas
from scim_core.protocol.definition_files import DefinitionError
from scim_core.protocol.schemas import load_catalogue
from scim_core.protocol.sub_catalogues import MAX_SETS, Catalogues
from tests.scim import ENTERPRISE, GLOBAL_RELAY, USER, attribute, schema_files

DEVICE = "urn:example:params:scim:schemas:core:2.0:Device"
TYPE: dict[str, Any] = {"id": "Device", "name": "Device", "endpoint": "/Devices", "schema": DEVICE}
SCHEMA: dict[str, Any] = {"id": DEVICE, "name": "Device", "attributes": [attribute("serial")]}


@pytest.mark.parametrize("by_default", [True, False])
def test_nothing_said_is_the_default(by_default: bool) -> None:
    assert AS_BY_DEFAULT.has("Device", by_default=by_default) is by_default


@pytest.mark.parametrize("by_default", [True, False])
@pytest.mark.parametrize("name", ["Device", "DEVICE", "device"])
def test_what_is_said_counts_in_any_letter_case_and_whatever_the_default(name: str, by_default: bool) -> None:
    assert AS_BY_DEFAULT.allowing([name]).has("Device", by_default=by_default)
    assert not AS_BY_DEFAULT.denying([name]).has("Device", by_default=by_default)


def test_what_is_said_last_counts_and_nothing_is_said_twice() -> None:
    chosen = AS_BY_DEFAULT.allowing(["Device", "urn:b"]).denying(["urn:a", "urn:a", "device"])
    assert chosen == ChosenSchemas("urn:b", "device urn:a")
    assert chosen.allowing(["Device"]) == ChosenSchemas("Device urn:b", "urn:a")
    assert chosen.without(["URN:A", "DEVICE"]) == ChosenSchemas("urn:b", "")
    assert chosen.without(["device", "urn:a", "urn:b"]) == AS_BY_DEFAULT


def test_a_row_that_allows_and_denies_the_same_denies_it() -> None:
    assert not ChosenSchemas("Device", "Device").has("Device", by_default=True)


@pytest.mark.parametrize("name", ["User", "group"])
def test_user_and_group_are_always_there_even_if_a_row_says_otherwise(name: str) -> None:
    assert ChosenSchemas(denied="User Group user group").has(name, by_default=False)


@pytest.mark.parametrize(
    ("folder", "document"),
    [
        ("type", TYPE | {"onByDefault": "no"}),
        ("type", TYPE | {"onByDefault": None}),
        ("schema", SCHEMA | {"onByDefault": False}),
    ],
)
def test_a_file_that_says_the_default_in_a_wrong_way_is_named(
    folder: str, document: dict[str, Any], tmp_path: Path
) -> None:
    documents = {"type": TYPE, "schema": SCHEMA} | {folder: document}
    with pytest.raises(DefinitionError, match="onByDefault") as refused:
        load_catalogue(schema_files(tmp_path, **documents))
    assert f"{folder}.json" in str(refused.value)


def test_user_cannot_be_off_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scim_core.protocol.schemas.DEFINITIONS", tmp_path / "none")
    user = {"id": "User", "name": "User", "endpoint": "/Users", "schema": USER, "onByDefault": False}
    with pytest.raises(DefinitionError, match="onByDefault can be false of extensions"):
        load_catalogue(schema_files(tmp_path, user=user, schema=SCHEMA | {"id": USER}))


def test_without_a_registry_everything_is_there(tmp_path: Path) -> None:
    whole = load_catalogue(schema_files(tmp_path, type=TYPE | {"onByDefault": False}, schema=SCHEMA))
    assert Catalogues(whole, by_tenant=False).of(ChosenSchemas(denied="Device")) is whole
    assert Catalogues(whole, by_tenant=True).of().named("Device") is None
    assert Catalogues(whole, by_tenant=True).of(ChosenSchemas("Device")) is whole


def test_tenants_with_the_same_extensions_share_one_model() -> None:
    catalogues = Catalogues(load_catalogue(), by_tenant=True)
    first = catalogues.of(ChosenSchemas(denied=GLOBAL_RELAY))
    other = catalogues.of(ChosenSchemas(denied=f"{GLOBAL_RELAY} urn:of:another:extension:User"))
    assert first.resource_types["users"] is other.resource_types["users"]
    assert first.resource_types["groups"] is catalogues.whole.resource_types["groups"]
    assert catalogues.of(ChosenSchemas(denied=GLOBAL_RELAY)) is first
    assert catalogues.of(ChosenSchemas(allowed=ENTERPRISE)) is catalogues.whole


def test_no_more_than_so_many_models_are_kept_and_the_others_are_freed(tmp_path: Path) -> None:
    urns = [f"urn:x:extension:E{number}:User" for number in range(MAX_SETS + 5)]
    files = {f"e{number}": {"id": urn, "name": "E", "attributes": [attribute("x")]} for number, urn in enumerate(urns)}
    catalogues = Catalogues(load_catalogue(schema_files(tmp_path, **files)), by_tenant=True)
    models = [weakref.ref(catalogues.of(ChosenSchemas(denied=urn)).resource_types["users"].model) for urn in urns]
    gc.collect()
    assert [model() is not None for model in models] == [False] * 5 + [True] * MAX_SETS
