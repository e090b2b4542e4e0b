"""The four places that name the settings: code, local.settings.sample.json, what is deployed, docs/settings.md."""

import ast
import json
import re
from functools import cache

import pytest

from infra.checks import settings
from scim_core.protocol.limits import MAX_GROUP_BODY_BYTES
from scim_core.settings import DEFAULT_BACKUP_SCHEDULE, DEFAULT_SWEEP_SCHEDULE
from tests.infra.foretold import GONE, SNAPSHOTS, STAGES, altered, finds, without
from tests.running import ROOT

SAMPLE = json.loads((ROOT / "local.settings.sample.json").read_text())["Values"]
PAGE = (ROOT / "docs" / "settings.md").read_text()
OURS = re.compile(r"SCIM_[A-Z0-9_]+")

LOCAL_ONLY = {"SCIM_STORAGE_CONNECTION", "SCIM_HOOKS_TO_LOOPBACK"}
"""Not in Azure: a connection string holds a key, and on an app's own machine no receiver of hooks runs."""

CONSOLE_ONLY = {"SCIM_APP", "SCIM_CONSOLE_ENTRA_TENANT", "SCIM_CONSOLE_CLIENT_ID", "SCIM_CONSOLE_CHANGES"}
"""Only in the app that is the hosted console. Without SCIM_APP an app is the SCIM endpoint."""

HOSTS = {"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"}
"""Settings of the host on which the app rests."""

NOT_OURS = {"AzureWebJobsStorage", "FUNCTIONS_WORKER_RUNTIME"}
"""What Core Tools need on a developer's machine; Flex Consumption has them elsewhere."""


@cache
def in_code() -> frozenset[str]:
    """Every text in the code that is the name of a setting, wherever it is read."""
    files = (ROOT / "function_app.py", *(ROOT / "scim_core").rglob("*.py"))
    nodes = (node for path in files for node in ast.walk(ast.parse(path.read_text())))
    texts = (node.value.strip("%") for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return frozenset(filter(OURS.fullmatch, texts))


def test_the_code_reads_what_the_sample_names() -> None:
    assert in_code() == {name for name in SAMPLE if OURS.fullmatch(name)}


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_has_what_the_code_reads(name: str) -> None:
    ours = {setting for setting in SNAPSHOTS[name].settings if OURS.fullmatch(setting)}

    assert ours == in_code() - LOCAL_ONLY - CONSOLE_ONLY


def test_the_page_explains_what_the_code_reads_and_what_is_deployed() -> None:
    deployed = SNAPSHOTS["everything"].settings.keys() | SNAPSHOTS["console"].settings.keys()
    assert settings.explained() == in_code() | HOSTS | deployed


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("SCIM_NEW", "1", "docs/settings.md does not explain SCIM_NEW"),
        ("SCIM_TRUSTED_PROXIES", 1, "SCIM_TRUSTED_PROXIES is no text"),
    ],
)
def test_a_setting_that_nobody_knows_is_found(path: str, value: object, said: str) -> None:
    assert finds(settings.known, altered("dev", "Web/sites/config", f"properties.{path}", value), said)


SITE, SCALE = "Web/sites", "properties.functionAppConfig.scaleAndConcurrency"


@pytest.mark.parametrize(
    ("kind", "path", "value", "said"),
    [
        *(
            ("Web/sites/config", f"properties.{name}", "1", f"the setting {name}")
            for name in sorted(settings.NEVER_ON_FLEX)
        ),
        *((SITE, f"properties.siteConfig.{name}", "1", f"take {name}") for name in sorted(settings.REFUSED)),
        (SITE, f"{SCALE}.triggers", GONE, "one request at a time"),
        (SITE, f"{SCALE}.maximumInstanceCount", GONE, "nothing limits the number"),
    ],
)
def test_what_flex_consumption_refuses_is_found(kind: str, path: str, value: object, said: str) -> None:
    assert finds(settings.flex, altered("prod", kind, path, value), said)


def test_a_password_for_publishing_is_found() -> None:
    assert finds(settings.flex, without("prod", "Web/sites/basicPublishingCredentialsPolicies"), "are turned off for")


def test_the_sample_holds_nothing_else() -> None:
    assert SAMPLE.keys() == in_code() | HOSTS | NOT_OURS


def test_the_largest_body_is_the_same_everywhere() -> None:
    value = SNAPSHOTS["prod"].settings["FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"]

    assert value == SAMPLE["FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"]
    assert f"{int(value) // 1024 // 1024} MiB" in PAGE


def test_the_host_takes_in_what_the_app_refuses() -> None:
    """Above the host's limit anybody gets an empty 500, and the alert counts it: so the app's own limits come first."""
    assert int(SAMPLE["FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"]) >= 2 * MAX_GROUP_BODY_BYTES


def test_the_schedules_are_the_defaults_of_the_code() -> None:
    deployed = SNAPSHOTS["prod"].settings

    assert deployed["SCIM_SWEEP_SCHEDULE"] == DEFAULT_SWEEP_SCHEDULE
    assert deployed["SCIM_BACKUP_SCHEDULE"] == DEFAULT_BACKUP_SCHEDULE


def test_the_readme_points_there() -> None:
    assert "docs/settings.md" in (ROOT / "README.md").read_text()
