"""Traces: how a request is named across processes (W3C Trace Context), and the port of whoever records spans.

A span holds names of operations and types, methods, statuses, counts, and the tenant. It never holds what names a
person, such as a path, a query, a key or an error text. Whoever makes one keeps to this.
"""

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from typing import Protocol

ROOT = ""
"""The parent of a span that begins a trace of its own."""

_TRACE_PARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?P<known>(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2})(?P<more>-.{0,64})?"
)


class SpanKind(StrEnum):
    """Which side of a call a span is: kinds of OpenTelemetry."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"
    PRODUCER = "producer"


class Span(Protocol):
    """Something that is under way. No method raises."""

    @property
    def trace_parent(self) -> str:
        """The name of this span for others; empty if nobody records it."""

    def rename(self, name: str) -> None:
        """It has turned out what this is."""

    def note(self, name: str, value: str | int) -> None:
        """The span has this attribute."""

    def link(self, trace_parent: str) -> None:
        """The span does something for another one; the empty text is no other one."""

    def failed(self, cause: str) -> None:
        """It went wrong. `cause` is a status or the name of an exception, never its text."""


class Tracer(Protocol):
    """Records spans."""

    def span(self, name: str, kind: SpanKind, *, parent: str | None = None) -> AbstractContextManager[Span]:
        """A span as long as the block runs. What the block raises makes it a failed one.

        `parent` is another process's span, or ROOT; without it, the parent is the span in whose block this is called.
        """


class _NoSpan:
    trace_parent = ""

    def rename(self, name: str) -> None:
        """Nobody records it."""

    def note(self, name: str, value: str | int) -> None:
        """Nobody records it."""

    def link(self, trace_parent: str) -> None:
        """Nobody records it."""

    def failed(self, cause: str) -> None:
        """Nobody records it."""


class _NoTracer:
    _nothing = nullcontext[Span](_NoSpan())

    def span(self, name: str, kind: SpanKind, *, parent: str | None = None) -> AbstractContextManager[Span]:  # noqa: ARG002 -- the port
        """Always the same block, which does nothing."""
        return self._nothing


NO_TRACER: Tracer = _NoTracer()
"""Records nothing. It makes no object, so it costs two calls for a span."""


def trace_parent_of(headers: Mapping[str, str]) -> str:
    """The header `traceparent` of a request, by which the sender names it (W3C Trace Context section 3.2).

    Of a later version, what this one knows is taken (section 4). Empty if there is none, or if it is not what the
    section says: then it is ignored, as the section demands.
    """
    text = headers.get("traceparent", "").strip().lower()
    found = _TRACE_PARENT.fullmatch(text)
    return f"00-{found['known']}" if found and not (found["more"] and text.startswith("00")) else ""


def trace_id_of(trace_parent: str) -> str:
    """The id of the trace; empty for the empty text."""
    return trace_parent[3:35]
