"""The table of the feed run."""

from bench.feed import CHANGES, FeedRun
from bench.report import table, verdict

MAX_DELIVERY_SECONDS = 2.0
"""The p95 from an answer until a receiver has the change: people who watch two systems side by side wait no longer."""


def feed_report(run: FeedRun) -> str:
    """The feed run as text for a terminal."""
    rows = [
        (
            f"a change over {item.connections} connections",
            f"{item.sample.percentile(50):.2f}",
            f"{item.sample.percentile(95):.2f}",
            verdict(met=item.sample.percentile(95) <= MAX_DELIVERY_SECONDS),
        )
        for item in run.delivered
    ]
    relayed, snapshot = run.relayed, run.snapshot
    sent = "\n".join(
        f"{item.entries:,} entries that waited, as {item.format}: {item.seconds:.1f} s, "
        f"{item.entries / item.seconds:,.0f} a second, {item.requests:,} requests, {item.calls:,} calls of the storage."
        for item in run.sent
    )
    relay = (
        f"A relay of {relayed.changes:,} changes: {relayed.seconds:.1f} s, "
        f"{relayed.changes / relayed.seconds:,.0f} a second, {relayed.calls:,} calls of the storage."
    )
    read = (
        f"A snapshot of {snapshot.resources:,} users: {snapshot.seconds:.1f} s, {snapshot.pages:,} pages, "
        f"{snapshot.size / 2**20:,.0f} MB; the process had {snapshot.before_mb:.0f} MB before, and "
        f"{snapshot.peak_mb:.0f} MB at most."
    )
    return "\n\n".join([_LEGEND, table(("delivery", "p50 s", "p95 s", "target"), rows), f"{sent}\n{relay}\n{read}"])


_LEGEND = f"""\
delivery: seconds from the answer to a change until a hook's receiver has it; the target is for the p95, and is
{MAX_DELIVERY_SECONDS:.0f} s. The relay moves {CHANGES:,} changes that nobody has read.
The snapshot is read page by page."""
