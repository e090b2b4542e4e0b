"""Files of schemas and resource types with every mistake that the check knows: each is told, and nothing is served."""

import json
from pathlib import Path
from typing import Any

import pytest

from scim_core.composition import build_or_refuse
from scim_core.endpoint.routes import ROUTES
from scim_core.endpoint.unconfigured import Unconfigured
from scim_core.messages import ScimRequest
from scim_core.protocol.attribute_checks import attribute_mistakes
from scim_core.protocol.definition_checks import RESERVED_ENDPOINTS
from scim_core.protocol.definition_files import MAX_TOLD, DefinitionError
from scim_core.protocol.schemas import load_catalogue
from tests.scim import Json, attribute, schema_files

URN = "urn:example:thing"
EXTENSION = "urn:example:extension:more"
LABEL = attribute("label")
REFERENCES: Json = {
    "name": "members",
    "type": "complex",
    "multiValued": True,
    "subAttributes": [
        {"name": "value", "type": "string"},
        {"name": "$ref", "type": "reference", "referenceTypes": ["User"]},
        {"name": "type", "type": "string"},
    ],
}

ATTRIBUTES: list[tuple[Any, str]] = [
    (5, "attribute 1: it is no JSON object"),
    ({"type": "string"}, "attribute 1: its name is to begin with a letter"),
    (attribute("1x"), "attribute 1x: its name is to begin with a letter"),
    (attribute("a b"), "attribute a b: its name"),
    (attribute("a.b"), "attribute a.b: its name"),
    (attribute("x" + "é"), "attribute xé: its name"),
    (attribute("id"), "attribute id: a schema cannot declare it"),
    (attribute("schemas"), "attribute schemas: a schema cannot declare it"),
    (attribute("Meta"), "attribute Meta: a schema cannot declare it"),
    (attribute("password"), "attribute password: a schema cannot declare it"),
    ({"name": "x"}, "attribute x: its type is None"),
    (attribute("x", "text"), "attribute x: its type is 'text', and not one of string, boolean"),
    (attribute("x", "String"), "attribute x: its type is 'String'"),
    (attribute("x") | {"type": ["string"]}, "attribute x: its type is ['string']"),
    (attribute("x", colour="red"), "attribute x: 'colour' is unknown"),
    (attribute("x", multivalued=True), "attribute x: 'multivalued' is unknown"),
    (attribute("x", multiValued="no"), "attribute x: its multiValued is 'no', and not true or false"),
    (attribute("x", required=1), "attribute x: its required is 1, and not true or false"),
    (attribute("x", caseExact=None), "attribute x: its caseExact is None, and not true or false"),
    (attribute("x", description=5), "attribute x: its description is no text"),
    (attribute("x", mutability="readwrite"), "attribute x: its mutability is 'readwrite', and not one of readOnly"),
    (attribute("x", mutability=[]), "attribute x: its mutability is []"),
    (attribute("x", returned="sometimes"), "attribute x: its returned is 'sometimes', and not one of always"),
    (attribute("x", uniqueness="tenant"), "attribute x: its uniqueness is 'tenant', and not one of none"),
    (attribute("x", uniqueness=True), "attribute x: its uniqueness is True"),
    (attribute("x", "complex"), "attribute x: a complex attribute needs subAttributes"),
    (attribute("x", "complex", subAttributes=[]), "attribute x: a complex attribute needs subAttributes"),
    (attribute("x", "complex", subAttributes={"a": 1}), "attribute x: a complex attribute needs subAttributes"),
    (attribute("x", subAttributes=[LABEL]), "attribute x: only a complex attribute has subAttributes"),
    (
        attribute("x", "complex", subAttributes=[attribute("y", "complex", subAttributes=[LABEL])]),
        "attribute x.y: a subAttribute cannot be complex",
    ),
    (attribute("x", "complex", subAttributes=[7]), "attribute x.1: it is no JSON object"),
    (attribute("x", "complex", subAttributes=[{}]), "attribute x.1: its name"),
    (attribute("x", "complex", subAttributes=[attribute("y", "text")]), "attribute x.y: its type is 'text'"),
    (
        attribute("x", "complex", subAttributes=[attribute("y"), attribute("Y")]),
        "attribute x.y: it is declared twice",
    ),
    (
        attribute("x", "complex", subAttributes=[attribute("y", uniqueness="server")]),
        "attribute x.y: a subAttribute cannot be unique here",
    ),
    (attribute("x", canonicalValues="a"), "attribute x: its canonicalValues are to be a list of texts"),
    (attribute("x", canonicalValues=[]), "attribute x: its canonicalValues are to be a list of texts"),
    (attribute("x", canonicalValues=[1]), "attribute x: its canonicalValues are to be a list of texts"),
    (attribute("x", canonicalValues=["a", "a"]), "attribute x: one of its canonicalValues is there twice"),
    (attribute("x", "integer", canonicalValues=[1]), "attribute x: an attribute of type integer has no canonical"),
    (attribute("x", "boolean", canonicalValues=[True]), "attribute x: an attribute of type boolean has no canonical"),
    (attribute("x", referenceTypes=["User"]), "attribute x: only an attribute of type reference has referenceTypes"),
    (attribute("x", "reference", referenceTypes="User"), "attribute x: its referenceTypes are to be a list of names"),
    (attribute("x", "reference", referenceTypes=[]), "attribute x: its referenceTypes are to be a list of names"),
    (attribute("x", "reference", referenceTypes=[5]), "attribute x: its referenceTypes are to be a list of names"),
    (attribute("x", "reference", referenceTypes=["user"]), "attribute x: its referenceTypes name user, which is no"),
    (attribute("x", required=True, mutability="readOnly"), "attribute x: it is required and readOnly"),
    (attribute("x", mutability="writeOnly", returned="always"), "attribute x: it is writeOnly and returned"),
    (attribute("x", "integer", uniqueness="server"), "attribute x: it is unique: only a binary, reference, string"),
    (attribute("x", multiValued=True, uniqueness="global"), "attribute x: it is unique and multiValued"),
]


@pytest.mark.parametrize(("declared", "said"), ATTRIBUTES, ids=[said for _, said in ATTRIBUTES])
def test_a_mistake_in_an_attribute_is_told_with_the_file_and_the_attribute(
    schema_directory: Path, declared: Any, said: str
) -> None:
    thing: Json = {"id": URN, "name": "Thing", "attributes": [declared]}
    assert f"thing.json: {said}" in refusal(schema_directory, thing=thing, type=of_thing())


SCHEMAS: list[tuple[Json, str]] = [
    ({"id": 5}, "thing.json: it lacks id or name: id is to be a text"),
    ({"name": None}, "thing.json: it lacks id or name: name is to be a text"),
    ({"id": "Thing"}, "thing.json: its id is 'Thing', and no URN"),
    ({"id": "urn:x: y"}, "thing.json: its id is 'urn:x: y', and no URN"),
    ({"description": []}, "thing.json: its description is no text"),
    ({"attribute": []}, "thing.json: 'attribute' is unknown: there are attributes, "),
    ({"attributes": {}}, "thing.json: attributes is to be a list of attributes"),
    ({"attributes": [LABEL, attribute("LABEL")]}, "thing.json: attribute label: it is declared twice"),
    ({"id": "urn:example:other"}, "thing.json: no resource type has the schema urn:example:other"),
]


@pytest.mark.parametrize(("changed", "said"), SCHEMAS, ids=[said for _, said in SCHEMAS])
def test_a_mistake_in_a_schema_is_told_with_the_file(schema_directory: Path, changed: Json, said: str) -> None:
    thing: Json = {"id": URN, "name": "Thing", "attributes": [LABEL]}
    assert said in refusal(schema_directory, thing=thing | changed, type=of_thing())


TYPES: list[tuple[Json, str]] = [
    ({"id": None}, "it lacks id or name: id is to be a text"),
    ({"schema": 5}, "it lacks schema or endpoint: schema is to be a text"),
    ({"color": 1}, "'color' is unknown: there are description, "),
    ({"name": "a-b"}, "its name is 'a-b': a name is ASCII letters and digits"),
    ({"name": "memberOf"}, "its name is 'memberOf': a name is ASCII letters and digits, and not one that we use"),
    ({"endpoint": "Things"}, "its endpoint is 'Things': it is a slash and up to 60 letters"),
    ({"endpoint": "/a/b"}, "its endpoint is '/a/b': it is a slash"),
    ({"endpoint": "/" + "x" * 61}, "its endpoint is '/xxx"),
    ({"endpoint": "/bulk"}, "its endpoint is '/bulk'"),
    ({"description": 5}, "its description is no text"),
    ({"schema": "urn:x:nowhere"}, "no file defines its schema urn:x:nowhere"),
    ({"schemaExtensions": {}}, "its schemaExtensions are no list"),
    ({"schemaExtensions": [EXTENSION]}, "each of its schemaExtensions is an object with schema and required"),
    ({"schemaExtensions": [{"schema": EXTENSION}]}, "each of its schemaExtensions is an object with schema and"),
    ({"schemaExtensions": [{"schema": EXTENSION, "required": 0}]}, "the schema of a schemaExtension is a text, and"),
    ({"schemaExtensions": [{"schema": "urn:x:y", "required": True}]}, "no file defines the schemaExtension urn:x:y"),
    ({"schemaExtensions": [{"schema": URN, "required": True}]}, f"the schemaExtension {URN} is its own schema"),
    (
        {"schemaExtensions": [{"schema": EXTENSION, "required": True}] * 2},
        f"the schemaExtension {EXTENSION} is listed twice",
    ),
    ({"indexed": "label"}, f"its indexed is to be a list of attributes of {URN}"),
    ({"names": [5]}, f"its names is to be a list of attributes of {URN}"),
    ({"indexed": ["label", "LABEL"]}, "indexed: label is there twice"),
    ({"indexed": ["size"]}, f"indexed: size is not declared by {URN}"),
    ({"indexed": ["label.value"]}, f"indexed: label.value is not declared by {URN}"),
    ({"indexed": ["count"]}, "indexed: count is no text, so it cannot be indexed"),
    ({"names": ["count"]}, "names: count is no text, so it cannot be a name"),
    ({"names": ["members.value"]}, "names: members.value is a part of a value or has several"),
    ({"indexed": []}, "only core attributes that Thing lists as indexed can be unique, not number"),
    ({"memberships": "size"}, f"memberships: 'size' is not declared by {URN}"),
    ({"memberships": 5}, f"memberships: 5 is not declared by {URN}"),
    ({"memberships": "label"}, "memberships: label is to be complex and multiValued"),
    ({"memberships": "bare"}, "memberships: bare is to be complex and multiValued, with the subAttributes value"),
    ({"memberships": "links"}, "memberships: the referenceTypes of links.$ref are to name resource types"),
    ({"memberships": "needed"}, "memberships: needed cannot be required, and is to be returned by default"),
    ({"memberships": "fixed"}, "memberships: fixed is readWrite if it holds members, and readOnly if it shows groups"),
]


@pytest.mark.parametrize(("changed", "said"), TYPES, ids=[said for _, said in TYPES])
def test_a_mistake_in_a_resource_type_is_told_with_the_file(schema_directory: Path, changed: Json, said: str) -> None:
    bare = {**REFERENCES, "name": "bare", "subAttributes": REFERENCES["subAttributes"][:1]}
    links: Json = {"name": "$ref", "type": "reference", "referenceTypes": ["external"]}
    outward = [REFERENCES["subAttributes"][0], links, REFERENCES["subAttributes"][2]]
    thing: Json = {
        "id": URN,
        "name": "Thing",
        "attributes": [
            LABEL,
            attribute("count", "integer"),
            attribute("number", uniqueness="server"),
            REFERENCES,
            bare,
            {**REFERENCES, "name": "links", "subAttributes": outward},
            {**REFERENCES, "name": "needed", "required": True},
            {**REFERENCES, "name": "fixed", "mutability": "immutable"},
        ],
    }
    more: Json = {"id": EXTENSION, "name": "More", "attributes": [LABEL]}
    kind = of_thing() | {"indexed": ["number"], "schemaExtensions": [{"schema": EXTENSION, "required": False}]}
    assert f"type.json: {said}" in refusal(schema_directory, thing=thing, more=more, type=kind | changed)


def test_what_is_there_twice_is_told_with_both_files(schema_directory: Path) -> None:
    thing: Json = {"id": URN, "name": "Thing", "attributes": [LABEL]}
    same = refusal(schema_directory, one=thing, two=thing | {"id": URN.upper()}, type=of_thing(), twin=of_thing())
    assert f"schema {URN} is defined twice: one.json, two.json" in same
    assert "two resource types are called thing: twin.json, type.json" in same
    assert "two resource types are called /things: twin.json, type.json" in same


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"id": "a", "id": "b"}', "thing.json: 'id' is given twice in one object"),
        ("[]", "thing.json is no JSON object"),
        ("{", "thing.json is not JSON"),
        ("[" * 100_000, "thing.json is not JSON"),
        ("\ud800", "thing.json is not JSON"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(schema_directory: Path, text: str, said: str) -> None:
    (schema_directory / "schemas" / "thing.json").write_bytes(text.encode(errors="surrogatepass"))
    assert said in refusal(schema_directory)


async def test_an_unusable_folder_answers_as_every_unusable_setting_does(
    schema_directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """docs/adr/0034: 503 to everything, without the cause; the cause is one line on standard error."""
    every = {"id": URN, "name": "Thing", "attributes": [declared for declared, _ in ATTRIBUTES]}
    schema_files(schema_directory, thing=every, type=of_thing())
    environment = {"SCIM_TOKEN_SHA256": "a" * 64, "SCIM_STORAGE_CONNECTION": "UseDevelopmentStorage=true"}
    settings, endpoint = build_or_refuse(environment | {"SCIM_SCHEMA_DIRECTORY": str(schema_directory)})
    assert settings is None
    assert isinstance(endpoint, Unconfigured)
    answer = await endpoint.handle(ScimRequest("GET", "/scim/v2/Users", "", {}, b""))
    assert (answer.status, "thing.json" in answer.body.decode()) == (503, False)
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: thing.json: attribute")
    assert line.count("thing.json:") == MAX_TOLD
    assert "more" in line.rpartition("; and ")[2]


def test_every_mistake_of_a_file_is_found_at_once() -> None:
    wrong = [(item, said) for item, said in ATTRIBUTES if said.startswith("attribute x")]
    declared = [item | {"name": f"{item['name']}{number}"} for number, (item, _) in enumerate(wrong)]
    found = "\n".join(attribute_mistakes(declared, ["User"]))
    for number, (item, said) in enumerate(wrong):
        assert said.replace(f"attribute {item['name']}", f"attribute {item['name']}{number}") in found


def test_the_protocols_own_paths_are_no_endpoints() -> None:
    own = {route.segments[0].lower() for route in ROUTES} - {"{type}", ".search"}
    assert own == RESERVED_ENDPOINTS


def of_thing() -> Json:
    return {"id": "Thing", "name": "Thing", "endpoint": "/Things", "schema": URN}


def refusal(folder: Path, **documents: Json) -> str:
    """What is said of this folder, as one text, with every mistake."""
    kinds = {"type", "twin"}
    for name, document in documents.items():
        place = folder / ("resource-types" if name in kinds else "schemas")
        (place / f"{name}.json").write_text(json.dumps(document))
    with pytest.raises(DefinitionError) as refused:
        load_catalogue(folder)
    return str(refused.value)
