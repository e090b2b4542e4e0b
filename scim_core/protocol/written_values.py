"""The values of unique attributes that a body writes, or may write, whatever its form: without models, and in one walk.

A bulk keeps operations in order that write the same one. So a value too many costs time, and no more.
"""

from collections.abc import Iterator
from typing import Any

from scim_core.protocol.json_outline import MEMBERS, names_members
from scim_core.protocol.schemas import ResourceType

type UniqueValue = tuple[str, str, str]
"""A resource type, an attribute of it, and the comparable form of a value."""

VALUES_OF_A_UNIT = 20
"""Values and names of a body that are looked at in one unit of work."""


def unique_values(resource_type: ResourceType, body: Any) -> frozenset[UniqueValue]:
    """The unique values that a body of POST, PUT or PATCH writes."""
    unique = {item.path[-1].lower(): item for item in resource_type.indexed if item.unique}
    members = resource_type.members_name or MEMBERS
    written = _written(body, unique.keys(), members)
    return frozenset((resource_type.name, *unique[name].entry(text).value) for name, text in written)


def _written(value: Any, names: Any, members: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for item in value:
            yield from _written(item, names, members)
    if not isinstance(value, dict):
        return
    path = next((_last(item) for key, item in value.items() if key.lower() == "path" and isinstance(item, str)), "")
    for key, item in value.items():
        name = path if path and key.lower() == "value" else _last(key)
        if name in names:
            yield from ((name, text) for text in _texts(item))
        elif isinstance(item, dict | list) and not names_members(name, members):
            yield from _written(item, names, members)


def _last(name: str) -> str:
    """The name of the attribute that a path or a name in a body ends with, in lower case."""
    return name.rpartition(":")[2].rpartition(".")[2].strip().lower()


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for item in value:
                yield from _texts(item)
        case dict():
            yield from _texts(list(value.values()))
