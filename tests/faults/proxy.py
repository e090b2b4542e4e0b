"""An HTTP proxy before Azurite on which calls fail: one function says what happens to which call."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import ClientSession, DummyCookieJar, web
from yarl import URL

from devhost.azurite import Azurite
from tests.faults.disturbed_rows import SLOW_SECONDS, Fault

REFUSALS = {
    Fault.BUSY: (503, "ServerBusy"),
    Fault.FAILED: (500, "InternalError"),
    Fault.CONFLICT: (409, "OperationAborted"),
}
"""The answer to a call that is not made."""

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding", "host"}
_RESUMED = "resumed"


@dataclass
class Proxy:
    """`fault` is asked for each call; None: it is made. It is told the number of the call, and how many like it were
    before, as there are when a call is repeated. `before` is awaited first.
    """

    connection: str
    fault: Callable[[int, int], Fault | None] = lambda _number, _before: None
    before: Callable[[web.Request], Awaitable[None]] | None = None
    calls: int = 0
    seen: list[str] = field(default_factory=list)
    repetitions: Counter[int] = field(default_factory=Counter)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Until then, a call to which no answer comes is open."""


@asynccontextmanager
async def proxy(azurite: Azurite) -> AsyncIterator[Proxy]:
    """A proxy that makes every call, until it is told otherwise."""
    async with ClientSession(auto_decompress=False, cookie_jar=DummyCookieJar()) as session:
        between = Proxy("")

        async def answer(request: web.Request) -> web.StreamResponse:
            body = await request.read()
            number, between.calls = between.calls, between.calls + 1
            if between.before is not None:
                await between.before(request)
            like_it = hash((request.method, request.raw_path, body))
            fault = between.fault(number, between.repetitions[like_it])
            between.repetitions[like_it] += 1
            between.seen.append(f"{request.method} {fault or 'made'}")
            return await _answer(session, azurite, request, fault, between.ended)

        application = web.Application(client_max_size=2**24)
        application.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        between.connection = azurite.connection_string.replace(f":{azurite.port}/", f":{port}/")
        try:
            yield between
        finally:
            between.ended.set()
            await runner.cleanup()


async def _answer(
    session: ClientSession,
    azurite: Azurite,
    request: web.Request,
    fault: Fault | None,
    ended: asyncio.Event,
) -> web.StreamResponse:
    if fault is Fault.REFUSED:
        return _hung_up(request)
    if fault in REFUSALS and (fault is not Fault.CONFLICT or request.method == "POST"):
        return _error(*REFUSALS[fault])
    if fault is Fault.EMPTY_PAGE and "$filter" in request.query and request.query.get("NextRowKey") != _RESUMED:
        resume = {"x-ms-continuation-NextPartitionKey": _RESUMED, "x-ms-continuation-NextRowKey": _RESUMED}
        return web.json_response({"value": []}, headers=resume)
    answer = await _made(session, azurite, request)
    if fault is Fault.SLOW:
        await asyncio.sleep(SLOW_SECONDS)
    elif fault is Fault.SILENT:
        await ended.wait()
    elif fault is Fault.RESET:
        return _hung_up(request)
    elif fault is Fault.TIMED_OUT:
        return _error(500, "OperationTimedOut")
    return answer


async def _made(session: ClientSession, azurite: Azurite, request: web.Request) -> web.Response:
    # Untouched as it came, for the client has signed it; of the query only names are signed, if anything.
    target = re.sub(rf"[&?]Next(PartitionKey|RowKey)={_RESUMED}", "", request.raw_path)
    url = URL(f"http://127.0.0.1:{azurite.port}{target}", encoded=True)
    headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
    body = await request.read()  # it is kept, so this reads the same again
    async with session.request(
        request.method, url, headers=headers, data=body or None, skip_auto_headers=("Content-Type",)
    ) as answer:
        kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP]
        response = web.Response(status=answer.status, body=await answer.read())
        for name, value in kept:
            response.headers[name] = value
        return response


def _hung_up(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


def _error(status: int, code: str) -> web.Response:
    text = {"odata.error": {"code": code, "message": {"lang": "en-US", "value": code}}}
    return web.json_response(text, status=status, headers={"x-ms-error-code": code})
