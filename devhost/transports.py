"""How a request gets to its function, and the answer back: in messages to the worker, or through a proxy."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Protocol

from aiohttp import ClientConnectorError, ClientError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from multidict import CIMultiDict
from yarl import URL

from devhost import worker
from devhost.answers import framed, sendable
from devhost.bodies import Limits, Message, Receive, UnreadError, pieces, read_body, require_length
from devhost.requests import RefusedError
from devhost.worker import Function, FunctionRequest, FunctionResponse, InvocationError

ATTEMPTS, PAUSE_SECONDS = 10, 0.2
"""How often the host tries to reach a port where nobody listens, and how long it waits in between: 2 seconds in all."""

BROKEN_SECONDS = 1
"""How long a function may take to notice that its request broke off."""

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "expect"})
_NOT_ADDED = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class Transport(Protocol):
    """The way to the functions of an app. `close` ends it."""

    async def call(
        self, function: Function, request: FunctionRequest, scope: Message, receive: Receive
    ) -> FunctionResponse:
        """The answer as it is sent. `request` has no body yet. Raises UnreadError, InvocationError, RefusedError."""

    async def close(self) -> None:
        """No connection is left open."""


def transport_to(proxy_url: str | None, limits: Limits) -> Transport:
    """The way that the app has asked for."""
    return Proxy(proxy_url, limits) if proxy_url else Messages(limits)


class Messages:
    """The body is a part of the message. So it is read first, and a body in chunks is left out."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    async def call(
        self, function: Function, request: FunctionRequest, scope: Message, receive: Receive
    ) -> FunctionResponse:
        """See Transport."""
        body = await read_body(request.headers, receive, self._limits)
        response = sendable(function.name, await worker.invoke(function, replace(request, body=body)))
        return framed(scope["method"], response)

    async def close(self) -> None:
        """See Transport."""


class Proxy:
    """The request is sent on to a port of the app as it comes in. The message to the worker has no more than its id."""

    def __init__(self, url: str, limits: Limits) -> None:
        self._url = url
        self._limits = limits
        self._session = ClientSession(
            connector=TCPConnector(limit=0),
            cookie_jar=DummyCookieJar(),
            timeout=ClientTimeout(total=None),
            auto_decompress=False,
        )

    async def call(
        self, function: Function, request: FunctionRequest, scope: Message, receive: Receive
    ) -> FunctionResponse:
        """See Transport."""
        require_length(request.headers, self._limits)
        invocation_id = str(uuid.uuid4())
        invocation = asyncio.create_task(worker.invoke_proxied(function, request, invocation_id))
        body = _Body(receive, self._limits)
        response = await self._sent(request, scope, invocation_id, body)
        if body.failure:
            await asyncio.wait([invocation], timeout=BROKEN_SECONDS)
        invocation.cancel()  # it has ended, or it never will: the app has not seen the request, or answered without it
        outcome = (await asyncio.gather(invocation, return_exceptions=True))[0]
        if body.failure:
            raise body.failure
        if isinstance(outcome, InvocationError):
            raise outcome
        if response is None:
            raise InvocationError("The app broke the connection.")
        return response

    async def _sent(
        self, request: FunctionRequest, scope: Message, invocation_id: str, body: "_Body"
    ) -> FunctionResponse | None:
        for _ in range(ATTEMPTS):
            try:
                return await self._send(request, scope, invocation_id, body)
            except ClientConnectorError:
                await asyncio.sleep(PAUSE_SECONDS)
            except ClientError:
                break
        return None

    async def _send(
        self, request: FunctionRequest, scope: Message, invocation_id: str, body: "_Body"
    ) -> FunctionResponse:
        headers = CIMultiDict(
            (name.decode("latin-1"), value.decode())
            for name, value in scope["headers"]
            if name.decode("latin-1") not in _HOP_BY_HOP
        )
        headers["Host"] = request.headers["host"]
        headers["x-ms-invocation-id"] = invocation_id
        has_body = "transfer-encoding" in request.headers or int(request.headers.get("content-length", 0)) > 0
        async with self._session.request(
            scope["method"],
            URL(self._url + scope["target"].decode(), encoded=True),
            headers=headers,
            data=body.pieces() if has_body else None,
            skip_auto_headers=_NOT_ADDED,
            allow_redirects=False,
        ) as answer:
            kept = {name.lower(): value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
            return FunctionResponse(answer.status, kept, await answer.read())

    async def close(self) -> None:
        """See Transport."""
        await self._session.close()


class _Body:
    """A body that is sent on while it comes in. `failure` is why it broke off."""

    def __init__(self, receive: Receive, limits: Limits) -> None:
        self._receive, self._limits = receive, limits
        self.failure: UnreadError | RefusedError | None = None

    async def pieces(self) -> AsyncIterator[bytes]:
        try:
            async for piece in pieces(self._receive, self._limits):
                yield piece
        except (UnreadError, RefusedError) as error:
            self.failure = error
            raise
