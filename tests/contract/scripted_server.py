"""A server that answers as a script says: refusals, silence, answers that break off. It notes what it was sent."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser

OK_ROW = b'{"odata.etag":"W/\\"1\\"","PartitionKey":"contoso","RowKey":"a","x":"1"}'
OK_PAGE = b'{"value":[{"odata.etag":"W/\\"1\\"","PartitionKey":"contoso","RowKey":"a","x":"1"}]}'


@dataclass(frozen=True)
class Answer:
    """An answer, whole or cut: `sent` bytes of it are sent, then the connection is closed. No status: silence."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    sent: int | None = None

    def text(self) -> bytes:
        length = ("Content-Length", str(len(self.body)))
        head = "".join(f"{name}: {value}\r\n" for name, value in (*self.headers, length))
        return f"HTTP/1.1 {self.status} Some\r\n{head}\r\n".encode() + self.body


SILENCE = Answer(0)
HANG_UP = Answer(200, sent=0)
JSON = ("Content-Type", "application/json;odata=minimalmetadata")


def parts(*contents: bytes) -> Answer:
    """The answer to a transaction: an HTTP response for each operation, or for the one that was refused."""
    inner = b"".join(
        b"--changesetresponse_1\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n%s\r\n"
        % content
        for content in contents
    )
    body = b"--batchresponse_1\r\nContent-Type: multipart/mixed; boundary=changesetresponse_1\r\n\r\n%s" % inner
    kind = ("Content-Type", "multipart/mixed; boundary=batchresponse_1")
    return Answer(202, (kind,), body + b"--changesetresponse_1--\r\n--batchresponse_1--\r\n")


DONE = b"HTTP/1.1 204 No Content\r\nDataServiceVersion: 3.0;\r\nETag: W/\"datetime'2026'\"\r\n\r\n"


def part(status: int, body: bytes) -> bytes:
    """The response to a refused operation."""
    head = f"HTTP/1.1 {status} No\r\nContent-ID: 1\r\nContent-Type: application/json;charset=utf-8\r\n\r\n"
    return head.encode() + body


@dataclass(frozen=True)
class Sent:
    """A request as it came over the wire."""

    method: str
    target: str
    headers: Message
    body: bytes


@dataclass
class Script:
    """The answers that are left; afterwards the calls succeed. `sent` is what came."""

    endpoint: str
    left: list[Answer]
    sent: list[Sent] = field(default_factory=list)

    def next(self, request: Sent) -> Answer:
        if self.left:
            return self.left.pop(0)
        if request.method == "POST":
            return parts(*[DONE] * request.body.count(b"Content-ID: "))
        return Answer(200, (JSON,), OK_PAGE if "$filter" in request.target else OK_ROW)


@asynccontextmanager
async def scripted(answers: Sequence[Answer]) -> AsyncIterator[Script]:
    """A server that gives these answers first."""
    script = Script("", list(answers))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                first, _, rest = head.partition(b"\r\n")
                method, target, _ = first.decode().split(" ")
                headers = BytesParser().parsebytes(rest, headersonly=True)
                body = await reader.readexactly(int(headers["Content-Length"] or 0))
                request = Sent(method, target, headers, body)
                script.sent.append(request)
                answer = script.next(request)
                if answer.status:
                    writer.write(answer.text()[: answer.sent])
                    await writer.drain()
                if answer.sent is not None:
                    break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    script.endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/account"
    try:
        yield script
    finally:
        server.close()
