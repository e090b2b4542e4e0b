"""How much computing the operations of a PATCH take, before they are applied.

scim2-models looks at every value of an attribute for each operation on it, and compares each with the path's filter.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scim_core.model import Json
from scim_core.protocol.costs import extent
from scim_core.protocol.limits import MAX_PATH_BYTES, comparisons
from scim_core.protocol.patch_operations import PatchOperation
from scim_core.protocol.patch_targets import AttributeTarget

DOCUMENT, ELEMENT, VALUE, CHARACTERS = 25, 1.5, 0.25, 5_000
"""A document that becomes a model and a document again: at least, for each element of an array, for each value, and how
many characters take a unit. Measured: 12, 1.3, 0.2 and 6,000."""

READ_OPERATION = 25
"""Units of work in which an operation is read and validated, or refused. Measured: 12 and 22."""

OPERATION_UNITS = 25
"""Units of work of one operation on an attribute without values."""

MERGED_VALUE, CHANGED_VALUE, COMPARED_VALUE = 0.5, 4, 3
"""A value of an attribute for each operation: at least; if values are changed or removed one by one; and for each
comparison with it. Measured: 0.4, 3.5 and 2.5."""

PATH_UNITS, TOKEN_UNITS, LITERAL_CHARACTERS = 3, 4, 25
"""A path that is parsed: at least, for each word and parenthesis of its filter, and how many characters of it take a
unit. Measured: 1, 3.6 and 26."""

CHARACTERS_OF_A_UNIT = 2_000
"""Characters of a value that are compared in one unit of work."""


def document_units(document: Mapping[str, Any]) -> int:
    """The units of work in which a document becomes a model and a document again, or those of a body as long."""
    held = [document, *_objects(document)]
    elements = sum(len(item) for some in held for item in some.values() if isinstance(item, list))
    size = extent(document)
    return math.ceil(DOCUMENT + ELEMENT * elements + VALUE * size.values + size.characters / CHARACTERS)


def reading_units(payload: Any) -> int:
    """The units of work in which the operations of a PATCH body are read, or more. The body may be of any form."""
    units = 0
    for operation in _operations(payload):
        units += READ_OPERATION
        members = {name.lower(): item for name, item in operation.items()}
        path, value = members.get("path"), members.get("value")
        units += _parsing_units(path) if isinstance(path, str) else 0
        if isinstance(value, dict) and (not path or ":" in str(path)):
            units += sum(_parsing_units(key) + READ_OPERATION * _attributes(item) for key, item in value.items())
    return units


def _attributes(value: Any) -> int:
    """How many operations an attribute in a value without a path stands for: an extension's object has several."""
    return max(1, len(value)) if isinstance(value, dict) else 1


def _operations(payload: Any) -> Iterator[Json]:
    if isinstance(payload, dict):
        for name, operations in payload.items():
            if name.lower() == "operations" and isinstance(operations, list):
                yield from (item for item in operations if isinstance(item, dict))


def _parsing_units(path: str) -> int:
    """A path with a filter has words and parentheses. Each of them is a token for the parser."""
    if "[" not in path:
        return PATH_UNITS
    read = path[:MAX_PATH_BYTES]  # a longer one is refused
    return PATH_UNITS + TOKEN_UNITS * (len(read.split()) + read.count("(")) + len(read) // LITERAL_CHARACTERS


def patch_units(operations: Sequence[PatchOperation], document: Mapping[str, Any]) -> int:
    """The units of work that these operations take on this document, or more."""
    units = float(document_units(document) + OPERATION_UNITS * len(operations))
    present: dict[str, _Values] = {}
    for operation in operations:
        target = operation.target
        if isinstance(target, AttributeTarget):
            name = target.attribute.name
            if name not in present:
                present[name] = _Values.of(document, name)
            units += present[name].units(operation, target)
    return math.ceil(units)


class _Values:
    """How many values an attribute has, and how many characters they have."""

    def __init__(self, number: int, characters: int) -> None:
        self._number = number
        self._characters = characters

    @classmethod
    def of(cls, document: Mapping[str, Any], name: str) -> "_Values":
        held = [extent(item[name]) for item in (document, *_objects(document)) if name in item]
        return cls(sum(item.elements for item in held), sum(item.characters for item in held))

    def units(self, operation: PatchOperation, target: AttributeTarget) -> float:
        """The units of the next operation on the attribute."""
        given = extent(operation.value)
        removed = given.elements if operation.op == "remove" and isinstance(operation.value, list) else 0
        compared = comparisons(target.value_filter) + removed
        one_by_one = bool(compared) or target.sub_attribute is not None
        units = (
            self._number * (CHANGED_VALUE if one_by_one else MERGED_VALUE) + COMPARED_VALUE * self._number * compared
        )
        units += self._characters // CHARACTERS_OF_A_UNIT * compared
        if operation.op != "remove":
            self._number += given.elements if target.attribute.multi_valued else 0
            self._characters += given.characters
            units += ELEMENT * given.elements + VALUE * given.values + given.characters / CHARACTERS
        return units


def _objects(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [item for item in document.values() if isinstance(item, dict)]
