"""The declared attribute that somebody meant by a name that no schema declares."""

import re
from collections import Counter
from collections.abc import Iterator
from difflib import SequenceMatcher

from scim_core.model import Json
from scim_core.protocol.attribute_definitions import AttributeDefinition
from scim_core.protocol.schemas import Catalogue, ResourceType

MIN_LIKENESS = 0.82
"""How alike two names must be for one to be offered for the other: 1 is the same. A wrong offer costs a customer more
time than none. `wrkEmail` is 0.93 like `emails[type eq "work"].value`, but `surname` is 0.8 like `userName`.
"""

MAX_NAME_CHARACTERS = 100
"""Longest name that is compared. Declared paths are shorter, and the time grows with the square of it."""

KNOWN = {
    "accountenabled": "active",
    "userprincipalname": "userName",
    "surname": "name.familyName",
    "mail": 'emails[type eq "work"].value',
    "jobtitle": "title",
    "mobile": 'phoneNumbers[type eq "mobile"].value',
    "telephonenumber": 'phoneNumbers[type eq "work"].value',
}
"""Names that Entra gives to attributes of its own users, in lower case. Somebody has taken one for the target, too."""

MAX_WORDS = 12
"""Most words of a name that is compared. Declared paths have half as many, and the time grows with both."""

UNITS_PER_NAME = 500
"""What it costs at most to look for the declared name that is nearest to one. Measured: 1 to 4 milliseconds, with the
files that there are; most for a name of MAX_WORDS words."""

_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_OF_THE_FORM = frozenset({"value", "type", "eq"})


def nearest_name(catalogue: Catalogue, resource_type: ResourceType, name: str) -> str | None:
    """The path of the declared attribute whose words are most like those of the name. None if none is like it."""
    words = _words(name.rpartition(":")[2][:MAX_NAME_CHARACTERS])
    if not words or len(words) > MAX_WORDS:
        return None
    paths = list(declared_paths(catalogue, resource_type))
    known = KNOWN.get(name.rpartition(":")[2].lower())
    if known in paths:
        return known
    alike = _Alike()
    likeness, _, path = max((alike.names(words, _words(path)), -len(path), path) for path in paths)
    return path if likeness >= MIN_LIKENESS else None


def declared_paths(catalogue: Catalogue, resource_type: ResourceType) -> Iterator[str]:
    """The paths that clients can map to, as Entra writes them: `name.givenName`, `emails[type eq "work"].value`."""
    for urn in (resource_type.schema, *resource_type.extensions):
        prefix = "" if urn == resource_type.schema else f"{urn}:"
        attributes = resource_type.extensions.get(urn, resource_type.attributes)
        types = {item["name"]: _canonical_types(item) for item in catalogue.schemas[urn]["attributes"]}
        for attribute in attributes.values():
            if not attribute.read_only:
                yield from (f"{prefix}{path}" for path in _paths(attribute, types[attribute.name]))
    yield "externalId"


def _paths(attribute: AttributeDefinition, types: list[str]) -> Iterator[str]:
    if not attribute.sub_attributes or attribute.is_reference:
        yield attribute.name
        return
    holders = [f'{attribute.name}[type eq "{kind}"]' for kind in types] or [attribute.name]
    for holder in holders:
        for part in attribute.sub_attributes.values():
            if part.name not in ("type", "primary") and not part.read_only:
                yield f"{holder}.{part.name}"


def _canonical_types(definition: Json) -> list[str]:
    found = [item for item in definition.get("subAttributes", ()) if item["name"] == "type"]
    return found[0].get("canonicalValues", []) if found else []


def _words(name: str) -> list[str]:
    """The words of a name, in lower case and without a plural's s. Those of the notation are left out."""
    found = [word.lower() for word in _WORDS.findall(name.rpartition(":")[2])]
    return [word.removesuffix("s") for word in found if word not in _OF_THE_FORM] or found


class _Alike:
    """How alike one name is to others. Each pair of words is compared once: declared names share most of theirs.

    Nearly all names are far from it. So it is asked first whether they have the letters to be near.
    """

    def __init__(self) -> None:
        self._ratios: dict[tuple[str, str], float] = {}
        self._letters: dict[str, Counter[str]] = {}

    def names(self, sought: list[str], declared: list[str]) -> float:
        """How alike the words are, and the names as a whole, whichever is more. Words that have no partner count as 0.

        Less than MIN_LIKENESS counts as 0.
        """
        longer, shorter = sorted((sought, declared), key=len, reverse=True)
        return max(self._words(longer, shorter), self._ratio("".join(sought), "".join(declared), MIN_LIKENESS))

    def _words(self, longer: list[str], shorter: list[str]) -> float:
        pairs = 0.0
        for number, word in enumerate(longer):
            best = 0.0
            for other in shorter:
                best = max(best, self._ratio(word, other, best))
            pairs += best
            others = len(longer) - number - 1
            if (pairs + others) / len(longer) < MIN_LIKENESS:
                return 0.0
        return pairs / len(longer)

    def _ratio(self, one: str, other: str, least: float) -> float:
        """How alike two texts are: 1 is the same. 0 if that is less than `least`."""
        known = self._ratios.get((one, other))
        if known is None:
            half = (len(one) + len(other)) / 2
            if min(len(one), len(other)) / half < least or self._common(one, other) / half < least:
                return 0.0
            known = self._ratios[one, other] = SequenceMatcher(None, one, other, autojunk=False).ratio()
        return known

    def _common(self, one: str, other: str) -> int:
        """How many letters two texts have in common, in any order: no more can match."""
        return (self._counted(one) & self._counted(other)).total()

    def _counted(self, text: str) -> Counter[str]:
        if text not in self._letters:
            self._letters[text] = Counter(text)
        return self._letters[text]
