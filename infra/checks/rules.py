"""The rules for Bicep files that need no other program: syntax, names, parameters and outputs of modules, role ids."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from tree_sitter import Node

from infra.checks.bicep import Declaration, Finding, Source, literal, properties, text, walk

ROLES = {
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": "Storage Blob Data Reader",
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "12338af0-0e69-4776-bea7-57ae8d297424": "Key Vault Crypto User",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
}
"""The only built-in roles that the files may assign. Each id was looked up, and no other role is needed."""

# Names without a declaration: functions, namespaces and constants of Bicep that our files use or are likely to use.
_KNOWN = frozenset(
    {
        *("any", "array", "bool", "concat", "contains", "deployment", "empty", "endsWith", "environment", "first"),
        *("format", "guid", "int", "intersection", "join", "json", "last", "length", "loadJsonContent"),
        *("loadTextContent", "max", "min", "range", "readEnvironmentVariable", "replace", "resourceGroup"),
        *("resourceId", "split", "startsWith", "string", "subscription", "subscriptionResourceId", "substring"),
        *("sys", "az", "take", "tenant", "toLower", "toUpper", "trim", "union", "uniqueString", "uri", "utcNow"),
        *("true", "false", "null"),
    }
)
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LOOP_NAMES = ("loop_variable", "loop_enumerator")

Rule = Callable[[Source], Iterator[Finding]]


def check(paths: list[Path]) -> list[Finding]:
    """Everything wrong with these files, in their order."""
    rules: tuple[Rule, ...] = (_syntax, _names, _modules, _files, _roles)
    return sorted({finding for path in paths for rule in rules for finding in rule(Source(path))})


def check_parameters(path: Path, main: Path) -> list[Finding]:
    """Everything wrong with a JSON file of parameters for the file `main`."""
    try:
        given = json.loads(path.read_text(encoding="utf-8"))["parameters"]
    except (ValueError, KeyError, TypeError) as error:
        return [Finding(path, 1, f"is no file of parameters ({type(error).__name__}: {error})")]
    wanted = Source(main).of_kind("param")
    return [
        *(Finding(path, 1, f"{main.name} has no parameter {name}") for name in sorted(given.keys() - wanted.keys())),
        *(
            Finding(path, 1, f"{main.name} needs the parameter {name}")
            for name in wanted
            if name not in given and not wanted[name].has_default
        ),
        *(
            Finding(path, 1, f"the secret {name} is written down")
            for name in sorted(given.keys() & wanted.keys())
            if "secure" in wanted[name].decorators and not str(given[name].get("value")).startswith("${")
        ),
    ]


def check_roles(path: Path) -> list[Finding]:
    """Everything wrong with the JSON file that names the built-in roles."""
    known = {id_: f"{name[0].lower()}{name[1:].replace(' ', '')}" for id_, name in ROLES.items()}
    try:
        given: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return [Finding(path, 1, f"is no file of roles ({type(error).__name__}: {error})")]
    return [
        Finding(path, 1, f"{id_} is the id of no role {name} that is known here")
        for name, id_ in given.items()
        if known.get(id_) != name
    ]


def _syntax(source: Source) -> Iterator[Finding]:
    for node in walk(source.root):
        if node.is_error or node.is_missing:
            wrong = f"{node.type} is missing" if node.is_missing else f"unexpected {text(node)[:40]!r}"
            yield Finding(source.path, node.start_point[0] + 1, f"syntax: {wrong}")


def _names(source: Source) -> Iterator[Finding]:
    declared: set[str] = set()
    for item in source.declarations:
        if item.kind != "output" and item.name in declared:
            yield Finding(source.path, item.line, f"{item.name} is declared twice")
        declared |= {item.name} if item.kind != "output" else set()
    used: set[str] = set()
    for node, local in _references(source.root, frozenset()):
        used.add(text(node))
        if text(node) not in declared | local | _KNOWN:
            yield Finding(source.path, node.start_point[0] + 1, f"{text(node)} is not declared")
    for item in source.declarations:
        if item.kind in ("param", "var") and item.name not in used:
            yield Finding(source.path, item.line, f"{item.name} is never used")


def _references(node: Node, local: frozenset[str]) -> Iterator[tuple[Node, frozenset[str]]]:
    """Every identifier for a value, with the names that the loops around it declare."""
    if node.type in ("decorators", "type", "diagnostic_comment", "using_statement"):
        return
    if node.type == "for_statement":
        local |= {text(item) for item in walk(node) if item.type in _LOOP_NAMES}
        if node.named_children and node.named_children[0].type == "identifier":
            local |= {text(node.named_children[0])}
    if node.type == "identifier" and not _names_itself(node):
        yield node, local
    for child in node.children:
        yield from _references(child, local)


def _names_itself(node: Node) -> bool:
    """Whether this is the name in a declaration or the key of a property."""
    parent = node.parent
    assert parent is not None  # noqa: S101 -- an identifier is never the root
    first = next((child for child in parent.named_children if child.type == "identifier"), None)
    return (
        first == node
        and (parent.type == "object_property" or parent.type.endswith("_declaration"))
        and (parent.type != "object_property" or parent.named_children[0] == node)
    )


def _modules(source: Source) -> Iterator[Finding]:
    for module in source.of_kind("module").values():
        path = source.path.parent / module.target
        if not path.is_file():
            yield Finding(source.path, module.line, f"module {module.name}: there is no file {module.target}")
            continue
        target = Source(path)
        for problem in (*_parameters(module, target), *_outputs(source, module, target)):
            yield Finding(source.path, module.line, f"module {module.name} ({module.target}) {problem}")


def _parameters(module: Declaration, target: Source) -> Iterator[str]:
    given = properties(module.body["params"]) if "params" in module.body else {}
    wanted = target.of_kind("param")
    yield from (f"has no parameter {name}" for name in given.keys() - wanted.keys())
    yield from (f"needs the parameter {name}" for name in wanted if name not in given and not wanted[name].has_default)


def _outputs(source: Source, module: Declaration, target: Source) -> Iterator[str]:
    pattern = re.compile(rf"\b{re.escape(module.name)}(?:\[[^\]]*\])?!?\.\??outputs\.\??(\w+)")
    asked = set(pattern.findall(text(source.root)))
    yield from (f"has no output {name}" for name in asked - target.of_kind("output").keys())


def _files(source: Source) -> Iterator[Finding]:
    for node in walk(source.root):
        if node.type == "call_expression" and text(node.children[0]) in ("loadTextContent", "loadJsonContent"):
            name = next((value for child in walk(node) if (value := literal(child)) is not None), "")
            if not (source.path.parent / name).is_file():
                yield Finding(source.path, node.start_point[0] + 1, f"there is no file {name}")


def _roles(source: Source) -> Iterator[Finding]:
    for node in walk(source.root, skip=("decorators",)):
        if (value := literal(node)) is not None and _ID.fullmatch(value.lower()) and value not in ROLES:
            yield Finding(source.path, node.start_point[0] + 1, f"{value} is the id of no role that is known here")
