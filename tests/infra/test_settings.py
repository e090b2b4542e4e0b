"""The four places that name the settings: code, local.settings.sample.json, Bicep, docs/settings.md."""

import ast
import json
import re
from collections.abc import Iterator

import pytest

from infra.checks.bicep import Source, properties, text
from scim_core.protocol.limits import MAX_GROUP_BODY_BYTES
from tests.running import ROOT

SAMPLE = json.loads((ROOT / "local.settings.sample.json").read_text())["Values"]
PAGE = (ROOT / "docs" / "settings.md").read_text()
OURS = re.compile(r"SCIM_[A-Z0-9_]+")

LOCAL_ONLY = {"SCIM_STORAGE_CONNECTION"}
"""Not in Azure: a connection string holds a key."""

HOSTS = {"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"}
"""Settings of the host on which the app rests."""

NOT_OURS = {"AzureWebJobsStorage", "FUNCTIONS_WORKER_RUNTIME"}
"""What Core Tools need on a developer's machine; Flex Consumption has them elsewhere."""


def in_code() -> Iterator[str]:
    """Every text in the code that is the name of a setting, wherever it is read."""
    for path in (ROOT / "function_app.py", *(ROOT / "scim_core").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and OURS.fullmatch(node.value.strip("%")):
                yield node.value.strip("%")


@pytest.fixture(scope="module")
def in_bicep(sources: dict[str, Source]) -> dict[str, str]:
    return {
        name: text(node)
        for name, node in properties(sources["function-app"].of_kind("resource")["settings"].body["properties"]).items()
    }


def in_page() -> set[str]:
    return set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))


def test_the_code_reads_what_the_sample_names() -> None:
    assert set(in_code()) == {name for name in SAMPLE if OURS.fullmatch(name)}


def test_bicep_sets_what_the_code_reads(in_bicep: dict[str, str]) -> None:
    ours = {name for name in in_bicep if OURS.fullmatch(name)}

    assert ours == set(in_code()) - LOCAL_ONLY


def test_the_page_explains_what_the_code_reads_and_bicep_sets(in_bicep: dict[str, str]) -> None:
    expected = set(in_code()) | HOSTS | set(in_bicep)

    assert in_page() == expected


def test_the_sample_holds_nothing_else() -> None:
    assert SAMPLE.keys() == set(in_code()) | HOSTS | NOT_OURS


def test_the_largest_body_is_the_same_everywhere(sources: dict[str, Source]) -> None:
    value = text(sources["function-app"].of_kind("var")["largestBody"].value).strip("'")

    assert value == SAMPLE["FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"]
    assert f"{int(value) // 1024 // 1024} MiB" in PAGE


def test_the_host_takes_in_what_the_app_refuses() -> None:
    """Above the host's limit anybody gets an empty 500, and the alert counts it: so the app's own limits come first."""
    assert int(SAMPLE["FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"]) >= 2 * MAX_GROUP_BODY_BYTES


def test_the_schedules_are_the_defaults_of_the_code(sources: dict[str, Source]) -> None:
    from scim_core import settings  # noqa: PLC0415

    parameters = sources["main"].of_kind("param")
    assert text(parameters["sweepSchedule"].value).strip("'") == settings.DEFAULT_SWEEP_SCHEDULE
    assert text(parameters["backupSchedule"].value).strip("'") == settings.DEFAULT_BACKUP_SCHEDULE


def test_the_readme_points_there() -> None:
    assert "docs/settings.md" in (ROOT / "README.md").read_text()
