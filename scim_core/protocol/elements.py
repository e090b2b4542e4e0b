"""The elements of attributes with several values (RFC 7643 section 2.4): which are equal, empty, or primary."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from scim_core.model import Json
from scim_core.protocol.attribute_definitions import AttributeDefinition
from scim_core.protocol.schemas import ResourceType

PRIMARY = "primary"

LABELS = frozenset({"type", PRIMARY})
"""Sub-attributes that say which element it is. An element that has only these has no value."""


def has_content(element: Mapping[str, Any]) -> bool:
    """Whether the element has a value, and not only labels."""
    return any(value is not None for name, value in element.items() if name not in LABELS)


def is_labels_alone(element: Any) -> bool:
    """Whether an element has nothing but labels, and these can be labels: others are refused, not dropped."""
    return (
        isinstance(element, dict)
        and not has_content(element)
        and isinstance(element.get("type"), str | None)
        and isinstance(element.get(PRIMARY), bool | None)
    )


def is_emptied(element: Any) -> bool:
    """Whether the client says that the element has no value: something in it is empty, and the rest are labels."""
    return isinstance(element, dict) and None in element.values() and not has_content(element)


def merged(elements: Sequence[Any]) -> list[Any]:
    """Elements of equal type and value are one, at the place of the first. What a later one says counts."""
    by_key: dict[Any, Any] = {}
    for position, element in enumerate(elements):
        key = _key(element) or position
        by_key[key] = by_key[key] | element if key in by_key else element
    return list(by_key.values())


def _key(element: Any) -> tuple[str | None, str] | None:
    """The type and value of an element. None without a value, or if they are no texts: no schema allows that."""
    kind, value = (element.get("type"), element.get("value")) if isinstance(element, dict) else (None, None)
    return (kind, value) if isinstance(value, str) and isinstance(kind, str | None) else None


def with_primary(resource_type: ResourceType, document: Json) -> Json:
    """The document with `primary` in each element that can have it: an element that does not say it is not primary."""
    return _mapped(
        resource_type,
        document,
        lambda attribute, elements: (
            [{PRIMARY: False, **element} for element in elements] if PRIMARY in attribute.sub_attributes else elements
        ),
    )


def as_it_was_said(resource_type: ResourceType, document: Json, before: Json) -> Json:
    """The document without the `primary` that with_primary gave to elements, where they are as they were before."""
    said = dict(_elements(resource_type, before))

    def restored(attribute: AttributeDefinition, elements: list[Json]) -> list[Json]:
        old = said.get(attribute.name, [])
        return [bare if (bare := _without_primary(element)) in old else element for element in elements]

    return _mapped(resource_type, document, restored)


def without_emptied(resource_type: ResourceType, document: Json, before: Json, names: Collection[str]) -> Json:
    """The document without the elements that a change has left with labels alone, in the attributes of these names.

    An element that had no more before stays.
    """
    old = dict(_elements(resource_type, before))

    def kept(attribute: AttributeDefinition, elements: list[Json]) -> list[Json]:
        if attribute.name not in names:
            return elements
        return [item for item in elements if has_content(item) or item in old.get(attribute.name, [])]

    return _mapped(resource_type, document, kept)


def _without_primary(element: Json) -> Json:
    return {name: value for name, value in element.items() if name != PRIMARY or value}


def _elements(resource_type: ResourceType, document: Json) -> list[tuple[str, list[Json]]]:
    found: list[tuple[str, list[Json]]] = []

    def noted(attribute: AttributeDefinition, elements: list[Json]) -> list[Json]:
        found.append((attribute.name, elements))
        return elements

    _mapped(resource_type, document, noted)
    return found


def _mapped(
    resource_type: ResourceType, document: Json, change: Callable[[AttributeDefinition, list[Json]], list[Json]]
) -> Json:
    """The document with other elements in its complex attributes of several values. What becomes empty is left out."""

    def of(attributes: Mapping[str, AttributeDefinition], values: Json) -> Json:
        mapped: Json = {}
        for name, value in values.items():
            attribute = attributes.get(name.lower())
            if attribute is None or attribute.type != "complex" or not isinstance(value, list):
                mapped[name] = value
            elif changed := change(attribute, value):
                mapped[name] = changed
        return mapped

    extensions = {
        urn: changed
        for urn, attributes in resource_type.extensions.items()
        if urn in document and (changed := of(attributes, document[urn]))
    }
    core = of(
        resource_type.attributes,
        {name: value for name, value in document.items() if name not in resource_type.extensions},
    )
    if "schemas" in core:
        core["schemas"] = [urn for urn in core["schemas"] if urn not in resource_type.extensions or urn in extensions]
    return core | extensions
