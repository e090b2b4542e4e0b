"""Hostile requests of every kind, mixed with valid pieces: deep, wide, long, and many. For Hypothesis."""

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from hypothesis import strategies as st

from tests.scim import ENTERPRISE, GLOBAL_RELAY, GROUP, USER, Json

SIZES = st.sampled_from([1, 2, 3, 10, 100, 199, 501, 2_000, 20_000, 100_000])
"""How often something is repeated: below and beyond the limits."""

MAX_BYTES = 3 * 1024 * 1024
"""Longest body that is generated. Beyond 16 MiB all are refused; tests/unit/test_strict_json.py has such bodies."""

ATTRIBUTES = ["userName", "displayName", "title", "active", "name", "name.givenName", "emails", "emails.value", "ims"]
ATTRIBUTES += [
    "emails.type",
    "roles",
    "roles.value",
    "members",
    "members.value",
    "groups",
    "meta.created",
    "id",
    "x",
    "a.b",
]
ATTRIBUTES += [
    f"{ENTERPRISE}:manager",
    f"{GLOBAL_RELAY}:extensionAttribute1",
    ENTERPRISE,
    f"{USER}:title",
    "externalId",
]
VALUES = ['"x"', '"7"', "true", "null", "5", '"2026-01-01T00:00:00Z"', '"é"', f'"{"long" * 400}"', '"', "\\"]

MAX_QUERY = 16 * 1024
"""Longest query string that is generated: twice what the Functions host takes."""


@dataclass(frozen=True)
class Hostile:
    """A request: the method, the path with placeholders for ids, the query string and the body."""

    method: str
    url: str
    query: str = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def shown(self) -> str:
        """So much of query and body that a failure can be read."""
        return f"?{self.query[:500]} and {len(self.body)} bytes: {self.body[:1_000]!r}"


attributes = st.sampled_from(ATTRIBUTES)
comparisons = st.builds(
    "{} {} {}".format,
    attributes,
    st.sampled_from(["eq", "ne", "co", "sw", "ew", "gt", "le", "EQ", "xx"]),
    st.sampled_from(VALUES),
) | attributes.map("{} pr".format)


@st.composite
def filters(draw: st.DrawFn) -> str:
    """A filter or a part of a path: few different terms, often repeated, perhaps nested."""
    terms = draw(st.lists(comparisons | comparisons.map("emails[{}]".format), min_size=1, max_size=3))
    number = draw(SIZES)
    joint = draw(st.sampled_from([" or ", " and ", " ", ","]))
    text = joint.join((terms * number)[: min(number, 3_000)])
    depth = draw(st.sampled_from([0, 0, 1, 30, 40, 1_000]))
    opening = draw(st.sampled_from(["(", "not (", "emails["]))
    return opening * depth + text + ("]" if opening.endswith("[") else ")") * depth


paths = (
    attributes
    | st.builds(
        "{}[{}]{}".format,
        st.sampled_from(["emails", "members", "ims", "x"]),
        filters(),
        st.sampled_from(["", ".value", ".type"]),
    )
    | filters()
)
entries: st.SearchStrategy[Any] = st.sampled_from(
    [
        {"value": "7"},
        {"value": "x", "type": "work", "primary": True},
        {"VALUE": "x", "value": "y"},
        {"value": '{"value": "7", "display": "x"}'},
        {"value": "{user}", "$ref": "https://scim.example.com/Users/{user}", "display": "y" * 60},
        {"value": {"value": ["x"]}},
        {f"x{number}": number for number in range(30)},
        "x",
        None,
        1,
        [],
        {},
        [[{"value": "x"}]],
    ]
)


@st.composite
def values(draw: st.DrawFn) -> Any:
    """A value that is deep, wide, long, or has many elements; or an ordinary one."""
    number = draw(SIZES)
    kind = draw(st.sampled_from(["many", "different", "deep", "wide", "long", "plain", "text"]))
    entry = draw(entries)
    value = entry
    match kind:
        case "many":
            value = [entry] * number
        case "different":
            value = [{"value": str(n), "type": str(n)} for n in range(number)]
        case "deep":
            for _ in range(min(number, 501)):
                value = [value] if number % 2 == 0 else {"value": value}
        case "wide":
            value = {f"x{n}": n for n in range(number)}
        case "long":
            value = draw(st.sampled_from(["x", "é", "😀", '\\"', ",", "\x00"])) * number
        case "text":
            value = [{"value": json.dumps({"value": "7", "inner": [entry] * number})}] * 3
    return value


@st.composite
def resources(draw: st.DrawFn) -> Json:
    """The body of a POST or PUT: a valid one with some attributes that are not."""
    body: Json = {"schemas": [draw(st.sampled_from([USER, GROUP]))], "userName": "new", "displayName": "new"}
    names = attributes | st.sampled_from(["Members", f"{GROUP}:members", "unknown", GLOBAL_RELAY])
    for name in draw(st.lists(names, max_size=3)):
        body[name] = draw(values())
    return body


operations = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "replace", "remove", "Remove", "move"])},
    optional={"path": paths, "value": values() | st.dictionaries(paths, values(), max_size=3)},
)


@st.composite
def patches(draw: st.DrawFn) -> bytes:
    """The body of a PATCH: few different operations, often repeated."""
    some = b",".join(map(_json, draw(st.lists(operations, min_size=1, max_size=3))))
    number = min(draw(st.sampled_from([1, 1, 2, 60, 200, 400])), 1 + MAX_BYTES // len(some))
    return b'{"Operations": [' + b",".join([some] * number) + b"]}"


@st.composite
def searches(draw: st.DrawFn) -> Json:
    """The fields of a search."""
    names = st.lists(paths, max_size=3).map(lambda some: ",".join(some * 20))
    return draw(
        st.fixed_dictionaries(
            {},
            optional={
                "filter": filters(),
                "sortBy": paths,
                "attributes": names,
                "excludedAttributes": names,
                "count": st.sampled_from([0, 1, 50, 1_000, 10**9, "x"]),
                "startIndex": st.sampled_from([1, 5, 10**9, -1]),
            },
        )
    )


@st.composite
def broken(draw: st.DrawFn, body: bytes) -> bytes:
    """The body, perhaps cut or with something put in."""
    if not body or draw(st.integers(0, 4)):
        return body
    at = draw(st.integers(0, len(body)))
    piece = draw(
        st.sampled_from(
            [b"", b"[", b"]", b"}", b'"', b",", b"\\", b"\xff", b"[" * 5_000, b'{"a":' * 5_000, b"1," * 50_000]
        )
    )
    return body[:at] + piece + (b"" if draw(st.booleans()) else body[at:])


@st.composite
def hostile(draw: st.DrawFn) -> Hostile:
    """A request of any kind."""
    kind = draw(st.sampled_from(["POST", "PUT", "PATCH", "PATCH", "search", "GET"]))
    url = draw(st.sampled_from(["/Users", "/Groups"]))
    one = url + draw(st.sampled_from(["/{user}", "/{rich}"] if url == "/Users" else ["/{group}"]))
    query = urlencode(draw(searches()) if draw(st.integers(0, 3)) == 0 or kind == "GET" else {})[:MAX_QUERY]
    if kind == "GET":
        return Hostile("GET", draw(st.sampled_from([url, one])), query, b"")
    if kind == "search":
        return Hostile("POST", draw(st.sampled_from(["", url])) + "/.search", query, _json(draw(searches())))
    content = draw(patches() if kind == "PATCH" else resources().map(_json))
    return Hostile(kind, url if kind == "POST" else one, query, draw(broken(content)))


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()[:MAX_BYTES]
