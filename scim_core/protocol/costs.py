"""What computing with a document costs, in units of ten microseconds (scim_core/work.py). Known before it is computed.

The numbers were measured on one core with users of 16, 112 and 1,012 values, and groups of 100,000 members (ADR 0014).
They are rounded up.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scim2_models.path import Comparison, FilterNode, LogicalExpr, Not, Present, ValuePath

from scim_core.model import StoredResource
from scim_core.protocol.limits import comparisons

MODEL, MODEL_VALUE, MODEL_MEMBERSHIP = 4, 0.25, 0.75
"""A model of a document: at least, for each value, and for each membership. Measured: 3.7, 0.2 and 0.67."""

COMPARISON, ELEMENT, BRACKETED_ELEMENT = 2, 0.1, 0.9
"""A comparison of a filter: at least, for each element of its attribute, and for each element that it tests within
brackets. Measured: 0.2 to 2, 0.08 and 0.85."""

COMPARED_CHARACTERS = 2_000
"""Characters of an attribute that a comparison looks at for one unit. Measured: 10,000 in ASCII; others take longer."""

PROJECTION, PROJECTED_VALUE, PROJECTED_NAME = 20, 1, 0.02
"""A projection: at least, for each value, and for each value and name. Measured: 17, 0.8 and 0.018."""

FULL_MEMBERSHIP = 0.05
"""A membership in a representation. Measured: 0.04."""

JSON_VALUE, JSON_CHARACTERS = 0.03, 4_000
"""JSON text of a representation: for each value, and how many characters take a unit. Measured: 0.015 and 6,800."""

READ_ROW, READ_CHARACTERS = 6, 1_700
"""A row that is read, of a resource or a membership: at least, and how many characters of a resource take a unit more.
Measured: 6.3, and 1,800."""

FILTER_CHARACTERS = 2.5
"""Characters of a filter that are read for one unit. Measured: 2.7, with 1,000 terms in 8,000 characters."""

SORTED_RESOURCE = 1
"""Finding the key of a resource, and its place among the others. Measured: 0.1, and the sort itself."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How much there is in a value: elements of an array, values without a structure, and characters of texts."""

    elements: int
    values: int
    characters: int


def extent(value: Any) -> Extent:
    """How much there is in a JSON value."""
    values = characters = 0
    rest = [value]
    for item in rest:  # which grows: the structures in it are followed by what they hold
        if isinstance(item, str):
            values += 1
            characters += len(item)
        elif isinstance(item, dict):
            rest += item.values()
        elif isinstance(item, list | tuple):
            rest += item
        else:
            values += 1
    return Extent(len(value) if isinstance(value, list) else 1, values, characters)


_MEMBERSHIP, _META = Extent(1, 3, 200), Extent(1, 5, 250)
"""What a membership and `meta` add to a representation, with URIs of usual length."""


def model_units(document: Mapping[str, Any], memberships: int) -> int:
    """Units to make a model of a stored document and its memberships, or to make its representation."""
    return math.ceil(MODEL + MODEL_VALUE * extent(document).values + MODEL_MEMBERSHIP * memberships)


def projection_units(document: Mapping[str, Any], names: int) -> int:
    """Units to project a stored document by so many names of attributes."""
    return math.ceil(PROJECTION + (PROJECTED_VALUE + PROJECTED_NAME * names) * extent(document).values)


def full_units(memberships: int) -> int:
    """Units to make the representation of a stored document with its memberships."""
    return math.ceil(1 + FULL_MEMBERSHIP * memberships)


def read_units(rows: int, characters: int = 0) -> int:
    """Units that it took to read so many rows, with documents of so many characters together."""
    return math.ceil(READ_ROW * rows + characters / READ_CHARACTERS)


def json_units(value: Any) -> int:
    """Units to write a JSON value as text."""
    size = extent(value)
    return math.ceil(JSON_VALUE * size.values + size.characters / JSON_CHARACTERS)


def written_units(stored: StoredResource, memberships: int) -> int:
    """Units to write the representation of a resource with its memberships as text, at most."""
    size = Extent(1, stored.values, stored.size) if stored.size else extent(stored.document)
    values = size.values + _MEMBERSHIP.values * memberships + _META.values
    characters = size.characters + _MEMBERSHIP.characters * memberships + _META.characters
    return math.ceil(JSON_VALUE * values + characters / JSON_CHARACTERS)


def filter_text_units(text: str) -> int:
    """Units to read a filter."""
    return math.ceil(len(text) / FILTER_CHARACTERS)


class FilterCost:
    """What it costs to test the model of a resource by a filter, or by a part of one."""

    def __init__(self, node: FilterNode) -> None:
        self._tests: dict[str, tuple[int, float]] = {}
        for name, number, for_element in _tests(node):
            tests, elements = self._tests.get(name, (0, 0))
            self._tests[name] = (tests + number, elements + for_element)

    def units(self, document: Mapping[str, Any], attribute: str | None, memberships: int) -> int:
        """Units for this stored document with so many memberships, which its resource type shows in the attribute."""
        units = 0.0
        for name, (tests, for_element) in self._tests.items():
            size = _held(document, name)
            elements = size.elements + (memberships if attribute is not None and name == attribute.lower() else 0)
            units += tests * (COMPARISON + size.characters / COMPARED_CHARACTERS) + for_element * elements
        return math.ceil(units)


def _tests(node: Any) -> Iterator[tuple[str, int, float]]:
    """For each test of a filter: the attribute in lower case, how many comparisons, and units for each element."""
    match node:
        case LogicalExpr():
            for term in node.terms:
                yield from _tests(term)
        case Not():
            yield from _tests(node.expr)
        case ValuePath():
            number = comparisons(node.val_filter)
            yield node.attr_path.attr.lower(), number, BRACKETED_ELEMENT * number
        case Comparison() | Present():
            yield node.attr_path.attr.lower(), 1, ELEMENT


def _held(document: Mapping[str, Any], name: str) -> Extent:
    """How much a document, or an extension in it, holds in the attribute."""
    holders = [document, *(value for value in document.values() if isinstance(value, dict))]
    found = [extent(value) for holder in holders for key, value in holder.items() if key.lower() == name]
    return max(found, key=lambda item: item.elements, default=Extent(0, 0, 0))
