"""Tables of the measurements. A figure with a target says whether the target was met."""

from collections.abc import Sequence

from bench.base import USERS, BaseRun
from bench.bulk import SentBulk
from bench.large import Step
from bench.measure import Comparison, Result, Served
from bench.process import Durations
from bench.scale import Point

MAX_RATIO = 1.8
"""How many times as long as its storage calls an operation may take. So storage stays the larger part of a request."""

MAX_STORAGE_RATIO = 1.5
"""How many times the processor time of bare requests the product's storage calls may take. It also repeats them, limits
their time, and tells errors apart."""

MAX_RESIDENT_MB = 200
"""Megabytes of a process with 10,000 users in its directory: less than half of the smallest instance (512 MB)."""

MAX_IMPORT_SECONDS = 1.1
"""Our part of a cold start: a client waits for it when an instance is new."""

MAX_FIRST_ANSWER_SECONDS = 2.0
"""How long a client waits for a new process, with the start of host and worker."""

MAX_GROWTH = 1.3
"""Most growth that still counts as flat, at a hundred times the size. A read of all rows takes many times as long."""

_HEADINGS = (
    *("operation", "conn", "req/s", "p50", "p95", "CPU"),
    *("same shape p50", "CPU", "x", "target", "calls p50", "CPU", "x", "target"),
    *("storage CPU", "x", "target", "trips", "calls"),
)


def base_report(run: BaseRun) -> str:
    """The base run as text for a terminal."""
    rows = [row for result in run.results for row in _rows(result)]
    return "\n\n".join([_LEGEND, table(_HEADINGS, rows), _process(run)])


_LEGEND = f"""\
Milliseconds. CPU is the processor time of the serving process for each request. "same shape" are the operation's calls
to Table Storage alone, made by hand with aiohttp by an app with the same HTTP, host and worker. "calls" are the same
calls within that app, without HTTP and worker. x is the p50 of the operation divided by the p50 to its left. The target
is at most {MAX_RATIO} times. "storage CPU" are the same calls as the product makes them; x is their processor time
divided by that of "calls". The target is at most {MAX_STORAGE_RATIO} times. "trips" are the calls that wait for an
earlier one. The last column is all calls."""


def scale_report(points: Sequence[Point]) -> str:
    """The scale run as text for a terminal."""
    curves: dict[str, list[Point]] = {}
    for point in points:
        curves.setdefault(point.title, []).append(point)
    rows = [row for curve in curves.values() for row in _curve(curve)]
    return f"{_SCALE_LEGEND}\n\n{table(('operation', 'size', 'ms', 'x', 'round trips', 'peak MB', 'target'), rows)}"


_SCALE_LEGEND = f"""\
p50 over one connection, or milliseconds for each user of a walk. size is that of the directory, or of the group. x is
the time divided by the time with the smallest size. Flat: at most {MAX_GROWTH} times. The round trips are those of
the last page of a walk. The peak is that of the process while it answered."""


def large_report(steps: Sequence[Step]) -> str:
    """The large run as text for a terminal."""
    rows = [
        [step.title, f"{step.size:,}", f"{step.answered:.2f}", f"{step.applied:.2f}", f"{step.peak_mb:.0f}"]
        for step in steps
    ]
    return f"{_LARGE_LEGEND}\n\n{table(('request', 'members', 'answered s', 'applied s', 'peak MB'), rows)}"


def large_step(step: Step) -> str:
    """One step of the large run as a line."""
    took = f"answered after {step.answered:.2f} s, applied after {step.applied:.2f} s, {step.peak_mb:.0f} MB"
    return f"{step.title}, {step.size:,} members: {took}"


_LARGE_LEGEND = """\
One request each. When the answer comes, the change has happened, and reads of the group show all of it. Its rows are
written later. The peak is that of the process until the answer."""


def bulk_report(bulks: Sequence[SentBulk]) -> str:
    """The bulk run as text for a terminal."""
    rows = [
        [
            item.title,
            f"{item.size / 1024:,.0f}",
            f"{item.seconds:.2f}",
            f"{item.calls:,}",
            f"{item.peak_mb:.0f}",
            ", ".join(f"{number} x {status}" for status, number in sorted(item.statuses.items())),
        ]
        for item in bulks
    ]
    return f"{_BULK_LEGEND}\n\n{table(('bulk', 'KB', 'answered s', 'calls', 'peak MB', 'statuses'), rows)}"


_BULK_LEGEND = """\
One request each, of 1,000 operations. calls are those to the storage. The peak is that of the process until the
answer."""


def _curve(curve: Sequence[Point]) -> list[list[str]]:
    smallest = curve[0]
    return [
        [
            point.title if point is smallest else "",
            f"{point.size:,}",
            _milliseconds(point.seconds),
            f"{point.seconds / smallest.seconds:.2f}",
            str(point.round_trips or ""),
            f"{point.peak_mb:.0f}",
            "" if point is not curve[-1] else verdict(met=point.seconds <= MAX_GROWTH * smallest.seconds),
        ]
        for point in curve
    ]


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The rows in columns. The first column is aligned left, the others right."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) if place == 0 else cell.rjust(width) for place, (cell, width) in pairs)
        for row in (headings, *rows)
        for pairs in [list(enumerate(zip(row, widths, strict=True)))]
    ]
    return "\n".join(line.rstrip() for line in lines)


def verdict(*, met: bool) -> str:
    """Whether a target was met, as a word."""
    return "pass" if met else "MISS"


def _rows(result: Result) -> list[list[str]]:
    return [
        _row(comparison, result, result.title if place == 0 else "")
        for place, comparison in enumerate(result.comparisons)
    ]


def _row(comparison: Comparison, result: Result, title: str) -> list[str]:
    ours = comparison.endpoint
    return [
        title,
        str(comparison.connections),
        f"{ours.sample.rate:.0f}",
        _milliseconds(ours.sample.percentile(50)),
        _milliseconds(ours.sample.percentile(95)),
        _milliseconds(ours.cpu_seconds),
        *_other(comparison, comparison.same_shape),
        *_other(comparison, comparison.calls),
        _milliseconds(comparison.product_calls.cpu_seconds),
        f"{comparison.storage_ratio:.2f}",
        verdict(met=comparison.storage_ratio <= MAX_STORAGE_RATIO),
        str(result.calls.round_trips) if title else "",
        str(len(result.calls.kinds)) if title else "",
    ]


def _other(comparison: Comparison, other: Served) -> list[str]:
    return [
        _milliseconds(other.sample.percentile(50)),
        _milliseconds(other.cpu_seconds),
        f"{comparison.ratio(other):.2f}",
        verdict(met=comparison.ratio(other) <= MAX_RATIO),
    ]


def _process(run: BaseRun) -> str:
    memory = run.memory
    lines = [
        ("resident at the start", f"{memory.at_start:.0f} MB", ""),
        ("resident after the operations", f"{memory.after_operations:.0f} MB", ""),
        (
            f"resident after {USERS} users over HTTP",
            f"{memory.with_users:.0f} MB",
            _target(memory.with_users, MAX_RESIDENT_MB, "MB"),
        ),
        ("peak", f"{memory.peak:.0f} MB", ""),
        ("import of function_app", _durations(run.imports), _target(run.imports.best, MAX_IMPORT_SECONDS, "s")),
        (
            "first answer after process start",
            _durations(run.first_answers),
            _target(run.first_answers.best, MAX_FIRST_ANSWER_SECONDS, "s"),
        ),
    ]
    return table(("process", "", "target"), lines)


def _target(value: float, limit: float, unit: str) -> str:
    return f"{verdict(met=value <= limit)} (at most {limit} {unit})"


def _durations(durations: Durations) -> str:
    return f"{durations.best:.2f} s best, {durations.median:.2f} s median"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.2f}"
