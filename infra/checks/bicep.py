"""A Bicep file as a syntax tree, and what it declares. The grammar is tree-sitter's. No expression is evaluated."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

_PARSER = Parser(Language(tree_sitter_bicep.language()))
_KINDS = {
    "parameter_declaration": "param",
    "variable_declaration": "var",
    "output_declaration": "output",
    "resource_declaration": "resource",
    "module_declaration": "module",
}


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something wrong at a line of a file."""

    path: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a file declares: `kind` is param, var, output, resource or module; `decorators` are their names."""

    kind: str
    name: str
    node: Node
    decorators: frozenset[str]

    @property
    def line(self) -> int:
        """The line on which it starts, from 1."""
        return self.node.start_point[0] + 1

    @property
    def target(self) -> str:
        """The type@version of a resource, the path of a module."""
        return next((text for node in self.node.named_children if (text := literal(node)) is not None), "")

    @property
    def existing(self) -> bool:
        """Whether it refers to a resource that exists already (`existing`)."""
        return any(child.type == "existing" for child in self.node.children)

    @property
    def has_default(self) -> bool:
        """Whether a parameter may be left out."""
        return any(child.type == "=" for child in self.node.children)

    @property
    def value(self) -> Node:
        """The value of a variable or an output, or the default of a parameter."""
        return self.node.named_children[-1]

    @property
    def body(self) -> dict[str, Node]:
        """The properties of a resource or a module, also inside a condition or a loop."""
        found = _body(self.node)
        return properties(found) if found is not None else {}


class Source:
    """A file that was read. Raises OSError where there is none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = _PARSER.parse(path.read_bytes()).root_node

    @cached_property
    def declarations(self) -> tuple[Declaration, ...]:
        """All declarations, in their order. Decorators come before what they decorate."""
        found: list[Declaration] = []
        decorators: frozenset[str] = frozenset()
        for node in self.root.named_children:
            if node.type == "decorators":
                decorators = frozenset(_decorator_names(node))
            elif node.type in _KINDS:
                found.append(Declaration(_KINDS[node.type], _name(node), node, decorators))
            if node.type not in ("decorators", "comment"):
                decorators = frozenset()
        return tuple(found)

    def of_kind(self, kind: str) -> dict[str, Declaration]:
        """The declarations of a kind, by name."""
        return {item.name: item for item in self.declarations if item.kind == kind}

    def strings(self) -> Iterator[tuple[int, str]]:
        """Every string without interpolation and its line, except those in decorators."""
        for node in walk(self.root, skip=("decorators",)):
            if (found := literal(node)) is not None:
                yield node.start_point[0] + 1, found


def walk(node: Node, skip: tuple[str, ...] = ()) -> Iterator[Node]:
    """The node and all nodes below it, from the top, without the types to skip."""
    if node.type in skip:
        return
    yield node
    for child in node.children:
        yield from walk(child, skip)


def text(node: Node) -> str:
    """The node as it is written."""
    return (node.text or b"").decode()


def literal(node: Node) -> str | None:
    """The value of a string. None for one with interpolation, and for other nodes."""
    if node.type != "string" or any(child.type == "interpolation" for child in node.named_children):
        return None
    return "".join(text(child) for child in node.named_children)


def properties(node: Node) -> dict[str, Node]:
    """The values of an object by their names."""
    found = {}
    for item in node.named_children:
        if item.type == "object_property" and len(item.named_children) > 1:
            key = item.named_children[0]
            found[literal(key) or text(key)] = item.named_children[-1]
    return found


def _name(node: Node) -> str:
    return next((text(child) for child in node.named_children if child.type == "identifier"), "")


def _decorator_names(node: Node) -> Iterator[str]:
    for call in node.named_children:
        yield text(next(child for child in walk(call) if child.type == "identifier"))


def _body(node: Node) -> Node | None:
    for child in node.named_children:
        if child.type == "object":
            return child
        if child.type in ("if_statement", "for_statement") and (found := _body(child)) is not None:
            return found
    return None
