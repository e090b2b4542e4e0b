"""The table of the cycle run."""

from bench.cycle import CONNECTIONS, CycleRun, Stage, dollars
from bench.report import table
from infra.costs import Activity, Deployment, Prices

_HEADINGS = ("requests", "number", "req/s", "p50 ms", "p95 ms", "CPU ms", "reads", "row operations", "CPU s")


def cycle_report(run: CycleRun) -> str:
    """The cycle run as text for a terminal."""
    costs = dollars(run.whole, Prices(), Deployment(), Activity())
    parts = ", ".join(f"{part} ${amount:.3f}" for part, amount in costs.items())
    whole = run.whole
    took = f"{whole.sample.elapsed:.0f} s, {whole.cpu_seconds:.0f} processor seconds"
    asked = f"{whole.calls.billed:,} billed storage calls"
    sums = [
        f"The cycle: {took}, {asked}, {run.resident_mb:.0f} MB resident at the end.",
        f"In Azure at the prices of infra/costs.py: ${sum(costs.values()):.3f} ({parts}).",
    ]
    rows = [_row(stage) for stage in (*run.stages, run.whole)]
    return "\n\n".join([_LEGEND, table(_HEADINGS, rows), "\n".join(sums)])


def stage_line(stage: Stage) -> str:
    """One stage as a line."""
    return f"{stage.title}: {len(stage.sample.seconds):,} requests, {stage.sample.rate:.0f} a second"


_LEGEND = f"""\
Over {CONNECTIONS} connections, one kind of request after the other. CPU is the processor time of the serving process:
for each request, and in all. A row operation is a part of a transaction. Azure bills each of them as a call, like a
read."""


def _row(stage: Stage) -> list[str]:
    requests = len(stage.sample.seconds)
    return [
        stage.title,
        f"{requests:,}",
        f"{stage.sample.rate:.0f}",
        f"{stage.sample.percentile(50) * 1000:.1f}",
        f"{stage.sample.percentile(95) * 1000:.1f}",
        f"{stage.cpu_seconds / requests * 1000:.2f}",
        f"{stage.calls.reads:,}",
        f"{stage.calls.operations:,}",
        f"{stage.cpu_seconds:.0f}",
    ]
