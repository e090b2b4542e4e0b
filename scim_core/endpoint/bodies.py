"""What a body must be before anything reads it: there, not compressed, not too large, and declared as JSON."""

from scim_core.endpoint.routes import Target
from scim_core.messages import SENT_IN_CHUNKS, HttpError, ScimRequest
from scim_core.protocol.limits import MAX_BODY_BYTES, MAX_BULK_BYTES, MAX_GROUP_BODY_BYTES

MEDIA_TYPES = frozenset({"application/scim+json", "application/json"})
"""The media types of a body (RFC 7644 section 3.1). Parameters such as charset are ignored."""


def require_body(request: ScimRequest, target: Target) -> None:
    """Raises HttpError for a body that is announced but missing, compressed, too large, or not declared as JSON."""
    if request.method.upper() not in ("POST", "PUT", "PATCH"):
        return
    if not request.body and "transfer-encoding" in request.headers:
        raise HttpError(411, SENT_IN_CHUNKS)
    encodings = request.headers.get("content-encoding", "").lower().split(",")
    if request.body and any(item.strip() not in ("", "identity") for item in encodings):
        detail = "The body is compressed. Send it as it is, without Content-Encoding."
        raise HttpError(415, detail, Accept_Encoding="identity")
    limit = _largest(target)
    if len(request.body) > limit:
        raise HttpError(413, f"The body is larger than {limit} bytes, the limit for this request.")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type and media_type not in MEDIA_TYPES:
        raise HttpError(415, f"The body must be application/scim+json or application/json, not {media_type[:80]!r}.")


def _largest(target: Target) -> int:
    """How many bytes the body of a request may have."""
    if target.handler == "bulk":
        return MAX_BULK_BYTES
    writes = target.handler in ("create", "replace", "patch")
    names_members = writes and target.resource_type is not None and target.resource_type.has_members
    return MAX_GROUP_BODY_BYTES if names_members else MAX_BODY_BYTES
