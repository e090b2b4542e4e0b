"""Reads a BulkRequest (RFC 7644 section 3.7): limits, the names of its operations, and their data as texts.

The data of an operation is the body of a request, so it stays a text here. Whoever runs the operation reads it with
`strict_json`, by the same rules and limits as any other body. What is left of the bulk is small, and is parsed at once.
"""

from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any

from scim2_models import InvalidSyntaxException, InvalidValueException, SCIMException

from scim_core.model import Json
from scim_core.protocol.json_outline import (
    BRACKETS_AT_ONCE,
    CHARACTERS_OF_A_UNIT,
    NODES,
    NODES_OF_A_UNIT,
    decoded,
    to_bracket,
)
from scim_core.protocol.json_text import JsonText
from scim_core.protocol.limits import (
    MAX_BULK_CONTAINERS,
    MAX_BULK_OPERATIONS,
    MAX_DEPTH,
    MAX_NODES,
    at_most,
    require_body_size,
)
from scim_core.protocol.stated_schemas import require_bulk
from scim_core.protocol.strict_json import by_lower_name

METHODS = ("POST", "PUT", "PATCH", "DELETE")
"""The methods of an operation (RFC 7644 section 3.7)."""

OPERATIONS = "operations in a bulk"
"""What a bulk may have MAX_BULK_OPERATIONS of."""


@dataclass(frozen=True, slots=True)
class BulkOperation:
    """One operation as the client sent it. `refusal` says why it cannot run; then the others are still run.

    `data` is its JSON text, empty if there is none. Names that are not given, or are no texts, are empty.
    """

    method: str
    path: str
    bulk_id: str
    version: str
    data: str
    refusal: SCIMException | None = None


@dataclass(frozen=True, slots=True)
class BulkRequest:
    """The operations in order. No more begin after `fail_on_errors` of them have failed; None: all are tried."""

    operations: tuple[BulkOperation, ...]
    fail_on_errors: int | None


class _Role(Enum):
    OTHER = auto()
    MESSAGE = auto()
    OPERATIONS = auto()
    OPERATION = auto()
    DATA = auto()


def reading_bulk(body: bytes) -> Generator[int, None, BulkRequest]:
    """Reads a BulkRequest, and returns it. Yields the units of work that each step took.

    Raises InvalidSyntaxException when it is no JSON outside of the data, or no BulkRequest; RequestTooLarge when it has
    too many operations, or is large without their data.
    """
    try:
        text = JsonText(body.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InvalidSyntaxException(detail="The body is not UTF-8 text.") from error
    outline = _Outline(text.text)
    yield from outline.walk()
    require_body_size(sum(text.size(start, end) for start, end in outline.rest))
    at_most(MAX_NODES, outline.nodes(), NODES)
    message = text.value(outline.rest)
    yield 1 + outline.nodes() // NODES_OF_A_UNIT
    return _request(message, [text.text[start:end] for start, end in outline.data])


_DATA_DEPTH = 3
"""Brackets around the data of an operation: those of the message, of its operations, and of the operation."""


class _Outline:
    """Goes through the text once. `data` are the places of the operations' data, `rest` is the text without these.

    Of each data the outer brackets stay in the rest, so that this is JSON again.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._kept_from = 0
        self._brackets = 0
        self._operations = 0
        self.data: list[tuple[int, int]] = []
        self.rest: list[tuple[int, int]] = []

    def nodes(self) -> int:
        """How many nodes the rest has, or more: what is in strings counts, too."""
        rest = "".join(self._text[start:end] for start, end in self.rest)
        return 1 + rest.count(",") + rest.count(":") + rest.count("[") + rest.count("{")

    def walk(self) -> Generator[int]:
        """The whole text is looked through. Yields the units of work that each part took."""
        position, data_from = 0, 0
        roles: list[_Role] = []
        while True:
            found = to_bracket(self._text, position)
            at = found.end()
            bracket = self._text[at : at + 1]
            if bracket in ("]", "}") and roles:
                if roles.pop() is _Role.DATA:
                    self.data.append((data_from, at + 1))
                    self.rest.append((self._kept_from, data_from + 1))
                    self._kept_from = at
            elif bracket in ("[", "{"):
                roles.append(self._role(roles, found, bracket))
                if roles[-1] is _Role.DATA:
                    data_from = at
            elif at > position and len(roles) > _DATA_DEPTH:
                position = at  # within the data of an operation, which may be too large: that is seen when it is read
                continue
            else:
                break
            position = at + 1
            self._brackets += 1
            if self._brackets % (2 * BRACKETS_AT_ONCE) == 0:
                at_most(2 * MAX_BULK_CONTAINERS, self._brackets, "brackets in a bulk")
                yield BRACKETS_AT_ONCE // NODES_OF_A_UNIT
        self.rest.append((self._kept_from, len(self._text)))
        yield 1 + len(self._text) // CHARACTERS_OF_A_UNIT

    def _role(self, roles: list[_Role], found: Any, bracket: str) -> _Role:
        """What begins with this bracket. In an object, the string before it is its name."""
        if len(roles) == MAX_DEPTH:
            raise InvalidSyntaxException(detail=f"The body nests deeper than {MAX_DEPTH} levels.")
        match roles[-1] if roles else None, bracket:
            case None, "{":
                return _Role.MESSAGE
            case _Role.MESSAGE, "[" if _is_named(found, "operations"):
                return _Role.OPERATIONS
            case _Role.OPERATIONS, "{":
                self._operations += 1
                at_most(MAX_BULK_OPERATIONS, self._operations, OPERATIONS)
                return _Role.OPERATION
            case _Role.OPERATION, _ if _is_named(found, "data"):
                return _Role.DATA
        return _Role.OTHER


def _is_named(found: Any, name: str) -> bool:
    """Whether the bracket after this text begins the value of this name."""
    return (found[2] or "").strip() == ":" and decoded(found[1]).lower() == name


def _request(message: Any, data: list[str]) -> BulkRequest:
    if not isinstance(message, dict):
        raise InvalidSyntaxException(detail="The body must be a JSON object that is a BulkRequest.")
    require_bulk(message)
    names = by_lower_name(message)
    operations = names.get("operations")
    if not isinstance(operations, list):
        raise InvalidSyntaxException(detail="A BulkRequest needs Operations, an array.")
    at_most(MAX_BULK_OPERATIONS, len(operations), OPERATIONS)
    texts = iter(data)
    read = tuple(_operation(item, texts) for item in operations)
    return BulkRequest(_each_name_once(read), _fail_on_errors(names.get("failonerrors")))


def _fail_on_errors(value: Any) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidValueException(detail="failOnErrors must be a whole number of errors, 1 or more.")
    return value


def _operation(operation: Any, texts: Iterator[str]) -> BulkOperation:
    """The operation. The next texts are those of its data."""
    if not isinstance(operation, dict):
        return BulkOperation("", "", "", "", "", InvalidSyntaxException(detail="An operation must be a JSON object."))
    # Objects and arrays were cut out of the text, and are empty here.
    cut = [name for name, value in operation.items() if name.lower() == "data" and value in ({}, [])]
    given = [next(texts, "") for _ in cut]
    try:
        names = by_lower_name(operation)
    except InvalidSyntaxException as error:
        return BulkOperation("", "", "", "", "", error)
    method, path, bulk_id, version = (_text(names, name) for name in ("method", "path", "bulkid", "version"))
    data = given[0] if given else ""
    refusal = _refusal(names, method.upper(), data)
    return BulkOperation(method.upper(), path, bulk_id, version, data, refusal)


def _text(names: Json, name: str) -> str:
    value = names.get(name)
    return value if isinstance(value, str) else ""


def _refusal(names: Json, method: str, data: str) -> SCIMException | None:
    """Why an operation cannot run, as far as its own names tell."""
    for name, shown in (("method", "method"), ("path", "path"), ("bulkid", "bulkId"), ("version", "version")):
        if names.get(name) is not None and not isinstance(names[name], str):
            return InvalidSyntaxException(detail=f"The {shown} of an operation must be a text.")
    if method not in METHODS:
        return InvalidSyntaxException(detail="The method of an operation must be POST, PUT, PATCH or DELETE.")
    if not names.get("path"):
        return InvalidSyntaxException(detail="An operation needs a path, such as /Users or /Users/<id>.")
    if method == "POST" and not names.get("bulkid"):
        return InvalidSyntaxException(detail="A POST in a bulk needs a bulkId.")
    if method != "DELETE" and not data:
        return InvalidSyntaxException(detail=f"A {method} in a bulk needs data, an object.")
    return None


def _each_name_once(operations: tuple[BulkOperation, ...]) -> tuple[BulkOperation, ...]:
    """The operations; a POST with the bulkId of another POST is refused, for nobody knows which of them is meant."""
    creating = [operation.bulk_id for operation in operations if operation.method == "POST" and operation.bulk_id]
    repeated = {name for name, number in Counter(creating).items() if number > 1}
    return tuple(
        replace(operation, refusal=_repeated(operation.bulk_id))
        if operation.method == "POST" and operation.bulk_id in repeated and operation.refusal is None
        else operation
        for operation in operations
    )


def _repeated(bulk_id: str) -> SCIMException:
    return InvalidValueException(detail=f"Several POST operations have the bulkId {bulk_id[:80]!r}.")
