"""Text of any kind as part of a row key: printable ASCII that Table Storage takes, in the order of the code points.

A code in which letters, digits and `- . @ _` stand for themselves. Every other character becomes an escape that sorts
where the character itself would, so that comparing codes compares texts:

    U+0000 to U+002C   !hh        below -
    U+002F  /          .~         between . and 0; no other code starts with ~
    U+003A to U+003F   ;hh        between 9 and @
    U+005B to U+005E   [hh        between Z and _
    U+0060  `          `
    U+007B to U+FFFF   {hhhh      above z
    beyond             |hhhhhh

The colon never occurs: it separates the parts of a row key. The } occurs only where a text was cut.
"""

import hashlib
import re

BELOW_ALL = "!"
"""The least character that a code can hold."""

ABOVE_ALL = "~"
"""Greater than every character that a code can start with: the texts with prefix p lie below encode(p) + this."""

KEPT = 0x10000
"""Code points whose words are kept, some five megabytes at most: nearly all that names are written with."""

_PLAIN = re.compile(r"[-.0-9@A-Z_a-z]*")
_CUT = "}"
_DIGEST_DIGITS = 32
"""128 bits of SHA-256. To find a second text for a given one takes 2 to the power of 128 attempts. But whoever chooses
both texts needs 2 to the power of 64: a lot, and not out of reach. So no code may trust that two cut codes differ."""


def encode(text: str) -> str:
    """The code of this text: different for different texts, and ordered as their code points are."""
    return text if _PLAIN.fullmatch(text) else text.translate(_WORDS)


def fit(code: str, limit: int) -> str:
    """The code within `limit` characters: whole, or its beginning and a digest that no whole code looks like."""
    if len(code) <= limit:
        return code
    return f"{_head(code, limit)}{_CUT}{_digest(code)}"


def fit_prefix(code: str, limit: int) -> str:
    """The longest beginning of `code` that `fit` leaves in every code which starts with `code`."""
    return code if len(code) <= _head_limit(limit) else _head(code, limit)


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()[:_DIGEST_DIGITS]


def _head_limit(limit: int) -> int:
    return limit - len(_CUT) - _DIGEST_DIGITS


def _head(code: str, limit: int) -> str:
    end = _head_limit(limit)
    # The code of / has two characters. A cut between them would leave a . that looks like a full stop.
    return code[: end - 1] if code[end - 1 : end + 1] == ".~" else code[:end]


class _Words(dict[int, str]):
    """The word of each code point that has been met below KEPT: a text may have a million characters."""

    def __missing__(self, point: int) -> str:
        word = _word(chr(point))
        if point < KEPT:
            self[point] = word
        return word


def _word(character: str) -> str:  # noqa: PLR0911  one line per row of the table above
    point = ord(character)
    if _PLAIN.fullmatch(character) or character == "`":
        return character
    if point < ord("-"):
        return f"!{point:02x}"
    if character == "/":
        return ".~"
    if point < ord("@"):
        return f";{point:02x}"
    if point < ord("_"):
        return f"[{point:02x}"
    if point <= 0xFFFF:  # noqa: PLR2004  what four hexadecimal digits hold
        return f"{{{point:04x}"
    return f"|{point:06x}"


_WORDS = _Words()
