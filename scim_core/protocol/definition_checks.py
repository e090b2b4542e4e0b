"""What is wrong with the schema and resource type files of a deployment (RFC 7643 sections 6 and 7), all at once.

Pure: definitions in, sentences out. Each names the file, the attribute if it is one, and the mistake.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scim_core.chosen_schemas import always_there
from scim_core.model import RESERVED_NAMES, Json
from scim_core.protocol.attribute_checks import UNIQUE_TYPES, attribute_mistakes, repeated, unknown_keys
from scim_core.protocol.attribute_definitions import COMMON
from scim_core.protocol.definition_files import ON_BY_DEFAULT, Definition
from scim_core.protocol.references import LONGEST_ENDPOINT

RESERVED_ENDPOINTS = frozenset({"me", "bulk", "schemas", "resourcetypes", "serviceproviderconfig"})
"""Paths that the protocol itself has below the SCIM endpoint, in lower case."""

_SCHEMA_KEYS = frozenset({"schemas", "id", "name", "description", "attributes", "meta", ON_BY_DEFAULT})
_TYPE_KEYS = frozenset(
    {
        *("schemas", "id", "name", "description", "endpoint", "schema", "schemaExtensions", "meta"),
        *("indexed", "names", "memberships", ON_BY_DEFAULT),
    }
)
_RESERVED = frozenset(name.lower() for name in RESERVED_NAMES)
_URN = re.compile(r"urn:[A-Za-z0-9][A-Za-z0-9-]{0,31}:[A-Za-z0-9()+,.:=@;$_!*'%/?#-]+")
_TYPE_NAME = re.compile(r"[A-Za-z0-9]+")
_ENDPOINT = re.compile(rf"/[A-Za-z0-9_-]{{1,{LONGEST_ENDPOINT}}}")
_TEXTS = ("id", "name")


def definition_mistakes(schemas: Sequence[Definition], types: Sequence[Definition]) -> list[str]:
    """All mistakes of these files; none if they can be served together."""
    names = [item.document["name"] for item in types if isinstance(item.document.get("name"), str)]
    found = [f"{item.file}: {said}" for item in schemas for said in _of_schema(item.document, names)]
    by_urn = {item.document["id"]: item.document for item in schemas if isinstance(item.document.get("id"), str)}
    if not found:  # a type is compared with its schemas, so these have to be right
        found += [f"{item.file}: {said}" for item in types for said in _of_type(item.document, by_urn)]
    found += [f"{item.file}: {said}" for item in (*schemas, *types) for said in _of_default(item.document, types)]
    return [*found, *_of_all(schemas, types)]


def extensions_of(document: Json, urns: Sequence[str]) -> dict[str, bool]:
    """The URNs of a resource type's extensions, each with whether a resource must have it.

    Those that its file lists come first, in that order. Another URN is one of them if it has `:extension:` and ends in
    the type's name.
    """
    listed = {item["schema"]: item["required"] for item in document.get("schemaExtensions", ())}
    named = (urn for urn in urns if ":extension:" in urn and urn.rsplit(":", 1)[-1] == document["name"])
    return listed | {urn: False for urn in named if urn not in listed}


def _of_schema(document: Json, resource_types: Sequence[str]) -> Iterator[str]:
    missing = [key for key in _TEXTS if not isinstance(document.get(key), str)]
    if missing:
        yield f"it lacks id or name: {', '.join(missing)} is to be a text"
        return
    yield from unknown_keys(document, _SCHEMA_KEYS)
    if not _URN.fullmatch(document["id"]):
        yield f"its id is {document['id']!r}, and no URN"
    if "description" in document and not isinstance(document["description"], str):
        yield "its description is no text"
    of_attributes = list(attribute_mistakes(document.get("attributes"), resource_types))
    yield from of_attributes
    if not of_attributes:
        yield from _common(document)


def _common(document: Json) -> Iterator[str]:
    allowed = () if ":extension:" in document["id"] else ("externalid",)
    for attribute in document["attributes"]:
        if attribute["name"].lower() in COMMON.keys() - set(allowed):
            yield f"attribute {attribute['name']}: a schema cannot declare it, for every resource has it (RFC 7643 3.1)"


def _of_type(document: Json, schemas: Mapping[str, Json]) -> Iterator[str]:
    missing = [key for key in (*_TEXTS, "schema", "endpoint") if not isinstance(document.get(key), str)]
    if missing:
        what = "id or name" if set(missing) & set(_TEXTS) else "schema or endpoint"
        yield f"it lacks {what}: {', '.join(missing)} is to be a text"
        return
    yield from unknown_keys(document, _TYPE_KEYS)
    name, endpoint, urn = document["name"], document["endpoint"], document["schema"]
    if not _TYPE_NAME.fullmatch(name) or name.lower() in _RESERVED:
        yield f"its name is {name!r}: a name is ASCII letters and digits, and not one that we use"
    if not _ENDPOINT.fullmatch(endpoint) or endpoint[1:].lower() in RESERVED_ENDPOINTS:
        yield (
            f"its endpoint is {endpoint!r}: it is a slash and up to {LONGEST_ENDPOINT} letters, digits, - and _, "
            "and not one of the protocol's own"
        )
    if "description" in document and not isinstance(document["description"], str):
        yield "its description is no text"
    if urn not in schemas:
        yield f"no file defines its schema {urn}"
        return
    of_extensions = list(_of_extensions(document, schemas))
    yield from of_extensions
    if not of_extensions:
        yield from _of_lists(document, schemas)
        yield from _of_memberships(document, schemas[urn])


def _of_extensions(document: Json, schemas: Mapping[str, Json]) -> Iterator[str]:
    listed = document.get("schemaExtensions", [])
    if not isinstance(listed, list):
        yield "its schemaExtensions are no list"
        return
    urns = []
    for item in listed:
        if not isinstance(item, dict) or item.keys() != {"schema", "required"}:
            yield "each of its schemaExtensions is an object with schema and required, and nothing else"
        elif not isinstance(item["schema"], str) or not isinstance(item["required"], bool):
            yield "the schema of a schemaExtension is a text, and required is true or false"
        elif item["schema"] not in schemas:
            yield f"no file defines the schemaExtension {item['schema']}"
        elif item["schema"] == document["schema"]:
            yield f"the schemaExtension {item['schema']} is its own schema"
        else:
            urns.append(item["schema"])
    for urn in repeated(urns):
        yield f"the schemaExtension {urn} is listed twice"


def _of_lists(document: Json, schemas: Mapping[str, Json]) -> Iterator[str]:
    """The mistakes of `indexed` and `names`, and attributes that are to be unique and cannot be."""
    attributes = schemas[document["schema"]]["attributes"]
    for key in ("indexed", "names"):
        paths = document.get(key, [])
        if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
            yield f"its {key} is to be a list of attributes of {document['schema']}"
            return
        for path in repeated(paths):
            yield f"{key}: {path} is there twice"
        for path in paths:
            declared = _declared(attributes, path)
            if declared is None:
                yield f"{key}: {path} is not declared by {document['schema']}"
            else:
                yield from (f"{key}: {path} {said}" for said in _of_path(key, path, declared))
    yield from _of_unique(document, schemas)


def _of_path(key: str, path: str, declared: Json) -> Iterator[str]:
    is_name = key == "names"
    if declared["type"] not in UNIQUE_TYPES or (is_name and declared["type"] != "string"):
        yield f"is no text, so it cannot be {'a name' if is_name else 'indexed'}"
    elif is_name and ("." in path or declared.get("multiValued")):
        yield "is a part of a value or has several, so it cannot be a name"


def _of_unique(document: Json, schemas: Mapping[str, Json]) -> Iterator[str]:
    """Attributes that are to be unique and cannot be, and those of extensions that every resource has."""
    name, attributes = document["name"], schemas[document["schema"]]["attributes"]
    indexed = {path.lower() for path in document.get("indexed", ())}
    unique = [item["name"] for item in attributes if _is_unique(item) and item["name"].lower() not in indexed]
    for urn in extensions_of(document, list(schemas)):
        unique += [f"{urn}:{item['name']}" for item in schemas[urn]["attributes"] if _is_unique(item)]
        for item in schemas[urn]["attributes"]:
            if item["name"].lower() in COMMON:
                yield f"the schemaExtension {urn} declares {item['name']}, which every resource has"
    if unique:
        yield f"only core attributes that {name} lists as indexed can be unique, not {', '.join(unique)}"


def _of_memberships(document: Json, schema: Json) -> Iterator[str]:
    """The mistakes of `memberships`, the attribute that shows memberships."""
    if "memberships" not in document:
        return
    named = document["memberships"]
    found = [item for item in schema["attributes"] if item["name"] == named]
    if not found:
        yield f"memberships: {named!r} is not declared by {document['schema']}"
        return
    attribute = found[0]
    parts = {item["name"]: item for item in attribute.get("subAttributes", ())}
    if (
        attribute["type"] != "complex"
        or not attribute.get("multiValued")
        or not {"value", "$ref", "type"} <= set(parts)
    ):
        yield f"memberships: {named} is to be complex and multiValued, with the subAttributes value, $ref and type"
        return
    kinds = parts["$ref"].get("referenceTypes", ())
    if not kinds or {"external", "uri"} & set(kinds):
        yield f"memberships: the referenceTypes of {named}.$ref are to name resource types, and nothing else"
    if attribute.get("required") or attribute.get("returned", "default") != "default":
        yield f"memberships: {named} cannot be required, and is to be returned by default"
    if attribute.get("mutability", "readWrite") not in ("readWrite", "readOnly"):
        yield f"memberships: {named} is readWrite if it holds members, and readOnly if it shows groups"


def _of_default(document: Json, types: Sequence[Definition]) -> Iterator[str]:
    """What is wrong with whether it is on by default."""
    is_on = document.get(ON_BY_DEFAULT, True)
    if not isinstance(is_on, bool):
        yield f"its {ON_BY_DEFAULT} is to be true or false"
    core = {item.document.get("schema") for item in types if isinstance(item.document.get("schema"), str)}
    is_core = document.get("id") in core if isinstance(document.get("id"), str) else False
    if is_on is False and (is_core or always_there(str(document.get("name")))):
        yield f"{ON_BY_DEFAULT} can be false of extensions, and of resource types other than User and Group, only"


def _of_all(schemas: Sequence[Definition], types: Sequence[Definition]) -> Iterator[str]:
    """What is there twice, and schemas that no type has."""
    urns = [item.document["id"] for item in schemas if isinstance(item.document.get("id"), str)]
    for urn in repeated(urns):
        yield f"schema {urn} is defined twice: {_files(schemas, 'id', urn)}"
    for key in ("name", "endpoint"):
        values = [item.document[key] for item in types if isinstance(item.document.get(key), str)]
        for value in repeated(values):
            yield f"two resource types are called {value}: {_files(types, key, value)}"
    used = {item.document.get("schema") for item in types if isinstance(item.document.get("schema"), str)}
    for item in types:
        used |= _named_extensions(item.document, urns)
    for urn in sorted(set(urns) - used):
        yield (
            f"{_files(schemas, 'id', urn.lower())}: no resource type has the schema {urn}; an extension is listed in "
            "the schemaExtensions of its type, or its URN has :extension: and ends in the name of the type"
        )


def _named_extensions(document: Json, urns: Sequence[str]) -> set[str]:
    """As extensions_of, of a file that may be wrong."""
    listed = document.get("schemaExtensions")
    right = isinstance(listed, list) and all(
        isinstance(item, dict) and {"schema", "required"} <= item.keys() for item in listed
    )
    named = {str(item["schema"]) for item in listed or ()} if right else set()
    return named | {urn for urn in urns if ":extension:" in urn and urn.rsplit(":", 1)[-1] == document.get("name")}


def _files(definitions: Sequence[Definition], key: str, value: str) -> str:
    named = [item.file for item in definitions if str(item.document.get(key, "")).lower() == value]
    return ", ".join(named)


def _declared(attributes: Sequence[Json], path: str) -> Json | None:
    """The attribute of a path such as userName or emails.value. externalId need not be declared."""
    name, _, part = path.lower().partition(".")
    if path.lower() == "externalid":
        return {"name": "externalId", "type": "string"}
    found = next((item for item in attributes if item["name"].lower() == name), None)
    if found is None or not part:
        return found
    return next((item for item in found.get("subAttributes", ()) if item["name"].lower() == part), None)


def _is_unique(attribute: Mapping[str, Any]) -> bool:
    return bool(attribute.get("uniqueness", "none") != "none")
