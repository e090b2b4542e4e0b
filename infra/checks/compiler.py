"""The Bicep CLI: it judges syntax, names, types, modules and style, and foretells what would be deployed."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from infra.checks.deployed import Finding

NO_COMPILER = (
    "there is no Bicep CLI: install it (`az bicep install`, then put ~/.azure/bin on the path), or name it: "
    "make check-infra BICEP=/path/to/bicep"
)

_ID = "00000000-0000-4000-8000-000000000000"
_NOWHERE = ("--subscription-id", _ID, "--tenant-id", _ID, "--location", "westeurope")
"""Where a snapshot pretends to deploy: names depend on it."""

_SAID = re.compile(r"(?P<path>[^(]+)\((?P<line>\d+),\d+\) : (?P<level>Error|Warning|Info) (?P<text>.+)")
_REFUSED = re.compile(r"// Refused: (.+)")


def command() -> str | None:
    """The Bicep CLI: the one that BICEP names, or the one on the path. None: there is none."""
    return shutil.which(os.environ.get("BICEP") or "bicep")


def linted(bicep: str, folder: Path) -> tuple[list[Finding], list[Finding]]:
    """What compiler and linter find in all files of this folder, and what bicepconfig.json has only as information.

    A warning is a finding. A module of a registry is one, too: nothing is fetched.
    """
    done = _ran([bicep, "lint", "--no-restore", "--pattern", f"{folder.resolve()}/**/*.bicep"])
    said = [m for m in map(_SAID.match, sorted({*(done.stderr + done.stdout).splitlines()})) if m]
    if done.returncode and not said:
        return [Finding(folder, f"bicep lint ended with {done.returncode}: {done.stderr.strip()[-500:]}")], []
    all_ = [(m["level"], Finding(Path(m["path"]), m["text"], int(m["line"]))) for m in said]
    return [found for level, found in all_ if level != "Info"], [found for level, found in all_ if level == "Info"]


def formatted(bicep: str, folder: Path) -> list[Finding]:
    """The files of this folder that are not as the formatter writes them."""
    with tempfile.TemporaryDirectory() as aside:
        copy = _copied(folder, Path(aside))
        done = [_ran([bicep, "format", "--pattern", f"{copy}/**/*.{kind}"]) for kind in ("bicep", "bicepparam")]
        if failed := next((item for item in done if item.returncode), None):
            return [Finding(folder, f"bicep format ended with {failed.returncode}: {failed.stderr.strip()[-500:]}")]
        return [
            Finding(path, "is not as `bicep format` writes it")
            for path in sorted([*folder.rglob("*.bicep"), *folder.rglob("*.bicepparam")])
            if path.read_bytes() != (copy / path.relative_to(folder)).read_bytes()
        ]


def foretold(bicep: str, folder: Path, *, write: bool) -> list[Finding]:
    """The snapshots that are not what the files would deploy. Or they are written again.

    A snapshot is kept apart from its file of parameters, but Bicep looks for it there: so this works on a copy.
    """
    findings = []
    kept = folder / "snapshots"
    with tempfile.TemporaryDirectory() as aside:
        copy = _copied(folder, Path(aside))
        files = sorted([*copy.glob("*.bicepparam"), *(copy / "snapshots").glob("*.bicepparam")])
        for file in files if not write else []:
            if (kept / _name(file)).is_file():
                shutil.copy(kept / _name(file), file.with_name(_name(file)))
        for file, done in _snapshots(bicep, files, "overwrite" if write else "validate"):
            name = _name(file)
            there = file.with_name(name)
            if done.returncode:
                said = (done.stdout + done.stderr).strip()[-2000:]
                findings.append(Finding(kept / name, f"is not what would be deployed: {said}"))
            elif write:
                # The compiler writes the outputs in another order each time.
                found = json.loads(there.read_text(encoding="utf-8"))
                found["outputs"] = dict(sorted(found["outputs"].items()))
                (kept / name).write_text(json.dumps(found, indent=2, ensure_ascii=False), encoding="utf-8")
    return findings


def refused(bicep: str, folder: Path) -> list[Finding]:
    """The files in `refused` that could be deployed, or are refused for another reason than the one they begin with."""
    findings = []
    with tempfile.TemporaryDirectory() as aside:
        files = sorted((_copied(folder, Path(aside)) / "refused").glob("*.bicepparam"))
        for file, done in _snapshots(bicep, files, "overwrite"):
            reason = _REFUSED.match(file.read_text(encoding="utf-8"))
            if not done.returncode or reason is None or reason[1] not in done.stdout + done.stderr:
                said = (done.stdout + done.stderr).strip()[-500:]
                findings.append(Finding(folder / "refused" / file.name, f"is not refused for its reason: {said}"))
    return findings


def template(bicep: str, path: Path) -> dict[str, Any]:
    """The file as Azure's own template. Raises ValueError if it cannot be compiled."""
    return dict(json.loads(_ran([bicep, "build", "--no-restore", "--stdout", str(path)]).stdout))


def _name(file: Path) -> str:
    return f"{file.stem}.snapshot.json"


def _snapshots(bicep: str, files: list[Path], mode: str) -> list[tuple[Path, subprocess.CompletedProcess[str]]]:
    """What the compiler says of each file. Each takes seconds, so as many run at a time as there are processors."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        done = pool.map(lambda file: _ran([bicep, "snapshot", str(file), "--mode", mode, *_NOWHERE]), files)
        return list(zip(files, done, strict=True))


def _copied(folder: Path, aside: Path) -> Path:
    return shutil.copytree(folder, aside / "infra", ignore=shutil.ignore_patterns("*.py", "__pycache__"))


def _ran(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    # Without it, a machine that lacks ICU cannot start the Bicep CLI.
    environment = {**os.environ, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"}
    return subprocess.run(arguments, capture_output=True, text=True, check=False, env=environment)
