"""A request body as JSON. What hostile or broken JSON can do is limited: size, depth, nodes, names, numbers, text.

There is one reader. It looks through the text before it parses anything, and takes members in pieces: `json_outline`.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

from scim2_models import InvalidSyntaxException

from scim_core.model import Json
from scim_core.protocol.json_outline import MEMBERS, NODES, NODES_OF_A_UNIT, BodyForm, Outline, names_members
from scim_core.protocol.json_text import JsonText
from scim_core.protocol.limits import MAX_DEPTH, MAX_NODES, at_most, require_body_size

TAKEN_UP = 15
"""Units of work in which the smallest body becomes a model."""

NODES_TAKEN_UP = 2
"""Values and names of a body that become a part of a model in one unit of work."""

BYTES_TAKEN_UP = 5_000
"""Bytes of a body that leniency and models look at in one unit of work."""

QUOTES_TAKEN_UP = 4
"""Quotation marks within texts, of an app role's JSON text, that are read in one unit of work."""


AT_ONCE_CHARACTERS = 4_000
"""Characters of a text that is parsed in one go, without looking through it first: those of nearly all requests. The
parser takes 50 microseconds for them."""


@dataclass(frozen=True, slots=True)
class Body:
    """A body that was read: its value, how many members it names, and without these its nodes, size and quotes."""

    value: Any
    nodes: int
    size: int
    quotes: int
    members: int

    @property
    def units(self) -> int:
        """The units of work in which leniency and models take up the value."""
        texts = self.size // BYTES_TAKEN_UP + self.quotes // QUOTES_TAKEN_UP
        return TAKEN_UP + self.nodes // NODES_TAKEN_UP + texts + self.members


def parse_json(body: bytes, max_nodes: int = MAX_NODES) -> Any:
    """The value of a JSON text that names no members, all at once. Raises as `reading`."""
    steps = reading(body, BodyForm.NONE, max_nodes)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value.value


def reading(
    body: bytes, form: BodyForm, max_nodes: int = MAX_NODES, *, members: str = MEMBERS
) -> Generator[int, None, Body]:
    """Reads a JSON text in UTF-8 (RFC 8259), and returns it. Yields the units of work that each step took.

    `members` is the name of the attribute that names members, in lower case.

    Raises InvalidSyntaxException when it is not JSON, nests too deeply, repeats a name, or has NaN or half a character;
    RequestTooLarge when it is large or has many nodes, apart from members.
    """
    try:
        text = JsonText(body.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InvalidSyntaxException(detail="The body is not UTF-8 text.") from error
    nodes = _nodes_of_small(text.text)
    if nodes is not None and nodes <= max_nodes:
        value = text.value([(0, len(text.text))])
        yield 1 + nodes // NODES_OF_A_UNIT
        return Body(value, nodes, len(body), text.text.count('\\"'), 0)
    outline = Outline(text, form, max_nodes, members)
    yield from outline.walk()
    nodes, size = outline.nodes(), sum(text.size(start, end) for start, end in outline.rest)
    _require_small(nodes, max_nodes, size)
    value = text.value(outline.rest)
    yield 1 + nodes // NODES_OF_A_UNIT
    number = 0
    arrays = zip(_member_arrays(value, form, members), outline.arrays, strict=True)
    for (holder, name, of_members), entries in arrays:
        if entries is None:
            continue
        if of_members:
            number += len(entries.values)
        else:
            nodes, size = nodes + entries.nodes, size + text.size(entries.start, entries.end)
            _require_small(nodes, max_nodes, size)
        holder[name] = entries.values
    quotes = sum(text.text.count('\\"', start, end) for start, end in outline.rest)
    return Body(value, nodes, size, quotes, number)


def _nodes_of_small(text: str) -> int | None:
    """How many nodes a text has at most, if it is short and cannot nest too deeply. Its members count as nodes."""
    if len(text) > AT_ONCE_CHARACTERS:
        return None
    containers = text.count("[") + text.count("{")
    if containers > MAX_DEPTH:
        return None
    return 1 + containers + text.count(",") + text.count(":")


def _require_small(nodes: int, max_nodes: int, size: int) -> None:
    at_most(max_nodes, nodes, NODES)
    require_body_size(size)


def _member_arrays(value: Any, form: BodyForm, members: str) -> Iterator[tuple[Json, str, bool]]:
    """The arrays that an outline has, in the same order: the object, the name in it, whether it has members."""
    if form is BodyForm.GROUP:
        yield from _among_attributes(value, members)
    if form is not BodyForm.PATCH or not isinstance(value, dict):
        return
    for name, operations in value.items():
        if name.lower() == "operations" and isinstance(operations, list):
            for operation in operations:
                yield from _in_operation(operation, members)


def _in_operation(operation: Any, members: str) -> Iterator[tuple[Json, str, bool]]:
    if not isinstance(operation, dict):
        return
    of_members = any(name.lower() == "path" and names_members(item, members) for name, item in operation.items())
    for name, item in operation.items():
        if name.lower() == "value" and isinstance(item, list):
            yield operation, name, of_members
        elif name.lower() == "value":
            yield from _among_attributes(item, members)


def _among_attributes(value: Any, members: str) -> Iterator[tuple[Json, str, bool]]:
    if not isinstance(value, dict):
        return
    for name, item in value.items():
        if isinstance(item, list) and names_members(name, members):
            yield value, name, True
        elif ":" in name:
            yield from _among_attributes(item, members)


def by_lower_name(value: Json) -> Json:
    """The members of an object by lower-case name. Raises InvalidSyntaxException when two names differ only in case."""
    refuse_repeated_names(value)
    return {name.lower(): item for name, item in value.items()}


def refuse_repeated_names(value: Json) -> None:
    """Raises InvalidSyntaxException when two names differ only in case: names compare case-insensitively."""
    if len({name.lower() for name in value}) != len(value):
        seen: set[str] = set()
        repeated = next(name for name in value if name.lower() in seen or seen.add(name.lower()))  # type: ignore[func-returns-value]
        raise InvalidSyntaxException(detail=f"{repeated[:80]!r} is given more than once in one object.")
