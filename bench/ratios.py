"""Whether one of two is slower: from rounds in which both do the same, one right after the other."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from statistics import median, quantiles
from typing import NamedTuple

TOLERATED = 1.05
"""How many times as long still counts as the same speed. Two processes of the same code differ by a few percent, for
example by where their memory lies, and more rounds do not change that."""


class Pair[T](NamedTuple):
    """The same of both."""

    this: T
    against: T


async def in_turns[S, T](this: S, against: S, rounds: Iterable[Callable[[S], Awaitable[T]]]) -> Pair[list[T]]:
    """What each round gives with each of the two. Who is first changes with each round: this, other, other, this."""
    taken = Pair[list[T]]([], [])
    order = [(this, taken.this), (against, taken.against)]
    for act in rounds:
        for side, results in order:
            results.append(await act(side))
        order.reverse()
    return taken


class Verdict(StrEnum):
    """What the rounds say."""

    SLOWER = "slower"
    FASTER = "faster"
    SAME = "same"
    UNCLEAR = "unclear"


@dataclass(frozen=True)
class Spread:
    """The range in which the middle half of the rounds' ratios lie."""

    low: float
    high: float


@dataclass(frozen=True)
class Paired:
    """The seconds of each round with this and with the other. At least two rounds."""

    this: tuple[float, ...]
    against: tuple[float, ...]

    @property
    def medians(self) -> tuple[float, float]:
        """The middle round of this, and of the other."""
        return median(self.this), median(self.against)

    @property
    def ratio(self) -> float:
        """How many times as long as the other this takes: the ratio of the medians."""
        this, against = self.medians
        return this / against

    @property
    def spread(self) -> Spread:
        """The spread of the ratios that the rounds have by themselves."""
        low, _, high = quantiles([a / b for a, b in zip(self.this, self.against, strict=True)], n=4, method="inclusive")
        return Spread(low, high)

    @property
    def verdict(self) -> Verdict:
        """A difference counts only when both the ratio and the whole spread are beyond what is tolerated.

        UNCLEAR: the spread is wider than what is tolerated, and the ratio may be chance.
        """
        values = (self.ratio, self.spread.low, self.spread.high)
        if min(values) > TOLERATED:
            return Verdict.SLOWER
        if max(values) < 1 / TOLERATED:
            return Verdict.FASTER
        if max(values) <= TOLERATED and min(values) >= 1 / TOLERATED:
            return Verdict.SAME
        return Verdict.UNCLEAR
