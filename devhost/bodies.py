"""Reads the body of a request as Kestrel does: with a limit, and not from a client that is too slow."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from devhost.requests import RefusedError

log = logging.getLogger("devhost")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

DEFAULT_LIMIT = 104_857_600
"""The host's own limit, in bytes. FUNCTIONS_REQUEST_BODY_SIZE_LIMIT replaces it."""

GRACE_SECONDS = 5
"""How long Kestrel waits before it looks at the rate."""

LEAST_RATE = 240
"""Bytes a second. Kestrel gives up a client that sends fewer on the average."""


class UnreadError(Exception):
    """The host cannot read the body. It takes that for a failure of the function, and ends the connection."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many bytes a body may have, and how many seconds pass before its rate is looked at."""

    size: int = DEFAULT_LIMIT
    grace: float = GRACE_SECONDS


async def read_body(headers: Mapping[str, str], receive: Receive, limits: Limits) -> bytes:
    """The body. It is empty if it comes in chunks: the host does not read such a body then. Raises UnreadError."""
    if "transfer-encoding" in headers:
        log.warning("The function gets no body, because the request has no Content-Length.")
        return b""
    require_length(headers, limits)
    return b"".join([piece async for piece in pieces(receive, limits)])


def require_length(headers: Mapping[str, str], limits: Limits) -> None:
    """Raises UnreadError if the body says that it is larger than the limit."""
    if int(headers.get("content-length", 0)) > limits.size:
        raise UnreadError(f"The body is larger than {limits.size} bytes, the host's limit.")


async def pieces(receive: Receive, limits: Limits) -> AsyncIterator[bytes]:
    """The body as it comes in. Raises UnreadError."""
    started = asyncio.get_running_loop().time()
    size = 0
    more = True
    while more:
        try:
            async with asyncio.timeout_at(started + max(limits.grace, size / LEAST_RATE)):
                message = await receive()
        except TimeoutError:
            raise UnreadError(f"The body came too slowly: {size} bytes.") from None
        if message["type"] == "http.disconnect":
            raise RefusedError(400, "the client went away")
        piece = message.get("body", b"")
        size += len(piece)
        if size > limits.size:
            raise UnreadError(f"The body is larger than {limits.size} bytes, the host's limit.")
        yield piece
        more = message.get("more_body", False)
