"""Every limit of a request: what one may ask for, counted while it is read and refused before it costs anything.

Numbers of one mechanism (lookups at a time, how long a page position is known) stand with that mechanism. The token
endpoint and bearer tokens have limits of their own, in access/, which knows nothing of SCIM.
"""

from typing import Any

from scim2_models.path import LogicalExpr, Not

REQUEST_SECONDS = 40
"""Longest a request may take in all. Entra waits 60 seconds, and an answer that says come back is better than none."""

MAX_BODY_BYTES = 1024 * 1024
"""Largest body. A user with every mapped attribute is 6 KB; a storage entity holds 1 MiB at most."""

MAX_GROUP_BODY_BYTES = 16 * 1024 * 1024
"""Largest body that changes a group: the members that one request may name at 160 bytes each; Entra's have 60."""

MAX_DEPTH = 32
"""Deepest nesting of a body. SCIM needs six levels; a deep tree would exhaust the stack of whatever walks it next."""

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

MAX_FILTER_BYTES = 8 * 1024
"""Longest filter. Entra's are under 300 bytes, and parsing time grows with the text. How deep a filter or a path may
nest is scim2-models' limit."""

MAX_QUERY_FIELDS = 50
"""Most fields in a query string; SCIM defines seven."""

MAX_ATTRIBUTE_NAMES = 200
"""Most names in attributes or excludedAttributes: a user has about half as many, and each is looked for in each."""

DEFAULT_COUNT = 100
"""Resources in a page when the client names no count: what Okta asks for and standards drafts recommend."""

MAX_COUNT = 1_000
"""Most resources in a page: what one answer of Table Storage can hold. Announced as filter.maxResults."""

MAX_SCAN = 10_000
"""Resources one request may examine: at a tenth of a millisecond each, a second of computing on one core."""


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
