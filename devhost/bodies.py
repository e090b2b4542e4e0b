"""Reads the body of a request as Kestrel does: with a limit, and not from a client that is too slow."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
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


async def read_body(headers: Mapping[str, str], receive: Receive, limit: int, grace: float = GRACE_SECONDS) -> bytes:
    """The body. It is empty if it comes in chunks: the host does not read such a body. Raises UnreadError."""
    if "transfer-encoding" in headers:
        log.warning("The function gets no body, because the request has no Content-Length.")
        return b""
    if int(headers.get("content-length", 0)) > limit:
        raise UnreadError(f"The body is larger than {limit} bytes, the host's limit.")
    started = asyncio.get_running_loop().time()
    body = bytearray()
    more = True
    while more:
        try:
            async with asyncio.timeout_at(started + max(grace, len(body) / LEAST_RATE)):
                message = await receive()
        except TimeoutError:
            raise UnreadError(f"The body came too slowly: {len(body)} bytes.") from None
        if message["type"] == "http.disconnect":
            raise RefusedError(400, "the client went away")
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(body)
