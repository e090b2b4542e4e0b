"""Judges an answer by the `expect` part of a recorded exchange: one small function per kind of expectation."""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from tests.clients.discovery import mappable
from tests.clients.matching import differences, same
from tests.clients.pointer import ABSENT, resolve
from tests.clients.targets import Answer


def shortcomings(expect: dict[str, Any], answer: Answer) -> list[str]:
    """What the answer lacks of what was expected. Raises KeyError for an expectation that does not exist."""
    return [line for kind, expected in expect.items() for line in KINDS[kind](expected, answer)]


def _status(expected: int | list[int], answer: Answer) -> Iterable[str]:
    allowed = expected if isinstance(expected, list) else [expected]
    if answer.status not in allowed:
        yield f"the status is {answer.status}, not {' or '.join(map(str, allowed))}"


def _headers(expected: dict[str, str | None], answer: Answer) -> Iterable[str]:
    for name, pattern in expected.items():
        value = answer.headers.get(name.lower())
        if pattern is None and value is not None:
            yield f"the header {name} is {value}, not absent"
        if pattern is not None and (value is None or not re.fullmatch(pattern, value)):
            yield f"the header {name} is {value}, which does not match {pattern}"


def _body(expected: Any, answer: Answer) -> Iterable[str]:
    return differences(expected, answer.document)


def _exactly(expected: dict[str, Any], answer: Answer) -> Iterable[str]:
    for pointer, value, actual in _pairs(expected, answer):
        if not same(value, actual):
            yield f"{pointer or '/'} is {_show(actual)}, not exactly {_show(value)}"


def _in_order(expected: dict[str, list[Any]], answer: Answer) -> Iterable[str]:
    for pointer, value, actual in _pairs(expected, answer):
        if value != actual:
            yield f"{pointer} is {_show(actual)}, not in order {_show(value)}"


def _absent(expected: list[str], answer: Answer) -> Iterable[str]:
    for pointer in expected:
        found = resolve(answer.document, pointer)
        if found is not ABSENT and not ("*" in pointer and found == []):
            yield f"{pointer} is {_show(found)}, not absent"


def _count(expected: dict[str, int], answer: Answer) -> Iterable[str]:
    for pointer, value, actual in _pairs(expected, answer):
        if not isinstance(actual, list) or len(actual) != value:
            yield f"{pointer} does not have {value} elements: {_show(actual)}"


def _keys(expected: dict[str, list[str]], answer: Answer) -> Iterable[str]:
    for pointer, value, actual in _pairs(expected, answer):
        if not isinstance(actual, dict) or sorted(actual) != sorted(value):
            yield f"{pointer or '/'} does not have the members {value} alone: {_show(actual)}"


def _contains(expected: dict[str, list[Any]], answer: Answer) -> Iterable[str]:
    for pointer, wanted, actual in _pairs(expected, answer):
        elements = actual if isinstance(actual, list) else []
        for element in wanted:
            if all(differences(element, other) for other in elements):
                yield f"{pointer} does not contain {_show(element)}: {_show(actual)}"


def _matches(expected: dict[str, str], answer: Answer) -> Iterable[str]:
    for pointer, pattern, actual in _pairs(expected, answer):
        if not isinstance(actual, str) or not re.search(pattern, actual):
            yield f"{pointer} is {_show(actual)}, which does not match {pattern}"


def _differs(expected: dict[str, Any], answer: Answer) -> Iterable[str]:
    for pointer, value, actual in _pairs(expected, answer):
        if actual is ABSENT or same(value, actual):
            yield f"{pointer} is {_show(actual)}, it should differ from {_show(value)}"


def _at_least(expected: dict[str, int], answer: Answer) -> Iterable[str]:
    for pointer, value, actual in _pairs(expected, answer):
        if type(actual) is not int or actual < value:
            yield f"{pointer} is {_show(actual)}, not a number of at least {value}"


def _never(expected: list[str], answer: Answer) -> Iterable[str]:
    for text in expected:
        if text in answer.body.decode():
            yield f"{text!r} occurs in the body"


def _discovers(expected: list[str], answer: Answer) -> Iterable[str]:
    found = {name.lower() for name in mappable(answer.document["Resources"])}
    for name in expected:
        if name.lower() not in found:
            yield f"{name} is not discoverable"


def _pairs(expected: dict[str, Any], answer: Answer) -> Iterable[tuple[str, Any, Any]]:
    return [(pointer, value, resolve(answer.document, pointer)) for pointer, value in expected.items()]


def _show(value: Any) -> str:
    return "absent" if value is ABSENT else json.dumps(value, ensure_ascii=False)


KINDS: dict[str, Callable[[Any, Answer], Iterable[str]]] = {
    "status": _status,
    "headers": _headers,
    "body": _body,
    "exactly": _exactly,
    "in_order": _in_order,
    "absent": _absent,
    "count": _count,
    "keys": _keys,
    "contains": _contains,
    "matches": _matches,
    "differs": _differs,
    "at_least": _at_least,
    "never": _never,
    "discovers": _discovers,
}
