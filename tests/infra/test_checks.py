"""`make check-infra` finds what is wrong: each fault is sown into a copy of the files."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra.checks import external, rules
from infra.checks.__main__ import main
from tests.infra.conftest import INFRA
from tests.running import ROOT

BICEPCHECK = Path(os.environ.get("BICEPCHECK", ROOT.parent / "shared" / "tools" / "bicepcheck.py"))


def copied(folder: Path) -> Path:
    return shutil.copytree(INFRA, folder / "infra", ignore=shutil.ignore_patterns("*.py", "__pycache__"))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return copied(tmp_path)


@pytest.fixture(scope="module")
def python() -> Path:
    """The interpreter with checkov. `make check-infra` has made it as a rule."""
    command = ["sh", "devhost/environment.sh", "infra/requirements.txt"]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "VENV": ".venv-infra"}, check=True)
    return ROOT / ".venv-infra" / "bin" / "python"


def sow(folder: Path, file: str, old: str, new: str) -> Path:
    """The file with a fault."""
    path = folder / file
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new, 1))
    return path


def found(folder: Path) -> list[str]:
    return [finding.text for finding in rules.check(sorted(folder.rglob("*.bicep")))]


def test_the_files_themselves_are_right(copy: Path) -> None:
    assert found(copy) == []


ALERTS = "    token: token\n    location: location\n    tags: tags\n    appName: appName\n    email"
TOKEN = "var token = "
LATENCY = "    latencyMs: alertLatencyMs\n"
FAULTS = {
    "syntax": ("main.bicep", "param location string", "param location strin g"),
    "locatoin is not declared": ("main.bicep", ALERTS, ALERTS.replace(": location", ": locatoin")),
    "token is declared twice": ("main.bicep", TOKEN, f"var token = 'b'\n{TOKEN}"),
    "idle is never used": ("main.bicep", TOKEN, f"var idle = 'b'\n{TOKEN}"),
    "needs the parameter latencyMs": ("main.bicep", LATENCY, ""),
    "has no parameter p99": ("main.bicep", LATENCY, f"{LATENCY}    p99: 1\n"),
    "has no output groupId": ("main.bicep", "alerts.outputs.actionGroupId", "alerts.outputs.groupId"),
    "has no output subnet": ("main.bicep", "network!.outputs.appSubnetId", "network!.outputs.subnet"),
    "there is no file modules/safe.bicep": ("main.bicep", "'modules/vault.bicep'", "'modules/safe.bicep'"),
    "there is no file ../book.json": ("modules/workbook.bicep", "workbook.json", "book.json"),
    "is the id of no role": ("modules/access.bicep", "'ServicePrincipal'", "'0a9a7e1e-2d11-453d-a403-e96b0029c9fe'"),
}


@pytest.mark.parametrize("said", FAULTS)
def test_a_fault_is_found(copy: Path, said: str) -> None:
    sow(copy, *FAULTS[said])

    assert [text for text in found(copy) if said in text]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"stage"', '"stadge"', "has no parameter stadge"),
        ('    "location": { "value": "${AZURE_LOCATION}" },\n', "", "needs the parameter location"),
        ('"${SCIM_TOKEN_SHA256=}"', '"00"', "written down"),
        ('"parameters"', '"parametres"', "is no file of parameters"),
    ],
)
def test_a_fault_in_parameters_is_found(copy: Path, old: str, new: str, said: str) -> None:
    path = sow(copy, "main.parameters.json", old, new)

    assert [finding for finding in rules.check_parameters(path, copy / "main.bicep") if said in finding.text]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("0a9a7e1f", "0a9a7e1e", "is the id of no role storageTableDataContributor"),
        ("storageBlobDataReader", "storageBlobDataWriter", "is the id of no role storageBlobDataWriter"),
        ("{", "[", "is no file of roles"),
    ],
)
def test_a_fault_in_the_roles_is_found(copy: Path, old: str, new: str, said: str) -> None:
    assert rules.check_roles(copy / "roles.json") == []
    assert [finding for finding in rules.check_roles(sow(copy, "roles.json", old, new)) if said in finding.text]


def test_parameters_of_azd_may_take_secrets_from_the_environment() -> None:
    assert rules.check_parameters(INFRA / "main.parameters.json", INFRA / "main.bicep") == []


TYPE_FAULTS = {
    "'maxInstances' is not allowed": ("function-app", "maximumInstanceCount: maximum", "maxInstances: maximum"),
    "expected boolean": ("function-app", "httpsOnly: true", "httpsOnly: 'true'"),
    "vaults@1999-11-01' is not known": ("vault", "vaults@2025-05-01' = {", "vaults@1999-11-01' = {"),
    "missing required property 'location'": ("identity", "  location: location\n", ""),
}
SECURITY_FAULTS = {
    "CKV_AZURE_44": ("storage-account", "    minimumTlsVersion: 'TLS1_2'\n", ""),
    "the suppression of CKV_AZURE_17 has no reason": (
        "function-app",
        "CKV_AZURE_17: Entra presents no client certificate; it sends a bearer token",
        "CKV_AZURE_17: fine",
    ),
    "the suppression of CKV_AZURE_1 suppresses nothing": (
        "vault",
        "  name: name\n",
        "  // checkov:skip=CKV_AZURE_1: a check of something else altogether\n  name: name\n",
    ),
    # Bicep takes a spread; checkov ignores the whole file in silence.
    "checkov cannot read": ("identity", "  tags: tags\n", "  tags: { ...tags }\n"),
}
WORKFLOW_FAULTS = {
    "overly broad permissions": ("workflows/deploy.yml", "permissions: {}", "permissions: write-all"),
    "does not set persist-credentials": (
        "workflows/ci.yml",
        "        with:\n          persist-credentials: false\n",
        "",
    ),
    "unpinned": (
        "workflows/release.yml",
        "download-artifact@634f93cb2916e3fdff6788551b99b062d0335ce0",
        "download-artifact@v5",
    ),
    "insufficient cooldown": ("dependabot.yml", "default-days: 7", "default-days: 1"),
}


@pytest.fixture(scope="module")
def said(python: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What `python -m infra.checks` says of a folder with all of these faults. It takes a while: once for all."""
    folder = copied(tmp_path_factory.mktemp("faulty"))
    shutil.copytree(ROOT / ".github", folder.parent / ".github")
    for file, old, new in WORKFLOW_FAULTS.values():
        sow(folder.parent / ".github", file, old, new)
    for module, old, new in (*TYPE_FAULTS.values(), *SECURITY_FAULTS.values()):
        sow(folder, f"modules/{module}.bicep", old, new)
    command = [str(python), "-m", "infra.checks", str(folder), "--types", str(BICEPCHECK)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    return done.stdout


@pytest.mark.skipif(not BICEPCHECK.is_file(), reason="the check of resource types is not here")
@pytest.mark.parametrize("fault", TYPE_FAULTS)
def test_what_azure_does_not_know_is_found(said: str, fault: str) -> None:
    assert fault in said


@pytest.mark.parametrize("fault", SECURITY_FAULTS)
def test_what_checkov_finds_or_cannot_look_at_is_found(said: str, fault: str) -> None:
    assert fault in said


@pytest.mark.parametrize("fault", WORKFLOW_FAULTS)
def test_what_zizmor_finds_in_the_workflows_is_found(said: str, fault: str) -> None:
    assert fault in said


def test_a_workflow_that_zizmor_cannot_read_is_found(python: Path, tmp_path: Path) -> None:
    copied(tmp_path)
    shutil.copytree(ROOT / ".github", tmp_path / ".github")
    sow(tmp_path / ".github", "workflows/deploy.yml", "jobs:", "works:")
    command = [str(python), "-m", "infra.checks", str(tmp_path / "infra"), "--no-checkov"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert (done.returncode, "zizmor did not finish" in done.stdout) == (1, True)


COMPILED = [
    ("/x/main.bicep(3,1) : Warning no-unused-params: unused", 0, 1),
    ("/x/main.bicep(3,1) : Error BCP018: expected", 1, 1),
    ("killed", 137, 1),
    ("", 0, 0),
]


def test_no_file_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["infra.checks", str(tmp_path)])

    assert main() == 1
    assert "there is no Bicep file" in capsys.readouterr().out


def stand_in(folder: Path, script: str) -> str:
    """A Bicep CLI that does this."""
    fake = folder / "bicep-cli"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    return str(fake)


@pytest.mark.parametrize(("line", "code", "found"), COMPILED)
def test_what_the_real_compiler_says_is_a_finding_and_so_is_a_warning(
    tmp_path: Path, line: str, code: int, found: int
) -> None:
    command = stand_in(tmp_path, f"echo '{line}' >&2\nexit {code}")

    assert len(external.bicep(command, INFRA / "main.bicep")) == found


def test_a_file_that_the_real_formatter_would_change_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "infra"
    folder.mkdir()
    (folder / "good.bicep").write_text("param a string\n")
    (folder / "bad.bicep").write_text("param   b string\n")
    command = stand_in(
        tmp_path, 'for file in $(dirname "${3%/\\*\\**}")/infra/*.bicep; do sed -i \'s/  */ /g\' "$file"; done'
    )

    assert [finding.path.name for finding in external.written(command, folder)] == ["bad.bicep"]
    [failed] = external.written(stand_in(tmp_path, "exit 3"), folder)
    assert "ended with 3" in failed.text


def test_a_snapshot_that_is_not_what_would_be_deployed_is_found(copy: Path) -> None:
    """The stand-in compares as the real one does, with what it finds next to the file of parameters."""
    script = 'file="${2%.bicepparam}.snapshot.json"\n[ "$4" = overwrite ] && echo new > "$file"\ngrep -q new "$file"'
    command = stand_in(copy, script)
    count, findings = external.snapshots(command, copy, write=False)
    assert (count, len(findings)) == (4, 4)
    assert all("is not what would be deployed" in finding.text for finding in findings)

    assert external.snapshots(command, copy, write=True) == (4, [])
    assert {path.read_text() for path in (copy / "snapshots").glob("*.snapshot.json")} == {"new\n"}
    assert external.snapshots(command, copy, write=False) == (4, [])


def test_without_a_compiler_the_checks_fail_and_say_how_to_get_one(python: Path, copy: Path) -> None:
    command = [str(python), "-m", "infra.checks", str(copy), "--no-checkov"]
    environment = {**os.environ, "BICEP": "/nowhere/bicep"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "there is no Bicep CLI: install it" in done.stdout
