"""Which resource a text names, as the value or the `$ref` of a reference (RFC 7643 sections 2.3.7 and 2.4).

Ids are shown in lower case. Clients also send them in upper case, in the URL of the resource, and in `$ref` alone.
"""

import re

from scim_core.ids import UUID, is_id
from scim_core.model import GROUP, Json

_KINDS = {"users": "User", "groups": GROUP}
_LOCATION = re.compile(rf"(?:.*/)?(users|groups)/({UUID.pattern})/?", re.DOTALL)

LOCATION_CHARACTERS = 48
"""The end of a URL in which the id is, with the endpoint and the slashes around them: at most 45."""


def named_id(text: str) -> str | None:
    """The id that the text is, or that the URL of a user or a group ends in. None if it names no resource of ours.

    Only the end of a URL counts: a host may have any name, and a URL may be relative.
    """
    if is_id(text):
        return text
    end = text[-LOCATION_CHARACTERS:].lower()
    if len(end) == len(text) and is_id(end):
        return end
    found = _LOCATION.fullmatch(end)
    return found[2] if found else None


def named_kind(url: str) -> str | None:
    """The resource type that the URL of a user or a group names. None for any other text, such as an id alone."""
    found = _LOCATION.fullmatch(url[-LOCATION_CHARACTERS:].lower())
    return _KINDS[found[1]] if found else None


def by_id(reference: Json, resource_type: str) -> Json:
    """The reference with the id of the resource of this type that it names. One that names no such stays as it is."""
    given = reference.get("value") or reference.get("$ref")
    if not isinstance(given, str):
        return reference
    return reference | {"value": identifier} if (identifier := id_of_kind(given, resource_type)) else reference


def id_of_kind(text: str, resource_type: str) -> str | None:
    """The id that the text names, unless it is the URL of a resource of another type."""
    return named_id(text) if named_kind(text) in (None, resource_type) else None
