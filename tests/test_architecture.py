"""The shape of the code: who may import what, where time and chance come in, how large a module grows."""

import ast
import statistics
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = {
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
    for file in sorted((ROOT / "scim_core").rglob("*.py"))
}

LAYERS: tuple[tuple[str, ...], ...] = (
    ("storage", "settings", "messages", "identifiers", "instants", "conditions", "limits", "log_records"),
    ("tenants", "credentials", "bounded", "audit", "oauth.verification", "oauth.key_server", "oauth"),
    (
        "schemas",
        "json_body",
        "memory",
        "memory_registry",
        "rate_limits",
        "turns",
        "bookmarks",
        "whole_groups",
        "oauth.signing_keys",
    ),
    (
        "totals",
        "representation",
        "filters",
        "memberships",
        "passed_over",
        "errors",
        "failures",
        "oauth.access_tokens",
        "oauth.keys",
    ),
    ("tolerance", "plan", "search_parameters", "directory", "routes", "oauth.entra", "oauth.answers"),
    ("discovery", "candidates", "service_provider", "auth", "oauth.token_request", "administration"),
    ("search", "oauth.clients", "oauth.metadata"),
    ("all_types",),
    ("operations",),
    ("oauth.endpoint",),
    ("http",),
    ("check", "export", "import"),
    ("",),
    ("admin",),
)
"""Modules of scim_core from the ground up: each imports only from layers below its own. `tables` stands beside them."""

FOUNDATIONS = {
    "storage": set(),
    "settings": set(),
    "messages": set(),
    "log_records": set(),
    "memory": {"storage"},
    "tenants": set(),
    "memory_registry": {"tenants"},
    "tables": {"storage", "settings", "tenants"},
}
"""Modules that stand on very little, whatever their layer: what else of ours they may import."""

TOOLS = {"check", "export", "import", "admin"}
"""What an operator starts by hand: it prints, reads the environment and works on the rows themselves."""

LIBRARIES = {
    "tqdm": {"check", "export", "import"},
    "azure": {"tables"},
    "aiohttp": {"tables", "oauth.key_server", "admin"},
    "cryptography": {"oauth.signing_keys", "oauth.keys"},
    "jwt": {"oauth.verification", "oauth.signing_keys", "oauth.keys"},
    "pydantic": {"errors"},
    "scim2_models": {
        *("schemas", "tolerance", "filters", "memberships", "representation", "plan", "search", "search_parameters"),
        *("operations", "service_provider", "errors", "json_body", "discovery", "limits", "candidates", "all_types"),
    },
}
"""The only libraries beside Python's own, and the modules that may import each."""

AMBIENT = {
    "datetime.now": {"", "export"},
    "time.monotonic": {""},
    "secrets.randbits": {"identifiers"},
    "secrets.token_bytes": {"credentials", "admin"},
    "secrets.token_hex": {"credentials", "tables", "admin"},
    "random.uniform": {"turns"},
    "os.environ": {"tables", *TOOLS},  # tables: the platform says there whether the app has an identity of its own
    "print": TOOLS,
}
FORBIDDEN = {
    *("datetime.utcnow", "datetime.today", "date.today", "time.time", "time.sleep", "os.getenv"),
    *("uuid.uuid4", "uuid4", "random.random", "random.choice", "input"),
}
"""What brings in time, chance or surroundings, and the modules that may use it."""


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
    """The module's name within scim_core; all of tables goes by that name, and all of admin."""
    name = module.removeprefix("scim_core").removeprefix(".")
    return next((package for package in ("tables", "admin") if name.partition(".")[0] == package), name)


def ours(module: str) -> set[str]:
    return {short(name) for name in imported(module) if name.partition(".")[0] == "scim_core"} - {short(module)}


def layer(name: str) -> int:
    return next(number for number, names in enumerate(LAYERS) if name in names)


def test_every_module_has_its_layer() -> None:
    assert sorted(name for names in LAYERS for name in names) == sorted(
        {short(module) for module in MODULES} - {"tables"}
    )


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_from_below_only(module: str) -> None:
    name = short(module)
    if name in FOUNDATIONS:
        assert ours(module) <= FOUNDATIONS[name]
    else:
        above = {other for other in ours(module) - {"tables"} if layer(other) >= layer(name)}
        assert above == set()
        assert "tables" not in ours(module) or name in {"", *TOOLS}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_its_libraries(module: str) -> None:
    libraries = {name.partition(".")[0] for name in imported(module)} - sys.stdlib_module_names - {"scim_core"}
    allowed = {library for library, modules in LIBRARIES.items() if short(module) in modules}
    assert libraries <= allowed


def test_azure_functions_is_known_to_the_function_app_only() -> None:
    assert not any(name.startswith("azure.functions") for module in MODULES for name in imported(module))
    assert "import azure.functions" in (ROOT / "function_app.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("module", MODULES)
def test_time_chance_and_surroundings_come_in_where_they_are_handed_over(module: str) -> None:
    used = {ast.unparse(node) for node in ast.walk(tree(module)) if isinstance(node, ast.Attribute | ast.Name)}
    strays = {name for name in used & AMBIENT.keys() if short(module) not in AMBIENT[name]}
    assert strays | used & FORBIDDEN == set()


@pytest.mark.parametrize("module", MODULES)
def test_what_others_use_is_described(module: str) -> None:
    assert ast.get_docstring(tree(module)) or not tree(module).body
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.ClassDef):
            public = [item for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)]
            if not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{module}.{node.name}"
                for item in public:
                    assert item.name.startswith("_") or ast.get_docstring(item), f"{module}.{node.name}.{item.name}"
    for node in tree(module).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{module}.{node.name}"


def test_modules_are_small() -> None:
    lines = {module: len(file.read_text(encoding="utf-8").splitlines()) for module, file in MODULES.items()}
    assert {module for module, count in lines.items() if count > 400} == set()
    assert statistics.median(lines.values()) <= 130
