"""How much computing the operations of a PATCH take, before they are applied.

scim2-models looks at every value of an attribute for each operation on it, and compares each with the path's filter.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scim_core.model import Json
from scim_core.protocol.limits import MAX_PATH_BYTES, comparisons
from scim_core.protocol.patch_operations import AttributeTarget, PatchOperation

DOCUMENT_UNITS = 20
"""Units of work in which a small document becomes a model, and a document again."""

OPERATION_UNITS = 25
"""Units of work of one operation on an attribute without values."""

VALUE_UNITS = 4
"""Units of work of one value: it is copied, validated and merged."""

COMPARISON_UNITS = 5
"""Units of work of one comparison with one value. It is made twice, and what it selects is compared again."""

PATH_UNITS = 3
"""Units of work in which a short path is parsed."""

TOKEN_UNITS = 2
"""Units of work of a word or a parenthesis in a path's filter."""

CHARACTERS_OF_A_UNIT = 2_000
"""Characters of a value that are compared in one unit of work."""


def document_units(document: Mapping[str, Any]) -> int:
    """The units of work in which a document becomes a model and a document again."""
    return DOCUMENT_UNITS + VALUE_UNITS * sum(
        len(item) for held in (document, *_objects(document)) for item in held.values() if isinstance(item, list)
    )


def path_units(payload: Any) -> int:
    """The units of work in which the paths of a PATCH body are parsed, or more. The body may be of any form."""
    units = 0
    for operation in _operations(payload):
        for name, item in operation.items():
            if name.lower() == "path" and isinstance(item, str):
                units += _parsing_units(item)
            elif name.lower() == "value" and isinstance(item, dict):
                units += sum(map(_parsing_units, item))
    return units


def _operations(payload: Any) -> Iterator[Json]:
    if isinstance(payload, dict):
        for name, operations in payload.items():
            if name.lower() == "operations" and isinstance(operations, list):
                yield from (item for item in operations if isinstance(item, dict))


def _parsing_units(path: str) -> int:
    """A path with a filter has words and parentheses. Each of them is a token for the parser."""
    if "[" not in path:
        return PATH_UNITS
    tokens = len(path[:MAX_PATH_BYTES].split()) + path.count("(")
    return PATH_UNITS + TOKEN_UNITS * tokens


def patch_units(operations: Sequence[PatchOperation], document: Mapping[str, Any]) -> int:
    """The units of work that these operations take on this document, or more. It never takes more."""
    units = document_units(document)
    present: dict[str, _Values] = {}
    for operation in operations:
        units += OPERATION_UNITS
        target = operation.target
        if not isinstance(target, AttributeTarget):
            continue
        name = target.attribute.name
        values = present.setdefault(name, _Values.of(document, name))
        given = operation.value if isinstance(operation.value, list) else []
        compared = comparisons(target.value_filter) + (len(given) if operation.op == "remove" else 0)
        units += values.units(compared)
        if operation.op != "remove":
            values.grow(1 + len(given) if target.attribute.multi_valued else 0, operation.value)
    return units


class _Values:
    """How many values an attribute has, and how many characters they have."""

    def __init__(self, number: int, characters: int) -> None:
        self._number = number
        self._characters = characters

    @classmethod
    def of(cls, document: Mapping[str, Any], name: str) -> "_Values":
        held = [item[name] for item in (document, *_objects(document)) if name in item]
        return cls(sum(len(item) for item in held if isinstance(item, list)), sum(map(_characters, held)))

    def units(self, compared: int) -> int:
        of_text = self._characters // CHARACTERS_OF_A_UNIT * compared
        return self._number * (VALUE_UNITS + COMPARISON_UNITS * compared) + of_text

    def grow(self, number: int, value: Any) -> None:
        self._number += number
        self._characters += _characters(value)


def _objects(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [item for item in document.values() if isinstance(item, dict)]


def _characters(value: Any) -> int:
    """How many characters the texts of a value have."""
    if isinstance(value, dict):
        return sum(map(_characters, value.values()))
    if isinstance(value, list):
        return sum(map(_characters, value))
    return len(value) if isinstance(value, str) else 0
