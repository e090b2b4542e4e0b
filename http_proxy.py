"""Takes requests through the host's HTTP proxy instead of its messages, where SCIM_HTTP is proxy.

The host then sends each request on to a port of this process. So a body in chunks arrives, which the host leaves out of
its messages. The worker finds these classes by their metaclasses as soon as this module is imported.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from azurefunctions.extensions import base

IDLE_SECONDS = 130
"""How long an idle connection stays open. The host keeps it for 60 seconds, and repeats a request if it breaks."""

MAX_LINE_BYTES = 16 * 1024
"""Longest request line and header line to read. The host's own limits are lower, so they are the ones that count."""

MAX_HEADER_BYTES = 64 * 1024
"""Longest header to read, for the same reason."""

SERVER = "Kestrel"
"""What the host calls itself in all other answers. aiohttp would name itself, Python, and their versions."""


class Request:
    """A request as the host sent it on: `method`, `url`, and headers by lower-case name, repeated ones joined.

    The worker sets `path_params`, the values of the route.
    """

    def __init__(self, inner: web.BaseRequest) -> None:
        self._inner = inner
        self.method = inner.method
        self.headers: dict[str, str] = {}
        for raw_name, value in inner.headers.items():
            name = raw_name.lower()
            self.headers[name] = f"{self.headers[name]},{value}" if name in self.headers else value
        scheme = self.headers.get("x-forwarded-proto") or inner.scheme
        self.url = f"{scheme}://{self.headers.get('host', '')}{inner.raw_path}"
        self.path_params: dict[str, str] = {}

    async def read(self, largest: int) -> bytes:
        """The body. Of one that is larger, one byte more than `largest`. The headers then tell its length, not chunks.

        An error of aiohttp means that the body broke off: the host has a limit of its own.
        """
        body = bytearray()
        async for piece in self._inner.content.iter_any():
            body += piece
            if len(body) > largest:
                break
        del body[largest + 1 :]
        if self.headers.pop("transfer-encoding", None) is not None:
            self.headers["content-length"] = str(len(body))
        return bytes(body)


class RouteValues(base.RequestSynchronizer):  # type: ignore[misc]
    """How the worker hands the values of the route over."""

    def sync_route_params(self, request: Request, path_params: dict[str, str]) -> None:
        """The request has the values."""
        request.path_params = path_params


class RequestTracker(metaclass=base.RequestTrackerMeta):  # type: ignore[metaclass]
    """Tells the worker the type of a request."""

    request_type, synchronizer = Request, RouteValues()


class ResponseTracker(metaclass=base.ResponseTrackerMeta):  # type: ignore[metaclass]
    """Tells the worker the type of an answer."""

    label, response_type = base.ResponseLabels.STANDARD, web.Response


class WebApp(base.WebApp):  # type: ignore[misc]
    """Holds the worker's own function, which waits for the function's answer."""

    def route(self, answer: Callable[[Request], Awaitable[web.Response]]) -> Any:
        """The worker calls this once."""
        self.answer = answer
        return answer

    def get_app(self) -> "WebApp":
        """See base.WebServer."""
        return self


class WebServer(base.WebServer):  # type: ignore[misc]
    """The port that the host's proxy sends requests to."""

    async def serve(self) -> None:
        """It listens when this ends."""
        server = web.Server(
            self._answer,
            access_log=None,
            auto_decompress=False,  # a body arrives as it was sent, as in the host's messages
            keepalive_timeout=IDLE_SECONDS,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )
        await asyncio.get_running_loop().create_server(server, self.hostname, self.port)

    async def _answer(self, inner: web.BaseRequest) -> web.StreamResponse:
        """The answer. An error becomes an empty 500, as the host's own. The worker tells the host, which logs it."""
        try:
            response: web.Response = await self.web_app.answer(Request(inner))
        except Exception:  # noqa: BLE001 -- the boundary, as said above
            response = web.Response(status=500)
        response.headers["Server"] = SERVER
        return response
