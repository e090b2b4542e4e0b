"""Sends a batch over HTTP, and trusts its receiver little: no redirect is followed, and no answer's body is read."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from scim_core.feed.hooks.addresses import HookTarget, RefusedTarget, require_allowed, target_of

SEND_SECONDS = 15
"""Longest time of an attempt: look-up, connection, and the status of the answer. Later answers count as none."""

GONE = 410
"""The status by which a receiver ends a hook."""

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
        """One attempt, of at most SEND_SECONDS. Every failure is an Tried."""


async def resolved(host: str, port: int) -> list[str]:
    """The addresses that the system gives for a host."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class HttpSender:
    """Sends with aiohttp."""

    def __init__(self, *, to_loopback: bool, resolve: Resolve = resolved, seconds: float = SEND_SECONDS) -> None:
        self._to_loopback = to_loopback
        self._resolve = resolve
        self._seconds = seconds

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Tried:
        """See Sender.send."""
        try:
            async with asyncio.timeout(self._seconds):
                target = target_of(url, to_loopback=self._to_loopback)
                addresses = await self._resolve(target.host, target.port)
                require_allowed(target, addresses, to_loopback=self._to_loopback)
                return _attempt(await _status(target, addresses, headers, body))
        except RefusedTarget as error:
            return Tried(taken=False, gone=False, outcome=f"refused: {error}")
        except TimeoutError:
            return Tried(taken=False, gone=False, outcome=f"no answer in {self._seconds:g} seconds")
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            return Tried(taken=False, gone=False, outcome=f"no answer ({type(error).__name__})")


async def _status(target: HookTarget, addresses: list[str], headers: Mapping[str, str], body: bytes) -> int:
    connector = aiohttp.TCPConnector(resolver=_Pinned(addresses), use_dns_cache=False, force_close=True)
    async with (
        aiohttp.ClientSession(
            connector=connector, trust_env=False, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        ) as session,
        session.post(target.url, data=body, headers=headers, allow_redirects=False) as response,
    ):
        return response.status


def _attempt(status: int) -> Tried:
    taken = 200 <= status < 300  # noqa: PLR2004 -- what HTTP calls successful
    return Tried(taken=taken, gone=status == GONE, outcome=f"answered {status}")


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
