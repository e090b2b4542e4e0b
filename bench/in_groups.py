"""Operations of the comparison with another commit that need larger groups, and a shorter list."""

from collections.abc import Callable, Sequence
from typing import Any

from bench.bare import POPULATION
from bench.directory import group
from bench.http_client import Request
from bench.operations import Client, Operation, add_member, add_members, remove_member

LARGE = 5_000
"""Members of a large group, and users of the directory then. Its changes are beyond one transaction, so they have
another way to its members."""

FULL = 1_000
"""Members of a group that is read whole: they are one page of Table Storage."""

TOGETHER = (32, 33, 100)
"""Members that one request adds: the most that fit one transaction, one more (it fitted before the feed), and many."""

_DIVISOR = 4
"""These take longer than others, so they have fewer requests."""

_GROUPS_OF_SETS = 12
"""Groups to which members are added together: a hundred requests with a hundred members each fill ten."""

SHORT_LIST = Operation(
    "list page of 50", "", lambda client, _: client.request("GET", "/Users?startIndex=1&count=50", 200), _DIVISOR
)


def operations(first: int) -> tuple[Operation, ...]:
    """The operations on these groups; `first` is the number of the first one."""
    sets = first + 2
    added = []
    for count in TOGETHER:
        added.append(Operation(f"PATCH group, {count} members", "", _adding(sets, count), _DIVISOR))
        sets += _GROUPS_OF_SETS
    return (
        Operation("PATCH group of 5,000, 1 member", "", lambda client, number: _moving(client, first, number)),
        *added,
        Operation("GET group of 1,000, members", "", lambda client, _: whole(client, first + 1), _DIVISOR),
    )


def bodies(first: int, users: Sequence[str]) -> list[dict[str, Any]]:
    """The groups, from the number `first` on: the large one, the full one, and those that members are added to."""
    sizes = [LARGE, FULL, *[0] * (_GROUPS_OF_SETS * len(TOGETHER))]
    return [
        group(first + number) | {"members": [{"value": user_id} for user_id in users[:size]]}
        for number, size in enumerate(sizes)
    ]


def _moving(client: Client, large: int, number: int) -> Request:
    """One member leaves, and comes back with the next request."""
    member, back = divmod(number, 2)
    change = add_member if back else remove_member
    return change(client, large, member % POPULATION)


def _adding(first: int, count: int) -> Callable[[Client, int], Request]:
    """Each request adds so many of the users that are not in the group yet."""

    def request(client: Client, number: int) -> Request:
        further, turn = divmod(number, POPULATION // count)
        return add_members(client, first + further, range(turn * count, (turn + 1) * count))

    return request


def whole(client: Client, number: int) -> Request:
    """GET of a group with its members."""
    return client.request("GET", f"/Groups/{client.group_id(number)}", 200)
