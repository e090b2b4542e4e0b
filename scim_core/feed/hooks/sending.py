"""Sends a batch over HTTP or into a queue, and trusts its receiver little: no redirect is followed, and of an answer's
body nothing is read but a short word of what is wrong, if the receiver was asked for that.
"""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from scim_core.feed.hooks.addresses import RefusedTarget, require_allowed, target_of
from scim_core.feed.hooks.doorbells import QUEUES_SETTING, SCHEME, queue_of
from scim_core.storage.port import StorageError

SEND_SECONDS = 15
"""Longest time of an attempt: look-up, connection, and the status of the answer. Later answers count as none."""

GONE = 410
"""The status by which a receiver ends a hook."""

MAX_ERROR_BYTES = 4_096
"""Bytes of an answer in which a receiver says what is wrong. A longer one counts as saying nothing."""

MAX_ERROR_CHARACTERS = 200
"""Characters that are kept of it."""

LOOK_UPS = 32
"""Names that one process looks up at the same time: as many as the timer and changes deliver to tenants at once. They
have threads of their own. So a name server that hangs holds up no thread that requests or the storage need.
"""

_BAD_REQUEST = 400
_JSON = "application/json"
_ERROR_CODE = re.compile(r"[A-Za-z0-9_]{1,40}")

type PutMessage = Callable[[str, bytes], Awaitable[int]]
"""Puts a text into the queue of this name; the status of the answer. Raises StorageError."""

type Resolve = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a host, for a port. Raises OSError."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of an attempt: whether the batch was taken, whether the receiver is gone, and that in words."""

    taken: bool
    gone: bool
    outcome: str


class Sender(Protocol):
    """What delivery needs of HTTP."""

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Tried:
        """One attempt, of at most SEND_SECONDS. Every failure is a Tried."""

    def in_a_row(self) -> AbstractAsyncContextManager["Sender"]:
        """A sender for several attempts, one after the other, at one URL. It may keep its connection."""
        return nullcontext(self)


_look_ups = ThreadPoolExecutor(LOOK_UPS, thread_name_prefix="hook-names")


async def resolved(host: str, port: int) -> list[str]:
    """The addresses that the system gives for a host. Raises OSError."""
    look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_look_ups, look_up)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class HttpSender(Sender):
    """Sends with aiohttp. An attempt has a connection of its own; those in a row have one as long as it lasts."""

    def __init__(self, *, to_loopback: bool, resolve: Resolve = resolved, seconds: float = SEND_SECONDS) -> None:
        self._to_loopback = to_loopback
        self._resolve = resolve
        self._seconds = seconds

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Tried:
        """See Sender.send."""
        async with self._connecting(keeps=False) as once:
            return await once.send(url, headers, body)

    def in_a_row(self) -> AbstractAsyncContextManager[Sender]:
        """See Sender.in_a_row."""
        return self._connecting(keeps=True)

    @asynccontextmanager
    async def _connecting(self, *, keeps: bool) -> AsyncIterator[Sender]:
        connected = _Connected(self._connect(keeps=keeps), self._seconds)
        try:
            yield connected
        finally:
            await connected.close()

    def _connect(self, *, keeps: bool) -> "_Connect":
        async def connect(url: str) -> aiohttp.ClientSession:
            target = target_of(url, to_loopback=self._to_loopback)
            addresses = await self._resolve(target.host, target.port)
            require_allowed(target, addresses, to_loopback=self._to_loopback)
            connector = aiohttp.TCPConnector(
                resolver=_Pinned(addresses), use_dns_cache=False, force_close=not keeps, limit=1
            )
            return aiohttp.ClientSession(
                connector=connector, trust_env=False, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
            )

        return connect


type _Connect = Callable[[str], Awaitable[aiohttp.ClientSession]]
"""A session for a URL. Its connections go to the addresses that were looked at. Raises RefusedTarget, OSError."""


class _Connected(Sender):
    """Sends over one session, once it is there."""

    def __init__(self, connect: _Connect, seconds: float) -> None:
        self._connect = connect
        self._seconds = seconds
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """The connection is closed."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Tried:
        """See Sender.send."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._posted(url, headers, body)
        except RefusedTarget as error:
            return Tried(taken=False, gone=False, outcome=f"refused: {error}")
        except TimeoutError:
            return Tried(taken=False, gone=False, outcome=f"no answer in {self._seconds:g} seconds")
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            return Tried(taken=False, gone=False, outcome=f"no answer ({type(error).__name__})")

    async def _posted(self, url: str, headers: Mapping[str, str], body: bytes) -> Tried:
        """The answer. A receiver may close a connection that waits for the next request: then there is another one."""
        if self._session is not None:
            with suppress(aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                return await _answered(self._session, url, headers, body)
            await self.close()
        self._session = await self._connect(url)
        return await _answered(self._session, url, headers, body)


class Senders(Sender):
    """Sends to queues what is for a queue, and everything else over HTTP."""

    def __init__(self, http: Sender, put: PutMessage | None, *, seconds: float = SEND_SECONDS) -> None:
        self._http = http
        self._put = put
        self._seconds = seconds

    @asynccontextmanager
    async def in_a_row(self) -> AsyncIterator[Sender]:
        """See Sender.in_a_row."""
        async with self._http.in_a_row() as http:
            yield Senders(http, self._put, seconds=self._seconds)

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Tried:
        """See Sender.send."""
        if not url.startswith(SCHEME):
            return await self._http.send(url, headers, body)
        queue = queue_of(url)
        if self._put is None or queue is None:
            reason = "this is the name of no queue" if queue is None else f"{QUEUES_SETTING} is not set"
            return Tried(taken=False, gone=False, outcome=f"refused: {reason}")
        try:
            async with asyncio.timeout(self._seconds):
                status = await self._put(queue, body)
        except TimeoutError:
            return Tried(taken=False, gone=False, outcome=f"no answer in {self._seconds:g} seconds")
        except StorageError as error:
            return Tried(taken=False, gone=False, outcome=f"no answer ({error})")
        return _attempt(status, ends=False)


async def _answered(session: aiohttp.ClientSession, url: str, headers: Mapping[str, str], body: bytes) -> Tried:
    async with session.post(url, data=body, headers=headers, allow_redirects=False) as response:
        asked = response.status == _BAD_REQUEST and headers.get("Accept") == _JSON
        said = await _said(response) if asked else ""
        return _attempt(response.status, said)


async def _said(response: aiohttp.ClientResponse) -> str:
    """What a receiver says is wrong: `err` and `description` (RFC 8935 section 2.3). Empty if it says nothing."""
    if response.content_type != _JSON:
        return ""
    try:
        found = json.loads(await _short(response.content))
        code, text = found["err"], found.get("description", "")
        if not _ERROR_CODE.fullmatch(code):
            return ""
        readable = "".join(character if character.isprintable() else " " for character in text)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return ""
    return f"{code}: {readable}"[:MAX_ERROR_CHARACTERS].rstrip(": ")


async def _short(content: aiohttp.StreamReader) -> bytes:
    """The content. If it is too long, nothing."""
    read = b""
    while len(read) <= MAX_ERROR_BYTES:
        chunk = await content.read(MAX_ERROR_BYTES + 1 - len(read))
        if not chunk:
            return read
        read += chunk
    return b""


def _attempt(status: int, said: str = "", *, ends: bool = True) -> Tried:
    taken = 200 <= status < 300  # noqa: PLR2004 -- what HTTP calls successful
    outcome = f"answered {status} ({said})" if said else f"answered {status}"
    return Tried(taken=taken, gone=ends and status == GONE, outcome=outcome)


class _Pinned(AbstractResolver):
    """Gives the addresses that were looked at, and looks up nothing."""

    def __init__(self, addresses: list[str]) -> None:
        self._addresses = addresses

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,  # noqa: ARG002 -- aiohttp passes it
    ) -> list[ResolveResult]:
        """The same addresses for every host."""
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        """There is nothing to close."""
