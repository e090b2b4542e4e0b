"""What the requirement files say: `requirements*.in` what is asked for, `requirements*.txt` what is locked."""

import re
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement


def locked(file: Path) -> list[Requirement]:
    """The requirements of a locked file, without their hashes."""
    return [Requirement(line.partition(" --hash=")[0]) for line in _lines(file)]


def hashes(file: Path) -> dict[str, list[str]]:
    """By name of each package of a locked file: the hashes that pip accepts for it."""
    return {Requirement(line.partition(" --hash=")[0]).name: re.findall(r"--hash=(\S+)", line) for line in _lines(file)}


def direct(file: Path) -> list[Requirement]:
    """What a `requirements*.in` asks for."""
    return [Requirement(line) for line in _lines(file) if not line.startswith("-c ")]


def constraints(file: Path) -> list[Path]:
    """The locked files whose versions a `requirements*.in` takes."""
    return [(file.parent / line.removeprefix("-c ")).resolve() for line in _lines(file) if line.startswith("-c ")]


def _lines(file: Path) -> Iterator[str]:
    """Each entry on one line, without comments."""
    for line in file.read_text().replace("\\\n", " ").splitlines():
        entry = re.sub(r"(^|\s+)#.*", "", line)
        if entry:
            yield re.sub(r"\s+", " ", entry)
