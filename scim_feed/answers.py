"""What an answer of the service means: a document, a reason to try again, a new snapshot, or the end."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

MAX_ANSWER_BYTES = 32 * 1024 * 1024
"""Largest answer that is read. A page has some 4 MiB, so more comes from something that is not the service."""

MAX_RETRY_AFTER = 3600.0
"""Longest wait, in seconds, that an answer can ask for. Then the service is asked again, whatever it has said."""

_AGAIN = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
"""Statuses below 500 after which the same request may succeed later."""

_DETAIL_CHARACTERS = 300


class FeedError(Exception):
    """The feed cannot be read."""


class Refused(FeedError):
    """The service refuses the request, and will refuse it again: a person must look. `status` is the HTTP status."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"HTTP {status}: {detail}")
        self.status = status


class Unusable(FeedError):
    """There was no usable answer this time: asking again may help. `retry_after` are the seconds that it asked for."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Resync(FeedError):
    """The service cannot go on from this cursor: a snapshot is needed (HTTP 410)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def document_of(answer: Answer) -> Any:
    """The JSON of a good answer. Raises Refused, Resync, Unusable."""
    if answer.status == HTTPStatus.OK:
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError) as error:
            raise Unusable("The answer is not JSON. Does the URL lead to the service?") from error
    detail = _detail(answer)
    if answer.status == HTTPStatus.GONE:
        raise Resync(detail)
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status in _AGAIN:
        raise Unusable(f"HTTP {answer.status}: {detail}", _retry_after(answer.headers))
    raise Refused(answer.status, detail)


def _detail(answer: Answer) -> str:
    """What a problem (RFC 9457) says to people, on one line."""
    try:
        found = json.loads(answer.body)["detail"]
    except (ValueError, RecursionError, LookupError, TypeError):
        found = "no reason is given"
    return " ".join(str(found).split())[:_DETAIL_CHARACTERS]


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds of Retry-After, which may be a date (RFC 9110 section 10.2.3): then from the answer's own date on."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdecimal():
        return min(float(value), MAX_RETRY_AFTER)
    try:
        until = parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, min(until.total_seconds(), MAX_RETRY_AFTER))
