"""What an adopter looks for first is there, and says what is true."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from infra.release import released, tag_problem
from scim_core.version import __version__
from tests.running import ROOT

GIT_FILES = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
"""Every file of the project. No name has a space in it."""


def test_the_licence_is_the_apache_licence_and_the_copyright_the_authors() -> None:
    licence = (ROOT / "LICENSE").read_text()

    assert licence.split()[:4] == ["Apache", "License", "Version", "2.0,"]
    assert "END OF TERMS AND CONDITIONS" in licence
    assert re.search(r"^Copyright \d{4} The authors$", (ROOT / "NOTICE").read_text(), re.MULTILINE)


def test_the_newest_release_of_the_changelog_is_the_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()

    assert changelog.index("## [Unreleased]") < changelog.index(f"## [{__version__}]")
    assert next(iter(released(changelog))) == __version__
    assert all(released(changelog).values())


@pytest.mark.parametrize(
    ("tag", "version", "changelog", "said"),
    [
        ("v1.2.3", "1.2.3", "## [Unreleased]\n\n## [1.2.3] - 2026-01-02\nNew.\n\n## [1.2.2] - 2026-01-01\nOld.\n", ""),
        ("v1.2.4", "1.2.3", "## [1.2.3] - 2026-01-02\nNew.\n", "The tag is v1.2.4"),
        ("1.2.3", "1.2.3", "## [1.2.3] - 2026-01-02\nNew.\n", "The tag is 1.2.3"),
        ("v1.2.3", "1.2.3", "## [Unreleased]\n\n## [1.2.2] - 2026-01-01\nOld.\n", "The newest version"),
        ("v1.2.3", "1.2.3", "## [Unreleased]\nNew.\n", "is none"),
    ],
)
def test_a_tag_that_fits_releases(tag: str, version: str, changelog: str, said: str) -> None:
    assert said in tag_problem(tag, version, changelog)
    assert bool(tag_problem(tag, version, changelog)) == bool(said)


def test_the_version_stands_in_one_place() -> None:
    """Other files of ours name it nowhere; only the changelog does."""
    sources = [name for name in GIT_FILES if name.endswith((".py", ".toml", ".bicep", ".yml"))]
    holding = [name for name in sources if f'"{__version__}"' in (ROOT / name).read_text()]

    assert holding == ["scim_core/version.py"]


def test_what_runs_before_a_push_is_what_ci_runs() -> None:
    commands = re.compile(r"(?:^|entry: |run: )(make [\w-]+)$", re.MULTILINE)
    wanted = set(commands.findall((ROOT / ".ci" / "run").read_text()))

    assert wanted == {"make lint", "make check-infra", "make coverage"}
    assert set(commands.findall((ROOT / ".pre-commit-config.yaml").read_text())) == wanted
    assert set(commands.findall((ROOT / ".github" / "workflows" / "ci.yml").read_text())) == wanted | {"make package"}


def test_every_folder_with_dependencies_is_kept_up_to_date() -> None:
    updates = (ROOT / ".github" / "dependabot.yml").read_text()
    folders, of_npm = re.findall(r"directories: \[(.*)\]", updates)
    npm = {f"/{Path(name).parent.as_posix()}" for name in GIT_FILES if Path(name).name == "package-lock.json"}
    locked = {"/" + Path(name).parent.as_posix().removeprefix(".") for name in GIT_FILES if "requirements" in name}

    assert set(folders.split(", ")) == {name for name in locked if not name.startswith("/tests/")}
    assert set(of_npm.split(", ")) == npm
    assert "package-ecosystem: github-actions" in updates


def test_the_dev_container_has_the_python_of_this_project_and_prepares_it() -> None:
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    dockerfile = (ROOT / ".devcontainer" / container["build"]["dockerfile"]).read_text()
    version = (ROOT / ".python-version").read_text().strip()

    assert re.search(rf"^FROM python:{re.escape(version)}-", dockerfile, re.MULTILINE)
    assert container["remoteUser"] in dockerfile
    target = container["postCreateCommand"].removeprefix("make ")
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
