"""Another commit as a working tree: its files, its name, the packages it asks for."""

import subprocess
from pathlib import Path

import pytest

from bench.commits import CommitError, export, other_versions, short_name, tree_name


def git(repository: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Babs Jensen", "-c", "user.email=bjensen@example.com", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *identity, *arguments], cwd=repository, capture_output=True, check=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits: the first has one module, the second has it in a folder."""
    folder = tmp_path / "repository"
    (folder / "room").mkdir(parents=True)
    git(folder, "init", "--quiet")
    (folder / "module.py").write_text("VALUE = 1\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message=one")
    git(folder, "mv", "module.py", "room/module.py")
    git(folder, "commit", "--quiet", "--message=two")
    return folder


def test_the_files_of_the_commit_are_exported_and_no_others(repository: Path, tmp_path: Path) -> None:
    folder = tmp_path / "exported"
    export(repository, "HEAD~1", folder)
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"module.py": "VALUE = 1\n"}
    assert (repository / "room" / "module.py").exists()
    assert not (repository / "module.py").exists()


def test_a_commit_is_named_by_its_short_hash(repository: Path) -> None:
    git(repository, "tag", "v1", "HEAD~1")
    assert short_name(repository, "v1") == git(repository, "rev-parse", "--short", "HEAD~1")


@pytest.mark.parametrize("name", ["nonsense", "--all", ""])
def test_a_commit_that_is_not_there_is_refused_with_its_name(repository: Path, name: str, tmp_path: Path) -> None:
    with pytest.raises(CommitError, match=f"no commit '{name}'"):
        export(repository, name, tmp_path / "exported")


def test_the_working_tree_is_named_by_its_commit_and_says_when_files_differ_from_it(repository: Path) -> None:
    git(repository, "tag", "--annotate", "--message=one", "v1")
    head = git(repository, "rev-parse", "--short", "HEAD")
    assert tree_name(repository) == head
    (repository / "room" / "module.py").write_text("VALUE = 2\n")
    assert tree_name(repository) == f"{head} with changes"


def test_the_packages_are_told_that_the_other_tree_wants_in_another_version(tmp_path: Path) -> None:
    for tree, text in {
        "this": "aiohttp==3.14.5 \\\n    --hash=sha256:00\nyarl==1.25.1\nMarkup_Safe==3.0.4\n",
        "other": "aiohttp==3.14.4\nmarkup-safe==3.0.4\nyarl==1.25.1; python_version > '3'\nmsal==1.39.0\n",
    }.items():
        (tmp_path / tree).mkdir()
        (tmp_path / tree / "requirements.txt").write_text(text)
    assert other_versions(tmp_path / "this", tmp_path / "other") == ["aiohttp==3.14.4", "msal==1.39.0"]
    assert other_versions(tmp_path / "this", tmp_path / "this") == []
