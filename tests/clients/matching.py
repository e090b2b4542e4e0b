"""Compares JSON by type and value. The order of an array says nothing in SCIM, so it is not compared."""

import json
from typing import Any


def differences(expected: Any, actual: Any, where: str = "") -> list[str]:
    """Where the actual value lacks something expected: other members of an object do not matter, other elements do."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return [line for name, value in expected.items() for line in _member_differences(name, value, actual, where)]
    if isinstance(expected, list) and isinstance(actual, list):
        return _element_differences(expected, actual, where)
    if same(expected, actual):
        return []
    return [f"{where or '/'} is {_show(actual)}, not {_show(expected)}"]


def same(expected: Any, actual: Any) -> bool:
    """Whether both are the same JSON value: true is neither 1 nor "true", and no member or element is extra."""
    return bool(_normal(expected) == _normal(actual))


def _member_differences(name: str, expected: Any, actual: dict[str, Any], where: str) -> list[str]:
    path = f"{where}/{name}"
    return differences(expected, actual[name], path) if name in actual else [f"{path} is absent"]


def _element_differences(expected: list[Any], actual: list[Any], where: str) -> list[str]:
    if len(expected) != len(actual):
        return [f"{where} has {len(actual)} elements, not {len(expected)}: {_show(actual)}"]
    unmatched = list(actual)
    for element in expected:
        found = next((place for place, other in enumerate(unmatched) if not differences(element, other)), None)
        if found is None:
            return [f"{where} lacks {_show(element)}: {_show(actual)}"]
        del unmatched[found]
    return []


def _normal(value: Any) -> Any:
    match value:
        case dict():
            return {name: _normal(member) for name, member in value.items()}
        case list():
            return sorted((_normal(element) for element in value), key=_show)
    return (type(value).__name__, value)


def _show(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=repr)
