"""Drives the real Python worker runtime of Azure Functions in this process.

The worker in Azure passes every message of its host to azure_functions_runtime. So does this module, without gRPC. The
runtime keeps its state in module globals, so a process can run one function app only.
"""

import json
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure_functions_runtime as runtime

from devhost import protos
from devhost.errors import DevhostError


class IndexingError(DevhostError):
    """The worker refuses the function app. In Azure it would have no functions."""


class InvocationError(Exception):
    """The function raised an exception, or returned something that the worker cannot send."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function with an HTTP trigger. No `methods` means every method."""

    name: str
    id: str
    route: str
    methods: frozenset[str]
    parameter: str


@dataclass(frozen=True, slots=True)
class Timer:
    """A function with a timer trigger. Its schedule has six fields, seconds first."""

    name: str
    id: str
    schedule: str
    parameter: str


@dataclass(frozen=True, slots=True)
class App:
    """The functions of an app. With a `proxy_url`, the app takes its requests there, and not in messages."""

    functions: list[Function]
    timers: list[Timer]
    proxy_url: str | None = None


@dataclass(frozen=True, slots=True)
class FunctionRequest:
    """An HTTP request as the worker gets it: decoded, and without the parts that the host drops."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class FunctionResponse:
    """An HTTP response as the host gets it from the worker."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


async def start(directory: Path) -> App:
    """The functions of the app in this directory, imported and indexed. Raises IndexingError."""
    sys.path.insert(0, str(directory))
    runtime.start_threadpool_executor()
    request = SimpleNamespace(capabilities={}, function_app_directory=str(directory))
    answer = await runtime.worker_init_request(
        SimpleNamespace(
            request=SimpleNamespace(worker_init_request=request),
            properties={"protos": protos, "host": "127.0.0.1"},
        )
    )
    if answer.result.status != protos.StatusResult.Success:
        raise IndexingError(str(answer.result.exception.stack_trace))
    metadata = await runtime.functions_metadata_request(SimpleNamespace())
    found = [_function(item) for item in getattr(metadata, "function_metadata_results", ())]
    return App(
        functions=[item for item in found if isinstance(item, Function)],
        timers=[item for item in found if isinstance(item, Timer)],
        proxy_url=answer.capabilities.get("HttpUri"),
    )


def stop() -> None:
    """The runtime's threads have ended."""
    runtime.stop_threadpool_executor()


async def invoke(function: Function, request: FunctionRequest) -> FunctionResponse:
    """The function's answer. Raises InvocationError."""
    http = protos.RpcHttp(
        method=request.method,
        url=request.url,
        headers=request.headers,
        query=request.query,
        params=request.params,
        body=protos.TypedData(bytes=request.body) if request.body else None,
    )
    argument = protos.ParameterBinding(name=function.parameter, data=protos.TypedData(http=http))
    return _response(await _invoke(function.id, argument, request.headers, str(uuid.uuid4())))


async def invoke_proxied(function: Function, request: FunctionRequest, invocation_id: str) -> None:
    """The function runs. It gets the request that the app's own port receives under this id. Raises InvocationError."""
    http = protos.RpcHttp(method=request.method, url=request.url, params=request.params)
    argument = protos.ParameterBinding(name=function.parameter, data=protos.TypedData(http=http))
    await _invoke(function.id, argument, request.headers, invocation_id)


async def tick(timer: Timer) -> None:
    """The timer's function is called, as the host does at its time. Raises InvocationError."""
    due = protos.TypedData(json=json.dumps({"Schedule": {"AdjustForDST": True}, "IsPastDue": False}))
    await _invoke(timer.id, protos.ParameterBinding(name=timer.parameter, data=due), {}, str(uuid.uuid4()))


async def _invoke(
    function_id: str, argument: protos.ParameterBinding, headers: Mapping[str, str], invocation_id: str
) -> Any:
    invocation = _invocation(function_id, argument, headers, invocation_id)
    answer = await runtime.invocation_request(SimpleNamespace(request=SimpleNamespace(invocation_request=invocation)))
    if answer.result.status != protos.StatusResult.Success:
        raise InvocationError(answer.result.exception.stack_trace)
    return getattr(answer, "return_value", None)  # a timer's function returns nothing


def _invocation(
    function_id: str, argument: protos.ParameterBinding, headers: Mapping[str, str], invocation_id: str
) -> SimpleNamespace:
    trace = SimpleNamespace(
        trace_parent=headers.get("traceparent", ""), trace_state=headers.get("tracestate", ""), attributes={}
    )
    return SimpleNamespace(
        invocation_id=invocation_id,
        function_id=function_id,
        input_data=[argument],
        trigger_metadata={},
        trace_context=trace,
        retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
    )


def _response(value: Any) -> FunctionResponse:
    if value.WhichOneof("data") == "string":
        return FunctionResponse(200, {"content-type": "text/plain; charset=utf-8"}, value.string.encode())
    cookies = [cookie.header() for cookie in getattr(value.http, "cookies", ())]
    if len(cookies) > 1:
        raise InvocationError("devhost sends one cookie with an answer, and the function has set more.")
    headers = value.http.headers | ({"set-cookie": cookies[0]} if cookies else {})
    return FunctionResponse(int(value.http.status_code), headers, value.http.body.bytes)


def _function(metadata: Any) -> Function | Timer | None:
    bindings = [json.loads(binding) for binding in metadata.raw_bindings]
    triggers = {binding["type"].lower(): binding for binding in bindings}
    if timer := triggers.get("timertrigger"):
        return Timer(metadata.name, metadata.function_id, timer["schedule"], timer["name"])
    if (trigger := triggers.get("httptrigger")) is None:
        return None
    return Function(
        name=metadata.name,
        id=metadata.function_id,
        route=(trigger.get("route") or metadata.name).strip("/"),
        methods=frozenset(method.upper() for method in trigger.get("methods") or ()),
        parameter=trigger["name"],
    )
