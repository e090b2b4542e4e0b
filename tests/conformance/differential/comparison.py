"""Where two answers to the same exchange differ, after what each side is free to choose has been evened out."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.conformance.differential.stories import Observation

_HEADERS = ("etag", "location", "allow")
_FREE = ("description", "detail", "documentationUri")
"""Texts for people."""
_KEYS = ("name", "schema")
"""What tells the elements of a discovery document's arrays apart: their order is free."""
_SETS = ("canonicalValues",)
"""Arrays whose order means nothing."""
_DEFAULTS = {
    "required": False,
    "canonicalValues": [],
    "caseExact": False,
    "mutability": "readWrite",
    "returned": "default",
    "uniqueness": "none",
}
"""Characteristics that an attribute has when its definition does not name them (RFC 7643 section 7)."""

type Places = dict[str, tuple[Any, Any]]


def differences(ours: Observation, theirs: Observation) -> Places:
    """Where the answers differ -> (our value, their value).

    A place is a status or scimType with the one that stands there instead, a header's name, or a JSON pointer into the
    document. Headers and documents are compared only where the statuses are equal.
    """
    first, second = _evened(ours), _evened(theirs)
    places: Places = {}
    if first.scim_type != second.scim_type:
        places[f"scimType {first.scim_type} for {second.scim_type}"] = (first.scim_type, second.scim_type)
    if first.status != second.status:
        return places | {f"status {first.status} for {second.status}": (first.status, second.status)}
    for name in sorted(first.headers.keys() | second.headers.keys()):
        if first.headers.get(name) != second.headers.get(name):
            places[f"header {name}"] = (first.headers.get(name), second.headers.get(name))
    return places | dict(_unequal(first.document, second.document, ""))


@dataclass(frozen=True)
class _Evened:
    status: int | str
    scim_type: str
    headers: dict[str, str]
    document: Any


def _evened(seen: Observation) -> _Evened:
    answer = seen.answer
    failed = answer.status >= 400
    headers = {name: _named(value, seen) for name, value in answer.headers.items() if name in _HEADERS}
    if "etag" in headers:
        headers["etag"] = "given"
    return _Evened(
        # With or without a body is the provider's choice, see Observation.
        status="patched" if seen.method == "PATCH" and answer.status in (200, 204) else answer.status,
        scim_type=(answer.document or {}).get("scimType", "none") if failed else "none",
        headers=headers,
        document=None if failed and seen.method != "PATCH" else _without_choices(seen.document, seen),
    )


def _without_choices(document: Any, seen: Observation) -> Any:
    """The document with names for ids, words for instants and entity tags, and without texts for people."""
    match document:
        case dict():
            kept = {name: _without_choices(value, seen) for name, value in document.items() if name not in _FREE}
            kept |= {name: sorted(kept[name]) for name in _SETS if name in kept}
            if isinstance(document.get("meta"), dict):
                kept["meta"] = _meta(document, seen)
            return kept
        case list():
            return _keyed([_without_choices(item, seen) for item in document])
        case str():
            return _named(document, seen)
    return document


def _keyed(items: list[Any]) -> list[Any] | dict[str, Any]:
    """The elements by their key, where all of them have one; an attribute's characteristics without the defaults."""
    for key in _KEYS:
        if items and all(isinstance(item, dict) and isinstance(item.get(key), str) for item in items):
            return {
                item[key]: {name: value for name, value in item.items() if not _is_default(name, value)}
                for item in items
            }
    return items


def _is_default(name: str, value: Any) -> bool:
    return name in _DEFAULTS and value == _DEFAULTS[name]


def _meta(document: dict[str, Any], seen: Observation) -> dict[str, Any]:
    meta = {name: _named(str(value), seen) for name, value in document["meta"].items()}
    if "version" in meta:
        name = next((name for name, known in seen.ids.items() if known == document.get("id")), "")
        before = seen.versions.get(name)
        meta["version"] = "first" if before is None else "as before" if before == document["meta"]["version"] else "new"
    if "lastModified" in meta:
        meta["lastModified"] = "as created" if meta["lastModified"] == meta.get("created") else "later"
        meta["created"] = "some time"
    return meta


def _named(text: str, seen: Observation) -> str:
    for name, resource_id in seen.ids.items():
        text = text.replace(resource_id, f"${name}")
    return text


def _unequal(ours: Any, theirs: Any, pointer: str) -> Iterator[tuple[str, tuple[Any, Any]]]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in sorted(ours.keys() | theirs.keys()):
            yield from _unequal(ours.get(name), theirs.get(name), f"{pointer}/{name}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for place, pair in enumerate(zip(ours, theirs, strict=True)):
            yield from _unequal(*pair, f"{pointer}/{place}")
    elif json.dumps(ours) != json.dumps(theirs):
        yield pointer or "document", (ours, theirs)
