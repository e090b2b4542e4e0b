"""Marks the tests that start processes, as their code shows. Any other test fails if it starts one.

A test is marked `processes` when its function or one of its fixtures reaches `subprocess` through functions and classes
of this project, or when one of its parameters names what runs in a process of its own. `make test-quick` leaves the
marked tests out.
"""

import subprocess
import sys
from asyncio import create_subprocess_exec
from collections.abc import Iterator
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

OURS = ("tests", "devhost", "infra", "bench", "scim_core")
PARAMETERS = ("azure", "azurite", "seeking_azurite", "http")
"""Parameters by which a fixture chooses an Azurite or a running endpoint, with request.getfixturevalue."""

_running: list[pytest.Item] = []
"""The test that runs now, if one does."""

_starting, _quiet = dict[int, object](), dict[int, object]()
"""What is known to reach `subprocess`, and what is known to reach it in no way, by id. Each is looked at once."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each test that starts processes is marked."""
    for item in items:
        if isinstance(item, pytest.Function) and (_by_parameter(item) or _by_code(item)):
            item.add_marker("processes")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """From here on, this test is the one that starts processes."""
    _running.append(item)
    try:
        return (yield)
    finally:
        _running.remove(item)


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "subprocess.Popen" or arguments[0] == "uname":  # which Python's own platform module asks, for a header
        return
    if _running and _running[-1].get_closest_marker("processes") is None:
        raise AssertionError("This test starts a process, but does not have the mark `processes`.")


sys.addaudithook(_refuse)


def _by_parameter(item: pytest.Function) -> bool:
    call = getattr(item, "callspec", None)
    return call is not None and any(value in PARAMETERS for value in call.params.values() if isinstance(value, str))


def _by_code(item: pytest.Function) -> bool:
    functions = [item.obj]
    for definitions in item._fixtureinfo.name2fixturedefs.values():
        functions.extend(definition.func for definition in definitions if not _chooses(definition.func))
    return any(starts_processes(getattr(function, "__func__", function)) for function in functions)


def _chooses(fixture: object) -> bool:
    """Whether the parameter of this fixture says which of several other fixtures it takes."""
    function = getattr(fixture, "__func__", fixture)
    return isinstance(function, FunctionType) and "getfixturevalue" in _names(function.__code__)


@cache
def starts_processes(start: object) -> bool:
    """Whether the code of this function or class reaches `subprocess`, directly or by way of our other code."""
    seen = dict[int, object]()  # by id, for some values have no hash; as it holds them, no id is used twice
    waiting = [start]
    while waiting:
        value = waiting.pop()
        if value is subprocess or value is create_subprocess_exec or id(value) in _starting:
            _starting[id(start)] = start
            return True
        if id(value) not in seen and id(value) not in _quiet:
            seen[id(value)] = value
            waiting.extend(_named(value))
    _quiet.update(seen)
    return False


def _named(value: object) -> tuple[object, ...]:
    """What the code of a function or class of ours names."""
    value = getattr(value, "__wrapped__", value)
    if isinstance(value, type | FunctionType) and str(value.__module__).startswith(OURS):
        return _named_in(value)
    return ()


@cache
def _named_in(value: type | FunctionType) -> tuple[object, ...]:
    if isinstance(value, type):
        members = (getattr(item, "__func__", getattr(item, "fget", item)) for item in vars(value).values())
        return tuple(item for item in members if isinstance(item, FunctionType))
    names = set(_names(value.__code__))
    found = [value.__globals__[name] for name in names & value.__globals__.keys()]
    modules = [item for item in found if isinstance(item, ModuleType) and item.__name__.startswith(OURS)]
    return (*found, *(vars(module)[name] for module in modules for name in names & vars(module).keys()))


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
