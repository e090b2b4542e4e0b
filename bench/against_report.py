"""What the comparison with another commit found, as text for a terminal."""

from bench.against import ROUNDS, STARTS, AgainstRun, Measured
from bench.ratios import SAME_SPEED, Paired, Verdict
from bench.report import table

_HEADINGS = (
    *("operation", "conn", "this ms", "against ms", "ratio", "spread", "verdict"),
    *("CPU this ms", "against ms", "ratio", "spread"),
)
_LEGEND = f"""\
Milliseconds: the medians of {ROUNDS} rounds ({STARTS} for new processes). In each round both answer the same requests,
one after the other. "ratio" is this divided by against. "spread" is the range of the middle half of the rounds' ratios.
"slower", "faster": ratio and spread are beyond {SAME_SPEED} times. "same": they are within it. "unclear": the spread
is too wide to decide. CPU is the processor time of the serving process for each request."""


def against_report(run: AgainstRun) -> str:
    """The tables, what they compare, and what was found."""
    rows = [_row(measured) for measured in run.operations]
    start = ["first answer of a new process", "", *_compared(run.first_answers), run.first_answers.verdict, *[""] * 4]
    verdicts = ", ".join(f"{verdict}: {run.verdicts.count(verdict)}" for verdict in Verdict)
    return "\n\n".join([_trees(run), _LEGEND, table(_HEADINGS, [*rows, start]), _memory(run), verdicts])


def measured_line(measured: Measured) -> str:
    """One operation as a line."""
    _, _, ratio, spread = _compared(measured.seconds)
    return f"{measured.title}, {measured.connections} conn: ratio {ratio} ({spread}), {measured.seconds.verdict}"


def _trees(run: AgainstRun) -> str:
    trees = f"this: the working tree at {run.names.this}; against: {run.names.against}"
    if not run.other_versions:
        return trees
    return f"{trees}, which wants {', '.join(run.other_versions)}: it ran with the versions of this tree instead"


def _row(measured: Measured) -> list[str]:
    compared = [*_compared(measured.seconds), measured.seconds.verdict, *_compared(measured.cpu_seconds)]
    return [measured.title, str(measured.connections), *compared]


def _compared(seconds: Paired) -> list[str]:
    spread = seconds.spread
    return [
        *(f"{median * 1000:.2f}" for median in seconds.medians),
        f"{seconds.ratio:.2f}",
        f"{spread.low:.2f}-{spread.high:.2f}",
    ]


def _memory(run: AgainstRun) -> str:
    lines = [
        [title, f"{memory.this:.0f}", f"{memory.against:.0f}", f"{memory.this / memory.against:.2f}"]
        for title, memory in (("before the rounds", run.memory_at_start), ("after the rounds", run.memory_after))
    ]
    return table(("resident MB", "this", "against", "ratio"), lines)
