"""What is wrong with the attributes of a schema file (RFC 7643 sections 2 and 7). Pure: JSON in, sentences out."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

TYPES = ("string", "boolean", "decimal", "integer", "dateTime", "reference", "binary", "complex")
"""The data types of RFC 7643 section 2.3."""

CHOICES = {
    "mutability": ("readOnly", "readWrite", "immutable", "writeOnly"),
    "returned": ("always", "never", "default", "request"),
    "uniqueness": ("none", "server", "global"),
}
"""What a characteristic can be (RFC 7643 section 7)."""

UNIQUE_TYPES = frozenset({"string", "reference", "binary"})
"""The types whose values are texts: only texts are kept in an index, and so can be unique."""

WEB_REFERENCES = ("external", "uri")
"""What a reference can name that is no resource (RFC 7643 section 7, referenceTypes)."""

_NAME = re.compile(r"[A-Za-z$][A-Za-z0-9$_-]*")
_FLAGS = ("multiValued", "required", "caseExact")
_KEYS = frozenset(
    {"name", "type", "description", "subAttributes", "canonicalValues", "referenceTypes", *_FLAGS, *CHOICES}
)


def attribute_mistakes(attributes: Any, resource_types: Collection[str]) -> Iterator[str]:
    """The mistakes of a schema's `attributes`, each with the attribute. References name `resource_types`."""
    if not isinstance(attributes, list):
        yield "attributes is to be a list of attributes, and is none"
        return
    yield from _of_several(attributes, "", resource_types)


def unknown_keys(document: Mapping[str, Any], known: Collection[str]) -> Iterator[str]:
    """A sentence for each key that no file of this kind has."""
    for key in sorted(document.keys() - set(known)):
        yield f"{key!r} is unknown: there are {', '.join(sorted(known))}"


def repeated(names: Collection[str]) -> list[str]:
    """The names that are there twice, in any letter case, in lower case."""
    lower = [name.lower() for name in names]
    return sorted({name for name in lower if lower.count(name) > 1})


def _of_several(attributes: list[Any], holder: str, resource_types: Collection[str]) -> Iterator[str]:
    for number, attribute in enumerate(attributes, 1):
        if not isinstance(attribute, dict):
            yield f"attribute {holder}{number}: it is no JSON object"
            continue
        name = attribute.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            shown = f"{holder}{name}" if isinstance(name, str) else f"{holder}{number}"
            yield (
                f"attribute {shown}: its name is to begin with a letter or $, "
                "and to have no more than letters, digits, $, - and _"
            )
            continue
        yield from (f"attribute {holder}{name}: {said}" for said in _of_one(attribute, resource_types, bool(holder)))
        inner = attribute.get("subAttributes")
        if isinstance(inner, list) and attribute.get("type") == "complex":
            yield from _of_several(inner, f"{holder}{name}.", resource_types)
    names = [item["name"] for item in attributes if isinstance(item, dict) and isinstance(item.get("name"), str)]
    for name in repeated(names):
        yield f"attribute {holder}{name}: it is declared twice"


def _of_one(attribute: Mapping[str, Any], resource_types: Collection[str], is_part: bool) -> Iterator[str]:
    yield from unknown_keys(attribute, _KEYS)
    kind = attribute.get("type")
    if kind not in TYPES:
        yield f"its type is {kind!r}, and not one of {', '.join(TYPES)}"
    for key in _FLAGS:
        if key in attribute and not isinstance(attribute[key], bool):
            yield f"its {key} is {attribute[key]!r}, and not true or false"
    for key, choices in CHOICES.items():
        if key in attribute and attribute[key] not in choices:
            yield f"its {key} is {attribute[key]!r}, and not one of {', '.join(choices)}"
    if "description" in attribute and not isinstance(attribute["description"], str):
        yield "its description is no text"
    yield from _of_parts(attribute, is_part=is_part)
    yield from _of_values(attribute)
    yield from _of_references(attribute, resource_types)
    yield from _contradictions(attribute)
    if is_part and attribute.get("uniqueness") in ("server", "global"):
        yield "a subAttribute cannot be unique here"


def _of_parts(attribute: Mapping[str, Any], *, is_part: bool) -> Iterator[str]:
    inner = attribute.get("subAttributes")
    if attribute.get("type") != "complex":
        if inner is not None:
            yield "only a complex attribute has subAttributes"
    elif is_part:
        yield "a subAttribute cannot be complex (RFC 7643 section 2.3.8)"
    elif not isinstance(inner, list) or not inner:
        yield "a complex attribute needs subAttributes, a list"


def _of_values(attribute: Mapping[str, Any]) -> Iterator[str]:
    values, kind = attribute.get("canonicalValues"), attribute.get("type")
    if "canonicalValues" not in attribute:
        return
    if kind not in ("string", "reference"):
        yield f"an attribute of type {kind} has no canonicalValues"
    elif not isinstance(values, list) or not values or not all(isinstance(item, str) for item in values):
        yield "its canonicalValues are to be a list of texts"
    elif repeated(values):
        yield "one of its canonicalValues is there twice"


def _of_references(attribute: Mapping[str, Any], resource_types: Collection[str]) -> Iterator[str]:
    kinds = attribute.get("referenceTypes")
    if "referenceTypes" not in attribute:
        return
    if attribute.get("type") != "reference":
        yield "only an attribute of type reference has referenceTypes"
    elif not isinstance(kinds, list) or not kinds or not all(isinstance(item, str) for item in kinds):
        yield "its referenceTypes are to be a list of names"
    else:
        for kind in kinds:
            if kind not in resource_types and kind not in WEB_REFERENCES:
                yield f"its referenceTypes name {kind}, which is no resource type, and not external or uri"


def _contradictions(attribute: Mapping[str, Any]) -> Iterator[str]:
    """Characteristics that no value could have at once."""
    is_unique = attribute.get("uniqueness") in ("server", "global")
    if attribute.get("required") is True and attribute.get("mutability") == "readOnly":
        yield "it is required and readOnly: no client could give it a value"
    if attribute.get("mutability") == "writeOnly" and attribute.get("returned") in ("always", "request"):
        yield "it is writeOnly and returned: a client can never read it"
    if is_unique and attribute.get("type") not in UNIQUE_TYPES:
        yield f"it is unique: only a {', '.join(sorted(UNIQUE_TYPES))} can be"
    if is_unique and attribute.get("multiValued") is True:
        yield "it is unique and multiValued: only a single value can be unique"
