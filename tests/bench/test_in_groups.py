"""The comparison's operations on groups: each request changes something, in a group that was made for it."""

import json
from typing import Any

from bench import in_groups
from bench.against import ALONE, ROUNDS
from bench.in_groups import FULL, LARGE, TOGETHER
from bench.measure import WARM_UP
from bench.operations import Client, Operation

FIRST = 7
USERS = [f"user-{number}" for number in range(LARGE)]
CLIENT = Client("/scim/v2", "token", user_id=USERS.__getitem__, group_id=str)


def changes(operation: Operation) -> list[tuple[int, str, list[str]]]:
    """The group, the operation and the users of each request that a comparison sends, in their order."""
    requests = operation.requests(CLIENT, range(WARM_UP + ROUNDS * ALONE[1] // operation.divisor))
    found = []
    for request in requests:
        [change] = json.loads(request.body)["Operations"]
        named = [member["value"] for member in change["value"]]
        found.append((int(request.target.rpartition("/")[2]), change["op"], named))
    return found


def members_of(body: dict[str, Any]) -> list[str]:
    return [member["value"] for member in body["members"]]


def test_a_member_of_the_large_group_leaves_and_comes_back() -> None:
    moving, *_ = in_groups.operations(FIRST)
    members = set(members_of(in_groups.bodies(FIRST, USERS)[0]))
    assert len(members) == LARGE
    for group, op, [user] in changes(moving):
        assert group == FIRST
        if op == "Remove":
            members.remove(user)
        else:
            assert user not in members
            members.add(user)
    assert len(members) == LARGE


def test_members_that_join_together_are_not_in_their_group_yet() -> None:
    _, *joining, _ = in_groups.operations(FIRST)
    groups = {FIRST + number: set(members_of(body)) for number, body in enumerate(in_groups.bodies(FIRST, USERS))}
    for operation, count in zip(joining, TOGETHER, strict=True):
        for group, op, users in changes(operation):
            assert (op, len(users)) == ("Add", count)
            assert not groups[group] & set(users)
            groups[group] |= set(users)


def test_the_full_group_is_read_and_stays_as_it_is() -> None:
    *changing, reading = in_groups.operations(FIRST)
    [request] = reading.requests(CLIENT, range(1))
    assert (request.method, request.target) == ("GET", f"/scim/v2/Groups/{FIRST + 1}")
    assert len(members_of(in_groups.bodies(FIRST, USERS)[1])) == FULL
    assert FIRST + 1 not in {group for operation in changing for group, _, _ in changes(operation)}
