"""The workflows and dependabot's file, as zizmor sees them."""

import re
import subprocess
import sys
from pathlib import Path

from infra.checks.deployed import Finding

_AUDITED = re.compile(r"::\w+ file=(?P<path>[^,]+),line=(?P<line>\d+),.*?::(?P<text>.+)")


def audited(folder: Path) -> list[Finding]:
    """What zizmor finds in this folder. It asks no server.

    By itself zizmor leaves out a file that it cannot read, so it is told not to.
    """
    command = [str(Path(sys.executable).with_name("zizmor")), "--offline", "--quiet", "--strict-collection"]
    command += ["--persona", "pedantic", "--format", "github", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = [
        Finding(Path(m["path"]), m["text"], int(m["line"])) for m in map(_AUDITED.match, done.stdout.splitlines()) if m
    ]
    if done.returncode and not found:
        return [Finding(folder, f"zizmor did not finish: {done.stderr.strip()[:500]}")]
    return found
