"""`make check-infra`: what it runs, and what it says where something is missing or wrong."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra.checks import __main__ as checks
from infra.checks import workflows
from tests.infra.foretold import INFRA, SNAPSHOTS
from tests.running import ROOT

FAULTS = {
    "overly broad permissions": ("workflows/deploy.yml", "permissions: {}", "permissions: write-all"),
    "does not set persist-credentials": (
        "workflows/ci.yml",
        "          persist-credentials: false\n          fetch",
        "          fetch",
    ),
    "unpinned": (
        "workflows/release.yml",
        "download-artifact@634f93cb2916e3fdff6788551b99b062d0335ce0",
        "download-artifact@v5",
    ),
    "insufficient cooldown": ("dependabot.yml", "default-days: 7", "default-days: 1"),
}


def sow(path: Path, old: str, new: str) -> None:
    """A fault in a file."""
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new, 1))


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What zizmor says of workflows with all of these faults."""
    folder = shutil.copytree(ROOT / ".github", tmp_path_factory.mktemp("faulty") / ".github")
    for file, old, new in FAULTS.values():
        sow(folder / file, old, new)
    return [finding.text for finding in workflows.audited(folder)]


def test_the_workflows_themselves_are_right() -> None:
    assert workflows.audited(ROOT / ".github") == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_workflows_is_found(audited: list[str], fault: str) -> None:
    assert [text for text in audited if fault in text]


def test_a_workflow_that_zizmor_cannot_read_is_found(tmp_path: Path) -> None:
    folder = shutil.copytree(ROOT / ".github", tmp_path / ".github")
    sow(folder / "workflows/deploy.yml", "jobs:", "works:")

    [finding] = workflows.audited(folder)
    assert "zizmor did not finish" in finding.text


def test_without_a_compiler_the_checks_fail_and_say_how_to_get_one() -> None:
    command = [sys.executable, "-m", "infra.checks"]
    environment = {**os.environ, "BICEP": "/nowhere/bicep"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "there is no Bicep CLI: install it (`az bicep install`" in done.stdout
    assert "1 findings" in done.stdout


PARAMETERS = '{"parameters": {"location": {"type": "string", "metadata": {"description": "where"}}}}'
GIVEN = '{"parameters": {"location": {"value": "${AZURE_LOCATION}"}}}'
STAND_IN = f"""#!/bin/sh
case "$1 $FAULT" in
  "lint "*lint*) echo "$4(3,1) : Warning no-unused-params: idle" | sed 's|/[*].*bicep(|/main.bicep(|' >&2 ;;
  "snapshot validate") case "$4" in validate) exit 1 ;; esac ;;
  "lint "*) echo '/x/a.bicep(1,1) : Info use-recent-api-versions: old' >&2 ;;
  "build "*) echo '{PARAMETERS}' ;;
esac
case "$1 $2" in "snapshot "*/refused/*) echo "$(head -n 1 "$2")"; exit 1 ;; esac
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of infra/ and of the workflows, with a stand-in for the Bicep CLI that finds what FAULT says."""
    found = shutil.copytree(INFRA, tmp_path / "infra", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    shutil.copytree(ROOT / ".github", tmp_path / ".github")
    (found / "main.parameters.json").write_text(GIVEN)
    bicep = tmp_path / "bicep-cli"
    bicep.write_text(STAND_IN)
    bicep.chmod(0o755)
    monkeypatch.setenv("BICEP", str(bicep))
    monkeypatch.setattr(sys, "argv", ["infra.checks", str(found)])
    return found


def test_nothing_is_found_in_files_that_are_right(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert folder.is_dir()
    assert checks.main() == 0
    out = capsys.readouterr().out
    assert "to know: /x/a.bicep:1: use-recent-api-versions: old" in out
    assert f"snapshots: {', '.join(sorted(SNAPSHOTS))}\n0 findings" in out


@pytest.mark.parametrize(
    ("file", "fault", "said"),
    [
        (
            "snapshots/prod.snapshot.json",
            ('"allowSharedKeyAccess": false', '"allowSharedKeyAccess": true'),
            "must be False",
        ),
        ("main.parameters.json", ("location", "loc"), "the template needs the parameter location"),
        ("refused/a-gateway-and-entra.bicepparam", ("// Refused: ", "// "), "is not refused for its reason"),
    ],
)
def test_what_breaks_a_rule_of_ours_is_found(
    folder: Path, capsys: pytest.CaptureFixture[str], file: str, fault: tuple[str, str], said: str
) -> None:
    sow(folder / file, *fault)

    assert checks.main() == 1
    assert f"{folder / file}:1: " in (out := capsys.readouterr().out)
    assert said in out


@pytest.mark.parametrize(
    ("fault", "said"), [("lint", "main.bicep:3: no-unused-params: idle"), ("validate", "is not what would be deployed")]
)
def test_what_the_compiler_finds_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fault: str, said: str
) -> None:
    monkeypatch.setenv("FAULT", fault)

    assert folder.is_dir()
    assert checks.main() == 1
    assert said in capsys.readouterr().out
