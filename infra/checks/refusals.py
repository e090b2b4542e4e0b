"""Combinations of parameters that must not be deployed: the compiler refuses each, with the sentence that Azure shows."""

import re
from pathlib import Path

from infra.checks.bicep import Finding
from infra.checks.external import snapshot

_WANTED = re.compile(r"^// Refused: (?P<sentence>.+)$", re.MULTILINE)


def refusals(command: str, folder: Path) -> tuple[int, list[Finding]]:
    """How many such files there are, and those that are not refused with the sentence in their first line."""
    files = sorted((folder / "refused").glob("*.bicepparam"))
    return len(files), [finding for path in files for finding in _checked(command, path)]


def _checked(command: str, path: Path) -> list[Finding]:
    wanted = _WANTED.search(path.read_text(encoding="utf-8"))
    if wanted is None:
        return [Finding(path, 1, "does not begin with `// Refused:` and a part of the sentence")]
    done = snapshot(command, path, "validate")
    said = " ".join((done.stdout + done.stderr).split())
    if done.returncode and wanted["sentence"] in said:
        return []
    return [Finding(path, 1, f"is not refused as it says: {said[-500:] or 'the compiler takes it'}")]
