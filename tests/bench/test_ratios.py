"""The verdict of a comparison: a regression is told from noise."""

import pytest

from bench.ratios import Pair, Paired, Spread, Verdict, in_turns

ROUNDS = 20


def rounds(ratio: float, noise: float) -> Paired:
    """Rounds with this ratio; half of those around the middle are within `noise` of it, as far up as down."""
    steps = [(number - (ROUNDS - 1) / 2) / (ROUNDS - 1) * 4 * noise for number in range(ROUNDS)]
    return Paired(tuple(0.010 * (ratio + step) for step in steps), (0.010,) * ROUNDS)


def test_the_ratio_is_that_of_the_medians_and_one_disturbed_round_does_not_change_it() -> None:
    paired = Paired((0.012, 0.012, 0.012, 0.012, 0.900), (0.010, 0.010, 0.010, 0.010, 0.010))
    assert paired.medians == (0.012, 0.010)
    assert paired.ratio == pytest.approx(1.2)


def test_the_spread_is_the_middle_half_of_the_ratios_of_the_rounds() -> None:
    paired = Paired((1.0, 2.2, 3.6, 5.2, 7.0), (1.0, 2.0, 3.0, 4.0, 5.0))
    assert (paired.spread.low, paired.spread.high) == pytest.approx((1.1, 1.3))


def test_a_round_is_compared_with_itself_so_that_a_load_on_both_is_no_spread() -> None:
    against = tuple(0.010 * load for load in (1, 4, 2, 8, 1, 3))
    paired = Paired(tuple(seconds * 1.02 for seconds in against), against)
    assert paired.spread.low == pytest.approx(1.02)
    assert paired.spread.high == pytest.approx(1.02)
    assert paired.verdict is Verdict.SAME


@pytest.mark.parametrize(
    ("ratio", "noise", "verdict"),
    [
        (1.00, 0.02, Verdict.SAME),
        (1.04, 0.005, Verdict.SAME),
        (1.10, 0.02, Verdict.SLOWER),
        (1.06, 0.005, Verdict.SLOWER),
        (1.06, 0.03, Verdict.UNCLEAR),
        (1.30, 0.40, Verdict.UNCLEAR),
        (1.00, 0.20, Verdict.UNCLEAR),
        (0.80, 0.05, Verdict.FASTER),
        (0.94, 0.05, Verdict.UNCLEAR),
    ],
)
def test_a_difference_counts_only_beyond_the_spread(ratio: float, noise: float, verdict: Verdict) -> None:
    assert rounds(ratio, noise).verdict is verdict


def test_rounds_that_disagree_with_the_medians_make_no_verdict() -> None:
    paired = Paired((0.010, 0.010, 0.020, 0.020, 0.020), (0.018, 0.018, 0.018, 0.010, 0.010))
    assert paired.ratio > 1.05
    assert paired.spread.low < 1.05
    assert paired.verdict is Verdict.UNCLEAR


def test_a_round_of_one_side_alone_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        assert Paired((0.01, 0.01), (0.01,)).spread == Spread(1.0, 1.0)


async def test_each_round_is_made_with_both_and_who_is_first_changes() -> None:
    made: list[str] = []

    async def act(side: str) -> int:
        made.append(side)
        return len(made)

    assert await in_turns("this", "against", [act] * 3) == Pair([1, 4, 5], [2, 3, 6])
    assert made == ["this", "against", "against", "this", "this", "against"]
