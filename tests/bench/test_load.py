"""Requests that are answered otherwise than they must be end a measurement."""

import asyncio

import pytest

from bench.http_client import HttpClient, Request, UnexpectedStatus
from bench.load import drive


async def _refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\nbusy")
    writer.close()
    await writer.wait_closed()


async def test_an_unexpected_status_is_raised_by_itself_however_many_connections_there_are() -> None:
    async with await asyncio.start_server(_refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        requests = [Request("GET", "/", 200)] * 4
        with pytest.raises(UnexpectedStatus, match="GET /: 500 b'busy'"):
            await drive(f"http://127.0.0.1:{port}", requests, 2)


async def _in_chunks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for _ in range(2):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na\r\n\r\nb\r\nbcdefghijkl\r\n0\r\n\r\n"
        )
    writer.close()
    await writer.wait_closed()


async def test_answers_in_chunks_are_read_to_their_ends() -> None:
    async with await asyncio.start_server(_in_chunks, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with HttpClient(f"http://127.0.0.1:{port}") as client:
            bodies = [(await client.send(Request("GET", "/", 200))).body for _ in range(2)]

    assert bodies == [b"a\r\nbcdefghijkl"] * 2
