"""Answers of the token endpoint: JSON that caches must not keep, and the errors of RFC 6749 section 5.2."""

import json
from typing import Any

from scim_core.access.auth_failures import Failure
from scim_core.messages import ScimResponse

NO_STORE = {"Content-Type": "application/json", "Cache-Control": "no-store", "Pragma": "no-cache"}
"""The headers of every answer of the token endpoint (RFC 6749 section 5.1)."""

MAX_DESCRIPTION_CHARACTERS = 500
"""Longest error_description. A SCIM error's detail has the same limit."""

_CODES = {413: "invalid_request", 429: "temporarily_unavailable", 503: "temporarily_unavailable"}
_OTHERWISE = "server_error"


class OAuthError(Exception):
    """A refusal: an error code of RFC 6749 and a sentence. A failed authentication comes with its audit log entry."""

    def __init__(self, status: int, error: str, description: str, failure: Failure | None = None) -> None:
        self.status = status
        self.error = error
        self.description = description
        self.failure = failure
        super().__init__(description)


def invalid_request(description: str) -> OAuthError:
    """The request is malformed."""
    return OAuthError(400, "invalid_request", description)


def success(body: dict[str, Any]) -> ScimResponse:
    """An answer of 200."""
    return ScimResponse(200, dict(NO_STORE), json.dumps(body).encode())


def failure(error: OAuthError, **headers: str) -> ScimResponse:
    """The error as an answer. A 401 names the scheme for the Authorization header (RFC 6749 section 5.2)."""
    return _error(error.status, error.error, error.description, headers)


def translated(response: ScimResponse) -> ScimResponse:
    """The SCIM error as an error of the token endpoint with the same text."""
    detail = json.loads(response.body)["detail"]
    headers = {name: value for name, value in response.headers.items() if name != "Content-Type"}
    return _error(response.status, _CODES.get(response.status, _OTHERWISE), detail, headers)


def _error(status: int, code: str, description: str, headers: dict[str, str]) -> ScimResponse:
    if status == 401:  # noqa: PLR2004
        headers = {"WWW-Authenticate": 'Basic realm="scim"', **headers}
    body = {"error": code, "error_description": _plain(description)}
    return ScimResponse(status, {**NO_STORE, **headers}, json.dumps(body).encode())


def _plain(text: str) -> str:
    """The text in the characters of an error_description: printable ASCII without quotes and backslashes."""
    kept = text.replace('"', "'").replace("\\", "/")
    return "".join(c if " " <= c <= "~" else "?" for c in kept)[:MAX_DESCRIPTION_CHARACTERS]
