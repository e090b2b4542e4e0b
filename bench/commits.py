"""Another commit of this repository, in its own working tree."""

import re
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

REQUIREMENTS = ("requirements.txt", "devhost/requirements.txt")
"""What the endpoint and devhost run with."""

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
"""A requirement and its version, in a file with hashes, too."""


class CommitError(Exception):
    """The commit cannot be used. The text says why."""


def short_name(repository: Path, commit: str) -> str:
    """The short hash of the commit with this name. Raises CommitError."""
    try:
        found = _git(repository, "rev-parse", "--short", "--verify", "--end-of-options", f"{commit}^{{commit}}")
    except CommitError as error:
        raise CommitError(f"There is no commit {commit!r} in {repository}: {error}") from None
    return found.decode().strip()


def tree_name(repository: Path) -> str:
    """The short hash of the working tree's commit, and whether files differ from it."""
    return _git(repository, "describe", "--always", "--exclude=*", "--dirty= with changes").decode().strip()


def export(repository: Path, commit: str, folder: Path) -> None:
    """The files of the commit are in the folder. Raises CommitError."""
    archive = _git(repository, "archive", "--format=tar", short_name(repository, commit))
    with tarfile.open(fileobj=BytesIO(archive)) as files:
        files.extractall(folder, filter="data")


def other_versions(this: Path, other: Path) -> list[str]:
    """The requirements of the other tree that this one lacks or has in another version: "name==version"."""
    return sorted(f"{name}=={version}" for name, version in (_pins(other) - _pins(this)))


def _pins(tree: Path) -> set[tuple[str, str]]:
    texts = [(tree / name).read_text() for name in REQUIREMENTS if (tree / name).exists()]
    return {(name.lower().replace("_", "-"), version) for text in texts for name, version in _PIN.findall(text)}


def _git(repository: Path, *arguments: str) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=repository, capture_output=True, check=False)
    if done.returncode:
        raise CommitError(f"git {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
