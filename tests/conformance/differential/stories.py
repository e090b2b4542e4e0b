"""Exchanges recorded as data, one JSON file for each subject, and how one of them is played to one side.

A file has a `setup`, requests that make the state from which each of its `exchanges` starts. A request has `send`,
a method and a path, and perhaps `query`, `headers`, and a `body` or, where that is to be no JSON, a `text`; in a setup
`as` names the resource it creates: $name is its id from then on and $name.version its entity tag as last seen. An
exchange has an `id` besides, and perhaps `after`: requests that come between the setup and itself.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conformance.differential.sides import Answer, Request, Side

FOLDER = Path(__file__).parent / "exchanges"
CREATED = "created"
"""The name of the resource that the exchange itself creates."""

_REQUEST = {"send", "query", "headers", "body", "text"}
_NOTHING_THERE = (404, 405, 501)
_NAME = re.compile(r"\$([a-z]+)(\.version)?")


@dataclass(frozen=True)
class Exchange:
    """One exchange as it is recorded, and the requests that come before it."""

    id: str
    before: tuple[dict[str, Any], ...]
    recorded: dict[str, Any]


@dataclass
class Known:
    """What a side has told of its resources: their ids and entity tags, by name."""

    ids: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def fill(self, text: str) -> str:
        """The text with ids and entity tags in place of names."""
        return _NAME.sub(self._value, text)

    def note(self, document: Any, name: str | None) -> None:
        """The id and the entity tag of the resource of this name, if the document is one, and new tags of others."""
        resources = document.get("Resources", [document]) if isinstance(document, dict) else []
        if name and resources and "id" in resources[0]:
            self.ids[name] = resources[0]["id"]
        names = {resource_id: known for known, resource_id in self.ids.items()}
        for resource in resources:
            if resource.get("id") in names:
                self.versions[names[resource["id"]]] = resource.get("meta", {}).get("version", "")

    def _value(self, found: re.Match[str]) -> str:
        name, wants_version = found.groups()
        return (self.versions if wants_version else self.ids).get(name, found[0])


@dataclass(frozen=True)
class Observation:
    """What one side answered to an exchange; the ids of its resources, and the entity tags they had before.

    A PATCH is answered with or without the resource, as a service provider likes (RFC 7644 section 3.5.2): so
    `document` is then what a GET shows afterwards, which tells too whether a refused one left anything behind.
    """

    method: str
    answer: Answer
    document: Any
    ids: dict[str, str]
    versions: dict[str, str]


def exchanges() -> dict[str, Exchange]:
    """All recorded exchanges, by id. Raises ValueError for what nobody reads."""
    files = sorted(FOLDER.glob("*.json"))
    return {exchange.id: exchange for file in files for exchange in _read(file)}


def _read(file: Path) -> Iterable[Exchange]:
    recorded = json.loads(file.read_text(encoding="utf-8"))
    subject = file.stem.replace("_", " ")
    for request in recorded["setup"]:
        _require_only(request, _REQUEST | {"as"}, subject)
    for exchange in recorded["exchanges"]:
        _require_only(exchange, _REQUEST | {"id", "after"}, subject)
        yield Exchange(f"{subject}: {exchange['id']}", (*recorded["setup"], *exchange.get("after", ())), exchange)


def _require_only(request: dict[str, Any], known: set[str], subject: str) -> None:
    if unknown := request.keys() - known:
        raise ValueError(f"{subject}: {sorted(unknown)} in {request['send']} mean nothing")


async def play(exchange: Exchange, side: Side) -> Observation:
    """What the side, empty at first, answers to the exchange after the requests before it."""
    side.empty()
    known = Known()
    for recorded in exchange.before:
        filled = _request(recorded, known)
        answer = await side.send(filled)
        if "as" in recorded and answer.status != 201:
            raise AssertionError(f"{recorded['as']} was not created: {answer}")
        known.note(answer.document, recorded.get("as"))
        if filled.method == "PATCH":
            known.note((await side.send(Request("GET", filled.path))).document, None)
    request = _request(exchange.recorded, known)
    versions = dict(known.versions)
    answer = await side.send(request)
    document = answer.document
    if request.method == "PATCH" and answer.status not in _NOTHING_THERE:
        document = (await side.send(Request("GET", request.path))).document
    known.note(document, CREATED if answer.status == 201 else None)
    return Observation(request.method, answer, document, dict(known.ids), versions)


def _request(recorded: dict[str, Any], known: Known) -> Request:
    method, _, path = known.fill(recorded["send"]).partition(" ")
    body = recorded.get("text", json.dumps(recorded["body"], ensure_ascii=False) if "body" in recorded else "")
    headers = {"content-type": "application/scim+json"} if body else {}
    headers |= {name.lower(): known.fill(value) for name, value in recorded.get("headers", {}).items()}
    query = {name: known.fill(value) for name, value in recorded.get("query", {}).items()}
    return Request(method, path, query, headers, known.fill(body).encode())
