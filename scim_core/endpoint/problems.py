"""Errors of the feed and of the log as problem details (RFC 9457). Their `type` tells a program more than a status."""

import json
from http import HTTPStatus

from scim_core.counted_log import CountedLog
from scim_core.endpoint import error_responses
from scim_core.feed.feed import Importing, Resync, UnknownCursor
from scim_core.feed.log_pages import UnknownPage
from scim_core.messages import FEED_PATH, LOG_PATH, ScimResponse
from scim_core.model import Json
from scim_core.unexpected import naming_request

MEDIA_TYPE = "application/problem+json"

PROBLEMS = f"{FEED_PATH}/problems/"
"""What the types of the feed begin with. They are names, and there is nothing at these paths."""

LOG_PROBLEMS = f"{LOG_PATH}/problems/"
"""What those of the log begin with."""

NO_TYPE = "about:blank"
"""The type of a problem that its status says all about (RFC 9457 section 4.2.1)."""

IMPORT_SECONDS = 60
"""When to come back during an import: a large one takes some minutes."""


def response_for(error: Exception, request_id: str, counted: CountedLog) -> ScimResponse:
    """The answer to the request of this id to the feed or the log, which failed with this error."""
    said = naming_request(str(error), request_id)
    match error:
        case UnknownCursor():
            return _problem(400, said, f"{PROBLEMS}cursor")
        case UnknownPage():
            return _problem(400, said, f"{LOG_PROBLEMS}page")
        case Resync():
            return _problem(410, said, f"{PROBLEMS}resync")
        case Importing():
            return _problem(503, said, f"{PROBLEMS}importing", {"Retry-After": str(IMPORT_SECONDS)})
    answer = error_responses.response_for(error, request_id, counted)
    headers = {name: value for name, value in answer.headers.items() if name != "Content-Type"}
    return _problem(answer.status, json.loads(answer.body)["detail"], NO_TYPE, headers)


def name_of(body: Json) -> str | None:
    """The name of the problem in the body of an answer, for the log. None for one that its status says all about."""
    found = str(body.get("type", ""))
    return found.rpartition("/")[2] if found.startswith((PROBLEMS, LOG_PROBLEMS)) else None


def _problem(status: int, detail: str, problem_type: str, headers: dict[str, str] | None = None) -> ScimResponse:
    body = {"type": problem_type, "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    content = json.dumps(body, ensure_ascii=False).encode(errors="backslashreplace")
    return ScimResponse(status, {"Content-Type": MEDIA_TYPE, **(headers or {})}, content)
