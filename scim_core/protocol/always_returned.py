"""Attributes that are always returned, whatever a client asks for (RFC 7643 section 7)."""

from typing import Any

from scim_core.model import Json
from scim_core.protocol.attribute_definitions import AttributeDefinition
from scim_core.protocol.schemas import ResourceType


def add_what_is_always_returned(resource_type: ResourceType, document: Json, shown: Json) -> None:
    """What a projection has left out of the document and is always returned is in the representation again.

    The models bring back simple attributes of the core schema alone.
    """
    for urn, attribute in resource_type.always_returned:
        holder = document if urn is None else document.get(urn, {})
        if attribute.name not in holder:
            continue
        target = shown if urn is None else shown.setdefault(urn, {})
        target.setdefault(attribute.name, _returned(attribute, holder[attribute.name]))
        if urn is not None and urn not in shown["schemas"]:
            shown["schemas"] = [item for item in document["schemas"] if item == urn or item in shown["schemas"]]


def _returned(attribute: AttributeDefinition, value: Any) -> Any:
    """The value without the sub-attributes that are returned never, or on request."""
    if isinstance(value, list):
        return [_returned(attribute, item) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: item for name, item in value.items() if attribute.sub_attributes[name.lower()].shown}
