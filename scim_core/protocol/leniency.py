"""Clients' JSON, brought into the shape that RFC 7643 and RFC 7644 give it. After that the models validate it.

Every rule asks the schema what an attribute is. No rule asks who the client is. Clients are known to send: attribute
names in any case, "True" for true, a bare id for a complex reference, one value in an array, the only value of an array
without it, `displayName` for `display`, a role as JSON text, and "" for unassigned. All other values stay exactly as
they are. `patch_operations` builds on this for PATCH. docs/adr/0005 names every other lenient module.
"""

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

from scim2_models import InvalidSyntaxException, InvalidValueException

from scim_core.model import Json
from scim_core.protocol.attribute_definitions import AttributeDefinition
from scim_core.protocol.attribute_names import split_name
from scim_core.protocol.datetimes import with_offset
from scim_core.protocol.elements import is_emptied, is_labels_alone, merged
from scim_core.protocol.limits import MAX_TEXT_NODES, MAX_VALUES, RequestTooLarge, at_most
from scim_core.protocol.references import by_id
from scim_core.protocol.schemas import ResourceType
from scim_core.protocol.strict_json import parse_json, refuse_repeated_names


class Absent(Enum):
    """What is returned if the client sent no value that can be kept."""

    UNASSIGNED = "unassigned"
    IGNORED = "ignored"


UNASSIGNED = Absent.UNASSIGNED
"""The client says that the attribute has no value: null, "", or an object whose `value` is one of these."""

IGNORED = Absent.IGNORED
"""An object in which no attribute can be written, such as {}: it says nothing about this attribute."""

PACKED = "roles"
"""The attribute in which Entra sends JSON as the text of a `value`. In any other attribute such text is kept."""


class Leniency:
    """Reads a client's JSON, for one request. `ignored` collects the names of attributes that no schema declares."""

    def __init__(self, resource_type: ResourceType) -> None:
        self.resource_type = resource_type
        self.ignored: list[str] = []
        self._values = 0

    def resource(self, payload: Any) -> Json:
        """A POST or PUT body as the model reads it: declared, writable attributes only.

        Raises InvalidSyntaxException when the body is not an object or names an attribute twice, InvalidValueException,
        RequestTooLarge.
        """
        if not isinstance(payload, dict):
            raise InvalidSyntaxException(detail="The body must be a JSON object that represents the resource.")
        refuse_repeated_names(payload)
        shaped: Json = {"schemas": [self.resource_type.schema]}
        for key, value in payload.items():
            extension = self.resource_type.extension(key)
            if extension is not None:
                self._merge_extension(shaped, extension, value)
            else:
                self._assign(shaped, key, value)
        return shaped

    def _merge_extension(self, shaped: Json, extension: str, value: Any) -> None:
        if value in (None, "", []):  # PHP writes an empty object as an array
            return
        if not isinstance(value, dict):
            raise InvalidValueException(detail=f"{extension} must be an object that holds the extension's attributes.")
        attributes = self._object(self.resource_type.extensions[extension], value, extension)
        shaped[extension] = shaped.get(extension, {}) | attributes

    def _assign(self, shaped: Json, key: str, value: Any) -> None:
        urn, name = split_name(self.resource_type, key)
        found = self.resource_type.attribute(name, urn)
        if found is None:
            self.ignored.append(key)
            return
        extension, attribute = found
        if attribute.read_only:
            return
        target = shaped if extension is None else shaped.setdefault(extension, {})
        target[attribute.name] = self._written(attribute, value)

    def value(self, attribute: AttributeDefinition, value: Any) -> Any:
        """The value as JSON: a list or a single value, as its attribute declares. Or UNASSIGNED, or IGNORED.

        Raises InvalidSyntaxException, InvalidValueException, RequestTooLarge.
        """
        if not attribute.multi_valued:
            return self.single(attribute, value)
        if value is None:
            return UNASSIGNED
        items = value if isinstance(value, list) else [value]
        self._values += 0 if self.resource_type.is_membership(attribute) else len(items)
        at_most(MAX_VALUES, self._values, "values of attributes")
        shaped = [self.single(attribute, item) for item in items]
        if self.resource_type.is_membership(attribute):
            # A member that is given empty is one without an id. Only an empty list means that there are no members.
            return [] if value == "" else [{} if isinstance(item, Absent) else item for item in shaped]
        present = [item for item in shaped if not isinstance(item, Absent)]
        if attribute.type != "complex":
            return present
        return merged([item for item in present if not is_emptied(item)])

    def single(self, attribute: AttributeDefinition, value: Any) -> Any:
        """One value in the type that its attribute declares, as `value` returns it."""
        while isinstance(value, list) and len(value) <= 1:
            value = value[0] if value else None
        if value is None or value == "":
            return UNASSIGNED
        if attribute.type == "complex":
            return self._complex(attribute, value)
        if isinstance(value, dict) and {key.lower() for key in value} <= {"value", "$ref"}:
            return self.single(attribute, next((item for key, item in value.items() if key.lower() == "value"), None))
        if attribute.type == "boolean":
            return _boolean(attribute, value)
        _refuse_other_type(attribute, value)
        return value

    def _complex(self, attribute: AttributeDefinition, value: Any) -> Any:
        """An object's declared attributes; None for those that are given empty.

        UNASSIGNED: its `value` is given empty, and the rest are labels. IGNORED: it has no declared attributes.
        """
        if isinstance(value, str) and "value" in attribute.sub_attributes:
            value = {"value": value}
        if not isinstance(value, dict):
            return value
        shaped = self._object(attribute.sub_attributes, value, attribute.name)
        if not shaped:
            return IGNORED
        if attribute.referenced is not None:
            shaped = by_id(shaped, attribute.referenced, self.resource_type.endpoints)
        unpacked = _unpacked(shaped) if attribute.multi_valued and attribute.name == PACKED else None
        if unpacked:
            return self._complex(attribute, unpacked)
        return UNASSIGNED if "value" in shaped and is_emptied(shaped) else shaped

    def _object(self, declared: Mapping[str, AttributeDefinition], value: Json, of: str) -> Json:
        refuse_repeated_names(value)
        shaped: Json = {}
        for key, item in value.items():
            name = key.lower()
            if name == "displayname" and name not in declared and "display" in declared:
                name = "display"
            attribute = declared.get(name)
            if attribute is None:
                self.ignored.append(f"{of}.{key}")
            elif not attribute.read_only:
                shaped[attribute.name] = self._written(attribute, item)
        return shaped

    def _written(self, attribute: AttributeDefinition, value: Any) -> Any:
        """The value in a body of POST or PUT, or in an object. None: there is none. Elements have more than labels."""
        if value and isinstance(value, str) and attribute.type == "string" and not attribute.multi_valued:
            return value  # most values are such texts
        shaped = self.value(attribute, value)
        if isinstance(shaped, Absent) or (isinstance(shaped, dict) and not any(_assigned(shaped))):
            return None
        if not isinstance(shaped, list) or attribute.type != "complex" or self.resource_type.is_membership(attribute):
            return shaped
        return [item for item in shaped if not is_labels_alone(item)]


def _boolean(attribute: AttributeDefinition, value: Any) -> bool:
    """True or false, which clients also write as text in any letter case (RFC 7643 section 2.3.2).

    Raises InvalidValueException for anything else: whoever means something by "no" or 0 must say it.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise InvalidValueException(detail=f"{attribute.name} must be true or false, not {str(value)[:40]!r}.")


def _refuse_other_type(attribute: AttributeDefinition, value: Any) -> None:
    """Raises InvalidValueException for what the models would take: a boolean as a number, a number as a dateTime, and
    any text as one of several dateTimes.
    """
    if isinstance(value, bool) and attribute.type in ("integer", "decimal"):
        raise InvalidValueException(detail=f"{attribute.name} must be a number.")
    if attribute.type != "dateTime":
        return
    no_text = attribute.multi_valued and isinstance(value, str) and with_offset(value) is None
    if isinstance(value, int | float) or no_text:
        raise InvalidValueException(detail=f"{attribute.name} must be a dateTime, such as 2026-11-24T10:00:00Z.")


def _assigned(values: Json) -> Iterator[Any]:
    return (value for value in values.values() if value is not None)


def _unpacked(element: Json) -> Json | None:
    """The object in an element that has only a `value`, if this is the JSON text of an object with a `value`.

    Entra sends app roles in this way if AppRoleAssignmentsComplex maps them. Any other text stays as it is.
    """
    text = element.get("value") if list(_assigned(element)) == [element.get("value")] else None
    if not isinstance(text, str) or not text.startswith("{"):
        return None
    try:
        unpacked = parse_json(text.encode(), MAX_TEXT_NODES)
    except (InvalidSyntaxException, RequestTooLarge):
        return None
    return unpacked if isinstance(unpacked, dict) and "value" in unpacked else None
