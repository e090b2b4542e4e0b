"""Spans by the API of OpenTelemetry. No other module knows it. telemetry.py imports this one only if spans are wanted.

A span of another process is named by its traceparent.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context

from scim_core.traces import Span, SpanKind


class OpenTelemetry:
    """See Tracer: the spans are those of a tracer of OpenTelemetry."""

    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer
        self._kinds = {kind: trace.SpanKind[kind.name] for kind in SpanKind}

    @contextmanager
    def span(self, name: str, kind: SpanKind, *, parent: str | None = None) -> Iterator[Span]:
        """See Tracer.span. The text of an exception can hold names, so only its type is recorded."""
        context = None if parent is None else _context_of(parent)
        with self._tracer.start_as_current_span(
            name, context, kind=self._kinds[kind], record_exception=False, set_status_on_exception=False
        ) as recorded:
            span = _OpenSpan(recorded)
            try:
                yield span
            except BaseException as error:
                span.failed(type(error).__name__)
                raise


class _OpenSpan:
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    @property
    def trace_parent(self) -> str:
        """See Span."""
        context = self._span.get_span_context()
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def rename(self, name: str) -> None:
        """See Span."""
        self._span.update_name(name)

    def note(self, name: str, value: str | int) -> None:
        """See Span."""
        self._span.set_attribute(name, value)

    def link(self, trace_parent: str) -> None:
        """See Span."""
        if trace_parent:
            self._span.add_link(_span_context(trace_parent))

    def failed(self, cause: str) -> None:
        """See Span."""
        self._span.set_attribute("error.type", cause)
        self._span.set_status(trace.StatusCode.ERROR)


def _context_of(trace_parent: str) -> Context:
    """The context of a span with this parent. ROOT: an empty one."""
    if not trace_parent:
        return Context()
    return trace.set_span_in_context(trace.NonRecordingSpan(_span_context(trace_parent)), Context())


def _span_context(trace_parent: str) -> trace.SpanContext:
    _, trace_id, span_id, flags = trace_parent.split("-")
    return trace.SpanContext(
        int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=trace.TraceFlags(int(flags, 16))
    )
