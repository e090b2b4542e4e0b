"""Fills `${name}` in recorded data: a captured value, or one the runner provides for each play."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from tests.clients.pointer import ABSENT, resolve

_PLACEHOLDER = re.compile(r"\$\{(?P<name>\w+)(?P<pointer>/[^}|]*)?(?P<encoded>\|query)?\}")


def fill(data: Any, values: Mapping[str, Any]) -> Any:
    """A copy of the data with every placeholder replaced.

    A string that is one placeholder becomes the value itself, whatever its type; inside other text it becomes text.
    `${name/0}` points into a value, `${name|query}` percent-encodes it, and an object
    {"@each": "${list}", "@make": ...} becomes an array with one element, made with ${item}, for each of the list.
    """
    match data:
        case str():
            return _fill_text(data, values)
        case list():
            return [fill(element, values) for element in data]
        case {"@each": each, "@make": make}:
            return [fill(make, {**values, "item": item}) for item in fill(each, values)]
        case dict():
            return {_fill_text(name, values): fill(value, values) for name, value in data.items()}
    return data


def _fill_text(text: str, values: Mapping[str, Any]) -> Any:
    if whole := _PLACEHOLDER.fullmatch(text):
        return _value(whole, values)
    return _PLACEHOLDER.sub(lambda found: str(_value(found, values)), text)


def _value(placeholder: re.Match[str], values: Mapping[str, Any]) -> Any:
    value = resolve(values[placeholder["name"]], placeholder["pointer"] or "")
    if value is ABSENT:
        raise LookupError(f"{placeholder[0]} points at nothing")
    return quote(str(value), safe="") if placeholder["encoded"] else value
