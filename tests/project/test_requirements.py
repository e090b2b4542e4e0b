"""Every environment is installed from a file that pins each package and has a hash of each file that pip may fetch."""

import re
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from tests.requirement_files import constraints, direct, hashes, locked
from tests.running import ROOT

LOCKED = [
    "requirements.txt",
    "devhost/requirements.txt",
    "devhost/requirements-lock.txt",
    "devhost/requirements-node.txt",
    "infra/requirements-release.txt",
    "infra/requirements-telemetry.txt",
    "tests/requirements.txt",
]


@pytest.fixture(params=LOCKED)
def file(request: pytest.FixtureRequest) -> Path:
    return ROOT / str(request.param)


def versions(file: Path) -> dict[str, str]:
    return {canonicalize_name(item.name): str(item.specifier) for item in locked(file)}


def test_these_are_all_of_them() -> None:
    of_ours = [path for path in ROOT.glob("*/requirements*.*") if not path.parent.name.startswith(".")]
    found = {path.relative_to(ROOT).as_posix() for path in [*of_ours, *ROOT.glob("requirements*")]}

    assert found == {name.removesuffix(".txt") + kind for name in LOCKED for kind in (".in", ".txt")}


def test_make_lock_writes_all_of_them() -> None:
    named = re.search(r"^LOCKED := ((?:.*\\\n)*.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert named is not None
    assert sorted(f"{name}.txt" for name in named[1].replace("\\\n", " ").split()) == sorted(LOCKED)


def test_every_requirement_is_pinned_and_has_its_hashes(file: Path) -> None:
    assert locked(file)
    assert [str(item) for item in locked(file) if not re.fullmatch(r"==[^*,]+", str(item.specifier))] == []
    for name, accepted in hashes(file).items():
        assert accepted, name
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", digest) for digest in accepted), name


def test_what_is_asked_for_is_locked(file: Path) -> None:
    pinned = versions(file)

    for item in direct(file.with_suffix(".in")):
        version = pinned[canonicalize_name(item.name)].removeprefix("==")
        assert item.specifier.contains(version, prereleases=True), item


def test_nothing_is_locked_that_nothing_asks_for(file: Path) -> None:
    """Each entry says by whom it is asked for: a package that is locked, too, or the `.in` file."""
    source = file.with_suffix(".in").relative_to(ROOT).as_posix()
    pinned = versions(file)
    entry = r"^(\S+?)==.*\n(?: {4}--hash.*\n)+ {4}# via((?: .*\n| *\n)(?: {4}#   .*\n)*)"
    entries = re.findall(entry, file.read_text(), re.MULTILINE)

    assert len(entries) == len(pinned)
    for name, via in entries:
        askers = [line.strip("# ") for line in via.splitlines() if line.strip("# ")]
        assert any(who == f"-r {source}" or canonicalize_name(who) in pinned for who in askers), name
    assert {canonicalize_name(name) for name, via in entries if f"-r {source}" in via} == {
        canonicalize_name(item.name) for item in direct(file.with_suffix(".in"))
    }


def test_files_that_are_installed_together_agree(file: Path) -> None:
    for other in constraints(file.with_suffix(".in")):
        theirs, their_hashes = versions(other), hashes(other)
        for name, version in versions(file).items():
            assert theirs.get(name, version) == version, name
        for name, accepted in hashes(file).items():
            assert their_hashes.get(name, accepted) == accepted, name


def test_no_file_says_where_packages_come_from(file: Path) -> None:
    """That is for pip's own settings to say."""
    assert "://" not in file.read_text()
    assert not re.search("^--?(index-url|extra-index-url|find-links|trusted-host)", file.read_text(), re.MULTILINE)
