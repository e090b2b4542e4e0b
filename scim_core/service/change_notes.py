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
from scim_core.protocol.documents import ACTIVE
from scim_core.protocol.schemas import ResourceType
from scim_core.service.ignored_input import shown_ids, shown_names
from scim_core.storage.port import ChangeNote, Mark

KEPT_VALUES = ("active", "userName", "externalId", "displayName", "emails")
"""The attributes whose values are kept: by them people are found and told apart, and let in or kept out."""

MAX_NOTE_BYTES = 32 * 1024
"""Bytes of one note in UTF-8. A value that does not fit is left out, and the note says that it was cut."""

MAX_NAMES = 100
"""Names of attributes in one note. A change of more of them is one of the whole resource."""

_ROOM = 1024
"""What is always in a note: credential, request, and the marks of what was cut."""

_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


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


@dataclass(frozen=True, slots=True)
class BeforeAndAfter:
    """The attributes that changed, by name, and the documents before and after. One of these is empty for a resource
    that is created or deleted.
    """

    names: Sequence[str]
    before: Json
    after: Json


def change_note(
    resource_type: ResourceType, origin: Origin, change: BeforeAndAfter, overlooked: Overlooked = NOTHING
) -> ChangeNote:
    """What is kept of this change."""
    changed = [name for name in change.names if name not in resource_type.unreadable]
    told: Json = {**origin_note(origin), **_of_overlooked(overlooked)}
    kept = [name for name in KEPT_VALUES if name in changed]
    values = _values(resource_type, change, kept)
    shown = tuple(changed[:MAX_NAMES])
    text = _text(_note(told, values, cut=len(shown) < len(changed)))
    if len(text.encode()) > MAX_NOTE_BYTES - 2 * _ROOM:  # nearly every note is smaller, and is written once
        fitting = _fitting(kept, values, MAX_NOTE_BYTES - _ROOM - _size(told))
        values = _values(resource_type, change, fitting)
        text = _text(_note(told, values, cut=len(shown) < len(changed) or len(fitting) < len(kept)))
    lost_by, marks = _lost_by(resource_type, origin, change), _marks(resource_type, origin, change)
    return ChangeNote(shown, text, lost_by, origin.trace_parent, marks)


def _marks(resource_type: ResourceType, origin: Origin, change: BeforeAndAfter) -> tuple[str, ...]:
    """How it was made, and whether it has let somebody in or kept them out. A creation does neither."""
    method = Mark.PATCH if origin.method == "PATCH" else Mark.PUT
    if not (resource_type.can_be_inactive and change.before and change.after and ACTIVE in change.names):
        return (method,)
    was, is_active = _is_active(change.before), _is_active(change.after)
    if was == is_active:
        return (method,)
    return (method, Mark.ACTIVATED if is_active else Mark.DEACTIVATED)


def _lost_by(resource_type: ResourceType, origin: Origin, change: BeforeAndAfter) -> str:
    """The credential, if the change deactivates or deletes somebody who was active; else empty."""
    if not resource_type.can_be_inactive or not change.before or not _is_active(change.before):
        return ""
    if change.after and _is_active(change.after):
        return ""
    return " ".join(filter(None, (origin.credential, origin.credential_id))) or "an unknown credential"


def _is_active(document: Json) -> bool:
    """Whether this is somebody who can log in. Who has no `active` can: RFC 7643 section 4.1.1 has no default."""
    return document.get(ACTIVE) is not False


def _values(resource_type: ResourceType, change: BeforeAndAfter, names: Sequence[str]) -> Json:
    """The values of these attributes, before and after, as far as there are some."""
    values: Json = {}
    for moment, document in (("before", change.before), ("after", change.after)):
        held = {name: _readable(resource_type, name, document[name]) for name in names if name in document}
        if held:
            values[moment] = held
    return values


def _note(told: Json, values: Json, *, cut: bool) -> Json:
    return {**told, **values, "cut": True} if cut else {**told, **values}


def _fitting(names: Sequence[str], values: Json, left: int) -> list[str]:
    """The names, from the first on, of the attributes whose values fit this number of bytes."""
    fitting = []
    for name in names:
        of_moments = {moment: held[name] for moment, held in values.items() if name in held}
        size = _size(of_moments) + len(name)
        if size <= left:
            fitting.append(name)
            left -= size
    return fitting


def origin_note(origin: Origin) -> Json:
    """Who asked, and how the request is named here and in the client's own log."""
    told = (
        ("method", origin.method),
        ("credential", origin.credential),
        ("credentialId", origin.credential_id),
        ("request", origin.request_id),
        *origin.correlation,
    )
    return {name: value for name, value in told if value}


def _of_overlooked(overlooked: Overlooked) -> Json:
    note: Json = {}
    for name, values, show in (
        ("ignored", overlooked.attributes, shown_names),
        ("skippedOperations", overlooked.operations, shown_names),
        ("skippedMembers", overlooked.absent, shown_ids),
    ):
        if not values:
            continue
        shown, others = show(values)
        if shown:
            note[name] = shown
        if others:
            note[f"{name}Others"] = others
    if overlooked.malformed:
        note["malformedMembers"] = overlooked.malformed
    return note


def _readable(resource_type: ResourceType, name: str, value: Any) -> Any:
    """The value without sub-attributes that no client can read."""
    hidden = resource_type.unreadable_parts.get(name)
    if hidden is None:
        return value
    elements = [_without(item, hidden) for item in (value if isinstance(value, list) else [value])]
    return elements if isinstance(value, list) else elements[0]


def _without(value: Any, hidden: frozenset[str]) -> Any:
    return {name: item for name, item in value.items() if name not in hidden} if isinstance(value, Mapping) else value


def _size(value: Any) -> int:
    return len(_text(value).encode())


def _text(value: Any) -> str:
    text = _encode(value)
    return text if text.isascii() else _storable(text, value)


def _storable(text: str, value: Any) -> str:
    """The text; with escapes if it has half a surrogate pair: JSON can hold it, UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"))
    return text
