"""Which resource a text names, as the value or the `$ref` of a reference (RFC 7643 sections 2.3.7 and 2.4).

Ids are shown in lower case. Clients also send them in upper case, in the URL of the resource, and in `$ref` alone.
`endpoints` are the names of the resource types that are served, by the last part of their endpoints in lower case.
"""

from collections.abc import Mapping

from scim_core.ids import is_id
from scim_core.model import Json

LONGEST_ENDPOINT = 60
"""Characters of the endpoint of a resource type, at most. It is looked for at the end of texts of any length."""

LOCATION_CHARACTERS = 100
"""The end of a URL in which the endpoint and the id are: 60 and 36 characters, and three slashes."""


def named_id(text: str, endpoints: Mapping[str, str]) -> str | None:
    """The id that the text is, or that the URL of a resource ends in. None if it names no resource of ours.

    Only the end of a URL counts: a host may have any name, and a URL may be relative.
    """
    if is_id(text):
        return text
    end = text[-LOCATION_CHARACTERS:].lower()
    if len(end) == len(text) and is_id(end):
        return end
    found = _location(text, endpoints)
    return found[1] if found else None


def named_kind(url: str, endpoints: Mapping[str, str]) -> str | None:
    """The resource type that the URL of a resource names. None for any other text, such as an id alone."""
    found = _location(url, endpoints)
    return found[0] if found else None


def by_id(reference: Json, resource_type: str, endpoints: Mapping[str, str]) -> Json:
    """The reference with the id of the resource of this type that it names. One that names no such stays as it is."""
    given = reference.get("value") or reference.get("$ref")
    if not isinstance(given, str):
        return reference
    identifier = id_of_kind(given, resource_type, endpoints)
    return reference | {"value": identifier} if identifier else reference


def id_of_kind(text: str, resource_type: str, endpoints: Mapping[str, str]) -> str | None:
    """The id that the text names, unless it is the URL of a resource of another type."""
    return named_id(text, endpoints) if named_kind(text, endpoints) in (None, resource_type) else None


def _location(url: str, endpoints: Mapping[str, str]) -> tuple[str, str] | None:
    """The resource type and the id at the end of a URL."""
    rest, _, identifier = url[-LOCATION_CHARACTERS:].lower().removesuffix("/").rpartition("/")
    kind = endpoints.get(rest.rpartition("/")[2])
    return (kind, identifier) if kind is not None and is_id(identifier) else None
