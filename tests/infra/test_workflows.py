"""The workflows of GitHub Actions."""

import json
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


def named(name: str) -> str:
    return (ROOT / ".github" / "workflows" / f"{name}.yml").read_text()


def jobs(content: str) -> dict[str, str]:
    """The text of each job, by its id."""
    parts = re.split(r"^  ([a-z]+):$", content.partition("\njobs:\n")[2], flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_there_are_three() -> None:
    assert [path.stem for path in WORKFLOWS] == ["ci", "deploy", "release"]


def test_every_action_is_pinned_by_commit_and_says_which_version_that_is(workflow: str) -> None:
    used = re.findall(r"uses: (.+)", workflow)
    pinned = r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+"

    assert used
    assert [item for item in used if not item.startswith("$/") and not re.fullmatch(pinned, item)] == []


def test_nothing_is_permitted_beyond_need(workflow: str) -> None:
    given = {
        (job, permission): reason
        for job, content in jobs(workflow).items()
        for permission, reason in re.findall(r"^      ([a-z-]+): write\b(.*)", content, re.MULTILINE)
    }
    needed = {
        "ci": set(),
        "deploy": {("attest", "attestations"), ("attest", "id-token"), ("deploy", "id-token")},
        "release": {("release", "attestations"), ("release", "contents"), ("release", "id-token")},
    }
    [name] = re.findall(r"^name: (\w+)", workflow, re.MULTILINE)

    assert re.search(r"^permissions:( \{\})?$", workflow, re.MULTILINE)
    assert not re.search("write-all|read-all", workflow)
    assert given.keys() == needed[name]
    assert all(reason.startswith(" # to ") for reason in given.values())


def test_a_job_that_may_ask_for_a_token_runs_no_code_of_a_package(workflow: str) -> None:
    """Whoever can change a package must not be able to sign in to Azure, or to attest what was not built."""
    for name, job in jobs(workflow).items():
        if "id-token: write" in job:
            assert not re.search(r"\b(make|pip|npm|uv|python)\b", job), name
            assert "actions/setup-python" not in job


def test_every_tool_has_its_version(workflow: str) -> None:
    for tool, setting in (("python", r"3\.13\.\d+"), ("node", r"\d+\.\d+\.\d+"), ("azd", r"\d+\.\d+\.\d+")):
        step = rf"setup-{tool}@.+\n        with:\n          (?:{tool}-)?version: {setting}\n"
        assert workflow.count(f"setup-{tool}@") == len(re.findall(step, workflow)), tool
    assert len(set(re.findall(r"python-version: (\S+)", workflow))) <= 1
    assert "runs-on: ubuntu-latest" not in workflow
    assert all("--version v" in line for line in workflow.splitlines() if "az bicep install" in line)


def test_pythons_version_is_the_projects(workflow: str) -> None:
    wanted = (ROOT / ".python-version").read_text().strip()

    assert all(found.startswith(f"{wanted}.") for found in re.findall(r"python-version: (\S+)", workflow))


def test_the_azure_cli_that_deploys_is_one_image() -> None:
    deploy = jobs(named("deploy"))["deploy"]

    assert re.search(r"AZURE_CLI: mcr\.microsoft\.com/azure-cli:[\d.]+@sha256:[0-9a-f]{64}\n", deploy)
    # The runner's own, which changes, only serves azure/login.
    assert not re.search(r"^ *(run: )?az ", deploy.replace('"$AZURE_CLI" \\\n            az ', ""), re.MULTILINE)


def test_only_main_or_a_release_is_deployed_and_only_after_ci() -> None:
    found = jobs(named("deploy"))

    assert list(found) == ["passed", "package", "attest", "deploy"]
    assert "refs/heads/main | refs/tags/v[0-9]*) ;;" in found["passed"]
    for condition in ('--commit "$GITHUB_SHA"', "--event push", "--status success", "ci.yml"):
        assert condition in found["passed"]
    assert re.search(r"^    needs: passed$", found["package"], re.MULTILINE)
    assert re.search(r"^    needs: package$", found["attest"], re.MULTILINE)
    assert re.search(r"^    needs: attest$", found["deploy"], re.MULTILINE)
    assert not any("if: always()" in job or "continue-on-error" in job for job in found.values())


def test_every_parameter_that_is_no_secret_can_be_given() -> None:
    given = json.loads((ROOT / "infra" / "main.parameters.json").read_text())["parameters"].values()
    names = {re.findall(r"\$\{(\w+)", item["value"])[0] for item in given}
    secrets = {
        *("SCIM_TOKEN_SHA256", "SCIM_SIGNING_KEY", "SCIM_SIGNING_KEY_OTHER", "SCIM_BACKUP_KEY"),
        *("SCIM_MASTER_KEY", "SCIM_FEED_TOKEN_SHA256"),
    }
    environment = set(re.findall(r"^      (\w+): \$\{\{", jobs(named("deploy"))["deploy"], re.MULTILINE))

    # azd fills these two in by itself.
    assert names - secrets - {"AZURE_PRINCIPAL_ID", "AZURE_PRINCIPAL_TYPE"} <= environment
    assert not environment & secrets


def test_what_is_deployed_was_built_and_attested_for_this_commit() -> None:
    found = jobs(named("deploy"))

    assert "make package" in found["package"]
    assert "actions/upload-artifact@" in found["package"]
    assert "actions/attest-build-provenance@" in found["attest"]
    assert "environment:" not in found["attest"], "its token must not be one that Azure takes"
    steps = ["actions/download-artifact@", "gh attestation verify", "azure/login@", "azd provision", "config-zip"]
    assert sorted(steps, key=found["deploy"].index) == steps
    for condition in ('--source-digest "$GITHUB_SHA"', "/.github/workflows/deploy.yml", "--deny-self-hosted-runners"):
        assert condition in found["deploy"]


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
    found = jobs(named("ci"))

    assert all(command in found["test"] for command in ("make lint", "make coverage"))
    steps = ["az bicep install --version", "make check-infra", "tests/infra/test_the_compiler_judges.py"]
    assert sorted(steps, key=found["infra"].index) == steps


def test_what_is_released_has_passed_the_same_checks() -> None:
    found = jobs(named("release"))

    assert "uses: $/.github/workflows/ci.yml" in found["checks"]
    assert re.search(r"^    needs: checks$", found["package"], re.MULTILINE)
    assert re.search(r"^    needs: package$", found["release"], re.MULTILINE)


def test_a_release_has_the_package_what_it_contains_and_attestations_of_both() -> None:
    content = named("release")
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
