"""How the gallery validation reads /Schemas: every attribute an administrator can map, as one string each."""

from collections.abc import Iterator
from typing import Any

_CORE = ("urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:core:2.0:Group")
_REFERENCES = ("manager", "members")


def mappable(schemas: list[dict[str, Any]]) -> Iterator[str]:
    """The names these schemas give to a mapping, such as `emails[type eq "work"].value`."""
    for schema in schemas:
        prefix = "" if schema["id"] in _CORE else f"{schema['id']}:"
        for attribute in schema["attributes"]:
            for name in _names(attribute):
                yield prefix + name


def _names(attribute: dict[str, Any]) -> Iterator[str]:
    name = attribute["name"]
    if name in _REFERENCES or attribute["type"] not in ("complex", "reference"):
        yield name
    elif attribute["type"] == "complex":
        for selector, left_out in _elements(attribute):
            for part in attribute["subAttributes"]:
                if part["name"] not in left_out:
                    yield f"{name}{selector}.{part['name']}"


def _elements(attribute: dict[str, Any]) -> list[tuple[str, tuple[str, ...]]]:
    """How a mapping selects one element, and the sub-attributes it cannot map then."""
    if not attribute["multiValued"]:
        return [("", ())]
    kinds = [kind for part in attribute["subAttributes"] if part["name"] == "type" for kind in _canonical(part)]
    return [(f'[type eq "{kind}"]', ("type", "primary")) for kind in kinds] or [('[primary eq "True"]', ("primary",))]


def _canonical(attribute: dict[str, Any]) -> list[str]:
    values: list[str] = attribute.get("canonicalValues", [])
    return values
