"""A request body as JSON. What hostile or broken JSON can do is limited: depth, duplicate names, numbers, text."""

import json
import re
from collections.abc import Iterable
from math import isinf
from typing import Any, Never

from scim2_models import InvalidSyntaxException

from scim_core.model import Json
from scim_core.protocol.limits import MAX_DEPTH

_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


def parse_json(body: bytes) -> Any:
    """The value of a JSON text in UTF-8 (RFC 8259).

    Raises InvalidSyntaxException when it is not JSON, nests too deeply, repeats a name, or has NaN or half a character.
    """
    try:
        value = json.loads(
            body.decode("utf-8-sig"), object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_finite
        )
    except UnicodeDecodeError as error:
        raise InvalidSyntaxException(detail="The body is not UTF-8 text.") from error
    except json.JSONDecodeError as error:
        detail = f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        raise InvalidSyntaxException(detail=detail) from error
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        raise InvalidSyntaxException(detail="The body holds a number that is too long.") from error
    _check_depth(value)
    if _SURROGATE_ESCAPE.search(body):
        check_text(value)
    return value


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


def check_text(value: Any) -> None:
    """Raises InvalidSyntaxException for half of a surrogate pair: it can be neither stored nor sent back."""
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidSyntaxException(detail="A string holds half of a surrogate pair.") from error


def _object(pairs: list[tuple[str, Any]]) -> Json:
    parsed = dict(pairs)
    if len(parsed) != len(pairs):
        seen: set[str] = set()
        repeated = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise InvalidSyntaxException(detail=f"The name {repeated[:80]!r} occurs twice in one JSON object.")
    return parsed


def _refuse_constant(name: str) -> Never:
    raise InvalidSyntaxException(detail=f"{name} is not JSON.")


def _finite(text: str) -> float:
    number = float(text)
    if isinf(number):
        raise InvalidSyntaxException(detail=f"The number {text[:40]} is too large.")
    return number


def _check_depth(value: Any) -> None:
    level, depth = _containers([value]), 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise _too_deep()
        level = _containers(child for item in level for child in (item.values() if isinstance(item, dict) else item))


def _containers(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if isinstance(value, dict | list)]


def _too_deep() -> InvalidSyntaxException:
    return InvalidSyntaxException(detail=f"The body nests deeper than {MAX_DEPTH} levels.")
