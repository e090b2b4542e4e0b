"""The costliest requests that one customer can think of. Each keeps to the form of SCIM: a client can send it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from bench.directory import GROUP_URN, group_id, user_id
from bench.http_client import Request
from bench.operations import MEDIA_TYPE, PATCH_URN, Client

MIB = 1024 * 1024

SEARCH_URN = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"

ANY_STATUS = 0
"""The status that an attack expects: none. What it is answered is counted."""

PERSONS, WIDE, FAT, GROUPS = "persons", "wide", "fat", "groups"
"""The tenants that attack: each has a directory of another kind (see attack_directories)."""


@dataclass(frozen=True)
class Attack:
    """Requests that one tenant sends all the time, over so many connections."""

    title: str
    tenant: str
    connections: int
    request: Callable[[Client], Request]


def _get(target: str, **query: Any) -> Callable[[Client], Request]:
    return lambda client: client.request("GET", f"{target}?{urlencode(query)}" if query else target, ANY_STATUS)


def _body(method: str, target: str, content: Callable[[], bytes]) -> Callable[[Client], Request]:
    def request(client: Client) -> Request:
        headers = {"Authorization": f"Bearer {client.token}", "Content-Type": MEDIA_TYPE}
        return Request(method, client.path + target, ANY_STATUS, headers, content())

    return request


def _filled(before: str, piece: str, after: str, size: int) -> bytes:
    """A text of about `size` bytes: the piece is repeated between the two others, with commas."""
    return f"{before}{','.join([piece] * (size // (len(piece) + 1)))}{after}".encode()


def _group(field: str) -> str:
    return f'{{"schemas":["{GROUP_URN}"],"displayName":"Attack",{field}'


def _patch(*operations: dict[str, Any]) -> bytes:
    return json.dumps({"schemas": [PATCH_URN], "Operations": operations}).encode()


def _deep_arrays() -> bytes:
    deep = "[" * 27 + "1" + "]" * 27
    return _filled(_group('"bogus":['), deep, "]}", 16 * MIB - 200)


def _many_keys() -> bytes:
    names = ",".join(f'"k{number}":1' for number in range(1_200_000))
    return f'{_group("")}"members":[{{"value":"{user_id(0)}",{names}}}]}}'.encode()


def _numbers() -> bytes:
    return _filled(_group('"members":['), "1", "]}", 16 * MIB - 200)


def _one_text() -> bytes:
    return (_group('"members":[{"value":"') + "\\u0041" * (16 * MIB // 6 - 100) + '"}]}').encode()


def _all_members() -> bytes:
    members = [{"value": user_id(number), "$ref": None} for number in range(100_000)]
    return json.dumps({"schemas": [GROUP_URN], "displayName": "Everybody", "members": members}).encode()


def _long_paths() -> bytes:
    condition = " or ".join(['(value sw "a" and type pr)'] * 280)
    return _patch(*[{"op": "remove", "path": f"emails[{condition}]"}] * 100)


def _long_paths_of_members() -> bytes:
    condition = " or ".join(['(value sw "z" and type eq "x")'] * 240)
    return _patch(*[{"op": "remove", "path": f"members[{condition}]"}] * 100)


def _thousand_operations() -> bytes:
    emails = [{"value": f"a{number}@example.com", "type": f"t{number}"} for number in range(400)]
    return _patch(
        {"op": "replace", "path": "emails", "value": emails},
        *[{"op": "replace", "path": 'emails[type eq "t399"].value', "value": f"b{n}@example.com"} for n in range(199)],
        *[{"op": "replace", "path": "title", "value": f"Title {number}"} for number in range(800)],
    )


def _conditions_on_members() -> bytes:
    condition = " or ".join(f'value sw "zz{number}"' for number in range(10))
    return _patch({"op": "remove", "path": f"members[{condition}]"})


def _many_terms() -> bytes:
    text = " or ".join(f'phoneNumbers[value co "x{number:03}"]' for number in range(234))
    return json.dumps({"schemas": [SEARCH_URN], "filter": text}).encode()


ATTACKS = (
    Attack("filter: 234 terms over 500 values", WIDE, 2, _body("POST", "/Users/.search", _many_terms)),
    Attack("filter: one term over 500 values", WIDE, 4, _get("/Users", filter='phoneNumbers[value co "x"]')),
    Attack("filter: 10,000 persons examined", PERSONS, 8, _get("/Users", filter='displayName co "nobody"')),
    Attack("sort: 10,000 persons", PERSONS, 8, _get("/Users", sortBy="name.familyName", count=1000)),
    Attack("list: pages of 1,000 persons", PERSONS, 8, _get("/Users", count=1000)),
    Attack("list: pages of 150 persons of 480 KB", FAT, 8, _get("/Users", count=150)),
    Attack("sort: 150 persons of 480 KB", FAT, 8, _get("/Users", sortBy="userName", count=150)),
    Attack("filter: 150 persons of 480 KB", FAT, 8, _get("/Users", filter='displayName co "nobody"')),
    Attack("POST: 16 MiB of arrays, 28 deep", GROUPS, 2, _body("POST", "/Groups", _deep_arrays)),
    Attack("POST: 1.2 million names in a member", GROUPS, 2, _body("POST", "/Groups", _many_keys)),
    Attack("POST: 8 million numbers as members", GROUPS, 2, _body("POST", "/Groups", _numbers)),
    Attack("POST: one member of 16 MiB", GROUPS, 2, _body("POST", "/Groups", _one_text)),
    Attack("POST: 100,000 members", GROUPS, 2, _body("POST", "/Groups", _all_members)),
    Attack("GET: group of 100,000 members", GROUPS, 8, _get(f"/Groups/{group_id(0)}")),
    Attack("list: groups, one of 100,000 members", GROUPS, 4, _get("/Groups")),
    Attack("PATCH: 100 paths of 8 KB", PERSONS, 2, _body("PATCH", f"/Users/{user_id(0)}", _long_paths)),
    Attack(
        "PATCH: 100 paths of 8 KB, members", GROUPS, 2, _body("PATCH", f"/Groups/{group_id(0)}", _long_paths_of_members)
    ),
    Attack(
        "PATCH: conditions on 100,000 members",
        GROUPS,
        2,
        _body("PATCH", f"/Groups/{group_id(0)}", _conditions_on_members),
    ),
    Attack("PATCH: 1,000 operations", PERSONS, 4, _body("PATCH", f"/Users/{user_id(1)}", _thousand_operations)),
)
"""A search of many values, large answers, large bodies, and PATCHes that compare much."""
