"""In which order the operations of a bulk run, and what waits for what."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scim_core.protocol.bulk_plan import BulkStep, Described, created, plan


def create(name: str, *refers_to: str) -> Described:
    return Described(creates=name, refers_to=refers_to)


def order(steps: Sequence[BulkStep]) -> list[tuple[int, ...]]:
    return [step.operations for step in steps if step.operations]


def waits(steps: Sequence[BulkStep], first: int, second: int) -> bool:
    """Whether the second operation waits for the first, itself or through others."""
    numbers = {operation: number for number, step in enumerate(steps) for operation in step.operations}
    reached, left = set[int](), [numbers[second]]
    while left:
        for before in steps[left.pop()].after:
            if before not in reached:
                reached.add(before)
                left.append(before)
    return numbers[first] in reached


def test_what_has_nothing_in_common_does_not_wait() -> None:
    steps = plan([create("a"), create("b"), Described(changes=frozenset({"1"})), Described()])
    assert order(steps) == [(0,), (1,), (2,), (3,)]
    assert all(not step.after and not step.circular for step in steps)


def test_a_post_comes_before_the_first_that_refers_to_it() -> None:
    steps = plan([create("a", "b", "c"), create("c"), create("b", "c"), Described()])
    assert order(steps) == [(1,), (2,), (0,), (3,)]
    assert waits(steps, 1, 2)
    assert waits(steps, 2, 0)
    assert not waits(steps, 0, 3)


def test_circles_are_one_step() -> None:
    steps = plan(
        [create("a", "b"), create("x", "x"), create("b", "c"), create("c", "a", "d"), create("d"), create("e", "a")]
    )
    assert order(steps) == [(4,), (0, 2, 3), (1,), (5,)]
    assert [step.circular for step in steps] == [False, True, True, False]
    assert waits(steps, 4, 0)
    assert waits(steps, 3, 5)


def test_a_bulk_id_that_nobody_creates_is_no_reason_to_wait() -> None:
    steps = plan([create("a", "nobody"), Described(refers_to=("nobody",))])
    assert all(not step.after for step in steps)


@pytest.mark.parametrize(
    ("first", "second", "wait"),
    [
        (Described(changes=frozenset({"1"})), Described(changes=frozenset({"1"})), True),
        (Described(changes=frozenset({"1"})), Described(names=frozenset({"1"})), True),
        (Described(names=frozenset({"1"})), Described(changes=frozenset({"1"})), True),
        (Described(names=frozenset({"1"})), Described(names=frozenset({"1"})), False),
        (Described(changes=frozenset({"1"})), Described(changes=frozenset({"2"})), False),
        (create("a"), Described(changes=frozenset({created("a")}), refers_to=("a",)), True),
        (Described(frees="User"), Described(takes="User"), True),
        (Described(frees="User"), Described(takes="Group"), False),
        (Described(takes="User"), Described(frees="User"), False),
        (Described(frees="User"), Described(frees="User"), False),
    ],
)
def test_what_waits(first: Described, second: Described, *, wait: bool) -> None:
    assert waits(plan([first, second]), 0, 1) is wait


def test_a_post_that_moves_forward_takes_its_order_along() -> None:
    """The patch needs the group, which names what the delete deletes: nothing waits for itself."""
    patch = Described(changes=frozenset({created("g")}), refers_to=("g",), names=frozenset({"1"}))
    delete = Described(changes=frozenset({"1"}), frees="User")
    post = Described(creates="g", names=frozenset({"1"}))
    steps = plan([patch, delete, post])
    assert order(steps) == [(2,), (0,), (1,)]
    assert waits(steps, 0, 1)


def test_a_post_that_is_needed_early_does_not_overtake_others_of_its_name() -> None:
    """The first operation waits for both, since the second one needs the first one's name to be taken or refused."""
    name = frozenset({("User", "userName", "ann")})
    patch = Described(refers_to=("b",), changes=frozenset({"1"}))
    first, second = Described(creates="a", changes=name), Described(creates="b", changes=name)
    again = Described(changes=frozenset({"1"}))
    assert order(plan([patch, again, first, second])) == [(2,), (3,), (0,), (1,)]


described = st.builds(
    Described,
    refers_to=st.lists(st.sampled_from(["0", "1", "2", "3"]), max_size=2).map(tuple),
    changes=st.frozensets(st.sampled_from(["x", "y", "z"]), max_size=1),
    names=st.frozensets(st.sampled_from(["x", "y", "z"]), max_size=2),
    frees=st.sampled_from(["", "", "User"]),
    takes=st.sampled_from(["", "", "User"]),
)


@given(drawn=st.lists(described, max_size=8), creating=st.lists(st.booleans(), min_size=8, max_size=8))
def test_whatever_waits_waits_in_the_order_of_the_request_if_it_can(
    drawn: list[Described], creating: list[bool]
) -> None:
    operations = [replace(item, creates=str(n) if creating[n] else "") for n, item in enumerate(drawn)]
    steps = plan(operations)
    place = {index: number for number, step in enumerate(steps) for index in step.operations}
    assert sorted(place) == list(range(len(operations)))
    needs = {
        (n, int(name)) for n, item in enumerate(operations) for name in item.refers_to if _creates(operations, name)
    }
    together = _reached(needs, len(operations))
    for index, other in needs:
        if (other, index) in together:
            assert place[index] == place[other]
            assert steps[place[index]].circular
        else:
            assert waits(steps, other, index)
    ordered = {
        (m, n) for n in range(len(operations)) for m in range(n + 1, len(operations)) if _conflict(operations, n, m)
    }
    every = _reached(needs | ordered, len(operations))
    for later, earlier in ordered:
        if (earlier, later) not in every:  # else they are needed in another order
            assert waits(steps, earlier, later)
        assert place[earlier] == place[later] or waits(steps, earlier, later) or waits(steps, later, earlier)


def _creates(operations: list[Described], name: str) -> bool:
    return any(item.creates == name for item in operations)


def _reached(edges: set[tuple[int, int]], size: int) -> set[tuple[int, int]]:
    """All pairs of which the first comes to the second by these edges."""
    found = set(edges)
    for middle in range(size):
        for first in range(size):
            found |= {(first, last) for last in range(size) if (first, middle) in found and (middle, last) in found}
    return found


def _conflict(operations: list[Described], first: int, second: int) -> bool:
    """Whether the second operation has to come after the first, as the request says."""
    one, other = operations[first], operations[second]
    return bool(one.changes & (other.changes | other.names) or one.names & other.changes) or (
        bool(one.frees) and one.frees == other.takes
    )


@pytest.mark.parametrize("size", [10, 1_000])
def test_the_plan_grows_no_faster_than_the_bulk(size: int) -> None:
    """Chains, circles, one resource, many deletions and many names: steps and waits stay within a few for each."""
    bulks = {
        "a chain": [create(str(n), str(n + 1)) for n in range(size)],
        "a circle": [create(str(n), str((n + 1) % size)) for n in range(size)],
        "pairs": [create(str(n), str(n ^ 1)) for n in range(size)],
        "one resource": [Described(changes=frozenset({"1"})) for _ in range(size)],
        "named and changed": [
            Described(changes=frozenset({"1"})) if n % 7 == 0 else Described(names=frozenset({"1"}))
            for n in range(size)
        ],
        "deleted and created": [Described(frees="User") if n % 2 else Described(takes="User") for n in range(size)],
    }
    for name, operations in bulks.items():
        steps = plan(operations)
        assert sorted(item for step in steps for item in step.operations) == list(range(size)), name
        assert len(steps) <= 2 * size
        assert sum(len(step.after) for step in steps) <= 4 * size, name
        assert all(before < number for number, step in enumerate(steps) for before in step.after)
