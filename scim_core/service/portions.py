"""How much of a list is held in memory: resources are read some at a time, and a page ends when an answer is full.

A resource can have 500,000 characters, so a page of 1,000 could have 500 MB (ADR 0015).
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from scim_core.caches import Bounded
from scim_core.model import Membership, StoredResource
from scim_core.protocol.costs import read_units
from scim_core.work import Work

MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""Most characters of the resources in one page, as they are stored, with their memberships. 1,000 users of 6 KB fit. A
page with more is shorter. A single resource is always answered, whatever its size."""

MEMBERSHIP_BYTES = 200
"""Characters that a membership takes in an answer: two ids, a URI and the names of its attributes."""

FIRST_PORTION, MAX_PORTION = 20, 100
"""Resources of the first reading, while this process does not know how large the tenant's are, and of every other one.
20 of the largest have 10 million characters. A page of the usual length is one reading once they are known."""

PORTION_CHARACTERS = 4 * 1024 * 1024
"""Characters that a reading brings at most, if no resource is larger than those known: 25 milliseconds of computing."""

MAX_KNOWN = 10_000
"""Resource types of tenants whose largest resource is remembered."""

FEW = 10
"""So many resources can be read at once by every request. To read more, it waits for the others of its tenant."""


@dataclass(slots=True)
class Window:
    """The part of a sequence of matches that a page shows: `count` of them after the first `begin`, within the `room`.

    The first resource of an answer is shown whatever its size. `number` counts all matches, shown or not,
    and `looked_at` the ids that were looked at for them.
    """

    begin: int
    count: int
    room: int
    number: int = 0
    looked_at: int = 0
    shown: list[StoredResource] = field(default_factory=list)
    full: bool = False

    @property
    def ended(self) -> bool:
        """Whether no later match can be shown."""
        return self.full or len(self.shown) >= self.count

    def add(self, resource: StoredResource) -> None:
        """The next match."""
        if self.number >= self.begin and not self.ended:
            self.full = not fits(resource.size, self.room)
            if not self.full:
                self.shown.append(resource)
                self.room -= resource.size
        self.number += 1


def fits(size: int, room: int) -> bool:
    """Whether the next resource of a page fits what is left of an answer. The first one of an answer always does."""
    return size <= room or room == MAX_ANSWER_BYTES


def size_of(resource: StoredResource, memberships: Mapping[str, Sequence[Membership]]) -> int:
    """Characters of a resource in an answer, with those of these memberships that are its own."""
    return resource.size + MEMBERSHIP_BYTES * len(memberships.get(resource.id, ()))


class Portions:
    """Reads resources some at a time. One instance serves all requests of a process, and learns how large they are."""

    def __init__(self) -> None:
        self._largest: Bounded[tuple[str, str], int] = Bounded(MAX_KNOWN)

    async def read(
        self,
        work: Work,
        key: tuple[str, str],
        wanted: int,
        read: Callable[[int], Awaitable[Sequence[StoredResource | None]]],
        *,
        first: int,
    ) -> AsyncGenerator[tuple[list[StoredResource], int]]:
        """The resources of each reading, and how many it looked at, until one brings nothing.

        `key` is the tenant and the resource type. `read` is told how many to read: at most `first` to begin with, at
        most twice as many each time, `wanted` in all. The tenant's requests read portions one by one.
        """
        if wanted > FEW:
            await work.expect_much()
        portion = min(first, wanted, self._at_most(key) or FIRST_PORTION)
        while wanted > 0:
            async with work.portion():
                answer = await read(portion)
            if not answer:
                return
            resources = [resource for resource in answer if resource is not None]
            self._learn(key, resources)
            await work.spend(read_units(len(answer), sum(item.size for item in resources)), "reading")
            yield resources, len(answer)
            wanted -= portion
            portion = min(2 * portion, wanted, self._at_most(key) or FIRST_PORTION)

    def _at_most(self, key: tuple[str, str]) -> int | None:
        """How many resources may be read at once; None while none is known."""
        largest = self._largest.get(key)
        return None if largest is None else max(1, min(MAX_PORTION, PORTION_CHARACTERS // largest))

    def _learn(self, key: tuple[str, str], resources: Sequence[StoredResource]) -> None:
        if resources:
            self._largest.put(key, max(self._largest.get(key) or 1, *(item.size for item in resources)))


def slices[T](items: Sequence[T]) -> Callable[[int], Sequence[T]]:
    """Hands out the items, as many as it is asked for at a time."""
    rest = iter(items)

    def following(number: int) -> Sequence[T]:
        return [item for _, item in zip(range(number), rest, strict=False)]

    return following
