"""A request becomes a page: who asks, which page, and what to say where something fails."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

from scim_core.clock import Clock
from scim_core.console.actions import Actions
from scim_core.console.deeds import Deeds
from scim_core.console.reading import Reading
from scim_core.console.routes import ASSETS, PAGE_SECONDS, Ask, PageRoute, address, match
from scim_core.console.views import Views
from scim_core.console.visitors import CONSOLE_PATH, Door, Visitor, require_operator, require_own_form
from scim_core.ids import uuid7
from scim_core.messages import HttpError, ScimRequest, ScimResponse
from scim_core.pages.answers import asset
from scim_core.pages.forms import form_fields, query_fields
from scim_core.pages.rendering import Pages
from scim_core.registry import Gone, RegistryError
from scim_core.storage.port import StorageBusy, VersionConflict
from scim_core.unexpected import Unexpected, naming_request

type Handler = Callable[[Ask], Awaitable[ScimResponse]]
"""Makes one page."""

log = logging.getLogger(__name__)

_TEMPLATES = Path(__file__).with_name("templates")
_TITLES = {
    400: "That cannot be answered",
    401: "Please come in by the door",
    403: "This is not for you to do",
    404: "There is nothing here",
    405: "That is no way to use this page",
    409: "That cannot be done now",
    421: "This is another host",
    503: "The storage is busy",
    504: "That took too long",
}


class Console:
    """Answers for browsers. `door` says who asks. Without `acts` nobody can change anything, whatever their role."""

    def __init__(self, reading: Reading, deeds: Deeds, door: Door, clock: Clock, *, acts: bool) -> None:
        self._door = door
        self._acts = acts
        self._clock = clock
        self._pages = Pages(_TEMPLATES, ASSETS, clock, {"address": address, "home_path": CONSOLE_PATH})
        self._views = Views(reading, self._pages, clock, acts=acts)
        self._actions = Actions(self._views, deeds)

    async def handle(self, request: ScimRequest) -> ScimResponse:
        """The answer to every request, also if something fails."""
        response = await self._answered(request)
        return replace(response, body=b"") if request.method == "HEAD" else response

    async def _answered(self, request: ScimRequest) -> ScimResponse:
        if request.path == "/health":
            return ScimResponse(200, {"Content-Type": "text/plain"}, b"ok")
        visitor: Visitor | None = None
        handler, request_id = "unknown", uuid7(self._clock())
        try:
            async with asyncio.timeout(PAGE_SECONDS) as limit:
                if request.path.startswith(f"{ASSETS}/"):
                    return asset(request.path.removeprefix(f"{ASSETS}/"))
                admitted = await self._door.admit(request)
                if isinstance(admitted, ScimResponse):
                    return admitted
                visitor = admitted
                route, segments = match(request.method, request.path)
                handler = route.handler
                limit.reschedule(asyncio.get_running_loop().time() + route.seconds)
                response = await self._answer(request, visitor, route, segments)
        except Exception as error:  # noqa: BLE001 -- the one place that catches all: a stranger sees no traceback
            response = self._failure(visitor, error, request_id)
        log.info(
            "console %s -> %s",
            handler,
            response.status,
            extra={
                "operation": f"console {handler}",
                "status": response.status,
                "role": visitor and str(visitor.role),
                "correlation_id": request_id,
            },
        )
        return response

    async def _answer(
        self, request: ScimRequest, visitor: Visitor, route: PageRoute, segments: dict[str, str]
    ) -> ScimResponse:
        if route.acts:
            self._require_acting(visitor)
        fields = form_fields(request) if route.method == "POST" else {}
        if route.method == "POST":
            require_own_form(visitor, request, fields)
        handlers = self._actions if route.acts else self._views
        handler: Handler = getattr(handlers, route.handler)
        return await handler(Ask(request, visitor, route.handler, segments, query_fields(request), fields))

    def _require_acting(self, visitor: Visitor) -> None:
        require_operator(visitor)
        if not self._acts:
            raise HttpError(403, "This console only shows. Use the command line: python -m scim_core.admin")

    def _failure(self, visitor: Visitor | None, error: Exception, request_id: str) -> ScimResponse:
        match error:
            case HttpError():
                status, said = error.status, error.detail
            case Gone():
                status, said = 404, str(error)
            case RegistryError():
                status, said = 409, str(error)
            case VersionConflict():
                status, said = 409, "Somebody else changed this at the same time. Look again."
            case StorageBusy():
                status, said = 503, "Reload the page in some seconds."
            case TimeoutError():
                status, said = 504, "Reload the page, or ask about less."
            case _:
                log.error(
                    "a page of the console failed", exc_info=Unexpected(error), extra={"correlation_id": request_id}
                )
                status, said = 500, naming_request("The log of the console has the cause.", request_id)
        title = _TITLES.get(status, "This page could not be made")
        sign_in = self._door.sign_in if status == HTTPStatus.UNAUTHORIZED else ""
        answer = self._pages.answer(
            "error.html", status, me=visitor, page="error", title=title, said=said, sign_in=sign_in
        )
        if isinstance(error, HttpError):
            answer.headers.update(error.headers)
        return answer
