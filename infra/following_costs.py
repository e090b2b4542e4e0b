"""What a month costs for those who follow a directory: readers of the feed, hooks, and the rows that are kept for them.

`make costs` prints it below the costs of the deployment. Storage calls are counted by tests/infra/test_costs.py, and so
are the bytes of the rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from infra.costs import (
    CHANGES,
    LEAST_EXECUTION_SECONDS,
    MONTH_SECONDS,
    TURN_SECONDS,
    USERS,
    Activity,
    Calls,
    Deployment,
    Prices,
    requests,
)

LOOK = Calls(3, 0)
"""Storage calls of a reader's look for changes that finds none."""

DELIVERIES: Mapping[str, Calls] = {
    "a hook with CloudEvents": Calls(12, 4),
    "a hook with security event tokens": Calls(9, 4),
    "a hook to a queue": Calls(9, 5),
}
"""Storage calls by which one change of one member is delivered alone: the most that it takes. A queue is one, too."""

HOOK_TURN_READS = 2
"""Reads that a turn of the timer makes more once there is a hook."""

POLL_SECONDS = 10
"""How often a reader asks that does not wait: the usual pace of the client library."""

LOOKS_SECONDS = 1
"""How often a reader that waits is looked for."""

WAIT_SECONDS = 25
"""The longest wait of one request."""

FEED_BYTES, LOG_BYTES = 1_000, 4_000
"""Bytes at rest of the entry of one change of one member, and of its rows in the log, at most."""


@dataclass(frozen=True)
class Kept:
    """Months that entries of the feed are kept, and those of the log: SCIM_FEED_DAYS and SCIM_LOG_DAYS."""

    feed: float = 1.0
    log: float = 3.0


def following(
    users: int, activity: Activity, prices: Prices, deployment: Deployment, kept: Kept | None = None
) -> dict[str, float]:
    """US dollars of a month, for each kind of those who follow. They come on top of the deployment's own costs."""
    kept = kept or Kept()
    by_kind = requests(users, activity)
    changes = sum(by_kind[kind] for kind in CHANGES)
    at_rest = changes * (FEED_BYTES * kept.feed + LOG_BYTES * kept.log) / 1e9
    each_call = prices.million_table_transactions / 1e6
    turns = MONTH_SECONDS / TURN_SECONDS * HOOK_TURN_READS
    polls, waits = MONTH_SECONDS / POLL_SECONDS, MONTH_SECONDS / WAIT_SECONDS
    second = _second(prices, deployment)
    polled = activity.execution_seconds if deployment.always_ready else LEAST_EXECUTION_SECONDS
    return {
        "the rows of feed and log": at_rest * prices.table_gb,
        f"a reader that asks every {POLL_SECONDS} seconds": (
            polls * (polled * second + prices.million_executions / 1e6 + LOOK.billed * each_call)
        ),
        "a reader that always waits": (
            MONTH_SECONDS * (second + LOOK.billed * each_call / LOOKS_SECONDS) + waits * prices.million_executions / 1e6
        ),
        **{name: (changes * calls.billed + turns) * each_call for name, calls in DELIVERIES.items()},
    }


def table(activity: Activity, prices: Prices, deployment: Deployment) -> str:
    """The costs for USERS, as the second Markdown table in docs/operate/limits-and-costs.md."""
    columns = [following(users, activity, prices, deployment) for users in USERS]
    lines = ["| US$ a month, on top | " + " | ".join(f"{users:,} users" for users in USERS) + " |"]
    lines += ["|---|" + "---:|" * len(USERS)]
    lines += [f"| {part} | " + " | ".join(f"{column[part]:.2f}" for column in columns) + " |" for part in columns[0]]
    return "\n".join(lines)


def _second(prices: Prices, deployment: Deployment) -> float:
    """What a second of execution costs that no free grant covers. A request that waits shares it with nobody."""
    of_gb = prices.always_ready_execution_gb_second if deployment.always_ready else prices.on_demand_gb_second
    return deployment.memory_gb * of_gb
