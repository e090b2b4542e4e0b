"""The Functions host's HTTP side as an ASGI application, over the real worker runtime."""

import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Self

from devhost import requests, routes, timers, worker
from devhost.answers import framed
from devhost.bodies import Limits, Message, Receive, UnreadError
from devhost.configuration import HostConfiguration, read_host_json
from devhost.requests import RefusedError
from devhost.transports import transport_to
from devhost.worker import App, Function, FunctionRequest, FunctionResponse, InvocationError

log = logging.getLogger("devhost")

Send = Callable[[Message], Awaitable[None]]


class FunctionsHost:
    """Answers HTTP requests with the functions of one app, by the rules of the host in Azure."""

    def __init__(self, app: App, configuration: HostConfiguration, limits: Limits) -> None:
        self.timers = timers.usable(app.timers)
        self.routes = routes.arrange(app.functions, configuration.route_prefix)
        self.custom_headers = configuration.custom_headers
        self.transport = transport_to(app.proxy_url, limits)

    @classmethod
    async def start(cls, directory: Path, limits: Limits) -> Self:
        """The app in this directory, imported and indexed. Raises DevhostError for an app that the host refuses."""
        configuration = read_host_json(directory)
        return cls(await worker.start(directory), configuration, limits)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answers one request: refuses it or calls its function, then checks the answer as Kestrel does."""
        started = time.perf_counter()
        name = "-"
        try:
            if _is_ping(scope):
                response = framed(scope["method"], FunctionResponse(200))
            else:
                function, request = self._admit(scope)
                name = function.name
                response = await self.transport.call(function, request, scope, receive)
        except RefusedError as refusal:
            log.warning("The host itself answers: %s", refusal)
            headers = {"connection": "close"} if refusal.closes else {}
            response = framed(scope["method"], FunctionResponse(refusal.status, headers))
        except UnreadError as error:
            log.error("%s failed\n%s", name, error)  # noqa: TRY400 - the sentence says all
            response = framed(scope["method"], FunctionResponse(500, {"connection": "close"}))
        except InvocationError as error:
            log.error("%s failed\n%s", name, error)  # noqa: TRY400 - the worker's text holds the traceback that matters
            response = framed(scope["method"], FunctionResponse(500))
        milliseconds = (time.perf_counter() - started) * 1000
        log.info("%s %s -> %s in %.0f ms (%s)", scope["method"], _target(scope), response.status, milliseconds, name)
        await _send(send, response, self.custom_headers)

    def _admit(self, scope: Message) -> tuple[Function, FunctionRequest]:
        """The function for this request, and the request as the function sees it, without body. Raises RefusedError."""
        raw_path, raw_query = scope["raw_path"], scope["query_string"]
        if len(scope["method"]) + len(raw_path) + len(raw_query) + len(" ? HTTP/1.1\r\n") > requests.MAX_REQUEST_LINE:
            raise RefusedError(414, "the request line is too long")
        if not (raw_path.isascii() and raw_query.isascii()):
            raise RefusedError(400, "the request target is not ASCII")
        headers, query = requests.read_headers(scope["headers"]), raw_query.decode()
        path = requests.decode_path(raw_path)
        found = None if routes.is_reserved(path) else routes.find(self.routes, scope["method"], path)
        if found is None:
            raise RefusedError(404, "no function has this route and method")
        function, params = found
        scheme = headers.get("x-forwarded-proto") or scope["scheme"]
        mark = "?" if b"?" in scope["target"] else ""
        return function, FunctionRequest(
            method=scope["method"],
            url=f"{requests.encode_url(scheme, headers['host'], path)}{mark}{query}",
            headers=headers,
            query=requests.read_query(query),
            params=params,
        )


def _is_ping(scope: Message) -> bool:
    """Whether somebody asks if the host lives. It says so to anybody."""
    return scope["method"] in ("GET", "POST") and scope["raw_path"].lower().removesuffix(b"/") == b"/admin/host/ping"


async def _send(send: Send, response: FunctionResponse, custom_headers: dict[str, str]) -> None:
    headers = {name.lower(): value for name, value in {**custom_headers, **response.headers}.items()}
    pairs = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": pairs})
    await send({"type": "http.response.body", "body": response.body})


def _target(scope: Message) -> str:
    """The path as it came, percent-encoded: it cannot break a log line. A query is left out: it can hold keys."""
    return str(scope["raw_path"].decode("latin-1"))
