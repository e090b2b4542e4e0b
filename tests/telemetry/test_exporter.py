"""Who records spans: nobody unless a setting asks for it, and nothing of OpenTelemetry is imported until then."""

import json
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest
from opentelemetry.sdk.trace import export
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import telemetry
from scim_core import Endpoint, ScimRequest, Settings, SettingsError, build_or_refuse
from scim_core.traces import NO_TRACER, SpanKind
from tests.running import ROOT

CONNECTION = "InstrumentationKey=00000000-0000-4000-8000-00000000plan"
NAMED = {telemetry.CONNECTION: CONNECTION}
SETTINGS = {
    "SCIM_TOKEN_SHA256": "0" * 64,
    "SCIM_STORAGE_CONNECTION": "UseDevelopmentStorage=true",
}
EXPORTER = "azure.monitor.opentelemetry.exporter"
DISCOVERY = ScimRequest("GET", "/scim/v2/ServiceProviderConfig", "", {}, b"", "https://scim.example.com")


class Exporter(InMemorySpanExporter):
    """Takes the place of Azure's. It keeps what it was made with."""

    made: dict[str, Any]

    def __init__(self, **options: Any) -> None:
        super().__init__()
        type(self).made = {**options, "exporter": self}


class Refusing(Exporter):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        raise ValueError(f"no such component: {options}")


def install(monkeypatch: pytest.MonkeyPatch, exporter: type[Exporter]) -> None:
    """The package has this exporter."""
    module = ModuleType(EXPORTER)
    vars(module)["AzureMonitorTraceExporter"] = exporter
    monkeypatch.setitem(sys.modules, EXPORTER, module)
    for name in ("azure.monitor.opentelemetry", "azure.monitor"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setattr(export, "BatchSpanProcessor", export.SimpleSpanProcessor)  # at once, and without a thread


def test_spans_go_to_the_component_that_the_environment_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(monkeypatch, Exporter)
    environment = dict(NAMED)
    with telemetry.azure_monitor(environment).span("request", SpanKind.SERVER) as span:
        assert span.trace_parent

    made = Exporter.made
    assert (made["connection_string"], made["disable_offline_storage"]) == (CONNECTION, True)
    [sent] = made["exporter"].get_finished_spans()
    assert (sent.name, sent.resource.attributes) == ("request", {"service.name": telemetry.ROLE})
    assert environment == NAMED | dict.fromkeys(telemetry.QUIET, "true")
    assert capsys.readouterr().err == ""


def test_a_client_does_not_decide_which_of_our_spans_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Exporter)
    unrecorded = f"00-{'a' * 32}-{'b' * 16}-00"
    with telemetry.azure_monitor(dict(NAMED)).span("request", SpanKind.SERVER, parent=unrecorded) as span:
        assert span.trace_parent.endswith("-01")
    assert [span.name for span in Exporter.made["exporter"].get_finished_spans()] == ["request"]


def test_an_operator_decides_it_by_opentelemetrys_own_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Exporter)
    monkeypatch.setenv(telemetry.SAMPLER, "always_off")
    with telemetry.azure_monitor(NAMED | {telemetry.SAMPLER: "always_off"}).span("request", SpanKind.SERVER):
        pass
    assert Exporter.made["exporter"].get_finished_spans() == ()


def test_without_the_package_a_sentence_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, EXPORTER, None)

    assert telemetry.azure_monitor(dict(NAMED)) is NO_TRACER
    said = capsys.readouterr().err
    assert said.startswith("error: SCIM_TELEMETRY is azure-monitor, but no span is recorded")
    assert "make package ARGS=--telemetry" in said


def test_without_a_component_a_sentence_names_the_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert telemetry.azure_monitor({}) is NO_TRACER
    assert f"{telemetry.CONNECTION} is not set" in capsys.readouterr().err


def test_what_the_exporter_says_of_the_connection_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(monkeypatch, Refusing)

    assert telemetry.azure_monitor(dict(NAMED)) is NO_TRACER
    said = capsys.readouterr().err
    assert "ValueError" in said
    assert CONNECTION not in said


async def test_the_endpoint_works_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, EXPORTER, None)
    settings, endpoint = build_or_refuse(
        {**SETTINGS, "SCIM_TELEMETRY": "azure-monitor"}, lambda: telemetry.azure_monitor(dict(NAMED))
    )

    assert settings is not None
    assert isinstance(endpoint, Endpoint)
    assert (await endpoint.handle(DISCOVERY)).status == 200


def test_nobody_is_asked_for_a_tracer_unless_a_setting_wants_one() -> None:
    def asked() -> Any:
        raise AssertionError

    settings, _ = build_or_refuse(SETTINGS, asked)

    assert settings is not None
    assert not settings.exports_spans


@pytest.mark.parametrize("text", ["true", "Azure-Monitor", "otlp"])
def test_another_word_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="SCIM_TELEMETRY must be azure-monitor"):
        Settings.from_environment({**SETTINGS, "SCIM_TELEMETRY": text})


LOADED = """
import json, sys
import function_app
parts = ("opentelemetry", "telemetry", "open_telemetry", "azure.monitor")
print(json.dumps([name for name in sys.modules if f"{name}.".startswith(tuple(f"{part}." for part in parts))]))
"""


@pytest.mark.parametrize("word", ["", "azure-monitor"])
def test_nothing_of_opentelemetry_is_imported_unless_a_setting_asks(word: str) -> None:
    environment = {**SETTINGS, **NAMED, "SCIM_TELEMETRY": word}
    done = subprocess.run(
        [sys.executable, "-c", LOADED], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert ("telemetry" in json.loads(done.stdout)) == bool(word)
    assert word or json.loads(done.stdout) == []
    assert ("error: SCIM_TELEMETRY" in done.stderr) == bool(word), "the exporter is no package of the tests"
