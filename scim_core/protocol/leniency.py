"""Lenient clients' JSON, brought into the shape RFC 7643 and RFC 7644 give it before the models validate it.

Every rule asks the schema what an attribute is; none asks who the client is. Clients are known to send: attribute
names in any case, "True" for true, a bare id for a complex reference, one value wrapped in an array and an array's only
value bare, `displayName` for `display`, a role as JSON text, path-less PATCH values keyed by whole paths, and "" for
unassigned. Values are otherwise left exactly as they are.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from scim2_models import (
    InvalidPathException,
    InvalidSyntaxException,
    InvalidValueException,
    MutabilityException,
    NoTargetException,
    Path,
)

from scim_core.model import Json
from scim_core.protocol.limits import MAX_OPERATIONS, MAX_PATH_BYTES, MAX_SELECTIONS, MAX_VALUES, at_most, comparisons
from scim_core.protocol.schemas import AttributeDefinition, ResourceType
from scim_core.protocol.strict_json import by_lower_name, parse_json, refuse_repeated_names


class UnknownPath(InvalidPathException):
    """A well-formed path names no attribute of the resource type."""

    def __init__(self, text: str) -> None:
        super().__init__(
            path=text,
            detail=f"The path {text[:200]!r} names no attribute of this resource type; /Schemas lists those there are. "
            "Correct or remove the attribute mapping.",
        )


class Leniency:
    """One request's reading of a client's JSON. `ignored` collects the names of attributes that nothing declares."""

    def __init__(self, resource_type: ResourceType) -> None:
        self.resource_type = resource_type
        self.ignored: list[str] = []
        self._values = 0
        self._selections = 0

    def resource(self, payload: Any) -> Json:
        """A POST or PUT body as the model reads it: declared, writable attributes only.

        Raises InvalidSyntaxException when the body is no object or names an attribute twice, InvalidValueException,
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
        if value is None:
            return
        if not isinstance(value, dict):
            raise InvalidValueException(detail=f"{extension} must be an object that holds the extension's attributes.")
        attributes = self._object(self.resource_type.extensions[extension], value, extension)
        shaped[extension] = shaped.get(extension, {}) | attributes

    def _assign(self, shaped: Json, key: str, value: Any) -> None:
        urn, _, name = key.rpartition(":")
        found = self.resource_type.attribute(name, urn or None)
        if found is None:
            self.ignored.append(key)
            return
        extension, attribute = found
        if attribute.read_only:
            return
        target = shaped if extension is None else shaped.setdefault(extension, {})
        target[attribute.name] = self._written(attribute, value)

    def operations(self, payload: Any) -> list[Json]:
        """The RFC 7644 section 3.5.2 operations, each with a path, that a PATCH body stands for.

        Raises InvalidSyntaxException, InvalidPathException, InvalidValueException, NoTargetException,
        MutabilityException, RequestTooLarge.
        """
        operations = by_lower_name(payload).get("operations") if isinstance(payload, dict) else None
        if not isinstance(operations, list):
            raise InvalidSyntaxException(detail="A PATCH body must be an object with an array named Operations.")
        at_most(MAX_OPERATIONS, len(operations), "operations")
        shaped: list[Json] = []
        for operation in operations:
            shaped += self._operation(operation)
            at_most(MAX_OPERATIONS, len(shaped) + len(self.ignored), "operations")
        return shaped

    def _operation(self, operation: Any) -> Iterator[Json]:
        if not isinstance(operation, dict):
            raise InvalidSyntaxException(detail="Each of the Operations must be an object with op, path and value.")
        members = by_lower_name(operation)
        op, path, value = str(members.get("op", "")).lower(), members.get("path"), members.get("value")
        if op not in ("add", "replace", "remove"):
            raise InvalidSyntaxException(detail=f"op must be add, replace or remove, not {op[:40]!r}.")
        if path is not None and not isinstance(path, str):
            raise InvalidPathException(detail="path must be a string.")
        if path:
            yield from self._at_path(op, path, value, given="value" in members)
        elif op == "remove":
            raise NoTargetException(detail="A remove operation needs a path that says what to remove.")
        elif not isinstance(value, dict):
            raise InvalidValueException(detail="An operation without path needs an object of attributes as its value.")
        else:
            yield from self._attributes(op, value)

    def _attributes(self, op: str, value: Json, prefix: str = "") -> Iterator[Json]:
        """The operations for each attribute of an object, named behind `prefix`; what nothing declares is ignored."""
        refuse_repeated_names(value)
        at_most(MAX_OPERATIONS, len(value), "attributes in a value")
        for key, item in value.items():
            try:
                yield from self._at_path(op, f"{prefix}{key}", item, given=True)
            except UnknownPath:
                self.ignored.append(f"{prefix}{key}")

    def _at_path(self, op: str, text: str, value: Any, *, given: bool) -> Iterator[Json]:
        extension = self.resource_type.extension(text)
        if extension is not None or text.lower() == self.resource_type.schema.lower():
            yield from self._whole_schema(op, extension, value)
            return
        target = _Target.of(self.resource_type, text)
        if target.read_only:
            return
        self._select(target.comparisons)
        if op == "remove":
            target.refuse_unassigning()
            yield self._removal(target, value)
            return
        if not given:
            raise InvalidValueException(detail=f"The {op} operation on {text} has no value.")
        shaped = self._value(target.attribute, value) if target.whole else self._single(target.attribute, value)
        if shaped is None:
            yield from self._unassigning(op, target)
        elif shaped != {}:  # of an object, nothing was left to write
            yield {"op": op, "path": target.path, "value": shaped}

    def _unassigning(self, op: str, target: "_Target") -> Iterator[Json]:
        """What a null or "" asks for: elements that a filter selects go, and so does a single value.

        A client's choice between add and replace is not predictable: adding nothing clears a single value, as replacing
        does. To several values it adds nothing.
        """
        target.refuse_unassigning()
        if not target.whole:
            yield {"op": "remove", "path": target.path}
        elif op != "add" or not target.attribute.multi_valued:
            yield {"op": "replace", "path": target.path, "value": None}

    def _whole_schema(self, op: str, extension: str | None, value: Any) -> Iterator[Json]:
        """Operations for a path that is a schema's URN: it addresses the object of that schema's attributes."""
        schema = extension or self.resource_type.schema
        if op == "remove" or value in (None, ""):
            if extension is None:
                raise NoTargetException(detail=f"{schema} as a whole cannot be removed.")
            yield {"op": "remove", "path": extension}
        elif isinstance(value, dict):
            yield from self._attributes(op, value, f"{schema}:")
        else:
            raise InvalidValueException(detail=f"The value for {schema} must be an object of its attributes.")

    def _removal(self, target: "_Target", value: Any) -> Json:
        operation: Json = {"op": "remove", "path": target.path}
        if target.attribute.multi_valued and target.whole and value is not None:
            operation["value"] = [
                {key: part for key, part in item.items() if part is not None} if isinstance(item, dict) else item
                for item in self._value(target.attribute, value) or []
            ]
            self._select(0 if self.resource_type.is_membership(target.attribute) else len(operation["value"]))
        return operation

    def _select(self, comparisons: int) -> None:
        self._selections += comparisons
        at_most(MAX_SELECTIONS, self._selections, "comparisons that select values")

    def _value(self, attribute: AttributeDefinition, value: Any) -> Any:
        """The value in the plurality its attribute declares; None when it stands for unassigned."""
        if not attribute.multi_valued:
            return self._single(attribute, value)
        if value is None:
            return None
        items = value if isinstance(value, list) else [value]
        self._values += 0 if self.resource_type.is_membership(attribute) else len(items)
        at_most(MAX_VALUES, self._values, "values of attributes")
        shaped = [self._single(attribute, item) for item in items]
        return [item for item in shaped if item not in (None, {})]

    def _single(self, attribute: AttributeDefinition, value: Any) -> Any:
        """One value in the type its attribute declares; None when it stands for unassigned."""
        while isinstance(value, list) and len(value) <= 1:
            value = value[0] if value else None
        if value is None or value == "":
            return None
        if attribute.type == "complex":
            return self._complex(attribute, value)
        if isinstance(value, dict) and {key.lower() for key in value} <= {"value", "$ref"}:
            return self._single(attribute, next((item for key, item in value.items() if key.lower() == "value"), None))
        if attribute.type == "boolean" and isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        return value

    def _complex(self, attribute: AttributeDefinition, value: Any) -> Any:
        """An object's declared attributes: None when all are unassigned, but {} when there was none among them."""
        if isinstance(value, str) and "value" in attribute.sub_attributes:
            value = {"value": value}
        if not isinstance(value, dict):
            return value
        shaped = self._object(attribute.sub_attributes, value, attribute.name)
        assigned = {name: item for name, item in shaped.items() if item is not None}
        unpacked = _unpacked(assigned) if attribute.multi_valued else None
        if unpacked:
            return self._complex(attribute, unpacked)
        return shaped if assigned or (value and not shaped) else None

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
        shaped = self._value(attribute, value)
        return None if shaped == {} else shaped


class _Target:
    """What a PATCH path designates: the attribute whose shape the value takes, and the path spelt out in full."""

    def __init__(
        self, path: str, attribute: AttributeDefinition, *, whole: bool, read_only: bool, comparisons: int
    ) -> None:
        self.path = path
        self.attribute = attribute
        self.whole = whole
        self.read_only = read_only
        self.comparisons = comparisons

    def refuse_unassigning(self) -> None:
        """Raises MutabilityException when the attribute is required (RFC 7644 section 3.5.2.2)."""
        if self.attribute.required:
            raise MutabilityException(detail=f"{self.path} is required: it can be replaced, but not removed.")

    @classmethod
    def of(cls, resource_type: ResourceType, text: str) -> "_Target":
        """The target of a path. Raises InvalidPathException, naming the path, when no schema declares it."""
        if len(text.encode()) > MAX_PATH_BYTES:
            raise InvalidPathException(detail=f"The path is longer than {MAX_PATH_BYTES} bytes.")
        try:
            path = Path(_with_colon(resource_type, text))
        except InvalidPathException as error:
            raise InvalidPathException(detail=f"The path {text[:200]!r} cannot be read: {error.detail}.") from error
        head, *rest = path.parts
        found = resource_type.attribute(head, path.schema)
        if found is None:
            raise UnknownPath(text)
        extension, attribute = found
        qualified = str(path) if path.schema or extension is None else f"{extension}:{path}"
        selects = path.value_filter is not None
        selections = 0 if resource_type.is_membership(attribute) else comparisons(path.value_filter)
        read_only = attribute.read_only
        if rest:
            sub_attribute = attribute.sub_attributes.get(rest[0].lower())
            if sub_attribute is None:
                raise UnknownPath(text)
            attribute, read_only = sub_attribute, read_only or sub_attribute.read_only
        whole = bool(rest) or not selects
        return cls(qualified, attribute, whole=whole, read_only=read_only, comparisons=selections)


def _with_colon(resource_type: ResourceType, text: str) -> str:
    """An extension's attribute separated from its URN by a dot, as old connectors write it, gets its colon."""
    for urn in resource_type.extensions:
        if text.lower().startswith(f"{urn.lower()}."):
            return f"{text[: len(urn)]}:{text[len(urn) + 1 :]}"
    return text


def _unpacked(element: Json) -> Json | None:
    """What an element of nothing but a `value` says, where that is the JSON text of an object with a value.

    Entra sends app roles so when they are mapped by AppRoleAssignmentsComplex; any other text is kept as it is.
    """
    text = element.get("value") if len(element) == 1 else None
    if not isinstance(text, str) or not text.startswith("{"):
        return None
    try:
        unpacked = parse_json(text.encode())
    except InvalidSyntaxException:
        return None
    return unpacked if isinstance(unpacked, dict) and "value" in unpacked else None
