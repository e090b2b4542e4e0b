"""The cycle run plays what Entra sends, and counts what the endpoint asks of its tables."""

import pytest

from bench import cycle
from bench.cycle import GROUPS_EACH, CycleRun, Stage
from bench.cycle_report import cycle_report
from bench.load import Sample
from infra.costs import MEASURED, Activity, Calls, Deployment, Prices

USERS, GROUPS = 4, 2


async def test_a_cycle_creates_everyone_and_its_storage_calls_are_counted() -> None:
    told: list[Stage] = []
    played = await cycle.run(USERS, GROUPS, plain_azurite=True, progress=told.append)
    assert list(played.stages) == told
    requests = {stage.title: len(stage.sample.seconds) for stage in told}
    memberships = min(GROUPS_EACH, GROUPS) * USERS
    assert requests == {
        "match a user": USERS,
        "POST user": USERS,
        "match a group": GROUPS,
        "POST group": GROUPS,
        "PATCH group, 1 member": memberships,
    }
    calls = {stage.title: stage.calls for stage in told}
    for title, kind, number in (
        ("match a user", "match that finds nobody", USERS),
        ("POST user", "POST user", USERS),
        ("match a group", "match that finds nobody", GROUPS),
        ("PATCH group, 1 member", "PATCH group, one member", memberships),
    ):  # at the same time the timers of the app make calls of their own
        assert calls[title].reads >= MEASURED[kind].reads * number
        assert calls[title].operations >= MEASURED[kind].operations * number
    assert played.whole.calls.billed == sum(one.billed for one in calls.values())


def test_the_cost_of_a_cycle_follows_from_its_requests_and_calls() -> None:
    stage = Stage("all", Sample((0.01,) * 1_000_000, 100.0), 50.0, Calls(3_000_000, 7_000_000))
    prices = Prices(million_executions=2, always_ready_execution_gb_second=0.001, million_table_transactions=3)
    activity = Activity(execution_seconds=0.1, concurrency=5)
    assert cycle.dollars(stage, prices, Deployment(memory_gb=2), activity) == pytest.approx(
        {"executions": 2 + 1_000_000 * 0.1 / 5 * 2 * 0.001, "table calls": 30}
    )


def test_the_report_says_rates_processor_time_calls_and_cost() -> None:
    stage = Stage("POST user", Sample((0.01,) * 2_000, 10.0), 5.0, Calls(0, 8_000))
    text = cycle_report(CycleRun((stage, stage), 90.0))
    whole = next(line for line in text.splitlines() if line.startswith("the whole cycle"))
    assert whole.split()[3:] == ["4,000", "200", "10.0", "10.0", "2.50", "0", "16,000", "10"]
    assert "The cycle: 20 s, 10 processor seconds, 16,000 billed storage calls, 90 MB resident at the end." in text
    assert "at the prices of infra/costs.py: $0.004 (executions $0.003, table calls $0.001)" in text
