"""The neighbour run as text for a terminal."""

from collections import Counter
from collections.abc import Sequence

from bench.neighbour import Observed
from bench.report import table, verdict

MAX_SECONDS = 1.0
"""The longest p99 of the neighbour. A client notices a second, and no client gives up after one."""

MAX_PEAK_MB = 1_000
"""The most memory of the process: half of what the smallest instance has."""

_HEADINGS = ("attack", "p50 ms", "p99 ms", "max ms", "refused", "target", "peak MB", "target", "answers to the attack")

_LEGEND = f"""\
The latency of another tenant's GETs, {{rate}} a second, during each attack. Each one counts from the moment when it was
due. Targets: p99 at most {MAX_SECONDS:.0f} s, none refused; peak memory at most {MAX_PEAK_MB:,} MB."""


def neighbour_report(observed: Sequence[Observed], rate: int) -> str:
    """All attacks as a table."""
    return f"{_LEGEND.format(rate=rate)}\n\n{table(_HEADINGS, [_row(item) for item in observed])}"


def neighbour_line(observed: Observed) -> str:
    """One attack as a line."""
    return "  ".join(_row(observed))


def _row(item: Observed) -> list[str]:
    sample = item.neighbour
    return [
        item.title,
        *(f"{value * 1000:.0f}" for value in (sample.percentile(50), sample.percentile(99), max(sample.seconds))),
        str(item.refused),
        verdict(met=_unhurt(item)),
        f"{item.peak_mb:.0f}",
        verdict(met=item.peak_mb <= MAX_PEAK_MB),
        _answers(item.answers),
    ]


def _unhurt(item: Observed) -> bool:
    return item.refused == 0 and item.neighbour.percentile(99) <= MAX_SECONDS


def _answers(answers: Counter[str]) -> str:
    return ", ".join(f"{count} x {status}" for status, count in sorted(answers.items())) or "none"
