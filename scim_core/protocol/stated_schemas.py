"""What `schemas` says that a body is (RFC 7644 sections 3.1 and 3.5.2). Clients may leave it out.

A body that says it is something else was meant for another path. A URN that we do not know may be an extension of the
client's own, so it is ignored.
"""

from collections.abc import Iterable
from typing import Any

from scim2_models import InvalidSyntaxException

from scim_core.protocol.schemas import ResourceType

MESSAGES = "urn:ietf:params:scim:api:messages:"
PATCH_OP = f"{MESSAGES}2.0:PatchOp"
BULK_REQUEST = f"{MESSAGES}2.0:BulkRequest"


def require_resource(resource_type: ResourceType, served: Iterable[ResourceType], payload: Any) -> None:
    """Raises InvalidSyntaxException when a body says that it is a message, or of another type that is served."""
    stated = _stated(payload)
    _refuse_messages(stated, f"a {resource_type.name}")
    if resource_type.schema.lower() in stated:
        return
    for other in served:
        if other.schema.lower() in stated:
            raise InvalidSyntaxException(
                detail=f"schemas says that the body is a {other.name}; here it must be {resource_type.schema}."
            )


def require_patch(payload: Any) -> None:
    """Raises InvalidSyntaxException when a body says that it is another message than a PATCH."""
    _refuse_messages(_stated(payload) - {PATCH_OP.lower()}, "a PatchOp")


def require_bulk(payload: Any) -> None:
    """Raises InvalidSyntaxException when a body says that it is another message than a BulkRequest."""
    _refuse_messages(_stated(payload) - {BULK_REQUEST.lower()}, "a BulkRequest")


def _refuse_messages(stated: set[str], expected: str) -> None:
    messages = sorted(urn for urn in stated if urn.startswith(MESSAGES))
    if messages:
        raise InvalidSyntaxException(
            detail=f"schemas says that the body is the message {messages[0][:120]!r}; here it must be {expected}."
        )


def _stated(payload: Any) -> set[str]:
    """The URNs that the body names, in lower case."""
    found = [item for key, item in payload.items() if key.lower() == "schemas"] if isinstance(payload, dict) else []
    urns = [urn for item in found for urn in (item if isinstance(item, list) else [item])]
    return {urn.lower() for urn in urns if isinstance(urn, str)}
