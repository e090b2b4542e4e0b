"""Which resource types and extensions a tenant has: those that are on by default, apart from what an operator has said.

A resource type is named by its name, an extension by its URN. Letter case does not count.
"""

from collections.abc import Iterable
from typing import NamedTuple

from scim_core.model import FIRST_TYPES

MAX_CHOSEN_CHARACTERS = 8_000
"""Characters of the names that are allowed for one tenant, or denied: a hundred URNs. A property in Table Storage holds
32,000, and each instance remembers the texts of up to a thousand tenants."""

_ALWAYS = frozenset(name.lower() for name in FIRST_TYPES)


class ChosenSchemas(NamedTuple):
    """What an operator has allowed and denied a tenant, as texts of names with one space between two."""

    allowed: str = ""
    denied: str = ""

    def has(self, name: str, *, by_default: bool) -> bool:
        """Whether the tenant has the resource type or extension of this name. Nobody lacks User and Group."""
        sought = name.lower()
        if sought in _ALWAYS:
            return True
        if sought in self.denied.lower().split():
            return False
        return by_default or sought in self.allowed.lower().split()

    def allowing(self, names: Iterable[str]) -> "ChosenSchemas":
        """The same, with these names allowed."""
        rest = self.without(names)
        return rest._replace(allowed=_text([*rest.allowed.split(), *names]))

    def denying(self, names: Iterable[str]) -> "ChosenSchemas":
        """The same, with these names denied."""
        rest = self.without(names)
        return rest._replace(denied=_text([*rest.denied.split(), *names]))

    def without(self, names: Iterable[str]) -> "ChosenSchemas":
        """The same, without a word about these names: they are as by default."""
        gone = {name.lower() for name in names}
        return ChosenSchemas(*(_text(name for name in some.split() if name.lower() not in gone) for some in self))


AS_BY_DEFAULT = ChosenSchemas()
"""What a tenant has about which nothing is said: also one whose row an older version wrote."""


def always_there(name: str) -> bool:
    """Whether every tenant has the resource type of this name."""
    return name.lower() in _ALWAYS


def _text(names: Iterable[str]) -> str:
    return " ".join(sorted(dict.fromkeys(names)))
