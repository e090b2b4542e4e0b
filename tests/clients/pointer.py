"""JSON pointers (RFC 6901), which cope with the dots and colons of URNs; `*` stands for every element of an array."""

from typing import Any

ABSENT = object()
"""What a pointer yields that points at nothing."""


def resolve(document: Any, pointer: str) -> Any:
    """The value there, or ABSENT; with a `*` token the list of all values there, which may be empty."""
    if pointer and not pointer.startswith("/"):
        raise ValueError(f"{pointer!r} is not a JSON pointer")
    return _follow(document, [_unescape(token) for token in pointer.split("/")[1:]])


def _unescape(token: str) -> str:
    return token.replace("~1", "/").replace("~0", "~")


def _follow(value: Any, tokens: list[str]) -> Any:
    if not tokens:
        return value
    token, rest = tokens[0], tokens[1:]
    if token == "*":
        elements = value if isinstance(value, list) else []
        return [found for found in (_follow(element, rest) for element in elements) if found is not ABSENT]
    if isinstance(value, dict) and token in value:
        return _follow(value[token], rest)
    if isinstance(value, list) and token.isdecimal() and int(token) < len(value):
        return _follow(value[int(token)], rest)
    return ABSENT
