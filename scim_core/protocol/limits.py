"""What one request may ask for, counted while it is read and refused before it costs anything."""

from typing import Any

from scim2_models.path import LogicalExpr, Not

MAX_OPERATIONS = 1_000
"""Operations of one PATCH. Entra's largest is one for each of its mapped attributes, fewer than a hundred."""

MAX_PATH_BYTES = 8 * 1024
"""Longest path of an operation, as of a filter in a query."""

MAX_VALUES = 500
"""Values of an attribute, and of all attributes in one request; a group's members are rows and do not count. Users
have a handful of each kind."""

MAX_SELECTIONS = 200
"""Comparisons in the path filters of one PATCH, and values that its remove operations name. Each is made with every
value of an attribute, again save for members; Entra's largest PATCH has thirty."""

MAX_MEMBERS = 100_000
"""Members that one request may name. A larger group grows by several requests; no client of ours sends more at once."""


MAX_MEMBER_COMPARISONS = 10
"""Comparisons, save for equality with an id, that the path filters of one PATCH make with each member of a group. Of
100,000 members ten seconds of computing. Clients send none."""


class RequestTooLarge(Exception):
    """A request asks for more than one request may; the text says what, and how much it may."""


def at_most(limit: int, number: int, what: str) -> None:
    """Raises RequestTooLarge when the number is beyond the limit."""
    if number > limit:
        raise RequestTooLarge(f"One request may hold at most {limit} {what}; send several requests.")


def comparisons(value_filter: Any) -> int:
    """How many comparisons a path's value filter makes; 0 for none."""
    if isinstance(value_filter, LogicalExpr):
        return sum(comparisons(term) for term in value_filter.terms)
    if isinstance(value_filter, Not):
        return comparisons(value_filter.expr)
    return 0 if value_filter is None else 1
