"""Functions that show what the host passes in, and what it makes of odd answers."""

import json
import os

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
METHODS = ["GET", "POST", "HEAD"]


def _echo(name: str, req: func.HttpRequest) -> func.HttpResponse:
    seen = {
        "function": name,
        "url": req.url,
        "params": dict(req.params),
        "route": dict(req.route_params),
        "headers": dict(req.headers),
        "body": req.get_body().decode(),
        "settings": {key: value for key, value in os.environ.items() if key.startswith("ODD_")},
    }
    return func.HttpResponse(json.dumps(seen), mimetype="application/json", headers={"X-Own": "function"})


@app.function_name("a_parameter")
@app.route("order/{id}", methods=METHODS)
async def parameter(req: func.HttpRequest) -> func.HttpResponse:
    return _echo("a_parameter", req)


@app.function_name("b_literal")
@app.route("order/literal", methods=METHODS)
async def literal(req: func.HttpRequest) -> func.HttpResponse:
    return _echo("b_literal", req)


@app.route("only-get", methods=["GET"])
async def only_get(req: func.HttpRequest) -> func.HttpResponse:
    return _echo("only_get", req)


@app.route("rest/{*rest}", methods=METHODS)
def rest(req: func.HttpRequest) -> func.HttpResponse:
    return _echo("rest", req)


@app.route("boom", methods=METHODS)
async def boom(req: func.HttpRequest) -> func.HttpResponse:
    raise RuntimeError(f"secret of {req.method}")


@app.route("nothing", methods=METHODS)
async def nothing(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001
    return None  # type: ignore[return-value]  # what the host makes of this is to be seen


@app.route("text", methods=METHODS)
async def text(req: func.HttpRequest) -> str:  # noqa: ARG001
    return "text"


@app.route("no-content", methods=METHODS)
async def no_content(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001
    return func.HttpResponse(status_code=204)


@app.route("with-body/{status}", methods=METHODS)
async def with_body(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("body", status_code=int(req.route_params["status"]))


@app.route("odd-header", methods=METHODS)
async def odd_header(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001
    return func.HttpResponse("body", headers={"X-Before": "1", "Location": "/é", "X-After": "1"})


@app.route("empty", methods=METHODS)
async def empty(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001
    return func.HttpResponse("")


@app.timer_trigger(arg_name="timer", schedule="0 99 * * * *")
async def never(timer: func.TimerRequest) -> None:
    """The host refuses the schedule."""
