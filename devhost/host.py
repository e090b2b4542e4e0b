"""The Functions host's HTTP side as an ASGI application, over the real worker runtime."""

import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any, Self

from devhost import requests, routes, timers, worker
from devhost.configuration import HostConfiguration, read_host_json
from devhost.requests import RefusedError
from devhost.worker import App, Function, FunctionRequest, FunctionResponse, InvocationError

log = logging.getLogger("devhost")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

DEFAULT_BODY_LIMIT = 104_857_600  # the host's limit; FUNCTIONS_REQUEST_BODY_SIZE_LIMIT lowers it
_BODILESS = (204, 304)


class FunctionsHost:
    """Answers HTTP requests with the functions of one app, by the rules of the host in Azure."""

    def __init__(self, app: App, configuration: HostConfiguration, body_limit: int = DEFAULT_BODY_LIMIT) -> None:
        timers.check(app.timers)
        self.timers = app.timers
        self.routes = routes.arrange(app.functions, configuration.route_prefix)
        self.custom_headers = configuration.custom_headers
        self.body_limit = body_limit

    @classmethod
    async def start(cls, directory: Path, body_limit: int = DEFAULT_BODY_LIMIT) -> Self:
        """The app in this directory, imported and indexed. Raises DevhostError for an app that the host refuses."""
        configuration = read_host_json(directory)
        return cls(await worker.start(directory), configuration, body_limit)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answers one request: refuses it or calls its function, then checks the answer as Kestrel does."""
        started = time.perf_counter()
        name = "-"
        try:
            function, request = await self._admit(scope, receive)
            name = function.name
            response = _sendable(await worker.invoke(function, request))
        except RefusedError as refusal:
            log.warning("The host itself answers: %s", refusal)
            response = FunctionResponse(refusal.status)
        except InvocationError as error:
            log.error("%s failed\n%s", name, error)  # noqa: TRY400 - the worker's text holds the traceback that matters
            response = FunctionResponse(500)
        milliseconds = (time.perf_counter() - started) * 1000
        log.info("%s %s -> %s in %.0f ms (%s)", scope["method"], _target(scope), response.status, milliseconds, name)
        await _send(send, scope["method"], response, self.custom_headers)

    async def _admit(self, scope: Message, receive: Receive) -> tuple[Function, FunctionRequest]:
        """The function for this request, and the request as the function sees it. Raises RefusedError."""
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
        return function, FunctionRequest(
            method=scope["method"],
            url=requests.encode_url(scope["scheme"], headers["host"], path, query),
            headers=headers,
            query=requests.read_query(query),
            params=params,
            body=await self._read_body(headers, receive),
        )

    async def _read_body(self, headers: dict[str, str], receive: Receive) -> bytes:
        """The body. The worker gets it only with a Content-Length. Raises RefusedError for one that is too large."""
        if int(headers.get("content-length", 0)) > self.body_limit:
            raise RefusedError(413, "the body is too large")
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise RefusedError(400, "the client went away")
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self.body_limit:
                raise RefusedError(413, "the body is too large")
        if body and "content-length" not in headers:
            log.warning("The function gets no body, because the request has no Content-Length.")
            return b""
        return bytes(body)


def _sendable(response: FunctionResponse) -> FunctionResponse:
    """The response, if Kestrel can send it. Raises InvocationError."""
    if response.body and response.status in _BODILESS:
        raise InvocationError(f"a body with status {response.status}")
    for name, value in response.headers.items():
        if not (name.isascii() and value.isascii()) or any(ord(c) < ord(" ") for c in value):
            raise InvocationError(f"the header {name} holds a character that is not printable ASCII")
    return response


async def _send(send: Send, method: str, response: FunctionResponse, custom_headers: dict[str, str]) -> None:
    headers = {name.lower(): value for name, value in {**custom_headers, **response.headers}.items()}
    if response.status not in _BODILESS:
        headers["content-length"] = str(len(response.body))
    pairs = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": pairs})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else response.body})


def _target(scope: Message) -> str:
    """The path as it came, percent-encoded: it cannot break a log line. A query is left out: it can hold keys."""
    return str(scope["raw_path"].decode("latin-1"))
