"""Reads the recorded cases: one JSON file each, one play for each example in it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
HEADERS = json.loads((_HERE / "headers.json").read_text(encoding="utf-8"))
"""The headers each client sends on every request, and with a body."""
_CASE_KEYS = {"case", "title", "source", "client", "examples", "exchanges"}
_EXCHANGE_KEYS = {"note", "client", "pause", "repeat", "at_once", "walk", "send", "expect", "whole", "capture"}
_SEND_KEYS = {"method", "path", "query", "headers", "body", "text"}


@dataclass(frozen=True)
class Play:
    """One run through the exchanges of a case. `number` is the wire case's, None for a case of another set."""

    id: str
    number: int | None
    client: str
    exchanges: list[dict[str, Any]]
    values: dict[str, Any] = field(default_factory=dict)


def plays() -> list[Play]:
    """All recorded cases, in the order of their files."""
    files = sorted(_HERE.glob("*/*.json"))
    return [play for file in files for play in read(file.read_text(encoding="utf-8"), file)]


def read(text: str, file: Path) -> Iterator[Play]:
    """The plays of one file. Raises ValueError for anything the runner would not look at."""
    case = json.loads(text, object_pairs_hook=_unique)
    _only(_CASE_KEYS, case, file)
    for exchange in case["exchanges"]:
        _only(_EXCHANGE_KEYS, exchange, file)
        _only(_SEND_KEYS, exchange["send"], file)
        if "status" not in exchange["expect"]:
            raise ValueError(f"{file.parent.name}/{file.name}: an exchange expects no status")
    name = f"case-{case['case']:03}" if "case" in case else f"{file.parent.name}-{file.stem}"
    for example, values in case.get("examples", {"": {}}).items():
        play_id = "-".join(filter(None, [name, _slug(case["title"]), _slug(example)]))
        yield Play(play_id, case.get("case"), case["client"], case["exchanges"], values)


def _unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(members)
    if len(document) != len(members):
        raise ValueError(f"a name occurs twice among {[name for name, _ in members]}")
    return document


def _only(known: set[str], found: dict[str, Any], file: Path) -> None:
    if unknown := found.keys() - known:
        raise ValueError(f"{file.parent.name}/{file.name}: {sorted(unknown)} mean nothing")


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
