"""Chooses where spans go: to Application Insights, where SCIM_TELEMETRY is azure-monitor.

Nothing instruments libraries on its own: the spans of an instrumented HTTP client have URLs, and URLs of Table Storage
hold user names. What open_telemetry.py does not record is recorded nowhere.
"""

import logging
import sys
from collections.abc import MutableMapping

from scim_core.traces import NO_TRACER, Tracer

CONNECTION = "APPLICATIONINSIGHTS_CONNECTION_STRING"

ROLE = "scim-spans"
"""The role under which Application Insights shows spans. The host records each request under the app's own role, which
alerts, the workbook and `admin doctor` count. With that role each request would count twice.
"""

QUIET = (
    "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED",
    "APPLICATIONINSIGHTS_SDKSTATS_DISABLED",
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL",
)
"""By these the exporter sends Microsoft no figures about itself, and lets nobody else switch it."""

SAMPLER = "OTEL_TRACES_SAMPLER"
"""OpenTelemetry's own setting of which spans are recorded. Its usual value leaves that to the client: a `traceparent`
that ends in 00 says that the client records nothing. Clients written in .NET send that unless they are told otherwise.
So here all spans are recorded, unless an operator says something else.
"""


def azure_monitor(environment: MutableMapping[str, str]) -> Tracer:
    """Sends spans to the component that the environment names. The exporter itself reads there with which identity, and
    finds there what QUIET says, unless an operator has said something else.

    If it cannot, it records nothing and says why on standard error: the endpoint works all the same. Before the first
    call, the host keeps only lines that hold the word `error`.
    """
    if not environment.get(CONNECTION):
        return _nothing(f"{CONNECTION} is not set")
    try:
        from azure.monitor.opentelemetry.exporter import AzureMonitorTraceExporter  # noqa: PLC0415 -- an option
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON  # noqa: PLC0415

        from open_telemetry import OpenTelemetry  # noqa: PLC0415
    except ImportError:
        return _nothing("the package was built without the exporter: make package ARGS=--telemetry")
    for name in QUIET:
        environment.setdefault(name, "true")
    logging.getLogger("azure.monitor").setLevel(logging.WARNING)  # it logs each transmission, from its own thread
    try:
        exporter = AzureMonitorTraceExporter(connection_string=environment[CONNECTION], disable_offline_storage=True)
    except Exception as error:  # noqa: BLE001 -- whatever the exporter cannot do, the endpoint works
        return _nothing(f"the exporter refuses {CONNECTION} ({type(error).__name__})")
    sampler = None if environment.get(SAMPLER) else ALWAYS_ON
    provider = TracerProvider(sampler=sampler, resource=Resource({"service.name": ROLE}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return OpenTelemetry(provider.get_tracer("scim"))


def _nothing(why: str) -> Tracer:
    sys.stderr.write(f"error: SCIM_TELEMETRY is azure-monitor, but no span is recorded: {why}.\n")
    return NO_TRACER
