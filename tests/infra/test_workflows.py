"""The workflows of GitHub Actions."""

import re
from typing import TYPE_CHECKING

import pytest

from tests.running import ROOT

if TYPE_CHECKING:
    from pathlib import Path

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.stem)
def workflow(request: pytest.FixtureRequest) -> str:
    path: Path = request.param
    return path.read_text()


def test_there_are_three() -> None:
    assert [path.stem for path in WORKFLOWS] == ["ci", "deploy", "release"]


def test_every_action_is_pinned_by_commit_and_says_which_version_that_is(workflow: str) -> None:
    used = re.findall(r"uses: (.+)", workflow)
    pinned = r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+"

    assert used
    assert [item for item in used if not item.startswith("./") and not re.fullmatch(pinned, item)] == []


def test_nothing_is_permitted_beyond_need(workflow: str) -> None:
    given = re.findall(r"^ *([a-z-]+): (write|write-all|read-all)\b(.*)", workflow, re.MULTILINE)
    needed = {"deploy": {"id-token"}, "release": {"attestations", "contents", "id-token"}}
    [name] = re.findall(r"^name: (\w+)", workflow, re.MULTILINE)

    assert re.search(r"^permissions:( \{\})?$", workflow, re.MULTILINE)
    assert {permission for permission, _, _ in given} == needed.get(name, set())
    assert all(reason.startswith(" # to ") for _, _, reason in given)


def test_no_secret_is_used(workflow: str) -> None:
    assert "secrets." not in workflow


def test_a_checkout_leaves_no_credential_behind(workflow: str) -> None:
    assert workflow.count("actions/checkout@") == workflow.count("persist-credentials: false")


def test_nothing_that_a_stranger_chooses_is_run_as_a_command(workflow: str) -> None:
    """An expression in a script is pasted into it: values come by the environment instead."""
    scripts = re.findall(r"run: (?:[|>]-?\n((?: {10,}.*\n)+)|(.*)\n)", workflow)

    assert scripts
    assert not any("${{" in part for script in scripts for part in script)


def test_a_change_passes_lint_tests_and_the_checks_of_the_infrastructure() -> None:
    content = (ROOT / ".github" / "workflows" / "ci.yml").read_text()

    for command in ("make lint", "make coverage", "make check-infra", "bicep build", "bicep lint"):
        assert command in content


def test_what_is_released_has_passed_the_same_checks() -> None:
    content = (ROOT / ".github" / "workflows" / "release.yml").read_text()

    assert "uses: ./.github/workflows/ci.yml" in content
    assert re.search(r"^  release:\n    needs: checks$", content, re.MULTILINE)


def test_a_release_has_the_package_what_it_contains_and_attestations_of_both() -> None:
    content = (ROOT / ".github" / "workflows" / "release.yml").read_text()
    steps = [
        "make sbom",
        "infra.release",
        "actions/attest-build-provenance@",
        "actions/attest-sbom@",
        "gh release create",
    ]

    assert sorted(steps, key=content.index) == steps
    assert content.count("subject-path: dist/scim.zip") == 2
    assert 'tags: ["v*"]' in content
