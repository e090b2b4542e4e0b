"""Every query of alerts, workbook and pages: Kusto's own language service reads it, and knows each name in it."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from devhost.npm_packages import installed
from scim_core.admin.doctor import logs
from tests.infra.foretold import queries, workbook_queries
from tests.running import ROOT

KUSTO = Path(__file__).parent / "kusto"
LIBRARY = Path("node_modules/@kusto/language-service-next")
TABLES: dict[str, dict[str, str]] = json.loads((KUSTO / "tables.json").read_text())
"""The columns of the tables that are asked, as Microsoft's reference of Azure Monitor's tables has them."""

PARAMETERS = {"{Tenant}": "'default'", "{TimeRange:grain}": "1h"}
"""What the workbook puts in for its parameters."""


def of_alerts() -> dict[str, str]:
    """The queries as they are deployed."""
    return {f"alert {name}": query for name, query in queries("everything").items()}


def of_workbook() -> dict[str, str]:
    """The queries as the portal gets them, with its parameters put in."""
    found = workbook_queries("everything")
    for name, query in found.items():
        for parameter, value in PARAMETERS.items():
            found[name] = found[name].replace(parameter, value)
        assert not re.search(r"\{[A-Z]\w+[}:]", found[name]), query
    return found


def of_pages() -> dict[str, str]:
    """Blocks that begin with a table's name, and spans with a pipe after one."""
    names = "|".join(TABLES)
    found: dict[str, str] = {}
    for page in (ROOT / "README.md", ROOT / "SECURITY.md", *(ROOT / "docs").rglob("*.md")):
        content = page.read_text()
        blocks = re.findall(rf"^ {{4,}}((?:{names})\n(?: {{4,}}\|.*\n(?: {{4,}}.*\n)*)+)", content, re.MULTILINE)
        spans = [span.replace("\\|", "|") for span in re.findall(rf"`((?:{names})\s+\\?\|[^`]+)`", content)]
        found |= {f"{page.relative_to(ROOT)} {number}": text for number, text in enumerate([*blocks, *spans])}
    return found


def of_doctor() -> dict[str, str]:
    """What `admin doctor` asks, of an app with a name."""
    asked = (*logs.QUERIES, logs.WHY_NOT_SERVING)
    return {f"doctor {number}": text.replace(logs.APP, "func-scim-x") for number, text in enumerate(asked)}


QUERIES = of_alerts() | of_workbook() | of_pages() | of_doctor()

MISTAKES = {
    "AppTraces | where Massage has 'x'": "Massage",
    "AppTrace | count": "AppTrace",
    "AppTraces | wher true": "expected",
    "AppRequests | summarize p95 = percentil(DurationMs, 95)": "percentil",
}
"""Queries that are wrong, each with a word of what is said of it."""


def errors(asked: list[str]) -> list[list[str]]:
    """What the language service finds wrong with each query."""
    node, folder = installed(KUSTO, "Kusto's language service", LIBRARY / "package.json")
    given: dict[str, Any] = {"library": str(folder / LIBRARY), "tables": TABLES, "queries": asked}
    command = [node.executable, str(KUSTO / "bind.cjs")]
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[list[str]] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def found() -> dict[str, list[str]]:
    """What is wrong with each of QUERIES and MISTAKES. The language service is started once."""
    asked = QUERIES | {query: query for query in MISTAKES}
    return dict(zip(asked, errors(list(asked.values())), strict=True))


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_is_understood(found: dict[str, list[str]], name: str) -> None:
    assert found[name] == [], QUERIES[name]


def test_all_are_found() -> None:
    """As many as there are words that only queries have."""
    assert len(of_alerts()) >= 7
    assert len(of_workbook()) == 10
    assert len(of_pages()) >= 6
    said = "".join(page.read_text() for page in (ROOT / "docs" / "operate").iterdir())
    assert sum(name.startswith("docs/operate/") for name in of_pages()) == len(
        re.findall(r"\b(?<!\()(?:AppTraces|AppRequests|Usage)\s+\\?\|", said)
    )


@pytest.mark.parametrize(("query", "said"), MISTAKES.items())
def test_a_mistake_is_found(found: dict[str, list[str]], query: str, said: str) -> None:
    assert any(said in message for message in found[query])
