"""A PATCH body as typed operations (RFC 7644 section 3.5.2): each path parsed once, each value in the schema's shape.

Lenient as `leniency` is: `op` in any case; without a path, a value whose keys are attributes or whole paths; read-only
attributes are ignored; "" and null mean unassigned; a dot after an extension's URN.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import batched
from typing import Any, Literal

from pydantic import ValidationError
from scim2_models import (
    InvalidPathException,
    InvalidSyntaxException,
    InvalidValueException,
    MutabilityException,
    NoTargetException,
    Path,
    SCIMException,
)
from scim2_models.path import Comparison, FilterNode, LogicalExpr, Not

from scim_core.model import Json
from scim_core.protocol.attribute_definitions import AttributeDefinition
from scim_core.protocol.attribute_names import with_colon
from scim_core.protocol.elements import PRIMARY
from scim_core.protocol.leniency import IGNORED, UNASSIGNED, Leniency
from scim_core.protocol.limits import (
    MAX_OPERATIONS,
    MAX_PATH_BYTES,
    MAX_PATHS_BYTES,
    MAX_SELECTIONS,
    at_most,
    comparisons,
)
from scim_core.protocol.patch_refusals import OperationRefused, names_of
from scim_core.protocol.patch_targets import AttributeTarget, ExtensionTarget
from scim_core.protocol.references import id_of_kind
from scim_core.protocol.schemas import ResourceType
from scim_core.protocol.strict_json import by_lower_name, parse_json, refuse_repeated_names

NEVER_REFUSED = frozenset({"password", "id", "schemas", "meta"})
"""Read-only attributes that clients send with every change of a resource. They are ignored even as a path."""

SELECTED_TOGETHER = 20
"""Values of no object that one path selects to remove."""

type Op = Literal["add", "replace", "remove"]


@dataclass(frozen=True, slots=True)
class PatchOperation:
    """One operation. Without a value, `value` is UNASSIGNED: a replace then clears its target.

    `number` is its place in the body, `sent` its path as the client wrote it: errors name them.
    """

    op: Op
    target: AttributeTarget | ExtensionTarget
    value: Any = UNASSIGNED
    number: int = 0
    sent: str = ""

    def refused(self, error: SCIMException | ValidationError) -> OperationRefused:
        """The error with which this operation is refused."""
        attribute = self.target.attribute if isinstance(self.target, AttributeTarget) else None
        return OperationRefused(self.number, self.sent, error, names_of(attribute))

    def is_on(self, name: str) -> bool:
        """Whether its target is the attribute of this name, in lower case, as a whole."""
        target = self.target
        return isinstance(target, AttributeTarget) and target.whole and target.written.name.lower() == name

    @property
    def assigns_one_value(self) -> bool:
        """Whether it gives an attribute its only value: nothing of a value before is kept, compared, or forbidden."""
        if self.op == "remove" or self.value is UNASSIGNED or isinstance(self.target, ExtensionTarget):
            return False
        written = self.target.written
        plain = written is self.target.attribute and written.type != "complex" and written.mutability != "immutable"
        return plain and not written.multi_valued and self.target.value_filter is None

    @property
    def unassigns(self) -> bool:
        """Whether it may take a value away from an element that stays."""
        return self.value is UNASSIGNED or (isinstance(self.value, dict) and None in self.value.values())

    @property
    def selects_not_primary(self) -> bool:
        """Whether it selects elements by `primary` being false."""
        if isinstance(self.target, ExtensionTarget):
            return False
        named = self.value if self.op == "remove" and isinstance(self.value, list) else ()
        objects = (item for item in named if isinstance(item, dict))
        return _compares_with_false(self.target.value_filter) or any(item.get(PRIMARY) is False for item in objects)

    def to_json(self) -> Json:
        """The operation as RFC 7644 section 3.5.2 writes it."""
        operation: Json = {"op": self.op, "path": self.target.path}
        if self.value is not UNASSIGNED:
            operation["value"] = self.value
        elif self.op == "replace":
            operation["value"] = None
        return operation


class UnknownPath(InvalidPathException):
    """A well-formed path names no attribute of the resource type."""

    def __init__(self, text: str) -> None:
        super().__init__(
            path=text,
            detail=f"The path {text[:200]!r} names no attribute of this resource type; /Schemas lists those there are. "
            "Correct or remove the attribute mapping.",
        )


@dataclass(frozen=True, slots=True)
class PatchRequest:
    """A PATCH body: the operations that can be read, in order, and why others cannot be."""

    operations: Sequence[PatchOperation]
    refused: Sequence[OperationRefused] = ()


def patch_request(leniency: Leniency, payload: Any) -> PatchRequest:
    """The operations that a PATCH body means. Names that no schema declares are in `leniency.ignored`.

    An operation is refused if its path names nothing or is read-only, or its value cannot be one. Raises
    InvalidSyntaxException for what is no list of operations, RequestTooLarge.
    """
    operations = by_lower_name(payload).get("operations") if isinstance(payload, dict) else None
    if not isinstance(operations, list):
        raise InvalidSyntaxException(detail="A PATCH body must be an object with an array named Operations.")
    at_most(MAX_OPERATIONS, len(operations), "operations")
    reading = _Reading(leniency)
    read: list[PatchOperation] = []
    for number, operation in enumerate(operations):
        read += reading.operation(number, operation)
        at_most(MAX_OPERATIONS, len(read) + len(leniency.ignored), "operations")
    return PatchRequest(read, reading.refused)


class _Reading:
    """Reads one body's operations, one after the other, and adds up what its filters select."""

    def __init__(self, leniency: Leniency) -> None:
        self.refused: list[OperationRefused] = []
        self._leniency = leniency
        self._resource_type = leniency.resource_type
        self._number = 0
        self._selections = 0
        self._path_bytes = 0

    def operation(self, number: int, operation: Any) -> Iterator[PatchOperation]:
        """The operations that one operation of the body means: without a path, one for each attribute."""
        self._number = number
        if not isinstance(operation, dict):
            raise InvalidSyntaxException(detail="Each of the Operations must be an object with op, path and value.")
        members = by_lower_name(operation)
        op, path, value = _op(members.get("op", "")), members.get("path"), members.get("value")
        if path is not None and not isinstance(path, str):
            self._refuse("", InvalidPathException(detail="path must be a string."))
        elif path:
            yield from self._read(path, self._at_path(op, path, value, given="value" in members, explicit=True))
        elif op == "remove":
            self._refuse("", NoTargetException(detail="A remove operation needs a path that says what to remove."))
        elif not isinstance(value, dict):
            detail = "An operation without path needs an object of attributes as its value."
            self._refuse("", InvalidValueException(detail=detail))
        else:
            yield from self._attributes(op, value)

    def _read(self, sent: str, operations: Iterator[PatchOperation]) -> Iterator[PatchOperation]:
        """The operations for a path as the client sent it, or the refusal of it."""
        try:
            for operation in operations:
                yield operation if operation.sent else replace(operation, number=self._number, sent=sent)
        except SCIMException as error:
            self._refuse(sent, error)

    def _refuse(self, sent: str, error: SCIMException) -> None:
        self.refused.append(OperationRefused(self._number, sent, error, {}))

    def _attributes(self, op: Op, value: Json, prefix: str = "") -> Iterator[PatchOperation]:
        """The operations for each attribute of an object. Paths start with `prefix`; undeclared names are ignored."""
        refuse_repeated_names(value)
        at_most(MAX_OPERATIONS, len(value), "attributes in a value")
        for key, item in value.items():
            name = f"{prefix}{key}"
            yield from self._read(name, self._of_key(op, name, item))

    def _of_key(self, op: Op, name: str, value: Any) -> Iterator[PatchOperation]:
        try:
            yield from self._at_path(op, name, value, given=True, explicit=False)
        except UnknownPath:
            self._leniency.ignored.append(name)

    def _at_path(self, op: Op, text: str, value: Any, *, given: bool, explicit: bool) -> Iterator[PatchOperation]:
        self._require_short(text)
        extension = self._resource_type.extension(text)
        if extension is not None or text.lower() == self._resource_type.schema.lower():
            yield from self._whole_schema(op, extension, value)
            return
        target = target_of(self._resource_type, text)
        if target.read_only:
            if explicit and not target.of_members and target.attribute.name.lower() not in NEVER_REFUSED:
                raise MutabilityException(detail=f"{target.path} is read-only: the service provider assigns it.")
            return
        self._select(0 if target.of_members else comparisons(target.value_filter))
        value = _from_text(target.written, value)
        if op == "remove":
            _refuse_unassigning(target)
            yield from self._removal(target, value)
            return
        if not given:
            raise InvalidValueException(detail=f"The {op} operation on {text} has no value.")
        leniency = self._leniency
        shaped = leniency.value(target.written, value) if target.whole else leniency.single(target.written, value)
        if shaped is UNASSIGNED:
            yield from _unassigning(op, target)
        elif shaped is not IGNORED:
            yield _by_id(PatchOperation(op, target, shaped), self._resource_type)

    def _whole_schema(self, op: Op, extension: str | None, value: Any) -> Iterator[PatchOperation]:
        """Operations for a path that is a schema's URN: it addresses the object of that schema's attributes."""
        schema = extension or self._resource_type.schema
        if op == "remove" or value in (None, ""):
            if extension is None:
                raise NoTargetException(detail=f"{schema} as a whole cannot be removed.")
            yield PatchOperation("remove", ExtensionTarget(extension))
        elif isinstance(value, dict):
            yield from self._attributes(op, value, f"{schema}:")
        else:
            raise InvalidValueException(detail=f"The value for {schema} must be an object of its attributes.")

    def _removal(self, target: AttributeTarget, value: Any) -> Iterator[PatchOperation]:
        """A removal. If the attribute has several values, a given value names those to remove (Entra's form)."""
        if not (target.written.multi_valued and target.whole) or value is None:
            yield PatchOperation("remove", target)
            return
        named = [
            {key: part for key, part in item.items() if part is not None} if isinstance(item, dict) else item
            for item in self._leniency.value(target.written, value)
        ]
        self._select(0 if self._resource_type.is_membership(target.written) else len(named))
        if target.attribute.type == "complex":
            yield PatchOperation("remove", target, named)
            return
        for some in batched(named, SELECTED_TOGETHER, strict=False):  # a model knows values that are objects alone
            selecting = " or ".join(f"value eq {json.dumps(item)}" for item in some)
            yield PatchOperation("remove", target_of(self._resource_type, f"{target.path}[{selecting}]"))

    def _require_short(self, path: str) -> None:
        size = len(path.encode())
        if size > MAX_PATH_BYTES:
            raise InvalidPathException(detail=f"The path is longer than {MAX_PATH_BYTES} bytes.")
        self._path_bytes += size
        at_most(MAX_PATHS_BYTES, self._path_bytes, "bytes of paths")

    def _select(self, number: int) -> None:
        self._selections += number
        at_most(MAX_SELECTIONS, self._selections, "comparisons that select values")


def _compares_with_false(node: FilterNode | None) -> bool:
    """Whether a filter compares `primary` with false."""
    match node:
        case LogicalExpr():
            return any(_compares_with_false(term) for term in node.terms)
        case Not():
            return _compares_with_false(node.expr)
        case Comparison():
            return str(node.attr_path).lower() == PRIMARY and str(node.value).lower() == "false"
    return False


def _from_text(attribute: AttributeDefinition, value: Any) -> Any:
    """The value. For a complex attribute, the text of a JSON object or array is read: SCIM-SDK sends values so.

    Raises RequestTooLarge.
    """
    if attribute.type != "complex" or not isinstance(value, str) or not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return parse_json(value.encode(errors="surrogatepass"))
    except InvalidSyntaxException:
        return value


def _by_id(operation: PatchOperation, resource_type: ResourceType) -> PatchOperation:
    """The operation; if it writes one sub-attribute of a reference, such as manager, with the id that this names."""
    target, text = operation.target, operation.value
    if isinstance(target, ExtensionTarget) or target.sub_attribute is None or not isinstance(text, str):
        return operation
    kind, names = target.attribute.referenced, target.sub_attribute.name in ("value", "$ref")
    identifier = id_of_kind(text, kind, resource_type.endpoints) if kind is not None and names else None
    if identifier is None:
        return operation
    value = target.attribute.sub_attributes["value"]
    path = f"{target.path[: -len(target.sub_attribute.name)]}{value.name}"
    return replace(operation, target=replace(target, path=path, sub_attribute=value), value=identifier)


def _op(given: Any) -> Op:
    match str(given).lower():
        case ("add" | "replace" | "remove") as op:
            return op
        case other:
            raise InvalidSyntaxException(detail=f"op must be add, replace or remove, not {other[:40]!r}.")


def _unassigning(op: Op, target: AttributeTarget) -> Iterator[PatchOperation]:
    """What a null or "" asks for: elements that a filter selects are removed, and so is a single value.

    Clients choose freely between add and replace. So an add of nothing clears a single value, as a replace does. In an
    attribute of several values it changes nothing.
    """
    _refuse_unassigning(target)
    if not target.whole:
        yield PatchOperation("remove", target)
    elif op != "add" or not target.written.multi_valued:
        yield PatchOperation("replace", target)


def _refuse_unassigning(target: AttributeTarget) -> None:
    """Raises MutabilityException when the attribute is required (RFC 7644 section 3.5.2.2)."""
    if target.written.required:
        raise MutabilityException(detail=f"{target.path} is required: it can be replaced, but not removed.")


def target_of(resource_type: ResourceType, text: str) -> AttributeTarget:
    """The target of a path. Raises InvalidPathException, UnknownPath when no schema declares what it names."""
    try:
        path: Path[Any] = Path(with_colon(resource_type, text))
    except InvalidPathException as error:
        raise InvalidPathException(detail=f"The path {text[:200]!r} cannot be read: {error.detail}.") from error
    name, *rest = path.parts
    found = resource_type.attribute(name, path.schema)
    if found is None:
        raise UnknownPath(text)
    extension, attribute = found
    sub_attribute = attribute.sub_attributes.get(rest[0].lower()) if rest else None
    if rest and sub_attribute is None:
        raise UnknownPath(text)
    return AttributeTarget(
        path=str(path) if path.schema or extension is None else f"{extension}:{path}",
        extension=extension,
        attribute=attribute,
        sub_attribute=sub_attribute,
        value_filter=path.value_filter,
        of_members=resource_type.is_membership(attribute),
    )
