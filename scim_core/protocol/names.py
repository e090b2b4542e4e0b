"""The texts that a name may not hold: they make two names look alike, or break a line of a log or a file.

A resource type's file lists the attributes that are names. Only a value that is new to the resource is looked at: a
stored name stops no other change.
"""

import re
from collections.abc import Mapping
from typing import Any
from unicodedata import name

from scim2_models import InvalidValueException

from scim_core.protocol.representation import values_at
from scim_core.protocol.schemas import ResourceType

_REFUSED = re.compile("[\\x00-\\x1f\\x7f-\\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Control characters (C0, DEL, C1), line breaks, and what overrides or isolates the direction of text."""

_NOTHING: Mapping[str, Any] = {}


def check_names(resource_type: ResourceType, document: Mapping[str, Any], before: Mapping[str, Any] = _NOTHING) -> None:
    """Raises InvalidValueException for a name that the document `before` does not have and nobody may choose."""
    for attribute in resource_type.names:
        path = attribute.split(".")
        stored = set(values_at(before, path))
        for value in values_at(document, path):
            if value not in stored:
                _check(attribute, value)


def _check(attribute: str, value: str) -> None:
    if found := _REFUSED.search(value):
        raise InvalidValueException(
            detail=f"{attribute} holds {_named(found[0])} as its character {found.start() + 1}. Control characters, "
            "line breaks and characters that change the direction of text cannot be in it."
        )
    if value != value.strip():
        begins = value != value.lstrip()
        where, space = ("begins", value[0]) if begins else ("ends", value[-1])
        raise InvalidValueException(
            detail=f"{attribute} {where} with {_named(space)}. White space can only be between other characters of it."
        )


def _named(character: str) -> str:
    """The code point, and the Unicode name if it has one: control characters have none."""
    found = name(character, "")
    return f"U+{ord(character):04X} ({found})" if found else f"U+{ord(character):04X}"
