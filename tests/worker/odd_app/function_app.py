"""Functions that show what the host passes in, and what it makes of odd answers."""

import inspect
import json
import os
from collections.abc import Callable
from typing import Any

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
METHODS = ["GET", "POST", "HEAD"]

type Handler = Callable[[func.HttpRequest], Any]


def _proxied(handler: Handler) -> Callable[..., Any]:
    """The same function, as one that gets its requests from the host's proxy."""
    from aiohttp import web  # noqa: PLC0415

    import http_proxy  # noqa: PLC0415 -- once it is imported, the worker takes every request in this way

    async def function(req: http_proxy.Request) -> web.Response:
        body = await req.read(1_000_000)
        params = {"not": "there"}
        seen = func.HttpRequest(
            req.method, req.url, headers=req.headers, params=params, route_params=req.path_params, body=body
        )
        response = handler(seen)
        if inspect.isawaitable(response):
            response = await response
        if isinstance(response, str):
            response = func.HttpResponse(response)
        content_type = f"{response.mimetype}; charset=utf-8" if response.mimetype == "text/plain" else response.mimetype
        headers = {"Content-Type": content_type, **response.headers}
        return web.Response(body=response.get_body(), status=response.status_code, headers=headers)

    return function


def route(template: str, methods: list[str] = METHODS) -> Callable[[Handler], Any]:
    """Registers a function, under its own name, in the way that ODD_HTTP says."""

    def register(handler: Handler) -> Any:
        function = _proxied(handler) if os.environ.get("ODD_HTTP") == "proxy" else handler
        return app.function_name(handler.__name__)(app.route(template, methods=methods)(function))

    return register


def _echo(name: str, req: func.HttpRequest) -> func.HttpResponse:
    seen = {
        "function": name,
        "url": req.url,
        "params": dict(req.params),
        "route": dict(req.route_params),
        "headers": dict(req.headers),
        "body": req.get_body().decode(),
        "settings": {key: value for key, value in os.environ.items() if key in ("ODD_ONE", "ODD_TWO")},
    }
    return func.HttpResponse(json.dumps(seen), mimetype="application/json", headers={"X-Own": "function"})


@route("order/{id}")
async def a_parameter(req: func.HttpRequest) -> func.HttpResponse:
    return _echo("a_parameter", req)


@route("order/literal")
async def b_literal(req: func.HttpRequest) -> func.HttpResponse:
    return _echo("b_literal", req)


@route("only-get", ["GET"])
async def only_get(req: func.HttpRequest) -> func.HttpResponse:
    return _echo("only_get", req)


@route("rest/{*rest}")
def rest(req: func.HttpRequest) -> func.HttpResponse:
    return _echo("rest", req)


@route("boom")
async def boom(req: func.HttpRequest) -> func.HttpResponse:
    raise RuntimeError(f"secret of {req.method}")


@route("nothing")
async def nothing(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001
    return None  # type: ignore[return-value]  # what the host makes of this is to be seen


@route("text")
async def text(req: func.HttpRequest) -> str:  # noqa: ARG001
    return "text"


@route("no-content")
async def no_content(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001
    return func.HttpResponse(status_code=204)


@route("with-body/{status}")
async def with_body(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("body", status_code=int(req.route_params["status"]))


@route("odd-header")
async def odd_header(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001
    return func.HttpResponse("body", headers={"X-Before": "1", "Location": "/é", "X-After": "1"})


@route("empty")
async def empty(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001
    return func.HttpResponse("")


@app.timer_trigger(arg_name="timer", schedule="0 99 * * * *")
async def never(timer: func.TimerRequest) -> None:
    """The host refuses the schedule."""
