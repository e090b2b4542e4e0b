"""What a JSON text holds, before it is parsed: how deep it nests, how many nodes it has, where it names members.

Nothing can interrupt a call of a JSON parser. So arrays that may name members are cut out here, in pieces. The pieces
are parsed one after the other. What is left of the text is small, and is parsed last.
"""

import json
import re
from collections.abc import Generator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from scim2_models import InvalidSyntaxException

from scim_core.protocol.json_text import JsonText
from scim_core.protocol.limits import MAX_BODY_BYTES, MAX_DEPTH, MAX_MEMBERS, at_most, require_body_size

PIECE_CHARACTERS = 64 * 1024
"""Characters of members that are parsed at once: some 500 members, in a millisecond or two."""

CHARACTERS_OF_A_UNIT = 2_000
"""Characters of a text that are looked through in one unit of work."""

NODES_OF_A_UNIT = 10
"""Nodes that are parsed in one unit of work."""

ENTRIES_OF_A_UNIT = 5
"""Members that are parsed in one unit of work."""

NODES = "values and names in its body"
"""What a body has a budget of."""

BRACKETS_AT_ONCE = 1_000
"""Brackets that are looked at before others get their turn: a millisecond."""

MEMBERS = "members"
"""The attribute of a Group that names members."""

_SPACE = r"[ \t\n\r]*+"
_STRING = r'"(?:[^"\\]++|\\.)*+"'
_SCALAR = rf"(?:{_STRING}|[-+.0-9A-Za-z]++)"
_NAMED = rf'{_STRING}{_SPACE}:{_SPACE}{_SCALAR}{_SPACE}(?:,{_SPACE}(?=")|(?=\}}))'
_ENTRY = rf"(?:\{{{_SPACE}(?:{_NAMED}){{0,10}}+\}}|{_SCALAR})"
"""One member: a text, or an object of at most ten attributes that are no objects or arrays themselves."""

_ENTRIES = re.compile(rf"(?:{_SPACE}{_ENTRY}{_SPACE},)*+", re.DOTALL)
_LAST_ENTRY = re.compile(rf"{_SPACE}{_ENTRY}{_SPACE}(?=\])", re.DOTALL)
_TO_BRACKET = re.compile(rf"""[^\[\]{{}}"]*+(?:({_STRING})([^\[\]{{}}"]*+))*+""", re.DOTALL)
_WHOLE_STRINGS = re.compile(_STRING, re.DOTALL)


_BRACKETS = frozenset("[]{}")


class BodyForm(Enum):
    """Where a body may name members."""

    NONE = auto()
    GROUP = auto()
    PATCH = auto()


class _Role(Enum):
    OTHER = auto()
    MESSAGE = auto()
    OPERATIONS = auto()
    OPERATION = auto()
    ATTRIBUTES = auto()
    MEMBERS = auto()


@dataclass(slots=True)
class Entries:
    """The entries that were cut out of one array, from `start` to `end` of the text."""

    start: int
    end: int
    values: list[Any] = field(default_factory=list)

    @property
    def nodes(self) -> int:
        """How many nodes the entries have. They hold no objects or arrays."""
        return sum(1 + 2 * len(entry) if isinstance(entry, dict) else 1 for entry in self.values)


def to_bracket(text: str, position: int) -> re.Match[str]:
    """What is before the next bracket outside of strings: its groups are the last string, and what follows it.

    It ends earlier if the text is no JSON, or if the bracket is more than MAX_BODY_BYTES away.
    """
    found = _TO_BRACKET.match(text, position, position + MAX_BODY_BYTES + 1)
    assert found is not None  # noqa: S101 -- the pattern matches nothing, too
    return found


def names_members(path: object, members: str) -> bool:
    """Whether this is the name of the attribute `members` (in lower case), with or without a URN before it."""
    return isinstance(path, str) and path.rpartition(":")[2].strip().lower() == members


class Outline:
    """Goes through a text once. `rest` is the text without the entries that were cut out, as parts of the text.

    `arrays` has an item for each array that may name members, in the order of the text: its entries, or None if they
    were left where they are. `members` is the name of the attribute, in lower case.
    """

    def __init__(self, json_text: JsonText, form: BodyForm, max_nodes: int, members: str = MEMBERS) -> None:
        self._json_text = json_text
        self._text = json_text.text
        self._form = form
        self._max_nodes = max_nodes
        self._name = members
        self._members = 0
        self._kept = 0
        self._readable = len(self._text)
        self._containers = 0
        self.rest: list[tuple[int, int]] = []
        self.arrays: list[Entries | None] = []

    def nodes(self) -> int:
        """How many nodes the rest has, or a few more. A text that is no JSON counts as far as a parser comes in it."""
        rest = "".join(self._text[start : min(end, self._readable)] for start, end in self.rest)
        nodes = 1 + self._containers + rest.count(",") + rest.count(":")
        if nodes > self._max_nodes:
            rest = _WHOLE_STRINGS.sub("", rest)
            nodes = 1 + self._containers + rest.count(",") + rest.count(":")
        return nodes

    def walk(self) -> Generator[int]:
        """The whole text is looked through. Yields the units of work that each part took.

        Raises InvalidSyntaxException for a text that nests too deeply, RequestTooLarge.
        """
        position, kept_from = 0, 0
        roles: list[_Role] = []
        while True:
            found = to_bracket(self._text, position)
            at = found.end()
            require_body_size(self._kept + at - kept_from)
            if self._text[at : at + 1] not in _BRACKETS:
                break
            position = at + 1
            if self._text[at] in "]}":
                if not roles:
                    break  # no JSON: the parser says where
                roles.pop()
                continue
            self._opened(len(roles))
            roles.append(self._role(roles[-1] if roles else None, found, self._text[at]))
            if roles[-1] is _Role.MEMBERS and (entries := (yield from self._entries(position))):
                self._keep(kept_from, position)
                position = kept_from = entries.end
            elif self._containers % BRACKETS_AT_ONCE == 0:
                yield BRACKETS_AT_ONCE // NODES_OF_A_UNIT
        self._readable = at
        self._keep(kept_from, len(self._text))
        yield 1 + self._kept // CHARACTERS_OF_A_UNIT

    def _opened(self, depth: int) -> None:
        if depth == MAX_DEPTH:
            raise InvalidSyntaxException(detail=f"The body nests deeper than {MAX_DEPTH} levels.")
        self._containers += 1
        at_most(self._max_nodes, self._containers, NODES)

    def _keep(self, start: int, end: int) -> None:
        self.rest.append((start, end))
        self._kept += end - start
        require_body_size(self._kept)

    def _entries(self, start: int) -> Generator[int, None, Entries | None]:
        """The entries of the array that starts here; None if one of them is large, or is no member."""
        entries = Entries(start, start)
        self.arrays.append(None)
        while True:
            limit = entries.end + PIECE_CHARACTERS
            found = _ENTRIES.match(self._text, entries.end, limit)
            last = found is None or found.end() == entries.end
            if last:
                found = _LAST_ENTRY.match(self._text, entries.end, limit)
            if found is None:
                if len(self._text) > MAX_BODY_BYTES:  # probably too large, unless it is no JSON
                    self._json_text.require_entries(entries.end, limit, first=entries.end == start)
                return None
            values = self._json_text.entries(entries.end, found.end() if last else found.end() - 1)
            entries.end = found.end()
            entries.values += values
            at_most(MAX_MEMBERS, self._members + len(entries.values), "members")
            yield 1 + (found.end() - found.start()) // CHARACTERS_OF_A_UNIT + len(values) // ENTRIES_OF_A_UNIT
            if last:
                self._members += len(entries.values)
                self.arrays[-1] = entries
                return entries

    def _role(self, parent: _Role | None, found: re.Match[str], bracket: str) -> _Role:
        """What begins with this bracket. In an object, the string before it is its name."""
        name = decoded(found[1]) if (found[2] or "").strip() == ":" else ""
        role = _Role.OTHER
        match parent, bracket:
            case None, "{" if self._form is not BodyForm.NONE:
                role = _Role.MESSAGE if self._form is BodyForm.PATCH else _Role.ATTRIBUTES
            case _Role.MESSAGE, "[" if name.lower() == "operations":
                role = _Role.OPERATIONS
            case _Role.OPERATIONS, "{":
                role = _Role.OPERATION
            case _Role.OPERATION, _ if name.lower() == "value":
                role = _Role.MEMBERS if bracket == "[" else _Role.ATTRIBUTES
            case _Role.ATTRIBUTES, "[" if names_members(name, self._name):
                role = _Role.MEMBERS
            case _Role.ATTRIBUTES, "{" if ":" in name:
                role = _Role.ATTRIBUTES
        return role


def decoded(string: str) -> str:
    """The text of a JSON string. One with a wrong escape stays as it is: the parser refuses it."""
    try:
        return str(json.loads(string)) if "\\" in string else string[1:-1]
    except ValueError:
        return string
