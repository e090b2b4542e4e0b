"""In which order the operations of a bulk run: what must wait for what, and what refers to itself in a circle.

The order is the request's, except that a POST comes before the operations that refer to its bulkId. Operations that
have nothing in common need not wait for each other. All of it takes time that grows with the references alone.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field

NOTHING: frozenset[Hashable] = frozenset()
"""What an operation has to do with that has nothing to do with others."""


@dataclass(frozen=True, slots=True)
class Described:
    """What an operation has to do with others.

    `creates` is the bulkId of a POST, `refers_to` are the bulkIds that the operation names. `changes` is what no other
    may change or name at the same time, such as the id in its path, and the unique values that it writes. `names` are
    other ids. An operation that deletes a resource `frees` unique values of its type. One that writes unique values of
    a type `takes` them.
    """

    creates: str = ""
    refers_to: tuple[str, ...] = ()
    changes: frozenset[Hashable] = NOTHING
    names: frozenset[Hashable] = NOTHING
    frees: str = ""
    takes: str = ""


@dataclass(frozen=True, slots=True)
class BulkStep:
    """Operations that run together, when the steps `after` are done: one, or several POST that refer to each other.

    `circular` says that they do, or that one refers to itself. A step without operations only stands for others.
    """

    operations: tuple[int, ...]
    after: tuple[int, ...]
    circular: bool = False


def created(bulk_id: str) -> Hashable:
    """The resource that the POST with this bulkId creates, among what operations change and name."""
    return "bulkId", bulk_id


def plan(operations: Sequence[Described]) -> list[BulkStep]:
    """The steps, each after those that it waits for. Together they hold each operation once."""
    creations = {operation.creates: index for index, operation in enumerate(operations) if operation.creates}
    needed = [
        sorted({creations[name] for name in operation.refers_to if name in creations}) for operation in operations
    ]
    groups = list(_circles(needed))
    order = _Order(operations)
    for group in _in_request_order(operations, groups, needed):
        order.add(group, circular=len(group) > 1 or group[0] in needed[group[0]], creates=True)
    return order.steps


def _in_request_order(
    operations: Sequence[Described], groups: Sequence[tuple[int, ...]], needed: Sequence[Sequence[int]]
) -> Iterator[tuple[int, ...]]:
    """The groups in the order of the request, as far as what is needed can come before what needs it.

    `groups` are in an order in which it does. They keep it where the request's would be another.
    """
    place = {index: number for number, group in enumerate(groups) for index in group}
    order = _Order(operations)
    for index in range(len(operations)):
        order.add((index,), circular=False, creates=False)
    step_of = {step.operations[0]: number for number, step in enumerate(order.steps) if step.operations}
    waits = [list(step.after) for step in order.steps]
    for index, others in enumerate(needed):
        waits[step_of[index]] += [step_of[other] for other in others]
    for circle in _circles(waits):
        found = {place[index] for number in circle for index in order.steps[number].operations}
        yield from (groups[number] for number in sorted(found))


@dataclass(slots=True)
class _Uses:
    """The steps that had to do with one thing: the last that changed it, and those that named it since."""

    changed: int | None = None
    named: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Freed:
    """The deletions of one type: the step that stands for those before, and the others."""

    before: int | None = None
    since: list[int] = field(default_factory=list)


class _Order:
    """Steps as they are added, each waiting for those before it that have something to do with it."""

    def __init__(self, operations: Sequence[Described]) -> None:
        self._operations = operations
        self.steps: list[BulkStep] = []
        self._uses: defaultdict[Hashable, _Uses] = defaultdict(_Uses)
        self._freed: defaultdict[str, _Freed] = defaultdict(_Freed)

    def add(self, group: tuple[int, ...], *, circular: bool, creates: bool) -> None:
        """A step of these operations comes after all that were added before, as far as they have to do with it.

        Unless `creates`, it does not count that a POST comes before what refers to it.
        """
        described = [self._operations[index] for index in group]
        after: set[int] = set()
        for kind in {operation.takes for operation in described if operation.takes}:
            after.update(self._deletions(kind))
        changes = {key for item in described for key in item.changes}
        changes |= {created(item.creates) for item in described if item.creates and creates}
        names = {key for item in described for key in item.names}
        names |= {created(name) for item in described for name in item.refers_to}
        number = len(self.steps)
        for key in changes:
            uses = self._uses[key]
            after.update(uses.named if uses.changed is None else [*uses.named, uses.changed])
            uses.changed, uses.named = number, []
        for key in names - changes:
            uses = self._uses[key]
            after.update([] if uses.changed is None else [uses.changed])
            uses.named.append(number)
        for operation in described:
            if operation.frees:
                self._freed[operation.frees].since.append(number)
        self.steps.append(BulkStep(group, tuple(sorted(after)), circular))

    def _deletions(self, kind: str) -> list[int]:
        """A step that is done when all deletions so far of this resource type are; none if there are none."""
        freed = self._freed[kind]
        if freed.since:
            before = [] if freed.before is None else [freed.before]
            self.steps.append(BulkStep((), (*before, *freed.since)))
            freed.before, freed.since = len(self.steps) - 1, []
        return [] if freed.before is None else [freed.before]


def _circles(needed: Sequence[Sequence[int]]) -> Iterator[tuple[int, ...]]:
    """The operations in order, those that need each other together: strongly connected components, by Tarjan.

    What is needed comes before what needs it. There is no recursion: a chain may be as long as a bulk.
    """
    met: dict[int, int] = {}
    lowest: dict[int, int] = {}
    placed: set[int] = set()
    together: list[int] = []
    for root in range(len(needed)):
        if root in met:
            continue
        path = [(root, iter(needed[root]))]
        met[root] = lowest[root] = len(met)
        together.append(root)
        while path:
            index, others = path[-1]
            for other in others:
                if other not in met:
                    met[other] = lowest[other] = len(met)
                    together.append(other)
                    path.append((other, iter(needed[other])))
                    break
                if other not in placed:
                    lowest[index] = min(lowest[index], met[other])
            else:
                path.pop()
                if path:
                    parent = path[-1][0]
                    lowest[parent] = min(lowest[parent], lowest[index])
                if lowest[index] == met[index]:
                    group = [together.pop()]
                    while group[-1] != index:
                        group.append(together.pop())
                    placed.update(group)
                    yield tuple(sorted(group))
