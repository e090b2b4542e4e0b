"""What a directory should hold, and whether requests that ran at the same time explain what it does hold.

The promise (docs/storage.md): a request happens whole, at one moment between its sending and its answer, with one
exception. A PATCH that only adds or removes members demands no state of the group, so such requests do not contend.
Each of its memberships has a moment of its own.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, combinations, permutations

from tests.scim import comparable


@dataclass(frozen=True)
class User:
    """What is kept of a user."""

    name: str
    active: bool = True
    external: str | None = None


@dataclass(frozen=True)
class Group:
    """What is kept of a group; `members` are ids."""

    name: str
    members: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Model:
    """The directory: users and groups by id. Changing it makes another one."""

    users: dict[str, User] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)

    def holds(self, resource_id: str) -> bool:
        return resource_id in self.users or resource_id in self.groups

    def with_user(self, user_id: str, user: User) -> "Model":
        return replace(self, users=self.users | {user_id: user})

    def with_group(self, group_id: str, group: Group) -> "Model":
        return replace(self, groups=self.groups | {group_id: group})

    def with_edge(self, group_id: str, member_id: str, *, present: bool) -> "Model":
        group = self.groups.get(group_id)
        if group is None:
            return self
        members = group.members | {member_id} if present else group.members - {member_id}
        return self.with_group(group_id, replace(group, members=members))

    def without(self, resource_id: str) -> "Model":
        users = {id_: user for id_, user in self.users.items() if id_ != resource_id}
        groups = {
            id_: replace(group, members=group.members - {resource_id})
            for id_, group in self.groups.items()
            if id_ != resource_id
        }
        return Model(users, groups)

    def known(self, ids: Sequence[str]) -> frozenset[str]:
        """Those of the ids that can be members: others are skipped."""
        return frozenset(filter(self.holds, ids))

    def user_name_is_taken(self, name: str, but: str = "") -> bool:
        return any(comparable(user.name) == comparable(name) for id_, user in self.users.items() if id_ != but)

    def display_name_is_taken(self, name: str, but: str = "") -> bool:
        return any(comparable(group.name) == comparable(name) for id_, group in self.groups.items() if id_ != but)


type Effect = Callable[[Model, str], tuple[int, Model]]
"""What a request answers and what it leaves behind. The text is the id of what it creates."""


@dataclass(frozen=True)
class Edges:
    """Memberships that a request adds or removes, each at a moment of its own."""

    group: str
    members: frozenset[str]
    joins: bool


@dataclass(frozen=True)
class Request:
    """A request with its effect. `touch` is the URL of the resource that it is about.

    `creates` is the endpoint of what it creates, and `name` the name of that. If a request has `edges`, its effect is
    only what its answer says.
    """

    method: str
    url: str
    body: object
    touch: str
    effect: Effect
    edges: Edges | None = None
    creates: str | None = None
    name: str = ""


@dataclass(frozen=True)
class Outcome:
    """A request and the status of its answer; None when the client does not know whether it happened."""

    request: Request
    status: int | None
    new_id: str = ""

    def agrees(self, status: int, before: Model) -> bool:
        """Whether the request may have been answered as it was where it had to be answered with `status`.

        If several requests delete the same resource, each of them may be told that it is gone.
        """
        if self.status is None:  # a refusal may have deactivated a user (docs/adr/0036)
            return status < 300 or status == 409
        rival = self.request.method == "DELETE" and before.holds(self.request.url.rpartition("/")[2])
        return self.status == status or (rival and (self.status, status) == (204, 404))


def explained(before: Model, outcomes: Sequence[Outcome], after: Model) -> bool:
    """Whether some order of the requests leads from one state to the other and gives the answers that were given.

    A request without an answer may have happened whole, or not at all.
    """
    named = [_with_id(outcome, before, after) for outcome in outcomes]
    certain = [item for item in named if item.status is not None]
    uncertain = [item for item in named if item.status is None]
    return any(
        _leads(before, order, happened, after)
        for happened in ([*certain, *some] for some in _subsets(uncertain))
        for order in permutations([item for item in happened if item.request.edges is None])
    )


def _with_id(outcome: Outcome, before: Model, after: Model) -> Outcome:
    """The outcome with the id of a resource that was created, although the client got no answer."""
    if outcome.request.creates is None or outcome.status is not None:
        return outcome
    kind: dict[str, User] | dict[str, Group] = after.users if outcome.request.creates == "/Users" else after.groups
    new = [id_ for id_, item in kind.items() if item.name == outcome.request.name and not before.holds(id_)]
    return replace(outcome, new_id=new[0] if new else "unseen")


def _subsets[T](items: list[T]) -> Iterator[tuple[T, ...]]:
    return chain.from_iterable(combinations(items, size) for size in range(len(items) + 1))


def _leads(before: Model, order: Sequence[Outcome], happened: Sequence[Outcome], after: Model) -> bool:
    """Whether these requests, in this order, lead to the state. The edges of the others may come anywhere between."""
    states = [before]
    for outcome in order:
        status, state = outcome.request.effect(states[-1], outcome.new_id)
        if not outcome.agrees(status, before):
            return False
        states.append(state)
    loose = [item for item in happened if item.request.edges is not None]
    for item in loose:
        if not any(item.agrees(item.request.effect(state, "")[0], before) for state in states):
            return False
    if _without_edges(states[-1], loose) != _without_edges(after, loose):
        return False
    return all(
        (member in after.groups[group].members) in _finals(states, order, loose, group, member)
        for group, member in _touched(loose)
        if group in after.groups
    )


def _touched(loose: Sequence[Outcome]) -> set[tuple[str, str]]:
    edges = [item.request.edges for item in loose if item.request.edges is not None]
    return {(some.group, member) for some in edges for member in some.members}


def _without_edges(model: Model, loose: Sequence[Outcome]) -> Model:
    for group, member in _touched(loose):
        model = model.with_edge(group, member, present=False)
    return model


def _finals(
    states: Sequence[Model], order: Sequence[Outcome], loose: Sequence[Outcome], group: str, member: str
) -> set[bool]:
    """Whether the edge can exist in the end, and whether it can be absent, after all requests that add or remove it."""
    every = [item.request.edges for item in loose if item.request.edges is not None]
    mine = frozenset(n for n, some in enumerate(every) if some.group == group and member in some.members)
    mine -= {n for n in mine if loose[n].status not in (204, None)}
    now = {(member in states[0].groups[group].members if group in states[0].groups else False, mine)}
    for number, state in enumerate(states):
        if number:
            effect = order[number - 1]
            now = {(_after(states[number - 1], effect, group, member, there=there), left) for there, left in now}
        if group in state.groups:
            now = set(_joined(now, [some.joins for some in every], exists=state.holds(member)))
    return {there for there, left in now if not left}


def _after(state: Model, outcome: Outcome, group: str, member: str, *, there: bool) -> bool:
    """Whether the edge is there after the request, when it is there or not before it."""
    _, after = outcome.request.effect(state.with_edge(group, member, present=there), outcome.new_id)
    return group in after.groups and member in after.groups[group].members


def _joined(
    now: set[tuple[bool, frozenset[int]]], joins: Sequence[bool], *, exists: bool
) -> Iterator[tuple[bool, frozenset[int]]]:
    """Each state of the edge, and the states to which the requests that are left can lead, one after the other."""
    for there, left in now:
        yield there, left
        for number in left:
            became = (there or exists) if joins[number] else False
            yield from _joined({(became, left - {number})}, joins, exists=exists)
