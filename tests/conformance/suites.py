"""The conformance suites of other projects, run against an endpoint: how many checks each made, and which did not pass.

scim2-cli is no suite but a client. Its commands are the checks here: each is right or not.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path as FilePath
from typing import Any
from unittest.mock import patch

import httpx
from scim2_models import Path
from scim2_tester import CheckResult, Status, check_server, filling
from scim2_tester.filling import get_random_example_value
from scim2_tester.utils import ResourceManager
from scim_sanity.probe.runner import run_probe_api

from tests.conformance.command_line import commands
from tests.conformance.scim_client import ScimClient
from tests.worker.processes import PATIENCE_SECONDS

VALUES: Mapping[Any, Any] = {float: 2.5, datetime: datetime(2026, 11, 24, 10, tzinfo=UTC)}
"""A value of each type for which scim2-tester makes none."""

PAGE = FilePath(__file__).parents[2] / "docs" / "interoperability.md"
"""It has a row for each suite."""

NO_SUCH_RESOURCE = "The service has no resource type for agents. The suite leaves these checks out."
ANSWERS_204 = "A group PATCH answers 204, which RFC 7644 section 3.5.2 allows. A group can have many members."


@dataclass(frozen=True)
class Outcome:
    """What a suite found. `others` are the checks that did not pass, by name, with what the suite said."""

    suite: str
    checks: int
    others: Mapping[str, str]

    @property
    def passed(self) -> int:
        """The number of checks that passed."""
        return self.checks - len(self.others)

    @property
    def row(self) -> str:
        """The beginning of the suite's row in docs/interoperability.md."""
        return f"| {self.suite} {version(self.suite)} | {self.checks} | {self.passed} |"


def scim2_tester_results(base_url: str, token: str) -> list[CheckResult]:
    """It reads the schemas that the endpoint serves, and uses them in every way that they allow.

    It takes any text for a value of a decimal and of a dateTime, and then refuses it itself. So it is given values.
    After each check it deletes all that any check has created so far, most of which is gone. So it forgets that.
    """
    with (
        patch.object(filling, "get_random_example_value", _example),
        patch.object(ResourceManager, "cleanup", _deleted_once),
    ):
        return _scim2_tester_results(base_url, token)


def _example(path: Path[Any]) -> Any:
    binding = path.resolve()
    kind = binding.target_type if binding is not None else None
    return VALUES[kind] if kind in VALUES else get_random_example_value(path)


_cleanup = ResourceManager.cleanup


def _deleted_once(manager: ResourceManager) -> None:
    _cleanup(manager)
    manager.resources.clear()


def _scim2_tester_results(base_url: str, token: str) -> list[CheckResult]:
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=base_url, headers=headers, trust_env=False, timeout=PATIENCE_SECONDS) as http:
        return check_server(ScimClient(http))


def of_scim2_tester(results: Sequence[CheckResult]) -> Outcome:
    """The outcome of these results of scim2-tester."""
    others = {
        f"{result.title} {result.resource_type} {place}": f"{result.status.name}: {result.reason}"
        for place, result in enumerate(results)
        if result.status is not Status.SUCCESS
    }
    return Outcome("scim2-tester", len(results), others)


def scim_sanity(base_url: str, token: str) -> Outcome:
    """Its probe in strict mode: the life of a user and of a group, search and errors."""
    found = run_probe_api(base_url, token=token, strict=True, timeout=PATIENCE_SECONDS)
    others = {
        result["name"]: f"{result['status']}: {result.get('message', '')}"
        for result in found["results"]
        if result["status"] != "pass"
    }
    return Outcome("scim-sanity", found["summary"]["total"], others)


def scim2_cli(base_url: str, token: str) -> Outcome:
    """The life of a user and of a group, by a client that reads what the endpoint says about itself."""
    results = commands(base_url, token)
    return Outcome("scim2-cli", len(results), {name: said for name, said in results.items() if said})


KNOWN: Mapping[str, Mapping[str, str]] = {
    "scim2-tester": {},
    "scim-sanity": {
        "Agent CRUD Lifecycle": NO_SUCH_RESOURCE,
        "AgenticApplication CRUD Lifecycle": NO_SUCH_RESOURCE,
        "Agent Rapid Lifecycle": NO_SUCH_RESOURCE,
        "PATCH /Groups/{id}": ANSWERS_204,
        "PATCH /Groups/{id} add member": ANSWERS_204,
        "PATCH /Groups/{id} remove members": ANSWERS_204,
    },
    "scim2-cli": {},
}
"""The checks of each suite that do not pass, each with the reason. docs/interoperability.md says more."""


def surprises(outcome: Outcome) -> str:
    """What is not as KNOWN says, as text for a person. Empty if all is."""
    known = KNOWN[outcome.suite]
    unknown = {name: said for name, said in outcome.others.items() if name not in known}
    gone = [name for name in known if name not in outcome.others]
    return json.dumps({"did not pass": unknown, "passes now": gone}, indent=2) if unknown or gone else ""
