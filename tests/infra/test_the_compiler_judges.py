"""What the Bicep CLI says becomes findings. Where the CLI is there, it finds what is sown into the files."""

import json
import shutil
from pathlib import Path

import pytest

from infra.checks import compiler, roles
from infra.checks.deployed import Deployed
from tests.infra.foretold import INFRA, SNAPSHOTS

BICEP = compiler.command()
needs_bicep = pytest.mark.skipif(BICEP is None, reason="there is no Bicep CLI on the path, and BICEP names none")

FAULTS = {
    "BCP018: Expected": ("budget", "    amount: amount\n", "    amount amount\n"),
    'BCP057: The name "locatoin" does not exist': ("identity", "location: location", "location: locatoin"),
    'BCP028: Identifier "range" is declared multiple times': ("network", "var range", "var range = 'b'\nvar range"),
    'no-unused-vars: Variable "idle"': ("workbook", "param location", "var idle = 'b'\nparam location"),
    '"zoneId"': ("private-endpoints", "    zoneId: vaultZone.outputs.id\n", ""),
    '"p99"': ("private-endpoints", "{ name: 'privatelink.table.", "{ p99: 1, name: 'privatelink.table."),
    '"nothing"': ("private-endpoints", "tableZone.outputs.id", "tableZone.outputs.nothing"),
    "safe.bicep": ("private-endpoints", "module vaultZone 'private-zone.bicep'", "module vaultZone 'safe.bicep'"),
    "BCP190": ("private-endpoints", "module blobZone 'private-zone.bicep'", "module blobZone 'br:a.azurecr.io/zone:1'"),
    "book.json": ("workbook", "'../workbook.json'", "'../book.json'"),
    '"maxInstances"': ("function-app", "maximumInstanceCount: maximum", "maxInstances: maximum"),
    "'true'": ("function-app", "httpsOnly: true", "httpsOnly: 'true'"),
    "vaults@1999-11-01": ("vault", "vaults@2025-05-01' = {", "vaults@1999-11-01' = {"),
    "secure-parameter-default": ("vault", "param backupKey string = ''", "param backupKey string = 'abc'"),
    # These two are off unless bicepconfig.json turns them on.
    "use-user-defined-types": ("monitoring", "param tags { *: string }", "param tags object"),
    "no-hardcoded-location": ("alerts", "    location: location\n", "    location: 'westeurope'\n"),
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the compiler says of the files with all of these faults."""
    assert BICEP is not None
    folder = copied(tmp_path_factory.mktemp("faulty"))
    for module, old, new in FAULTS.values():
        path = folder / "modules" / f"{module}.bicep"
        content = path.read_text()
        assert old in content
        path.write_text(content.replace(old, new, 1))
    return [finding.text for finding in compiler.linted(BICEP, folder)[0]]


def copied(folder: Path) -> Path:
    return shutil.copytree(INFRA, folder / "infra", ignore=shutil.ignore_patterns("*.py", "__pycache__"))


@needs_bicep
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_file_is_found(found: list[str], fault: str) -> None:
    assert [text for text in found if fault in text]


@needs_bicep
def test_another_format_and_another_deployment_are_found(tmp_path: Path) -> None:
    assert BICEP is not None
    folder = copied(tmp_path)
    path = folder / "modules" / "vault.bicep"
    path.write_text(path.read_text().replace("enableSoftDelete: true", "enableSoftDelete:  false"))
    for file in folder.rglob("*.bicepparam"):
        if file.stem != "prod":
            file.unlink()

    assert [finding.path for finding in compiler.formatted(BICEP, folder)] == [path]
    [finding] = compiler.foretold(BICEP, folder, write=False)
    assert "enableSoftDelete" in finding.text
    assert compiler.foretold(BICEP, folder, write=True) == []
    assert compiler.foretold(BICEP, folder, write=False) == []


@needs_bicep
def test_a_pipeline_that_deploys_dev_is_no_operator(tmp_path: Path) -> None:
    assert BICEP is not None
    folder = copied(tmp_path)
    shutil.rmtree(folder / "snapshots")
    (folder / "snapshots").mkdir()
    (folder / "prod.bicepparam").unlink()
    with (folder / "dev.bicepparam").open("a") as file:
        file.write("param deployerPrincipalId = 'abc'\nparam deployerPrincipalType = 'ServicePrincipal'\n")

    assert compiler.foretold(BICEP, folder, write=True) == []
    deployed = Deployed.read(folder / "snapshots" / "dev.snapshot.json")
    assert roles.grants(deployed) == roles.grants(SNAPSHOTS["dev"])


def stand_in(folder: Path, script: str) -> str:
    """A Bicep CLI that does this."""
    fake = folder / "bicep-cli"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    return str(fake)


@pytest.mark.parametrize(
    ("line", "code", "found", "told"),
    [
        ("/x/main.bicep(3,1) : Warning no-unused-params: unused", 0, ["no-unused-params: unused"], 0),
        ("/x/main.bicep(3,1) : Error BCP018: expected", 1, ["BCP018: expected"], 0),
        ("/x/main.bicep(3,1) : Info use-recent-api-versions: old", 0, [], 1),
        ("killed", 137, ["bicep lint ended with 137: killed"], 0),
        ("", 0, [], 0),
    ],
)
def test_an_error_and_a_warning_is_a_finding_and_information_is_told(
    tmp_path: Path, line: str, code: int, found: list[str], told: int
) -> None:
    """The linter says it once for each file that uses the module: it is found once."""
    bicep = stand_in(tmp_path, f"echo '{line}' >&2\necho '{line}' >&2\nexit {code}")
    findings, notes = compiler.linted(bicep, INFRA)

    assert [finding.text.partition("\n")[0] for finding in findings] == found
    assert len(notes) == told


def test_a_file_that_the_formatter_would_change_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "infra"
    folder.mkdir()
    (folder / "good.bicep").write_text("param a string\n")
    (folder / "bad.bicep").write_text("param   b string\n")
    script = 'for file in $(dirname "${3%/\\*\\**}")/infra/*.bicep; do sed -i \'s/  */ /g\' "$file"; done'

    assert [finding.path.name for finding in compiler.formatted(stand_in(tmp_path, script), folder)] == ["bad.bicep"]
    [failed] = compiler.formatted(stand_in(tmp_path, "exit 3"), folder)
    assert "ended with 3" in failed.text


def test_a_snapshot_that_is_not_what_would_be_deployed_is_found(tmp_path: Path) -> None:
    """The stand-in compares as the real one does, with what it finds next to the file of parameters."""
    new = json.dumps({"predictedResources": [], "outputs": {"B": "told", "A": ""}})
    script = (
        'file="${2%.bicepparam}.snapshot.json"\n[ "$4" = overwrite ] && echo \'NEW\' > "$file"\ngrep -q told "$file"'
    )
    bicep, folder = stand_in(tmp_path, script.replace("NEW", new)), copied(tmp_path)
    findings = compiler.foretold(bicep, folder, write=False)
    assert len(findings) == len(SNAPSHOTS)
    assert all("is not what would be deployed" in finding.text for finding in findings)

    assert compiler.foretold(bicep, folder, write=True) == []
    written = {path.read_text() for path in (folder / "snapshots").glob("*.snapshot.json")}
    assert [list(json.loads(text)["outputs"]) for text in written] == [["A", "B"]], "the order is always the same"
    assert compiler.foretold(bicep, folder, write=False) == []


@pytest.mark.parametrize("script", ["echo done", "echo something else; exit 1"])
def test_what_is_not_refused_for_its_reason_is_found(tmp_path: Path, script: str) -> None:
    folder = copied(tmp_path)
    findings = compiler.refused(stand_in(tmp_path, script), folder)

    assert [finding.path for finding in findings] == sorted((folder / "refused").iterdir())
    assert compiler.refused(stand_in(tmp_path, 'head -n 1 "$2"; exit 1'), folder) == []
