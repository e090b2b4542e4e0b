"""A JSON text that is parsed in parts, as strictly as RFC 8259 asks. Errors name the place in the whole text."""

import json
import re
from collections.abc import Sequence
from math import isinf
from typing import Any, Never

from scim2_models import InvalidSyntaxException

from scim_core.model import Json

_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")

_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False).encode

_AT_THE_CUT = 16
"""Characters before the end of a part in which an error may come from the cut: no escape or literal is longer."""


class JsonText:
    """A text, and what is parsed of it: no name twice in one object, no NaN, no half of a surrogate pair."""

    def __init__(self, text: str) -> None:
        self.text = text

    def value(self, parts: Sequence[tuple[int, int]], opening: str = "", closing: str = "") -> Any:
        """The value of these parts of the text together, given as start and end. Raises InvalidSyntaxException."""
        piece = "".join([opening, *(self.text[start:end] for start, end in parts), closing])
        try:
            value = _DECODER.decode(piece)
        except json.JSONDecodeError as error:
            raise self._broken(error.msg, _position(parts, error.pos - len(opening))) from error
        except ValueError as error:
            raise InvalidSyntaxException(detail="The body holds a number that is too long.") from error
        if _SURROGATE_ESCAPE.search(piece):
            check_text(value)
        return value

    def size(self, start: int, end: int) -> int:
        """How many bytes this part of the text has."""
        return len(self.text[start:end].encode())

    def entries(self, start: int, end: int) -> list[Any]:
        """The values of this part, which has commas between them. Raises InvalidSyntaxException."""
        values: list[Any] = self.value([(start, end)], "[", "]")
        return values

    def require_entries(self, start: int, end: int, *, first: bool) -> None:
        """Raises InvalidSyntaxException if the list of values that goes on here is no JSON, as far as `end` shows."""
        opening = "[" if first else "[0,"
        piece = f"{opening}{self.text[start:end]}"
        try:
            _DECODER.decode(piece)
        except json.JSONDecodeError as error:
            cut = error.pos > len(piece) - _AT_THE_CUT or error.msg.startswith("Unterminated")
            if error.msg != "Extra data" and not (cut and end < len(self.text)):
                raise self._broken(error.msg, start + error.pos - len(opening)) from error
        except ValueError as error:
            raise InvalidSyntaxException(detail="The body holds a number that is too long.") from error

    def _broken(self, message: str, position: int) -> InvalidSyntaxException:
        error = json.JSONDecodeError(message, self.text, position)
        return InvalidSyntaxException(
            detail=f"The body is not JSON: {message} at line {error.lineno}, column {error.colno}."
        )


def check_text(value: Any) -> None:
    """Raises InvalidSyntaxException for half of a surrogate pair: it can be neither stored nor sent back."""
    try:
        _encode(value).encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidSyntaxException(detail="A string holds half of a surrogate pair.") from error


def _position(parts: Sequence[tuple[int, int]], position: int) -> int:
    """Where in the whole text the character is that has this position in the parts together."""
    for start, end in parts[:-1]:
        if position < end - start:
            return start + position
        position -= end - start
    return parts[-1][0] + position


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
        raise InvalidSyntaxException(detail=f"The number {text[:40]!r} is too large.")
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_finite)
