"""A console on loopback, for one browser: a port that is free, and a link that works once."""

import base64
import secrets
import socket
from collections.abc import Callable
from types import TracebackType
from typing import Self
from urllib.parse import unquote

from aiohttp import web

from scim_core.console.console import Console
from scim_core.console.local_door import ENTRY_PATH, KEY_FIELD, LocalDoor
from scim_core.console.visitors import Visitor
from scim_core.messages import ScimRequest
from scim_core.pages.forms import MAX_FORM_BYTES

LOOPBACK = "127.0.0.1"
"""The only address that the console listens on. Other machines cannot reach it."""

KEY_BYTES = 32
"""Length of the key in the link, and of what the cookie holds, in random bytes."""


class ConsoleServer:
    """Serves while its block runs. `make` makes the console behind a door. `link` brings one browser in."""

    def __init__(self, visitor: Visitor, make: Callable[[LocalDoor], Console]) -> None:
        listener = socket.create_server((LOOPBACK, 0))
        self.port: int = listener.getsockname()[1]
        self.url = f"http://{LOOPBACK}:{self.port}"
        key = random_text()
        self.link = f"{self.url}{ENTRY_PATH}?{KEY_FIELD}={key}"
        door = LocalDoor(
            visitor,
            key=key,
            session=random_text(),
            hosts={f"{LOOPBACK}:{self.port}", f"localhost:{self.port}"},
            cookie_name=f"scim_console_{self.port}",
        )
        self._console = make(door)
        app = web.Application(client_max_size=2 * MAX_FORM_BYTES)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        self._listener = listener

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.SockSite(self._runner, self._listener).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        response = await self._console.handle(
            ScimRequest(
                method=request.method,
                path=unquote(request.rel_url.raw_path),
                query=request.rel_url.raw_query_string,
                headers={name.lower(): value for name, value in request.headers.items()},
                body=await request.read(),
                base_url=self.url,
            )
        )
        return web.Response(status=response.status, headers=response.headers, body=response.body)


def random_text() -> str:
    """A text that nobody can guess."""
    return base64.urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).decode().rstrip("=")
