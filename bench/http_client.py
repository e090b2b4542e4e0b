"""An HTTP/1.1 client that costs as little as possible: it shares its processors with what is measured."""

import asyncio
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Request:
    """One request: `target` is path and query as they are sent, `expect` the status that the answer must have."""

    method: str
    target: str
    expect: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """What came back. Header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class UnexpectedStatus(Exception):
    """An answer has a wrong status, so the measurement is worthless."""


class HttpClient:
    """One connection, kept alive, to a server that sends bodies in chunks or with their length."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._host = address.hostname or ""
        self._port = address.port or 80

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port, limit=2**24)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()
        await self._writer.wait_closed()

    async def send(self, request: Request) -> Response:
        """The answer. Raises UnexpectedStatus."""
        self._writer.write(self._encoded(request))
        response = await self._read()
        if response.status != request.expect:
            raise UnexpectedStatus(f"{request.method} {request.target}: {response.status} {response.body[:500]!r}")
        return response

    def _encoded(self, request: Request) -> bytes:
        headers = {"Host": f"{self._host}:{self._port}", **request.headers}
        if request.body:
            headers["Content-Length"] = str(len(request.body))
        lines = [
            f"{request.method} {request.target} HTTP/1.1",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        return "\r\n".join([*lines, "", ""]).encode() + request.body

    async def _read(self) -> Response:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await (self._chunks() if "transfer-encoding" in headers else self._counted(headers))
        return Response(int(head[0].split(" ", 2)[1]), headers, body)

    async def _counted(self, headers: dict[str, str]) -> bytes:
        length = int(headers.get("content-length", 0))
        return await self._reader.readexactly(length) if length else b""

    async def _chunks(self) -> bytes:
        body = bytearray()
        while size := int(await self._reader.readline(), 16):
            body += await self._reader.readexactly(size)
            await self._reader.readexactly(len(b"\r\n"))
        await self._reader.readexactly(len(b"\r\n"))
        return bytes(body)
