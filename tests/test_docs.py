"""What README.md and docs/ say of the code is true: paths, rooms, names and numbers are as written."""

import argparse
import ast
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from scim_core.admin.arguments import parser
from tests.running import ROOT
from tests.test_architecture import MAY_USE, MODULES, tree

OUTSIDE = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "tests/README.md")
PAGES = sorted([*(ROOT / name for name in OUTSIDE), *(ROOT / "docs").rglob("*.md")])
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")

LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"\.?[\w.-]+(/[\w.-]+)*/?")
SUFFIXES = (".py", ".md", ".json", ".bicep", ".yml", ".toml", ".txt", ".svg", ".cjs", ".sh")
MADE = ("dist/", ".azurite/", "local.settings.json")
"""What a command or a developer makes: it is not in the repository."""

FOLDERS = ("scim_core", "tests", "docs", "infra", "devhost", "bench", "scim_feed", "examples", ".github")
BARE_NAMES = {file.name for folder in FOLDERS for file in (ROOT / folder).rglob("*.*")}
"""A file may be named without its folder where the sentence before names the folder."""


COMMAND = re.compile(
    r"(?:^ {4,}|`|\$ |-m )(?:admin|scim_core\.admin)(?: --json| --(?:storage-account|table|schemas|url) \S+)*"
    r" ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?"
)
"""A command of operators, in backticks or in an example: options before it, its name, and perhaps that below it."""


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    """The page without its indented examples."""
    lines = page.read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("    "))


def links(page: Path) -> Iterator[str]:
    return (target for target in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in target)


def paths(page: Path) -> Iterator[str]:
    """Texts that look like paths of the repository: in backticks, in one of its folders or named like its files."""
    folders = tuple(f"{item.name}/" for item in ROOT.iterdir() if item.is_dir())
    for text in CODE.findall(prose(page)):
        if PATH.fullmatch(text) and (text.startswith(folders) or text.endswith(SUFFIXES)) and not text.startswith(MADE):
            yield text


def anchor(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in links(page):
        name, _, fragment = target.partition("#")
        other = (page.parent / name).resolve() if name else page
        assert other.exists(), target
        if fragment:
            headings = re.findall(r"^#+ (.+)$", other.read_text(encoding="utf-8"), re.MULTILINE)
            assert fragment in map(anchor, headings), target


def test_each_question_of_operators_is_found_on_their_first_page() -> None:
    linked = set(links(ROOT / "docs" / "operate.md"))
    headings = {
        f"operate/{page.name}#{anchor(heading)}"
        for page in (ROOT / "docs" / "operate").glob("*.md")
        for heading in re.findall(r"^##+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert len(headings) > 30
    assert headings - linked == set()


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_path_is_there(page: Path) -> None:
    missing = [
        text
        for text in paths(page)
        if text not in BARE_NAMES and not any(folder.joinpath(text).exists() for folder in (ROOT, page.parent))
    ]
    assert missing == []


def test_every_command_that_a_page_names_is_there() -> None:
    commands = {name: set(names_of(command)) for name, command in names_of(parser()).items()}
    named = [
        (page_id(page), line, found[1], found[2] or "")
        for page in PAGES
        for line in page.read_text(encoding="utf-8").splitlines()
        for found in COMMAND.finditer(line)
    ]
    assert len(named) > 100
    wrong = [
        (page, line)
        for page, line, first, second in named
        if first not in commands or (commands[first] and second and second not in commands[first])
    ]
    assert wrong == []


def names_of(command: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The commands below this one, by name."""
    below = [action for action in command._actions if isinstance(action, argparse._SubParsersAction)]
    return below[0].choices if below else {}


def test_every_mitigation_of_the_threat_model_names_tests_that_exist() -> None:
    page = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page)
    assert len(named) > 30
    missing = [f"{path}::{test}" for path, test in named if f"def {test}(" not in (ROOT / path).read_text()]
    assert missing == []
    rows = page.partition("## Threats")[2].partition("## What is accepted")[0].splitlines()
    threats = [row for row in rows if row.startswith("|") and not row.startswith(("|---", "| Threat |"))]
    assert [row for row in threats if "tests/" not in row.split("|")[-2]] == []


def test_paths_are_found_in_the_pages() -> None:
    assert len(list(paths(ROOT / "docs" / "architecture.md"))) > 60


def section(text: str, heading: str) -> str:
    """What stands below a heading of the second rank."""
    return text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """The cells of a section's first table, without its header."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_table_of_rooms_is_what_the_rooms_use() -> None:
    drawn = {name: set(filter(None, uses.split(", "))) for name, _, uses, _ in rows(section(ARCHITECTURE, "The rooms"))}
    assert drawn == MAY_USE


def test_the_picture_of_rooms_is_what_the_rooms_use() -> None:
    """Each arrow names the rooms it leads from and to. The frame and the ground stand for many arrows."""
    picture = ET.parse(ROOT / "docs" / "rooms.svg")
    drawn: dict[str, set[str]] = {name: set() for name in MAY_USE}
    for element in picture.iter():
        for source in element.get("data-from", "").split():
            assert drawn[source].isdisjoint(element.get("data-to", "").split()), "drawn twice"
            drawn[source] |= set(element.get("data-to", "").split())
    assert drawn == MAY_USE
    names = {element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")}
    assert names >= MAY_USE.keys() - {"top"}


@pytest.mark.parametrize("name", ["rooms", "system", "consume"])
def test_a_picture_can_be_read_without_style_sheets(name: str) -> None:
    """A plain viewer shows the colours of the attributes. So each picture brings its own background."""
    picture = ET.parse(ROOT / "docs" / f"{name}.svg").getroot()
    page = next(element for element in picture.iter() if element.get("class") == "page")
    assert page.get("fill") == "#ffffff"
    assert "prefers-color-scheme: dark" in ET.tostring(picture, encoding="unicode")


def defined(path: str) -> set[str]:
    """The names that a module defines: functions, classes and their methods."""
    body = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
    names = set[str]()
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = (item for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef))
            names |= {f"{node.name}.{item.name}" for item in methods}
    return names


def test_a_patch_goes_by_modules_and_functions_that_exist() -> None:
    path, named = "", 0
    for text in CODE.findall(section(ARCHITECTURE, "The way of a PATCH")):
        if text.endswith(".py"):
            path = text
        else:
            assert text in defined(path), f"{path} has no {text}"
            named += 1
    assert named > 15


def test_whoever_wants_to_change_something_finds_where() -> None:
    where = {row[0] for row in rows(section(ARCHITECTURE, "To change X, go to Y"))}
    wanted = (
        *("a PATCH rule", "an error text", "an index", "a resource type", "a limit", "a credential kind", "a row kind"),
        *("an alert", "a setting", "an attribute", "an extension", "a route", "a log field", "an admin command"),
        *("a rate limit", "the cost model"),
    )
    for name in wanted:
        assert any(text.startswith(name) for text in where), name


def values_of(constant: str) -> list[tuple[float, ...]]:
    """What the constants of this name hold: a number or several, in each module that has one."""
    sources = [
        ast.unparse(node.value)
        for module in MODULES
        for node in tree(module).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == constant
    ]
    values = [eval(source) for source in sources]  # products of numbers, which literal_eval does not read
    return [value if isinstance(value, tuple) else (value,) for value in values]


def is_written(number: float, text: str) -> bool:
    """Whether the text holds the number, in one of the ways in which the table writes numbers."""
    whole = int(number)
    ways = {f"{whole:,}"} if whole == number else {f"1 in {round(1 / number)}"}
    ways |= {f"{whole // size} {unit}" for size, unit in ((1024, "KiB"), (1024**2, "MiB")) if whole % size == 0}
    return any(re.search(rf"(?<!\d)(?<!\d,){way}(?!,?\d)", text) for way in ways)


@pytest.mark.parametrize("row", rows(section(PROTOCOL, "Limits")), ids=lambda row: row[0][:40])
def test_a_limit_is_the_one_of_the_code(row: list[str]) -> None:
    for constant in CODE.findall(row[3]):
        assert any(all(is_written(number, row[1]) for number in value) for value in values_of(constant)), constant


@pytest.mark.parametrize("module", [name for name, file in MODULES.items() if file.name == "__init__.py"])
def test_a_room_says_what_it_is_for_and_what_to_read_first(module: str) -> None:
    text = ast.get_docstring(tree(module)) or ""
    assert 3 <= len(text.splitlines()) <= 10
    assert "Read first: " in text
    folder = MODULES[module].parent
    for name in CODE.findall(text):
        if re.fullmatch(r"[a-z_/]+", name):
            paths = (folder / name, folder / f"{name}.py", ROOT / name)
            assert any(path.exists() for path in paths), f"{module}: {name}"
