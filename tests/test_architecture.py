"""The shape of the code: which room may use which, which libraries it may import, where time and chance come in."""

import ast
import statistics
import sys
from collections.abc import Callable, Collection, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = {
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
    for file in sorted((ROOT / "scim_core").rglob("*.py"))
}

GROUND = "ground"
TOP = "top"
"""`composition` and `console_composition` put the rooms together and `__init__` names what is public. They may use
everything but admin."""

PORT = "storage/port"
ROOMS = ("protocol", "storage", "service", "access", "feed", "endpoint", "pages", "console", "admin")

MAY_USE: dict[str, set[str]] = {
    GROUND: set(),
    "protocol": {GROUND},
    PORT: {GROUND},
    "storage": {GROUND, PORT},
    "service": {GROUND, PORT, "protocol"},
    "access": {GROUND, PORT},
    "feed": {GROUND, PORT, "protocol"},
    "endpoint": {GROUND, PORT, "protocol", "service", "access", "feed", "pages"},
    "pages": {GROUND},
    "console": {GROUND, PORT, "protocol", "service", "access", "feed", "pages"},
    TOP: {GROUND, PORT, *ROOMS} - {"admin", "pages"},
    "admin": {GROUND, PORT, "protocol", "storage", "service", "access", "feed", "console", "pages"},
}
"""For each room, the rooms that it may use, and does use. docs/architecture.md and docs/rooms.svg draw this table."""

NEVER = (
    ("protocol", {"service", "storage", PORT, "access", "feed", "endpoint"}),
    ("service", {"storage", "access", "feed", "endpoint"}),
    ("storage", {"protocol", "service", "access", "feed", "endpoint"}),
    ("access", {"service", "endpoint", "feed"}),
    ("feed", {"storage", "service", "access", "endpoint"}),
    ("pages", {"protocol", "storage", PORT, "service", "access", "feed", "endpoint"}),
    ("console", {"storage", "endpoint"}),
    *((room, {"console"}) for room in (GROUND, PORT, *ROOMS) if room not in ("console", "admin")),  # the top does
    *((room, {"admin"}) for room in (GROUND, TOP, PORT, *ROOMS) if room != "admin"),
)
"""The sentences by which the rooms are kept apart, whatever MAY_USE comes to say."""

LIBRARIES: dict[str, dict[str, set[str]]] = {
    GROUND: {"cryptography": {"master_key"}},
    TOP: {},
    "protocol": {"scim2_models": set(), "pydantic": set()},
    PORT: {},
    "storage": {
        "azure": {
            *("storage.tables.azure_rows", "storage.tables.client", "storage.tables.errors", "storage.tables.identity"),
            *("storage.tables.wire", "storage.maintenance.backup"),
        },
        "aiohttp": {"storage.tables.errors", "storage.queues"},
    },
    "service": {"scim2_models": set(), "cryptography": {"service.list_cursors"}},
    "access": {
        "jwt": {"access.oauth"},
        "cryptography": {"access.oauth"},
        "aiohttp": {"access.oauth.key_server", "access.oauth.vault"},
    },
    "feed": {
        "aiohttp": {"feed.hooks.sending"},
        "jwt": {"feed.hooks.tokens"},
        "cryptography": {"feed.hooks.tokens"},
    },
    "endpoint": {"scim2_models": set(), "pydantic": {"endpoint.error_responses"}},
    "pages": {"jinja2": {"pages.rendering"}},
    "console": {},
    "admin": {"tqdm": set(), "aiohttp": {"admin.probe", "admin.doctor.management", "admin.console_server"}},
}
"""For each room, the libraries outside Python's own that it may import, and the parts that may (empty: all)."""

AMBIENT = {
    "datetime.now": {"clock"},
    "time.monotonic": {"composition", "console_composition"},
    "secrets.randbits": {"ids"},
    "secrets.token_bytes": {"access.token_format", "admin", "composition"},
    "secrets.token_hex": {"access.token_format", "storage.tables", "admin"},
    "random.uniform": {"service.optimistic_retry"},
    # The host drops what is logged after an answer: the endpoint awaits its tasks, and those of the feed log nothing.
    "asyncio.create_task": {"endpoint.who_asks", "endpoint.in_order", "feed.kicks", "feed.attempts", "feed.visitors"},
    "asyncio.ensure_future": {
        "service.search",
        "work",
        "endpoint.wakes",
    },  # as above; a thread that goes on logs nothing
    "asyncio.to_thread": {"work"},  # what it calls logs nothing: the host drops a record from a thread
    "os.environ": {"storage.tables.identity", "admin"},  # identity: the platform says there whether it has an identity
    "print": {"admin"},
}
FORBIDDEN = {
    *("datetime.utcnow", "datetime.today", "date.today", "time.time", "time.sleep", "os.getenv"),
    *("uuid.uuid4", "uuid4", "random.random", "random.choice", "input"),
    *("asyncio.TaskGroup", "threading", "concurrent"),
}
"""What brings in time, chance, surroundings or other tasks and threads, and the modules that may use it."""


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def imported(module: str) -> Iterator[str]:
    """The modules that a module imports, those within functions included."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import"
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield submodule if submodule in MODULES else node.module or ""


def short(module: str) -> str:
    return module.removeprefix("scim_core").removeprefix(".")


def room(module: str) -> str:
    name = short(module)
    if name in ("", "composition", "console_composition"):
        return TOP
    if name in ("storage.port", "storage.feed_port", "storage.hook_port"):
        return PORT
    first = name.partition(".")[0]
    return first if first in ROOMS else GROUND


def within(module: str, parts: set[str]) -> bool:
    """Whether the module is one of these parts of scim_core, or lies in one."""
    return any(f"{short(module)}.".startswith(f"{part}.") for part in parts)


def test_every_folder_is_a_room() -> None:
    folders = {name.name for name in (ROOT / "scim_core").iterdir() if name.is_dir() and name.name != "__pycache__"}
    assert folders == set(ROOMS)


def strays(found: Callable[[str], Collection[str]]) -> dict[str, Collection[str]]:
    """What is wrong with the modules, for each with which something is."""
    return {module: wrong for module in MODULES if (wrong := found(module))}


def used_rooms(module: str) -> set[str]:
    """The other rooms that a module uses."""
    return {room(name) for name in imported(module) if name.partition(".")[0] == "scim_core"} - {room(module)}


def test_a_room_uses_only_the_rooms_it_may() -> None:
    assert strays(lambda module: used_rooms(module) - MAY_USE[room(module)]) == {}


@pytest.mark.parametrize("name", MAY_USE)
def test_what_a_room_may_use_it_does_use(name: str) -> None:
    of_room = [module for module in MODULES if room(module) == name]
    assert set().union(*map(used_rooms, of_room)) == MAY_USE[name]


@pytest.mark.parametrize(("name", "others"), NEVER, ids=[name for name, _ in NEVER])
def test_a_room_never_uses_what_lies_above_or_beside_it(name: str, others: set[str]) -> None:
    of_room = [module for module in MODULES if room(module) == name]
    used = {room(other) for module in of_room for other in imported(module) if other.partition(".")[0] == "scim_core"}
    assert of_room
    assert used & others == set()


def foreign_libraries(module: str) -> set[str]:
    """The libraries that a module imports, and may not."""
    libraries = {name.partition(".")[0] for name in imported(module)} - sys.stdlib_module_names - {"scim_core"}
    return libraries - {name for name, parts in LIBRARIES[room(module)].items() if not parts or within(module, parts)}


def test_a_module_imports_only_its_rooms_libraries() -> None:
    assert strays(foreign_libraries) == {}


def test_azure_functions_is_known_to_the_function_app_only() -> None:
    assert not any(name.startswith("azure.functions") for module in MODULES for name in imported(module))
    assert "import azure.functions" in (ROOT / "function_app.py").read_text(encoding="utf-8")


def test_opentelemetry_is_known_to_two_modules_only() -> None:
    """scim_core gets a tracer as an argument: test_a_module_imports_only_its_rooms_libraries holds it to that."""
    outside = [*ROOT.glob("*.py"), *(ROOT / "infra").rglob("*.py"), *(ROOT / "devhost").rglob("*.py")]
    knowing = {file.name for file in outside if "from opentelemetry" in file.read_text(encoding="utf-8")}

    assert knowing == {"open_telemetry.py", "telemetry.py"}
    assert "opentelemetry" not in set().union(*(names for names in LIBRARIES.values()))


def dotted(node: ast.expr) -> str:
    """The name of a name, or of an attribute of one. Empty for an attribute of anything else."""
    match node:
        case ast.Name(name):
            return name
        case ast.Attribute(value, name):
            return f"{before}.{name}" if (before := dotted(value)) else ""
    return ""


def ambient(module: str) -> set[str]:
    """What a module takes from its surroundings, and may not."""
    used = {dotted(node) for node in ast.walk(tree(module)) if isinstance(node, ast.Attribute | ast.Name)}
    return {name for name in used & AMBIENT.keys() if not within(module, AMBIENT[name])} | used & FORBIDDEN


def test_time_chance_and_surroundings_come_in_where_they_are_handed_over() -> None:
    assert strays(ambient) == {}


type Function = ast.FunctionDef | ast.AsyncFunctionDef


def undescribed(module: str) -> list[str]:
    """What others use of a module, and has no docstring."""
    found: list[tuple[str, ast.Module | ast.ClassDef | Function]] = [(module, tree(module))]
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            found.append((node.name, node))
            found += [(f"{node.name}.{item.name}", item) for item in public_functions(node)]
    found += [(item.name, item) for item in public_functions(tree(module))]
    return [name for name, node in found if not ast.get_docstring(node)]


def public_functions(node: ast.Module | ast.ClassDef) -> list[Function]:
    functions = [item for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [item for item in functions if not item.name.startswith("_")]


def test_what_others_use_is_described() -> None:
    assert strays(undescribed) == {}


def test_no_two_public_classes_have_one_name() -> None:
    """A type alias counts as a class: a reader who meets the name must know which one is meant."""
    homes: dict[str, list[str]] = {}
    for module in MODULES:
        for node in tree(module).body:
            name = node.name.id if isinstance(node, ast.TypeAlias) else getattr(node, "name", "")
            if isinstance(node, ast.ClassDef | ast.TypeAlias) and not name.startswith("_"):
                homes.setdefault(name, []).append(module)
    assert {name: modules for name, modules in homes.items() if len(modules) > 1} == {}


def test_modules_are_small() -> None:
    lines = {module: len(file.read_text(encoding="utf-8").splitlines()) for module, file in MODULES.items()}
    assert {module for module, count in lines.items() if count > 400} == set()
    assert statistics.median(lines.values()) <= 130
