"""References of a bulk to what it creates (RFC 7644 section 3.7.2): a text `bulkId:` with the bulkId of a POST.

A text may be such a reference as a whole. It may also end in one after a slash, as a `$ref` does, and a PATCH path may
hold one as a literal: `members[value eq "bulkId:x"]`. References are found and replaced in JSON text, so that the data
of an operation stays the body of a request, whatever its form.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from scim_core.ids import UUID
from scim_core.model import Json

PREFIX = "bulkId:"
"""How a reference begins."""

CHARACTERS_OF_A_UNIT = 1_000
"""Characters of data that are looked through for references and ids in one unit of work."""

REFERENCES_OF_A_UNIT = 10
"""References that are found or replaced in one unit of work."""

_REFERENCE = re.compile(rf'{PREFIX}(?<=["/]{PREFIX})((?:[^"\\]|\\[^"])++)(?=\\?")')


def reference_units(data: str) -> int:
    """The units of work in which the references and ids in JSON text are found, or the references replaced."""
    return 1 + len(data) // CHARACTERS_OF_A_UNIT + data.count(PREFIX) // REFERENCES_OF_A_UNIT


def bulk_ids(data: str) -> list[str]:
    """The bulkIds that the JSON text refers to, each once, in the order of the text."""
    return list(dict.fromkeys(_name(found) for found in _REFERENCE.finditer(data)))


def resolved(data: str, id_of: Callable[[str], str]) -> str:
    """The JSON text with ids in the place of references. `id_of` gives the id of what a bulkId stands for."""
    return _REFERENCE.sub(lambda found: id_of(_name(found)), data)


def in_path(segment: str) -> str:
    """The bulkId that this segment of an operation's path refers to; empty if it is no reference."""
    return segment.removeprefix(PREFIX) if segment.startswith(PREFIX) else ""


def ids_in(data: str) -> Iterator[str]:
    """The ids that are in the JSON text, in lower case."""
    return (found[0] for found in UUID.finditer(data.lower()))


def without(value: Any, names: Mapping[str, Any]) -> Json:
    """A body without what refers to one of these bulkIds: elements of arrays, else attributes.

    The attributes of an extension count each for itself.
    """
    return dict(_kept(value, names))


def _kept(value: Json, names: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, item in value.items():
        if ":" in key and isinstance(item, dict):
            yield key, without(item, names)
        elif isinstance(item, list):
            yield key, [element for element in item if not _refers(element, names)]
        elif not _refers(item, names):
            yield key, item


def _refers(value: Any, names: Mapping[str, Any]) -> bool:
    return any(name in names for name in bulk_ids(json.dumps(value)))


def _name(found: re.Match[str]) -> str:
    name = found[1]
    return str(json.loads(f'"{name}"')) if "\\" in name else name
