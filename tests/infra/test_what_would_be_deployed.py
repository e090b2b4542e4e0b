"""No rule is broken by what would be deployed, and every rule can be."""

import re
from typing import Any

import pytest

from infra.checks import required, rules
from infra.checks.deployed import Rule, at
from tests.infra.foretold import GONE, INFRA, SNAPSHOTS, STAGES, altered, deployed, finds, resource
from tests.running import ROOT

FAULTS = [(kind, path, value) for kind, wanted in required.REQUIRED.items() for path, value in wanted.items()]


def named(rule: Rule) -> str:
    return f"{rule.__module__.rpartition('.')[2]}.{rule.__name__}"


@pytest.mark.parametrize("name", STAGES)
@pytest.mark.parametrize("rule", rules.OF_A_STAGE, ids=named)
def test_a_stage_breaks_no_rule(rule: Rule, name: str) -> None:
    assert list(rule(SNAPSHOTS[name])) == []


@pytest.mark.parametrize("rule", rules.OF_THE_PIPELINE, ids=named)
def test_the_pipeline_breaks_no_rule(rule: Rule) -> None:
    assert list(rule(SNAPSHOTS["pipeline"])) == []


def test_what_breaks_a_rule_is_told_with_its_snapshot() -> None:
    assert rules.broken(SNAPSHOTS) == []
    weak = altered("prod", "Storage/storageAccounts", "properties.allowSharedKeyAccess", value=True)
    broken = altered("pipeline", "Authorization/roleDefinitions#", "properties.permissions.0.dataActions", ["*"])

    assert {name for name, _ in rules.broken(SNAPSHOTS | {"prod": weak, "pipeline": broken})} == {"prod", "pipeline"}


@pytest.mark.parametrize(("kind", "path", "value"), FAULTS)
def test_a_value_that_is_not_the_required_one_is_found(kind: str, path: str, value: Any) -> None:
    kind = kind.removeprefix("Microsoft.")
    for wrong in ("other", GONE if value is not None else ["other"]):
        assert finds(required.values, altered("everything", kind, path, wrong), f"{path} must be {value!r}")


def test_every_type_with_required_values_is_deployed() -> None:
    assert {item["type"] for item in SNAPSHOTS["everything"].resources} >= required.REQUIRED.keys()


@pytest.mark.parametrize("rule", [*rules.OF_A_STAGE, *rules.OF_THE_PIPELINE], ids=named)
def test_of_every_rule_a_test_shows_that_it_can_be_broken(rule: Rule) -> None:
    tests = " ".join(path.read_text() for path in (ROOT / "tests" / "infra").glob("test_*.py"))

    assert re.search(rf"\bfinds\(\s*{re.escape(named(rule))}, ", tests)


def test_there_is_a_snapshot_of_each_stage_and_more_is_in_each() -> None:
    assert SNAPSHOTS.keys() == {"dev", "prod", "choices", "everything", "second", "pipeline", "console"}
    assert [SNAPSHOTS[name].stage for name in ("dev", "choices", "prod", "everything")] == [
        "dev",
        "dev",
        "prod",
        "prod",
    ]
    counts = [len(SNAPSHOTS[name].resources) for name in ("dev", "prod", "everything")]
    assert counts == sorted(set(counts))


def test_the_files_of_the_stages_are_those_of_the_snapshots() -> None:
    files = [*INFRA.glob("*.bicepparam"), *(INFRA / "snapshots").glob("*.bicepparam")]

    assert {path.stem for path in files} == SNAPSHOTS.keys()


@pytest.mark.parametrize("name", STAGES)
def test_outputs_are_what_azd_and_entra_need(name: str) -> None:
    outputs = SNAPSHOTS[name].outputs

    assert outputs.keys() >= {"AZURE_LOCATION", "AZURE_TENANT_ID", "AZURE_RESOURCE_GROUP", "SERVICE_API_NAME"}
    assert "/scim/v2" in outputs["TENANT_URL"]


def test_a_value_is_found_by_its_path() -> None:
    site = resource(deployed("dev"), "Web/sites")

    assert at(site, "properties.functionAppConfig.runtime.name") == "python"
    assert at(site, "properties.nothing.runtime") is None
    assert at(site, "name.length") is None
