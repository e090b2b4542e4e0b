"""What the provisioning log keeps of a change: who asked for it, and what it changed. Decided here, by structure.

Values are kept of few attributes, of the others only the names. What a client can never read, such as a password, does
not enter: neither its name nor its value.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scim_core.messages import Origin
from scim_core.model import Json
from scim_core.protocol.documents import changed_attributes
from scim_core.protocol.schemas import ResourceType
from scim_core.service.ignored_input import shown_ids, shown_names
from scim_core.storage.port import ChangeNote

KEPT_VALUES = ("active", "userName", "externalId", "displayName", "emails")
"""The attributes whose values are kept: by them people are found and told apart, and let in or kept out."""

MAX_NOTE_BYTES = 32 * 1024
"""Bytes of one note in UTF-8. A value that does not fit is left out, and the note says that it was cut."""

MAX_NAMES = 100
"""Names of attributes in one note. A change of more of them is one of the whole resource."""

_ROOM = 1024
"""What is always in a note: credential, request, and the marks of what was cut."""


@dataclass(frozen=True, slots=True)
class Overlooked:
    """What a request asked for and did not get: names of attributes that no schema has, paths of operations, ids of
    members that do not exist. `malformed` members were named by no id.
    """

    attributes: Sequence[str] = ()
    operations: Sequence[str] = ()
    absent: Sequence[str] = ()
    malformed: int = 0

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.attributes or self.operations or self.absent or self.malformed)


NOTHING = Overlooked()


def change_note(
    resource_type: ResourceType, origin: Origin, before: Json, after: Json, overlooked: Overlooked = NOTHING
) -> ChangeNote:
    """The note of a change of this document; one of the two is empty for a resource that is created or deleted."""
    changed = [name for name in changed_attributes(resource_type, before, after) if resource_type.is_readable(name)]
    note: Json = {**origin_note(origin), **_of_overlooked(overlooked)}
    left = MAX_NOTE_BYTES - _ROOM - _size(note)
    cut = len(changed) > MAX_NAMES
    for name in (item for item in KEPT_VALUES if item in changed):
        values = {
            moment: _readable(resource_type, name, document[name])
            for moment, document in (("before", before), ("after", after))
            if name in document
        }
        size = _size(values) + len(name)
        if size > left:
            cut = True
            continue
        left -= size
        for moment, value in values.items():
            note.setdefault(moment, {})[name] = value
    if cut:
        note["cut"] = True
    return ChangeNote(tuple(changed[:MAX_NAMES]), _text(note))


def origin_note(origin: Origin) -> Json:
    """Who asked, and how the request is named here and in the client's own log."""
    told = {
        "method": origin.method,
        "credential": origin.credential,
        "credentialId": origin.credential_id,
        "request": origin.request_id,
        **dict(origin.correlation),
    }
    return {name: value for name, value in told.items() if value}


def _of_overlooked(overlooked: Overlooked) -> Json:
    note: Json = {}
    for name, (shown, others) in (
        ("ignored", shown_names(overlooked.attributes)),
        ("skippedOperations", shown_names(overlooked.operations)),
        ("skippedMembers", shown_ids(overlooked.absent)),
    ):
        if shown:
            note[name] = shown
        if others:
            note[f"{name}Others"] = others
    if overlooked.malformed:
        note["malformedMembers"] = overlooked.malformed
    return note


def _readable(resource_type: ResourceType, name: str, value: Any) -> Any:
    """The value without sub-attributes that no client can read."""
    attribute = resource_type.attributes.get(name.lower())
    if attribute is None or not attribute.sub_attributes:
        return value
    hidden = {item.name for item in attribute.sub_attributes.values() if not item.readable}
    if not hidden:
        return value
    elements = [_without(item, hidden) for item in (value if isinstance(value, list) else [value])]
    return elements if isinstance(value, list) else elements[0]


def _without(value: Any, hidden: set[str]) -> Any:
    return {name: item for name, item in value.items() if name not in hidden} if isinstance(value, Mapping) else value


def _size(value: Any) -> int:
    return len(_text(value).encode())


def _text(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if text.isascii() else _storable(text, value)


def _storable(text: str, value: Any) -> str:
    """The text; with escapes if it has half a surrogate pair: JSON can hold it, UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"))
    return text
