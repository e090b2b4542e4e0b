"""The checks by other programs: for Azure's resource types, for security, for workflows, and by Bicep itself."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from infra.checks.bicep import Finding

UNKNOWN_TYPES = {
    "resource type 'Microsoft.Resources/resourceGroups@2025-04-01' is not known": "this provider is not in its data",
    "resource type 'Microsoft.Authorization/locks@2020-05-01' is not known": "this provider is not in its data",
    "Microsoft.Web/sites.properties.functionAppConfig: the property 'siteUpdateStrategy' is not allowed": (
        "newer than its data; azure-mgmt-web has it as FunctionAppConfig.site_update_strategy"
    ),
}
"""Errors of the type check for types that its data lacks, and why the file is right. An entry without use fails."""

BROKEN_CHECKS = {
    "CKV_AZURE_189": "sometimes fails on a value that is an expression; tests/infra checks the same",
}
"""Checks of checkov that raise exceptions on our files, and what replaces each."""

_NOWHERE = (
    *(
        "--subscription-id",
        "00000000-0000-4000-8000-000000000000",
        "--tenant-id",
        "00000000-0000-4000-8000-000000000000",
    ),
    *("--location", "westeurope"),
)
"""Where a snapshot pretends to deploy: names depend on it."""

_LINE = re.compile(r"(?P<path>.+?):(?P<line>\d+):\d+ error (?P<text>.+)")
_AUDITED = re.compile(r"::\w+ file=(?P<path>[^,]+),line=(?P<line>\d+),.*?::(?P<text>.+)")
_SKIP = re.compile(r"checkov:skip=(?P<id>\w+):(?P<reason>.*)")
_FEWEST_WORDS = 4
"""Fewest words of a reason for a suppression: a shorter one explains too little."""


def types(tool: Path, paths: list[Path]) -> list[Finding]:
    """What the type check finds in these files, without the entries of UNKNOWN_TYPES. `tool` is bicepcheck.py."""
    done = _ran([sys.executable, str(tool), *map(str, paths)])
    said = done.stdout + done.stderr
    found = [Finding(Path(m["path"]), int(m["line"]), m["text"]) for m in map(_LINE.match, said.splitlines()) if m]
    if not re.search(r"^\d+ files, \d+ errors$", said, re.MULTILINE):
        return [Finding(tool, 1, f"did not finish: {said.strip()[-500:]}")]
    stale = UNKNOWN_TYPES.keys() - {finding.text for finding in found}
    return [
        *(finding for finding in found if finding.text not in UNKNOWN_TYPES),
        *(
            Finding(Path(__file__), 1, f"UNKNOWN_TYPES has an entry that no file needs: {text}")
            for text in sorted(stale)
        ),
    ]


def security(folder: Path) -> tuple[int, list[Finding]]:
    """How many checks checkov ran in this folder, and what it found: failures, and suppressions without a good reason.

    checkov says nothing of files that it cannot read, or of checks of its own that fail. Both are findings here.
    """
    command = [str(Path(sys.executable).with_name("checkov")), "-d", str(folder), "--framework", "bicep"]
    command += ["--skip-download", "--compact", "-o", "json", "--skip-check", ",".join(BROKEN_CHECKS)]
    done = _ran(command)
    try:
        report = json.loads(done.stdout)
        results, summary = report["results"], report["summary"]
    except (ValueError, KeyError, TypeError):
        return 0, [Finding(folder, 1, f"checkov has no report: {(done.stderr or done.stdout).strip()[-500:]}")]
    findings = [Finding(folder, 1, f"checkov cannot read {path}") for path in results["parsing_errors"]]
    findings += [Finding(folder, 1, line) for line in done.stderr.splitlines() if "Failed to run check" in line]
    findings += [
        Finding(Path(item["file_path"]), item["file_line_range"][0], f"{item['check_id']} {item['check_name']}")
        for item in results["failed_checks"]
    ]
    used = {(Path(item["file_path"]).name, item["check_id"]) for item in results["skipped_checks"]}
    findings += [finding for path in sorted(folder.rglob("*.bicep")) for finding in _suppressions(path, used)]
    return summary["passed"] + summary["skipped"] if summary["resource_count"] else 0, findings


def workflows(folder: Path) -> list[Finding]:
    """What zizmor finds in the workflows and in dependabot's file of this folder. It asks no server.

    By itself zizmor leaves out a file that it cannot read, so it is told not to.
    """
    command = [str(Path(sys.executable).with_name("zizmor")), "--offline", "--quiet", "--strict-collection"]
    done = _ran([*command, "--persona", "pedantic", "--format", "github", str(folder)])
    found = [
        Finding(Path(m["path"]), int(m["line"]), m["text"]) for m in map(_AUDITED.match, done.stdout.splitlines()) if m
    ]
    if done.returncode and not found:
        return [Finding(folder, 1, f"zizmor did not finish: {done.stderr.strip()[:500]}")]
    return found


def bicep(command: str, path: Path) -> list[Finding]:
    """What the real compiler and linter say about this file and its modules: a warning is a finding, too."""
    done = _ran([command, "build", str(path), "--stdout"])
    lines = [line for line in done.stderr.splitlines() if ": Error " in line or ": Warning " in line]
    if done.returncode and not lines:
        lines = [f"ended with {done.returncode}: {done.stderr.strip()[-500:]}"]
    return [Finding(path, 1, line) for line in lines]


def written(command: str, folder: Path) -> list[Finding]:
    """The files of this folder that are not as the real formatter writes them."""
    with tempfile.TemporaryDirectory() as aside:
        copy = _copied(folder, Path(aside))
        done = [_ran([command, "format", "--pattern", f"{copy}/**/*.{kind}"]) for kind in ("bicep", "bicepparam")]
        if failed := next((item for item in done if item.returncode), None):
            return [Finding(folder, 1, f"bicep format ended with {failed.returncode}: {failed.stderr.strip()[-500:]}")]
        return [
            Finding(path, 1, "is not as `bicep format` writes it")
            for path in sorted(folder.rglob("*.bicep*"))
            if path.suffix != ".json" and path.read_bytes() != (copy / path.relative_to(folder)).read_bytes()
        ]


def snapshots(command: str, folder: Path, *, write: bool) -> tuple[int, list[Finding]]:
    """How many snapshots there are, and those that are not what the files would deploy. Or they are written again.

    A snapshot is kept apart from its file of parameters, but Bicep looks for it there: so this works on a copy.
    """
    findings = []
    kept = folder / "snapshots"
    with tempfile.TemporaryDirectory() as aside:
        copy = _copied(folder, Path(aside))
        files = [*copy.glob("*.bicepparam"), *(copy / "snapshots").glob("*.bicepparam")]
        for file in sorted(files):
            name = f"{file.stem}.snapshot.json"
            there = file.with_name(name)
            if not write and (kept / name).is_file():
                shutil.copy(kept / name, there)
            mode = "overwrite" if write else "validate"
            done = _ran([command, "snapshot", str(file), "--mode", mode, *_NOWHERE])
            if done.returncode:
                said = (done.stdout + done.stderr).strip()[-2000:]
                findings.append(Finding(kept / name, 1, f"is not what would be deployed: {said}"))
            elif write:
                shutil.copy(there, kept / name)
    return len(files), findings


def _copied(folder: Path, aside: Path) -> Path:
    return shutil.copytree(folder, aside / "infra", ignore=shutil.ignore_patterns("*.py", "__pycache__"))


def bicep_command() -> str | None:
    """The Bicep CLI: the one that BICEP names, or the one on the path."""
    return shutil.which(os.environ.get("BICEP") or "bicep")


def _suppressions(path: Path, used: set[tuple[str, str]]) -> list[Finding]:
    findings = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not (found := _SKIP.search(line)):
            continue
        if len(found["reason"].split()) < _FEWEST_WORDS:
            findings.append(Finding(path, number, f"the suppression of {found['id']} has no reason"))
        if (path.name, found["id"]) not in used:
            findings.append(Finding(path, number, f"the suppression of {found['id']} suppresses nothing"))
    return findings


def _ran(command: list[str]) -> subprocess.CompletedProcess[str]:
    # Without it, a machine that lacks ICU cannot start the Bicep CLI.
    environment = {**os.environ, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
