"""How texts are compared where letter case does not count: NFC and simple case folding, one character at a time.

docs/adr/0029 says why, and how keys that version 0.2 has stored (in lower case) are found. Pure.
"""

import re
from itertools import product
from unicodedata import normalize

FORMER_SIGMAS = 3
"""So many sigmas of a name are looked for in both their small forms: at most 9 reads for one name in a filter. A name
with more of them is looked for as sent, and as its capitals would be stored.
"""

_SIGMA, _FINAL_SIGMA = "\u03c3", "\u03c2"
_EXCEPTIONS = {
    0x0345: "\u0345",  # COMBINING GREEK YPOGEGRAMMENI: as a letter it would no longer compose with the letter before it
    0xFB05: "\ufb06",  # LATIN SMALL LIGATURE LONG S T: Python folds it and its pair to two letters only
}
_DIFFERENT = re.compile(
    "[\u00b5\u017f\u03a3\u03c2\u03c3\u03d0\u03d1\u03d5\u03d6\u03f0\u03f1\u03f5\u1c80-\u1c88\u1e9b"
    "\u13a0-\u13f5\u13f8-\u13fd\uab70-\uabbf\ufb05]"
)
"""Letters of which the key of version 0.2 may differ, or the key of an equal text may. A test holds it to Unicode."""


_ALPHABETS = 0x2000
"""Nearly all letters with a case lie below, and most of what stands between them."""


class _Folds(dict[int, str]):
    """Code point -> what stands for it. Filled as letters are met: those of alphabets, others if they change."""

    def __missing__(self, point: int) -> str:
        character = chr(point)
        found = _EXCEPTIONS.get(point) or _simple(character)
        if found != character or point < _ALPHABETS:
            self[point] = found
        return found


def _simple(character: str) -> str:
    """The case folding to one letter, where there is one: Python's own may give several (ß, ligatures)."""
    whole = character.casefold()
    return whole if len(whole) == 1 else character.lower()


_FOLDS = _Folds()


def folded(text: str) -> str:
    """What stands for the text in comparisons: equal for texts that are one. It stands for itself, too."""
    if has_one_form(text):
        return former(text)
    return normalize("NFC", normalize("NFC", text).translate(_FOLDS))


def exact(text: str) -> str:
    """What stands for a text of a caseExact attribute."""
    return text if text.isascii() else normalize("NFC", text)


def former(text: str) -> str:
    """The key that version 0.2 gives this text: lower case, in which a capital sigma becomes one of two letters."""
    return text.lower() if text.isascii() else normalize("NFC", normalize("NFC", text).lower())


def has_one_form(text: str) -> bool:
    """Whether version 0.2 gives one key to all texts that are equal to this one, and it is the key of today.

    Letters that few names have are left out (docs/adr/0029): the long s, letters of old Cyrillic print.
    """
    return text.isascii() or _DIFFERENT.search(text) is None


def former_of_capitals(key: str) -> str:
    """The key that version 0.2 gives to the text in capitals: the one with final sigmas where words end."""
    return former("".join(map(_capital, key)))


def former_spellings(key: str) -> frozenset[str]:
    """The keys that version 0.2 may have given to texts with this key, as far as they are looked for. Without `key`."""
    small = former(key)
    sigmas = small.count(_SIGMA)
    spellings = {small, former_of_capitals(key)}
    if 0 < sigmas <= FORMER_SIGMAS:
        parts = small.split(_SIGMA)
        for choice in product((_SIGMA, _FINAL_SIGMA), repeat=sigmas):
            spellings.add("".join(part + letter for part, letter in zip(parts, (*choice, ""), strict=True)))
    return frozenset(spellings - {key})


def _capital(character: str) -> str:
    capital = character.upper()
    return capital if len(capital) == 1 and _FOLDS[ord(capital)] == _FOLDS[ord(character)] else character
