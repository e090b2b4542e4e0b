"""Every limit of a request. It is counted while the request is read, and refused before it costs anything.

A number of one mechanism stands with that mechanism: how many lookups run at once, how long a page position is known.
The token endpoint and bearer tokens have limits of their own, in access/, which knows nothing of SCIM.
"""

from typing import Any

from scim2_models.path import LogicalExpr, Not

REQUEST_SECONDS = 40
"""Longest time of a request. Entra waits 60 seconds. An answer that says "come back" is better than no answer."""

MAX_BODY_BYTES = 1024 * 1024
"""Largest body. A user with every mapped attribute is 6 KB; a storage entity holds 1 MiB at most."""

MAX_GROUP_BODY_BYTES = 16 * 1024 * 1024
"""Largest body that changes a group: as many members as one request may name, at 160 bytes each. Entra's have 60. What
it holds besides members is no larger than another body."""

MAX_NODES = 20_000
"""Values and names in a body, without those of members. A thousand operations take some 8,000, and 500 values as much
again. Each takes some 100 bytes of memory when it is read."""

MAX_TEXT_NODES = 50
"""Values and names in the JSON text of an app role. Entra sends fewer than ten."""

MAX_DEPTH = 32
"""Deepest nesting of a body. SCIM needs six levels. A very deep tree would exhaust the stack of code that walks it."""

MAX_OPERATIONS = 1_000
"""Operations of one PATCH. Entra sends at most one for each mapped attribute, fewer than a hundred."""

MAX_BULK_OPERATIONS = 1_000
"""Operations of one bulk, announced as bulk.maxOperations. 1,000 creates of users take a quarter of REQUEST_SECONDS."""

MAX_BULK_BYTES = 16 * 1024 * 1024
"""Largest bulk, announced as bulk.maxPayloadSize: 1,000 users of 6 KB, and a group of 100,000 of 60 bytes each. The
data of one operation is no larger than another body, and has no more values and names."""

MAX_BULK_CONTAINERS = 500_000
"""Objects and arrays in a bulk. 16 MiB of members, each of 48 bytes at least, have 350,000."""

BULK_SECONDS = 30
"""How long operations of a bulk begin. Those that began have until BULK_END_SECONDS."""

BULK_END_SECONDS = 36
"""When operations of a bulk are cut off."""

BULK_UNDO_SECONDS = 39
"""Until when a bulk deletes what could not be linked. The rest of REQUEST_SECONDS is for its answer."""

BULK_SIDE_BY_SIDE = 16
"""Operations of one bulk at a time: as many connections as keep a process busy. They share the tenant's computing."""

MAX_PATH_BYTES = 8 * 1024
"""Longest path of an operation, and longest sortBy: as long as a filter in a query."""

MAX_PATHS_BYTES = 128 * 1024
"""All paths of one PATCH together: a thousand paths of 128 bytes. The names in a value without path count, too."""

MAX_VALUES = 500
"""Values of one attribute, and of all attributes in one request. A group's members are rows, and do not count. Users
have a few values of each kind."""

MAX_SELECTIONS = 200
"""Comparisons in the path filters of one PATCH, and values that its remove operations name. Each of them is compared
with every value of an attribute. Those of members do not count here. Entra's largest PATCH has thirty."""

MAX_MEMBERS = 100_000
"""Members that one request may name. A larger group takes several requests. No known client sends more at once."""

MAX_MEMBER_COMPARISONS = 10
"""Comparisons that the path filters of one PATCH make with each member of a group. Equality with an id does not count.
With 40,000 members ten comparisons take all the work of a request. Clients send none."""

MAX_FILTER_BYTES = 8 * 1024
"""Longest filter. Entra's have fewer than 300 bytes. Parsing time grows with the text. scim2-models limits how deep a
filter or a path may nest."""

MAX_QUERY_CHARACTERS = 128 * 1024
"""Longest query string. The Functions host takes 8 KiB; another host may take more."""

MAX_QUERY_FIELDS = 50
"""Most fields in a query string; SCIM defines seven."""

MAX_ATTRIBUTE_NAMES = 200
"""Most names in attributes or excludedAttributes. A user has about half as many, and each name is looked for in all."""

MAX_ATTRIBUTES_CHARACTERS = 32 * 1024
"""All these names together: 200 names of 160 characters. A URN with a name has a hundred."""

DEFAULT_COUNT = 100
"""Resources in a page when the client names no count: what Okta asks for and standards drafts recommend."""

MAX_COUNT = 1_000
"""Most resources in a page: what one answer of Table Storage can hold. Announced as filter.maxResults."""

MAX_SCAN = 10_000
"""Resources that one request may examine. Each takes a tenth of a millisecond: a second of computing on one core."""


class RequestTooLarge(Exception):
    """A request asks for too much. The text says of what, and how much is allowed."""


def at_most(limit: int, number: int, what: str) -> None:
    """Raises RequestTooLarge when the number is beyond the limit."""
    if number > limit:
        raise RequestTooLarge(f"One request may hold at most {limit} {what}; send several requests.")


def require_body_size(size: int) -> None:
    """Raises RequestTooLarge when a body without its members is this large, in bytes."""
    if size > MAX_BODY_BYTES:
        raise RequestTooLarge(
            f"The body is larger than {MAX_BODY_BYTES} bytes. More is allowed only for members of a group, "
            "each an object of at most ten simple attributes."
        )


def comparisons(value_filter: Any) -> int:
    """How many comparisons a path's value filter makes; 0 for none."""
    if isinstance(value_filter, LogicalExpr):
        return sum(comparisons(term) for term in value_filter.terms)
    if isinstance(value_filter, Not):
        return comparisons(value_filter.expr)
    return 0 if value_filter is None else 1
