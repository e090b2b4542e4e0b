"""Whether one of two is slower. In each round both do the same, one right after the other."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from statistics import median, quantiles
from typing import NamedTuple

SAME_SPEED = 1.05
"""Ratios up to this count as the same speed. Two processes of the same code differ by a few percent, for example
because their memory lies elsewhere. More rounds do not change that."""


class Pair[T](NamedTuple):
    """The same of both."""

    this: T
    against: T


async def in_turns[S, T](this: S, against: S, rounds: Iterable[Callable[[S], Awaitable[T]]]) -> Pair[list[T]]:
    """The results of both for each round. The order changes with each round: this, other, other, this."""
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
        """The median of this divided by the median of the other."""
        this, against = self.medians
        return this / against

    @property
    def spread(self) -> Spread:
        """The spread of the ratios of the single rounds."""
        low, _, high = quantiles([a / b for a, b in zip(self.this, self.against, strict=True)], n=4, method="inclusive")
        return Spread(low, high)

    @property
    def verdict(self) -> Verdict:
        """A difference counts only when both the ratio and the whole spread are beyond SAME_SPEED.

        UNCLEAR: the spread goes beyond SAME_SPEED, and the ratio can be chance.
        """
        values = (self.ratio, self.spread.low, self.spread.high)
        if min(values) > SAME_SPEED:
            return Verdict.SLOWER
        if max(values) < 1 / SAME_SPEED:
            return Verdict.FASTER
        if max(values) <= SAME_SPEED and min(values) >= 1 / SAME_SPEED:
            return Verdict.SAME
        return Verdict.UNCLEAR
