"""A timeline for people: each event of the log as a line with a word, the values that changed, and who asked."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scim_core.feed.log import Event
from scim_core.storage.feed_port import AttemptOutcome

_WORDS = {
    "created": ("good", "Created"),
    "updated": ("accent", "Changed"),
    "members": ("accent", "Members changed"),
    "deleted": ("bad", "Deleted"),
    "severed": ("quiet", "Memberships removed"),
    "joined": ("accent", "Joined a group"),
    "left": ("quiet", "Left a group"),
    "refused": ("bad", "Refused"),
    "unchanged": ("quiet", "Nothing to change"),
    "in part": ("warn", "Done in part"),
    "answered": ("quiet", "Asked"),
    "not let in": ("bad", "Not let in"),
}
"""For each event, its colour and its word. An event of a later version has its own word."""

_IN_PART = str(AttemptOutcome.IN_PART)
_OUTCOMES = frozenset(map(str, AttemptOutcome))

_MISSING = {"ignored": "Ignored", "skippedOperations": "Skipped", "skippedMembers": "Skipped members"}
"""What a note says of a request that did not do all, with the word for it."""

_OF_A_REQUEST = frozenset(
    {
        *(
            "method",
            "credential",
            "credentialId",
            "request",
            "before",
            "after",
            "status",
            "scimType",
            "sentence",
            "asked",
        ),
        *("cut", "mistake", "operation", "malformedMembers", *_MISSING, *(f"{name}Others" for name in _MISSING)),
    }
)
"""The names in a note that have a place of their own. The others name the request in the client's own log."""


@dataclass(frozen=True, slots=True)
class ValueChange:
    """An attribute with its values before and after. None: it had none."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class ShownEvent:
    """One event for people. `kind` is its colour. `missing` are pairs of a word and names, `client` pairs of a header
    and the id by which the client's own log names the request.
    """

    event: Event
    kind: str
    word: str
    sentence: str
    values: Sequence[ValueChange]
    others: Sequence[str]
    missing: Sequence[tuple[str, Sequence[str]]]
    asked: Sequence[tuple[str, str]]
    client: Sequence[tuple[str, str]]


def lines(events: Sequence[Event]) -> list[ShownEvent]:
    """The events as lines, the newest first. What a change says of its own request is not said again."""
    changed = {(item.request, item.resource) for item in events if item.what not in _OUTCOMES}
    told = [item for item in events if item.what != _IN_PART or (item.request, item.resource) not in changed]
    return [line_of(event) for event in reversed(told)]


def line_of(event: Event) -> ShownEvent:
    """The event as a line."""
    note = event.note
    kind, word = _WORDS.get(event.what, ("quiet", event.what))
    values = _values(note.get("before", {}), note.get("after", {}))
    missing = [(said, [str(name) for name in note[name_]]) for name_, said in _MISSING.items() if note.get(name_)]
    was, is_active = (note.get(moment, {}).get("active") is not False for moment in ("before", "after"))
    if event.what == "updated" and was != is_active:
        kind, word = ("good", "Activated again") if is_active else ("warn", "Deactivated")
    elif event.what == "unchanged" and missing:
        kind, word = "warn", "Nothing was changed"
    elif missing:
        kind = "warn"
    told = {change.name for change in values}
    return ShownEvent(
        event=event,
        kind=kind,
        word=word,
        sentence=" ".join(str(note[name]) for name in ("status", "operation", "sentence") if note.get(name)),
        values=values,
        others=[name for name in event.attributes if name not in told],
        missing=missing,
        asked=[(name, readable(value)) for name, value in note.get("asked", {}).items()],
        client=[(name, readable(value)) for name, value in note.items() if name not in _OF_A_REQUEST],
    )


def _values(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[ValueChange]:
    return [ValueChange(name, _held(before, name), _held(after, name)) for name in {**before, **after}]


def _held(values: Mapping[str, Any], name: str) -> str | None:
    return readable(values[name]) if name in values else None


def readable(value: Any) -> str:
    """A value as people read it: texts as they are, the values of a list with a comma between two."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(item, dict) and "value" in item for item in value):
        return ", ".join(_element(item) for item in value)
    return json.dumps(value, ensure_ascii=False)


def _element(item: Mapping[str, Any]) -> str:
    kind = item.get("type")
    return f"{readable(item['value'])} ({kind})" if isinstance(kind, str) and kind else readable(item["value"])
