"""scim_feed is a package of its own: it can be installed without the service, and is not deployed with it."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import scim_feed
from tests.requirement_files import locked
from tests.running import ROOT

FOLDER = ROOT / "scim_feed"
MODULES = sorted(FOLDER.glob("*.py"))
PROJECT = tomllib.loads((FOLDER / "pyproject.toml").read_text(encoding="utf-8"))


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            yield node.module or ""


@pytest.mark.parametrize("file", [*MODULES, ROOT / "examples" / "mirror" / "mirror.py"], ids=lambda file: file.stem)
def test_it_needs_what_its_project_asks_for_and_nothing_of_the_service(file: Path) -> None:
    libraries = {name.partition(".")[0] for name in imported(file)} - sys.stdlib_module_names
    assert libraries <= {"scim_feed", "httpx"}


def test_only_the_two_feeds_know_the_network_a_timer_chance_and_threads() -> None:
    ambient = {"httpx", "time", "random", "secrets", "threading", "asyncio"}
    users = {file.stem: ambient & set(imported(file)) for file in MODULES}
    assert {name: used for name, used in users.items() if used} == {"feed": ambient, "webhooks": {"time"}}


def test_what_it_asks_for_is_what_the_tests_run_with() -> None:
    assert [name.partition(">=")[0] for name in PROJECT["project"]["dependencies"]] == ["httpx"]
    [pinned] = [item for item in locked(ROOT / "tests" / "requirements.txt") if item.name == "httpx"]
    assert str(pinned.specifier).startswith("==0.28.")


def test_it_brings_its_types_its_licence_and_a_page_that_says_what_it_is() -> None:
    assert (FOLDER / "py.typed").exists()
    assert PROJECT["tool"]["setuptools"]["package-data"] == {"scim_feed": ["py.typed"]}
    assert PROJECT["project"]["license"] == "Apache-2.0"
    assert (FOLDER / PROJECT["project"]["readme"]).exists()


@pytest.mark.parametrize("name", scim_feed.__all__)
def test_what_is_public_is_there_and_described(name: str) -> None:
    public = getattr(scim_feed, name)
    assert name == "Change" or public.__doc__
    members = vars(public).items() if isinstance(public, type) else ()
    for other, value in members:
        assert other.startswith("_") or not callable(value) or value.__doc__, f"{name}.{other}"


@pytest.mark.parametrize("file", MODULES, ids=lambda file: file.stem)
def test_a_module_says_what_it_is_for_and_is_small(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) <= 400
