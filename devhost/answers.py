"""What Kestrel makes of a function's answer."""

import logging
from dataclasses import replace

from devhost.worker import FunctionResponse

log = logging.getLogger("devhost")

BODILESS = frozenset({204, 205, 304})
"""Statuses that forbid a body."""

_WITHOUT_LENGTH = (204, 304)


def sendable(name: str, response: FunctionResponse) -> FunctionResponse:
    """The function's answer, or what the host sends in its place. The log says so."""
    headers: dict[str, str] = {}
    for header, value in response.headers.items():
        if not (header.isascii() and value.isascii()) or any(ord(c) < ord(" ") for c in value):
            log.error("%s failed\nThe header %s holds a character that is not printable ASCII.", name, header)
            return FunctionResponse(500, headers)
        headers[header] = value
    if response.body and response.status in BODILESS:
        log.error("%s failed\nStatus %s forbids a body. The connection is cut.", name, response.status)
        return replace(response, headers={**headers, "connection": "close"}, body=b"")
    return response


def framed(method: str, response: FunctionResponse) -> FunctionResponse:
    """A body goes out in chunks, and an empty one with its length. HEAD is answered without either."""
    if method == "HEAD":
        return replace(response, body=b"")
    if response.body or response.status in _WITHOUT_LENGTH:
        return response
    return replace(response, headers={**response.headers, "content-length": "0"})
