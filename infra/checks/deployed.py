"""What a deployment would make: a snapshot of the Bicep compiler, with every expression worked out that can be."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

INFRA = Path(__file__).parents[1]
PAGES = INFRA.parent / "docs"

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something wrong in a file."""

    path: Path
    text: str
    line: int = 1

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


@dataclass(frozen=True, slots=True)
class Deployed:
    """A snapshot: the resources as Azure gets them, and the outputs. What only Azure knows is text in brackets."""

    name: str
    resources: list[Resource]
    outputs: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Self:
        """The snapshot in this file, NAME.snapshot.json. Raises OSError or ValueError where there is none."""
        found = json.loads(path.read_text(encoding="utf-8"))
        return cls(path.name.partition(".")[0], found["predictedResources"], found["outputs"])

    def of(self, *kinds: str) -> list[Resource]:
        """The resources of these types, in their order."""
        return [item for item in self.resources if item["type"] in kinds]

    @property
    def stage(self) -> str:
        """Which stage it is: dev or prod."""
        return str(at(self.of("Microsoft.Resources/resourceGroups")[0], "tags.stage"))

    @property
    def settings(self) -> dict[str, str]:
        """The settings of the function app."""
        found = (item for item in self.of("Microsoft.Web/sites/config") if item["name"].endswith("/appsettings"))
        return dict(next(found)["properties"])


Rule = Callable[[Deployed], Iterator[str]]


def snapshots() -> list[Path]:
    """The files with a snapshot that are committed."""
    return sorted((INFRA / "snapshots").glob("*.snapshot.json"))


def at(item: Resource, path: str) -> Any:
    """The value at this path of names with full stops between them. None: there is none."""
    found: Any = item
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts(inner)
    elif isinstance(value, str):
        yield value
