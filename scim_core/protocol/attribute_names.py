"""How a client may write the name of an attribute: the same in filters, paths, bodies, `attributes` and `sortBy`.

An extension's attribute needs no URN. Behind a URN stands a colon (RFC 7644 section 3.10), or a dot, as old connectors
write it. Letter case does not matter.
"""

from scim_core.protocol.schemas import ResourceType


def with_colon(resource_type: ResourceType, text: str) -> str:
    """The text, with a colon behind a schema's URN where the client wrote a dot."""
    if ":" not in text:
        return text
    for urn in (*resource_type.extensions, resource_type.schema):
        if text.lower().startswith(f"{urn.lower()}."):
            return f"{urn}:{text[len(urn) + 1 :]}"
    return text


def split_name(resource_type: ResourceType, text: str) -> tuple[str | None, str]:
    """The schema's URN, None if there is none, and the rest of an attribute's name."""
    urn, _, names = with_colon(resource_type, text).rpartition(":")
    return urn or None, names


def qualified(resource_type: ResourceType, text: str) -> str:
    """The attribute's name with the URN of the extension if only an extension declares it. Unknown names stay."""
    urn, names = split_name(resource_type, text)
    found = resource_type.attribute(names.partition(".")[0], urn)
    if found is None or found[0] is None:
        return with_colon(resource_type, text)
    return f"{found[0]}:{names}"
