"""What Kestrel, the web server of the Functions host, does with HTTP otherwise than uvicorn does."""

import re
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

SERVER = ("Server", "Kestrel")
"""The header that names the server on every answer."""

_METHOD = re.compile(rb"(?i)(?:get|head|post|put|patch|delete|options|trace|connect) ")


class KestrelProtocol(HttpToolsProtocol):
    """A method that HTTP defines may be in any letter case. If a body has a length and chunks, the chunks win.

    The ASGI scope has the request target as it came, as `target`.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.parser.set_dangerous_leniencies(lenient_chunked_length=True)
        self._inside = False

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol. The parser refuses a method that is not in upper case."""
        if not self._inside and (found := _METHOD.match(data)):
            data = found[0].upper() + data[found.end() :]
        super().data_received(data)

    def on_message_begin(self) -> None:
        """The parser has met a request."""
        self._inside = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The parser has met the end of the headers. The task that answers starts after this."""
        super().on_headers_complete()
        self.scope["target"] = self.url  # type: ignore[typeddict-unknown-key]

    def on_message_complete(self) -> None:
        """The parser has met the end of the body."""
        self._inside = False
        super().on_message_complete()
