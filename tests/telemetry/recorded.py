"""Spans that are recorded in memory, by OpenTelemetry's own SDK."""

from collections.abc import Iterable

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import scim_core
from open_telemetry import OpenTelemetry
from scim_core import Endpoint
from scim_core.storage.hook_port import HookStorage
from tests.scim import Clock, usual_settings


class Recorded:
    """A tracer, and the spans that have ended, in the order of their ends."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = OpenTelemetry(provider.get_tracer("test"))

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def forget(self) -> None:
        self._exporter.clear()

    @property
    def text(self) -> str:
        """All that the spans say."""
        return "\n".join(span.to_json() for span in self.spans)


def recording_endpoint(storage: HookStorage, clock: Clock, recorded: Recorded) -> Endpoint:
    """An endpoint with the usual settings, whose spans are recorded."""
    return scim_core.build(usual_settings(), storage, clock, tracer=recorded.tracer)


def name_of(span: ReadableSpan) -> str:
    """The traceparent by which others name this span."""
    context = span.get_span_context()
    assert context is not None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def trace_of(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.trace_id


def children(span: ReadableSpan, spans: Iterable[ReadableSpan]) -> list[ReadableSpan]:
    """The spans whose parent this one is."""
    context = span.get_span_context()
    assert context is not None
    return [item for item in spans if item.parent and item.parent.span_id == context.span_id]


def linked(span: ReadableSpan) -> set[str]:
    """The spans that this one is linked to, by their traceparents."""
    contexts = (link.context for link in span.links)
    return {f"00-{item.trace_id:032x}-{item.span_id:016x}-{item.trace_flags:02x}" for item in contexts}
