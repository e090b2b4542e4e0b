"""What the provisioning log keeps of a request that changed nothing: who asked, and why not. Decided by structure.

An error may quote a value that the client sent, and the log may not keep it. So what stands in quotes or brackets is
left out of the sentence, unless it is the name of an attribute. Of the body the log keeps the values of few attributes.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from scim_core.messages import Origin
from scim_core.protocol.documents import ACTIVE
from scim_core.protocol.schemas import ResourceType
from scim_core.service.change_notes import KEPT_VALUES, origin_note
from scim_core.storage.feed_port import MAX_KEPT_CHARACTERS

_IN_BRACKETS = re.compile(r'\[(?!\d+\])(?:"(?:\\.?|[^"\\])*(?:"|$)|[^\]"])*(?:\]|$)', re.DOTALL)
_QUOTED = re.compile(r"""(?<!\w)(?P<quote>['"])(?P<text>(?:\\.|(?!(?P=quote)).)*)(?:(?P=quote)|$)""", re.DOTALL)
_LEFT_OUT = "\u2026"


def refusal_note(
    resource_type: ResourceType, origin: Origin, status: int, error: Mapping[str, Any], sent: object
) -> str:
    """The text for the log of a refused change: `error` is the body of the answer, `sent` the body of the request."""
    note = {
        **origin_note(origin),
        "status": status,
        "scimType": error.get("scimType"),
        "sentence": without_values(resource_type, str(error.get("detail", ""))),
        "asked": _kept(sent) | ({ACTIVE: False} if asks_for_inactive(sent) else {}),
    }
    return json.dumps({name: value for name, value in note.items() if value}, separators=(",", ":"))


def with_asked(text: str, sent: object) -> str:
    """The text for the log of a change that was not refused, which also says if the body asks for `active` false.

    Who is inactive already stays so, and the log has no change. An undo has to know that somebody wants it.
    """
    if not asks_for_inactive(sent):
        return text
    return json.dumps({**json.loads(text), "asked": {ACTIVE: False}}, ensure_ascii=False, separators=(",", ":"))


def asks_for_inactive(sent: object) -> bool:
    """Whether the body of a PUT, or an operation of a PATCH, says that `active` is false."""
    body = _by_lower_name(sent)
    operations = body.get("operations")
    return _is_false(body.get(ACTIVE)) or any(map(_deactivates, operations if isinstance(operations, list) else ()))


def _deactivates(operation: object) -> bool:
    parts = _by_lower_name(operation)
    path, value = str(parts.get("path") or "").rpartition(":")[2].lower(), parts.get("value")
    if path:
        return path == ACTIVE and _is_false(value)
    return _is_false(_by_lower_name(value).get(ACTIVE))


def _by_lower_name(value: object) -> dict[str, Any]:
    return {str(name).lower(): item for name, item in value.items()} if isinstance(value, Mapping) else {}


def _is_false(value: object) -> bool:
    return value is False or (isinstance(value, str) and value.lower() == "false")


def without_values(resource_type: ResourceType, detail: str) -> str:
    """The sentence of an error without what the client has sent, and without the id of the request at its end."""
    sentence = detail.rpartition(" (request ")[0] or detail
    bare = _IN_BRACKETS.sub(f"[{_LEFT_OUT}]", sentence)

    def shown(found: re.Match[str]) -> str:
        kept = found["text"] if _is_declared(resource_type, found["text"]) else _LEFT_OUT
        return f"{found['quote']}{kept}{found['quote']}"

    return _QUOTED.sub(shown, bare)


def _is_declared(resource_type: ResourceType, text: str) -> bool:
    """Whether the text is the path of an attribute: `userName`, `name.givenName`, with or without its URN."""
    urn, _, path = text.rpartition(":")
    if urn and urn.lower() not in {resource_type.schema.lower(), *map(str.lower, resource_type.extensions)}:
        return False
    name, _, part = path.lower().partition(".")
    if resource_type.has_members and name == resource_type.members_name:
        return part in ("", "value")
    for attributes in (resource_type.attributes, *resource_type.extensions.values()):
        found = attributes.get(name)
        if found is not None:
            return not part or part in found.sub_attributes
    return False


def _kept(sent: object) -> dict[str, Any]:
    """Who is meant: the values of the body that the log may keep, if they have the type that they must have."""
    if not isinstance(sent, Mapping):
        return {}
    names = {name.lower(): name for name in KEPT_VALUES}
    found = {names[key.lower()]: value for key, value in sent.items() if key.lower() in names}
    return {
        name: value[:MAX_KEPT_CHARACTERS] if isinstance(value, str) else value
        for name, value in found.items()
        if isinstance(value, bool if name == ACTIVE else str)
    }
