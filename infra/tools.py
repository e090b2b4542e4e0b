"""The command lines of Azure, `az` and `azd`, as they are on the path."""

import shutil
import subprocess


class ToolError(Exception):
    """A command of Azure's could not be run, or failed. The text says which one and why, and holds no secret."""


def run(tool: str, *arguments: str) -> str:
    """What the tool prints on standard output. Raises ToolError, with what it says on standard error."""
    found = shutil.which(tool)  # on Windows it is az.cmd, which only its whole path starts
    if found is None:
        raise ToolError(f"{tool} is not installed, or it is not on the path.")
    done = subprocess.run([found, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        reason = next((line for line in said if line.startswith("ERROR")), said[-1] if said else "no reason given")
        raise ToolError(f"`{tool} {' '.join(arguments[:2])}` failed: {reason.removeprefix('ERROR: ')[:500]}")
    return done.stdout
