"""HTTP with a request target that nobody tidies up."""

import json
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from tests.worker.processes import PATIENCE_SECONDS


@dataclass(frozen=True)
class Answer:
    """Header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def send(
    url: str,
    target: str,
    method: str = "GET",
    headers: Mapping[str, str | bytes] | None = None,
    body: bytes | Iterable[bytes] | None = None,
) -> Answer:
    """The answer of the server at `url` to a request with exactly this target. An iterable is sent in chunks."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE_SECONDS)
    try:
        connection.request(method, target, body, dict(headers or {}))
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


def exchange(url: str, request: bytes) -> bytes:
    """All that the server at `url` sends after exactly these bytes. It ends when the server closes the connection."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(request)
        answer = bytearray()
        while received := connection.recv(65_536):
            answer += received
    return bytes(answer)
