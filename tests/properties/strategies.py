"""What Hypothesis draws: text of every kind, values for the tutorial's targets, and users made of them."""

import re
from typing import Any

from hypothesis import strategies as st

from tests.global_relay import USER_TARGETS

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30) | st.sampled_from(
    [
        "'",
        '"',
        "\\",
        "null",
        "true",
        "0",
        " ",
        "\x00",
        "\u2028",
        "İ",
        "ß",
        "e\u0301",
        "\u00e9",
        "ﬁ",
        "Σ",
        "😀",
        "a b",
        "and",
    ]
)
"""Any text that is assigned: not empty."""

_NO_NAME = re.compile("[\\x00-\\x1f\\x7f-\\x9f\u2028-\u202e\u2066-\u2069]")


def as_name(text: str) -> str:
    """The text without what no userName may hold."""
    return _NO_NAME.sub("", text).strip()


names = texts.map(as_name).filter(bool)
"""Text that is a userName."""

_TYPE_OF_ROLE = 'roles[primary eq "True"].type'
_CARRIED_BY_ROLE = ('roles[primary eq "True"].value', 'roles[primary eq "True"].display')


def _value_of(target: str) -> st.SearchStrategy[Any]:
    if target == "active":
        return st.booleans()
    return names if target == "userName" else texts


def _without_bare_role(values: dict[str, Any]) -> dict[str, Any]:
    """A role of nothing but a type carries no value, and is not kept."""
    if any(target in values for target in _CARRIED_BY_ROLE):
        return values
    return {target: value for target, value in values.items() if target != _TYPE_OF_ROLE}


targets = st.fixed_dictionaries({}, optional={target: _value_of(target) for target in USER_TARGETS}).map(
    _without_bare_role
)
"""Values for some of the 67 targets."""

users = st.builds(lambda name, values: {**values, "userName": name}, names, targets)
"""Values for the userName and some of the other targets."""
