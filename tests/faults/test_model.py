"""The model can tell what requests explain from what they do not."""

import pytest

from tests.faults.model import Group, Model, Outcome, Request, User, explained
from tests.faults.wishes import ChangeGroup, ChangeMembers, ChangeUser, CreateUser, Delete, Known

PEOPLE = {f"u{number}": User(f"user{number}") for number in range(4)}


def holding(*members: str, name: str = "g") -> Model:
    return Model(PEOPLE, {"g": Group(name, frozenset(members))})


def joins(*numbers: int) -> Request:
    return ChangeMembers(0, joins=True, members=numbers, name=None).request(Known(holding()))


def leaves(*numbers: int) -> Request:
    return ChangeMembers(0, joins=False, members=numbers, name=None).request(Known(holding()))


def says(name: str, *numbers: int) -> Request:
    return ChangeGroup(0, put=True, name=name, members=numbers).request(Known(holding()))


def create(name: str) -> Request:
    return CreateUser(name, None).request(Known(holding()))


def test_two_additions_explain_both_members_and_not_one() -> None:
    both = [Outcome(joins(1), 204), Outcome(joins(2), 204)]
    assert explained(holding("u0"), both, holding("u0", "u1", "u2"))
    assert not explained(holding("u0"), both, holding("u0", "u1"))
    assert not explained(holding("u0"), both, holding("u1", "u2"))


def test_an_addition_and_a_removal_explain_either() -> None:
    both = [Outcome(joins(1), 204), Outcome(leaves(1), 204)]
    assert explained(holding(), both, holding())
    assert explained(holding(), both, holding("u1"))
    assert not explained(holding("u3"), both, holding())


def test_an_addition_beside_a_replacement_explains_its_members_one_by_one() -> None:
    both = [Outcome(joins(1, 2), 204), Outcome(says("new", 3), 200)]
    for members in (["u3"], ["u1", "u3"], ["u1", "u2", "u3"]):
        assert explained(holding("u1"), both, holding(*members, name="new"))
    assert not explained(holding("u1"), both, holding("u1", "u2", name="new"))
    assert not explained(holding("u1"), both, holding("u1", "u2", "u3"))


def test_two_who_say_what_a_group_is_explain_no_mixture() -> None:
    both = [Outcome(says("one", 1), 200), Outcome(says("two", 2), 200)]
    assert explained(holding(), both, holding("u1", name="one"))
    assert explained(holding(), both, holding("u2", name="two"))
    assert not explained(holding(), both, holding("u1", "u2", name="two"))
    assert not explained(holding(), both, holding("u2", name="one"))


@pytest.mark.parametrize("request_", [joins(1, 2), says("g", 1, 2)])
def test_what_was_not_answered_happened_whole_or_not_at_all(request_: Request) -> None:
    unknown = [Outcome(request_, None)]
    assert explained(holding(), unknown, holding())
    assert explained(holding(), unknown, holding("u1", "u2"))
    assert not explained(holding(), unknown, holding("u1"))


def test_of_two_creations_of_one_name_one_is_refused() -> None:
    after = Model({**PEOPLE, "new": User("Ann")}, holding().groups)
    assert explained(holding(), [Outcome(create("Ann"), 201, "new"), Outcome(create("ann"), 409)], after)
    assert not explained(holding(), [Outcome(create("Ann"), 201, "new"), Outcome(create("ann"), 201, "other")], after)
    assert not explained(holding(), [Outcome(create("ann"), 409)], holding())


def test_what_was_created_without_an_answer_is_found_by_its_name() -> None:
    unknown = [Outcome(create("Ann"), None)]
    assert explained(holding(), unknown, holding())
    assert explained(holding(), unknown, Model({**PEOPLE, "new": User("Ann")}, holding().groups))
    assert not explained(holding(), unknown, Model({**PEOPLE, "new": User("Bob")}, holding().groups))


def test_a_deletion_takes_the_memberships_along() -> None:
    deleted = [Outcome(Delete("/Users", 1).request(Known(holding())), 204)]
    left = Model({id_: user for id_, user in PEOPLE.items() if id_ != "u1"}, holding("u2").groups)
    assert explained(holding("u1", "u2"), deleted, left)
    assert not explained(holding("u1", "u2"), deleted, Model(left.users, holding("u1", "u2").groups))
    assert explained(holding("u1", "u2"), deleted * 2, left), "two who delete it are both told that it is gone"


def test_an_answer_that_no_order_gives_is_not_explained() -> None:
    renamed = ChangeUser(0, put=False, name="user1", active=None, external=None).request(Known(holding()))
    assert explained(holding(), [Outcome(renamed, 409)], holding())
    assert not explained(holding(), [Outcome(renamed, 200)], holding())
    assert not explained(holding(), [Outcome(renamed, 404)], holding())
