"""Decides what a client learns of an error: a known error is shown, all others stay inside.

A SCIM error becomes an Error body (RFC 7644 section 3.12). Its detail tells an administrator what to change, and ends
with the id of the request. An unexpected error becomes 500, and only the log has its text, under the same id.
"""

import json
import logging
import re
from dataclasses import replace

from pydantic import ValidationError
from scim2_models import SCIMException

from scim_core.counted_log import CountedLog
from scim_core.messages import HttpError, ScimResponse
from scim_core.model import Json
from scim_core.protocol.limits import RequestTooLarge
from scim_core.protocol.mistakes import mistake, status_and_type
from scim_core.storage import port
from scim_core.unexpected import Unexpected, naming_request
from scim_core.work import TooMuchWork

MEDIA_TYPE = "application/scim+json"
ERROR_URN = "urn:ietf:params:scim:api:messages:2.0:Error"

BAD_REQUEST = 400

MAX_DETAIL_CHARACTERS = 500
"""Longest sentence of a detail. It holds ours, and cuts a long value that a client sent. The request's id follows."""

_PYDANTIC_MARK = re.compile(r" \[type=\w+\]$")

log = logging.getLogger(__name__)


def error_response(
    status: int, detail: str, scim_type: str = "", headers: dict[str, str] | None = None, *, request_id: str = ""
) -> ScimResponse:
    """An Error body with the HTTP status as text, as RFC 7644 section 3.12 has it. It names the request, if given."""
    said = detail[:MAX_DETAIL_CHARACTERS]
    body = {
        "schemas": [ERROR_URN],
        "status": str(status),
        **({"scimType": scim_type} if scim_type else {}),
        "detail": naming_request(said, request_id) if request_id else said,
    }
    return ScimResponse(status, {"Content-Type": MEDIA_TYPE, **(headers or {})}, _encoded(body))


def _encoded(body: Json) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode(errors="backslashreplace")


def is_bad_request(error: Exception) -> bool:
    """Whether this error is answered with 400: the client has to correct its body or its parameters."""
    if isinstance(error, ValidationError):
        return status_and_type(error)[0] == BAD_REQUEST
    return isinstance(error, SCIMException) and error.status == BAD_REQUEST


def response_for(error: Exception, request_id: str, counted: CountedLog) -> ScimResponse:
    """The answer to the request of this id, which failed with this error. What is unexpected is logged under the id."""
    answer = _answer(error, request_id, counted)
    body = json.loads(answer.body)
    body["detail"] = naming_request(body["detail"], request_id)
    return replace(answer, body=_encoded(body))


def _answer(  # noqa: PLR0911 -- a table of cases
    error: Exception, request_id: str, counted: CountedLog
) -> ScimResponse:
    match error:
        case HttpError():
            return error_response(error.status, error.detail, headers=error.headers)
        case ValidationError():
            return _invalid(error)
        case SCIMException():
            return error_response(error.status, _detail(error), error.scim_type)
        case RequestTooLarge() | TooMuchWork():
            return error_response(413, str(error))
        case port.UniquenessConflict() | port.NotFound() | port.TooLarge():
            return _refused_by_storage(error)
        case port.StorageBusy() | port.VersionConflict() | TimeoutError():
            return _busy(error, counted)
    return _unexpected(error, request_id)


def _unexpected(error: Exception, request_id: str) -> ScimResponse:
    log.error("request failed", exc_info=Unexpected(error), extra={"correlation_id": request_id})
    return error_response(500, "The service failed on this request. Its operator finds the cause under the id here.")


def _refused_by_storage(error: port.UniquenessConflict | port.NotFound | port.TooLarge) -> ScimResponse:
    match error:
        case port.UniquenessConflict(attribute=attribute):
            detail = f"Another resource already has this {attribute}. It must be unique."
            return error_response(409, detail, "uniqueness")
        case port.NotFound():
            return error_response(404, "The resource does not exist (any more).")
    return error_response(413, str(error))


def _busy(error: Exception, counted: CountedLog) -> ScimResponse:
    """The answer when time or attempts ran out. The client must try again later, and the log has the reason."""

    def write(count: int, _: str) -> None:
        log.warning("the storage is busy", exc_info=error, extra={"count": count})

    counted.note(("the storage is busy", str(error) or type(error).__name__), "", write)
    wait = error.retry_after if isinstance(error, port.StorageBusy) else port.RETRY_AFTER_SECONDS
    detail = "The directory is busy. A change may have been made, or not. Send the request again."
    return error_response(503, detail, headers={"Retry-After": str(wait)})


def _invalid(error: ValidationError) -> ScimResponse:
    """A validation error as an answer: the first mistake, and where it is."""
    status, scim_type = status_and_type(error)
    return error_response(status, mistake(error), scim_type)


def _detail(error: SCIMException) -> str:
    """The detail of a SCIM error. A report of pydantic, as for PATCH values, is put in JSON's words."""
    return mistake(error.__cause__) if isinstance(error.__cause__, ValidationError) else error.detail
