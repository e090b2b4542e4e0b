"""The workflows of GitHub Actions."""

import re

import pytest

from tests.running import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.stem)
def workflow(request: pytest.FixtureRequest) -> str:
    return request.param.read_text()


def test_there_are_two():
    assert [path.stem for path in WORKFLOWS] == ["ci", "deploy"]


def test_every_action_is_pinned_by_commit_and_says_which_version_that_is(workflow):
    used = re.findall(r"uses: (.+)", workflow)

    assert used
    assert [item for item in used if not re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", item)] == []


def test_nothing_is_permitted_beyond_need(workflow):
    given = re.findall(r"^ *([a-z-]+): (write|write-all|read-all)\b", workflow, re.MULTILINE)

    assert re.search(r"^permissions:( \{\})?$", workflow, re.MULTILINE)
    assert {name for name, _ in given} <= {"id-token"}


def test_no_secret_is_used(workflow):
    assert "secrets." not in workflow


def test_a_checkout_leaves_no_credential_behind(workflow):
    assert workflow.count("actions/checkout@") == workflow.count("persist-credentials: false")


def test_nothing_that_a_stranger_chooses_is_run_as_a_command(workflow):
    """An expression in a script is pasted into it: values come by the environment instead."""
    scripts = re.findall(r"run: (?:[|>]-?\n((?: {10,}.*\n)+)|(.*)\n)", workflow)

    assert scripts
    assert not any("${{" in part for script in scripts for part in script)


def test_a_change_passes_lint_tests_and_the_checks_of_the_infrastructure():
    content = (ROOT / ".github" / "workflows" / "ci.yml").read_text()

    for command in ("make lint", "make coverage", "make check-infra", "bicep build", "bicep lint"):
        assert command in content
