"""Where recorded requests are sent: an endpoint in this process, or a running one over HTTP."""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import httpx

from scim_core import Endpoint, ScimRequest


@dataclass(frozen=True)
class Request:
    """A request as the client writes it: `path`, relative to the SCIM base, and `query` are sent as they stand.

    An empty query is a `?` with nothing behind it, as OneLogin sends it.
    """

    method: str
    path: str
    query: str | None
    headers: dict[str, str]
    body: bytes

    @property
    def url(self) -> str:
        """The path with the query."""
        return self.path if self.query is None else f"{self.path}?{self.query}"


@dataclass(frozen=True)
class Answer:
    """What came back. Header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @cached_property
    def document(self) -> Any:
        """The body read as JSON, None when it is empty, its text when it is no JSON."""
        try:
            return json.loads(self.body) if self.body else None
        except ValueError:
            return self.body.decode(errors="replace")


class Target(Protocol):
    """An endpoint: `base` is its SCIM base URL as `meta.location` shows it, `token` opens it."""

    base: str
    token: str

    async def send(self, request: Request) -> Answer:
        """The answer to this request."""


class InProcess:
    """An endpoint of this process, called without HTTP."""

    def __init__(self, endpoint: Endpoint, base: str, token: str) -> None:
        self.base = base
        self.token = token
        self._endpoint = endpoint

    async def send(self, request: Request) -> Answer:
        """The answer to this request, handed over as the edge of the function app does."""
        base = urlsplit(self.base)
        response = await self._endpoint.handle(
            ScimRequest(
                method=request.method,
                path=unquote(base.path + request.path),
                query=request.query or "",
                headers={name.lower(): value for name, value in request.headers.items()},
                body=request.body,
                base_url=f"{base.scheme}://{base.netloc}",
            )
        )
        headers = {name.lower(): value for name, value in response.headers.items()}
        body = b"" if request.method == "HEAD" else response.body  # a transport sends none
        return Answer(response.status, headers, body)


class OverHttp:
    """A running endpoint. The client adds no header of its own but Host and Content-Length."""

    def __init__(self, client: httpx.AsyncClient, base: str, token: str) -> None:
        self.base = base
        self.token = token
        self._client = client

    async def send(self, request: Request) -> Answer:
        """The answer to this request, sent over HTTP."""
        response = await self._client.send(
            httpx.Request(
                request.method, self.base + request.url, headers=request.headers, content=request.body or None
            )
        )
        return Answer(response.status_code, dict(response.headers), response.content)
