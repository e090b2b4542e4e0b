"""`make costs`: what a month of this deployment costs, by the number of users.

    a month = always-ready instances + executions of requests + storage calls + storage + logs + fixed parts

The number of storage calls of a request is measured: tests/infra/test_costs.py compares MEASURED with a transcript of
the endpoint's calls to its tables. What a request writes into the logs is measured, too: tests/infra/test_log_bytes.py.
`Activity` states what identity providers are assumed to do in a month. The prices
are those of one region: put in your own.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

MONTH_SECONDS = 30 * 24 * 3600
CYCLE_SECONDS = 40 * 60
"""Entra starts an incremental cycle about every 40 minutes (https://learn.microsoft.com/entra/identity/app-provisioning)."""

CYCLES = MONTH_SECONDS // CYCLE_SECONDS
LEAST_EXECUTION_SECONDS = 1.0
"""The shortest time that is billed for an execution on demand."""

USERS = (1_000, 10_000, 100_000)

LOG_BYTES_OF_A_REQUEST = 2_700
"""Bytes that a request adds to the logs, at most: the host's record in AppRequests, and our line in AppTraces.

tests/infra/test_log_bytes.py measures them for each kind of request of a cycle.
"""

LOG_BYTES_SPARED = 1_900
"""Bytes of the host's two traces of a request, "Executing" and "Executed". host.json drops them."""

PLACES = 5
"""Places from which the availability test asks: infra/modules/availability.bicep."""

PROBE_SECONDS = 900
"""Seconds after which each place asks again."""


@dataclass(frozen=True)
class Calls:
    """The storage calls of one request: reads, and the operations of its transactions."""

    reads: int
    operations: int

    @property
    def billed(self) -> int:
        """Billable transactions: a batch counts as all its operations, the most that can be billed for it."""
        return self.reads + self.operations


MEASURED: Mapping[str, Calls] = {
    "match that finds nobody": Calls(1, 0),
    "match that finds one": Calls(3, 0),
    "GET user": Calls(2, 0),
    "POST user": Calls(0, 5),
    "PATCH user": Calls(2, 2),
    "PATCH group, one member": Calls(2, 5),
    "DELETE user in one group": Calls(2, 10),
    "GET group without members": Calls(1, 0),
}
"""Storage calls of each request of a cycle. A test counts them, for users with three index rows, as with Entra."""


RELAY = Calls(4, 6)
"""Storage calls by which one change of one member gets into the feed and the log, if it is relayed alone: the most that
it takes. A test counts them."""

CHANGES = ("POST user", "PATCH user", "PATCH group, one member", "DELETE user in one group")
"""The requests that leave a change for the relay."""

TURN_SECONDS = 60
"""Seconds between two turns of the timer that relays what was left behind."""

TURN_READS = 3
"""Calls of a turn without work: what waits, how far the round of all tenants has come, which hooks there are."""

SWEEP_SECONDS = 300
"""Seconds between two sweeps."""

SWEEP_READS = 2
"""Calls of a sweep without work, at most."""


@dataclass(frozen=True)
class Activity:
    """What an identity provider does in a month, as shares of the users. Change a share with --activity."""

    changed: float = 0.20
    """Users with a changed attribute: matched and patched."""

    joined: float = 0.03
    """Users who join: matched without a hit, created, added to their groups."""

    left: float = 0.02
    """Users who leave: disabled by a patch, and deleted a month later."""

    groups_each: float = 5.0
    """Groups of a user that are provisioned."""

    moved: float = 0.10
    """Users who change a group: one membership added, one removed."""

    probes: float = 2.0
    """Requests of a cycle without changes, such as those that test the credentials."""

    listed: float = 1.0
    """Times a month that every user is read again, by a full cycle: matched."""

    execution_seconds: float = 0.05
    """Seconds of a request in Azure. On demand, all times below one second cost the same. Always-ready ones differ."""

    concurrency: float = 4.0
    """Requests that run at the same time on an instance during a cycle: they share its seconds."""


@dataclass(frozen=True)
class Prices:
    """US dollars for Flex Consumption and Standard storage: the public list for West Europe. Your prices differ."""

    always_ready_gb_second: float = 0.000004
    """Baseline of always-ready instances, per GB and second."""

    always_ready_execution_gb_second: float = 0.000016
    """Execution on always-ready instances, per GB and second."""

    on_demand_gb_second: float = 0.000026
    """Execution on demand, per GB and second. 100,000 of them a month are free."""

    million_executions: float = 0.40
    """A million executions on demand or always ready. 250,000 on demand a month are free."""

    million_table_transactions: float = 0.036
    """A million transactions of Table Storage: $0.00036 for 10,000."""

    table_gb: float = 0.0563
    """A GB of tables a month, zone-redundant."""

    blob_gb: float = 0.0125
    """A GB of blobs a month, zone-redundant and cool: backups."""

    log_gb: float = 2.99
    """A GB that Log Analytics takes in, beyond the 5 GB a month that are free."""

    private_endpoint_hour: float = 0.01
    """One private endpoint for an hour."""

    alerts: float = 13.0
    """Fifteen rules over logs, at $0.50 to $1.50 depending on how often they run, and three over metrics at $0.10. One
    that finds several tenants at once may cost more."""

    availability_test: float = 0.0005
    """One question of one place in a standard availability test."""

    vault: float = 0.05
    """References to secrets: 10,000 operations cost $0.03, and each instance reads them when it starts."""


@dataclass(frozen=True)
class Deployment:
    """The parameters of infra/main.bicep that change the costs."""

    memory_gb: float = 2.0
    always_ready: int = 1
    backups_kept: int = 35
    private_endpoints: int = 0
    bytes_user: int = 12_000
    """Rows of a user at rest: a document of 3 KB in UTF-16, columns, three index rows, ten of memberships."""

    availability_test: int = 1
    """Whether there is an availability test, which asks the app all the time."""

    log_bytes_request: int = LOG_BYTES_OF_A_REQUEST
    """What a request adds to the logs."""


def requests(users: int, activity: Activity) -> dict[str, float]:
    """Requests of a month, by kind."""
    joined, left, moved = users * activity.joined, users * activity.left, users * activity.moved
    return {
        "match that finds nobody": joined + CYCLES * activity.probes,
        "match that finds one": users * (activity.changed + activity.listed) + left,
        "GET user": users * activity.changed,
        "POST user": joined,
        "PATCH user": users * activity.changed + left,
        "PATCH group, one member": joined * activity.groups_each + 2 * moved,
        "DELETE user in one group": left,
        "GET group without members": joined * activity.groups_each + 2 * moved,
    }


def first_cycle(users: int, activity: Activity | None = None) -> int:
    """Requests of a first cycle: each user is matched, created and put into groups, each of which is read before."""
    groups = (activity or Activity()).groups_each
    return round(users * (2 + 2 * groups))


def probes(deployment: Deployment) -> float:
    """Requests of the availability test in a month."""
    return deployment.availability_test * PLACES * MONTH_SECONDS / PROBE_SECONDS


def costs(users: int, activity: Activity, prices: Prices, deployment: Deployment) -> dict[str, float]:
    """US dollars of a month, by part."""
    by_kind = requests(users, activity)
    asked = probes(deployment)
    total = sum(by_kind.values()) + asked
    sweeps, turns = MONTH_SECONDS / SWEEP_SECONDS, MONTH_SECONDS / TURN_SECONDS
    timers = sweeps + turns
    relayed = sum(by_kind[kind] for kind in CHANGES) * RELAY.billed
    transactions = sum(count * MEASURED[kind].billed for kind, count in by_kind.items()) + relayed + asked
    transactions += sweeps * SWEEP_READS + turns * TURN_READS
    backup_rows = users * (2 + activity.groups_each) * 30 / 1000  # a page of 1,000 rows is one transaction
    table_gb = users * deployment.bytes_user / 1e9
    return {
        "always ready": deployment.always_ready * deployment.memory_gb * MONTH_SECONDS * prices.always_ready_gb_second,
        "executions": _executions(total, timers, activity, prices, deployment),
        "table calls": (transactions + backup_rows) / 1e6 * prices.million_table_transactions,
        "table storage": table_gb * prices.table_gb,
        "backups": table_gb * deployment.backups_kept * prices.blob_gb,
        "logs": max(0.0, _log_gigabytes(total + timers, asked, deployment) - 5) * prices.log_gb,
        "private endpoints": deployment.private_endpoints * 730 * prices.private_endpoint_hour,
        "availability test": asked * prices.availability_test,
        "alerts and vault": prices.alerts + prices.vault,
    }


def _log_gigabytes(executions: float, asked: float, deployment: Deployment) -> float:
    """A question of the availability test has a row of its own, too. It is taken to be as large as a request's."""
    return (executions + asked) * deployment.log_bytes_request / 1e9


def _executions(total: float, timers: float, activity: Activity, prices: Prices, deployment: Deployment) -> float:
    """Requests run on the always-ready instances if there are some, the timers on demand. Free grants are deducted."""
    timer_seconds = timers * LEAST_EXECUTION_SECONDS
    if deployment.always_ready:
        busy = total * activity.execution_seconds / activity.concurrency
        on_demand_gb, warm_gb = timer_seconds * deployment.memory_gb, busy * deployment.memory_gb
        on_demand, warm = timers, total
    else:
        spread = total * max(LEAST_EXECUTION_SECONDS, activity.execution_seconds) / activity.concurrency
        on_demand_gb, warm_gb = (timer_seconds + spread) * deployment.memory_gb, 0.0
        on_demand, warm = timers + total, 0.0
    return (
        max(0.0, on_demand_gb - 100_000) * prices.on_demand_gb_second
        + warm_gb * prices.always_ready_execution_gb_second
        + (max(0.0, on_demand - 250_000) + warm) / 1e6 * prices.million_executions
    )


def table(activity: Activity, prices: Prices, deployment: Deployment) -> str:
    """The costs for USERS, as the Markdown table in docs/operate/limits-and-costs.md."""
    columns = {users: costs(users, activity, prices, deployment) for users in USERS}
    lines = ["| US$ a month | " + " | ".join(f"{users:,} users" for users in USERS) + " |"]
    lines += ["|---|" + "---:|" * len(USERS)]
    lines += [
        f"| {part} | " + " | ".join(f"{column[part]:.2f}" for column in columns.values()) + " |"
        for part in columns[USERS[0]]
    ]
    lines += ["| **sum** | " + " | ".join(f"**{sum(column.values()):.2f}**" for column in columns.values()) + " |"]
    lines += ["| requests | " + " | ".join(f"{sum(requests(users, activity).values()):,.0f}" for users in USERS) + " |"]
    return "\n".join(lines)


def first_cycles(activity: Activity, deployment: Deployment) -> str:
    """What a first cycle adds to the logs, to be compared with the daily cap."""
    counts = {users: first_cycle(users, activity) for users in USERS}
    return "\n".join(
        f"first cycle of {users:,} users: {count:,} requests, {_log_gigabytes(count, 0, deployment):.2f} GB of logs"
        for users, count in counts.items()
    )


def main(arguments: Sequence[str]) -> int:
    """The exit status; prints the table."""
    from infra import following_costs  # noqa: PLC0415 -- it reads this module

    parser = argparse.ArgumentParser(prog="python -m infra.costs", description="What a month costs.")
    parser.add_argument("--price", action="append", default=[], metavar="NAME=VALUE", help=_names(Prices))
    parser.add_argument("--activity", action="append", default=[], metavar="NAME=VALUE", help=_names(Activity))
    parser.add_argument("--deployment", action="append", default=[], metavar="NAME=VALUE", help=_names(Deployment))
    options = parser.parse_args(arguments)
    try:
        activity = replace(Activity(), **_numbers(options.activity))
        prices = replace(Prices(), **_numbers(options.price))
        deployment = replace(Deployment(), **_numbers(options.deployment))  # type: ignore[arg-type]  # numbers all
    except (TypeError, ValueError) as error:
        parser.error(str(error))
    print(table(activity, prices, deployment))
    print()
    print(following_costs.table(activity, prices, deployment))
    print()
    print(first_cycles(activity, deployment))
    return 0


def _numbers(given: Sequence[str]) -> dict[str, float]:
    pairs = [item.partition("=") for item in given]
    return {name: float(value) for name, _, value in pairs}


def _names(of: type) -> str:
    return ", ".join(item.name for item in fields(of))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
