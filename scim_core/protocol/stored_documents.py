"""What of a stored document the schemas of today declare. A deployment's file can change while resources are stored.

What a file declares no more, or with a type that a stored value does not have, is neither shown nor found. It goes with
the next change of the resource (docs/extend.md).
"""

from collections.abc import Callable, Mapping
from typing import Any

from scim_core.model import Json
from scim_core.protocol.attribute_definitions import COMMON, AttributeDefinition
from scim_core.protocol.datetimes import with_offset
from scim_core.protocol.schemas import ResourceType

_OF_ALL = ("schemas", "id")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_FITS: Mapping[str, Callable[[Any], bool]] = {
    "string": _is_text,
    "reference": _is_text,
    "binary": _is_text,
    "dateTime": lambda value: isinstance(value, str) and with_offset(value) is not None,
    "boolean": lambda value: isinstance(value, bool),
    "decimal": _is_number,
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
}


def as_declared(resource_type: ResourceType, document: Json) -> Json:
    """The document without what does not fit the schemas; itself if it fits.

    Schemas that are no files of a deployment do not change the types of attributes: only names are looked at there.
    """
    names, given = resource_type.stored_names, resource_type.given
    if document.keys() <= names and (not given or given.isdisjoint((resource_type.schema, *document))):
        return document
    looked_at = resource_type.schema in given
    declared: Json = {}
    for name, value in document.items():
        if name in _OF_ALL or (name in names and not looked_at and name not in resource_type.extensions):
            declared[name] = value
        elif name in resource_type.extensions:
            found = _kept(resource_type.extensions[name], value, looked_at=name in given)
            if found:
                declared[name] = found
        else:
            core = {name.lower(): resource_type.attributes.get(name.lower(), COMMON.get(name.lower()))}
            declared |= _kept(core, {name: value}, looked_at=looked_at)
    if "schemas" in declared:
        declared["schemas"] = [urn for urn in document["schemas"] if urn == resource_type.schema or urn in declared]
    return declared


def _kept(attributes: Mapping[str, AttributeDefinition | None], values: Json, *, looked_at: bool) -> Json:
    kept: Json = {}
    for name, value in values.items():
        attribute = attributes.get(name.lower())
        if attribute is None:
            continue
        fitting = _fitting(attribute, value) if looked_at else value
        if fitting is not None:
            kept[attribute.name] = fitting
    return kept


def _fitting(attribute: AttributeDefinition, value: Any) -> Any:
    """The value, or what of it fits; None for nothing. A single value and a list of one are the same here."""
    if attribute.multi_valued:
        values = value if isinstance(value, list) else [value]
        return [item for item in (_one(attribute, item) for item in values) if item is not None] or None
    if isinstance(value, list):
        value = value[0] if len(value) == 1 else None
    return _one(attribute, value)


def _one(attribute: AttributeDefinition, value: Any) -> Any:
    if attribute.type == "complex":
        return (_kept(attribute.sub_attributes, value, looked_at=True) or None) if isinstance(value, dict) else None
    return value if _FITS[attribute.type](value) else None
