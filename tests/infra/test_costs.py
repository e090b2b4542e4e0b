"""The costs: the calls that they rest on are counted, the arithmetic is checked, the documentation shows them."""

from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from pathlib import Path

import pytest

from devhost.azurite import Azurite
from infra import costs
from infra.costs import Activity, Calls, Deployment, Prices
from scim_core.settings import StorageSettings
from scim_core.storage.tables import TableStorage, keys, table_storage
from scim_core.storage.tables.reading import read_range
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from tests.infra.foretold import foretold, the
from tests.running import ROOT
from tests.scim import Client, Clock, add, endpoint_over, references
from tests.scim import replace as replacing
from tests.tables import new_table
from tests.transcript import transcript


@pytest.fixture
async def tables(azurite: Azurite) -> AsyncIterator[TableStorage]:
    storage = table_storage(StorageSettings.from_environment(new_table(azurite)))
    yield storage
    await storage.close()


async def test_the_storage_calls_of_a_cycle_are_those_that_are_reckoned_with(tables: TableStorage) -> None:
    client = Client(endpoint_over(tables, Clock()))
    entra = {"externalId": "ann", "emails": [{"value": "ann@example.com", "type": "work", "primary": True}]}
    ann = await client.user("ann@example.com", **entra)
    group = await client.group("G")
    counted: dict[str, Calls] = {}

    async def count(kind: str, request: Awaitable[object]) -> None:
        with transcript(tables) as recorded:
            await request
        reads = sum(call.kind != "transact" for call in recorded.calls)
        counted[kind] = Calls(reads, sum(len(call.keys) for call in recorded.calls if call.kind == "transact"))

    await count("match that finds nobody", client.get("/Users", filter='userName eq "bob@example.com"'))
    await count("match that finds one", client.get("/Users", filter='userName eq "ann@example.com"'))
    bob = {"userName": "bob@example.com", "externalId": "bob", "emails": [{"value": "bob@example.com", "type": "work"}]}
    await count("POST user", client.post("/Users", bob))
    await count("PATCH user", client.patch(f"/Users/{ann['id']}", replacing("title", "Dr")))
    await count("GET group without members", client.get(f"/Groups/{group['id']}", excludedAttributes="members"))
    await count("PATCH group, one member", client.patch(f"/Groups/{group['id']}", add("members", references(ann))))
    await count("GET user", client.get(f"/Users/{ann['id']}"))
    await count("DELETE user in one group", client.delete(f"/Users/{ann['id']}"))

    assert counted == costs.MEASURED
    await tables.relay("default")
    await client.patch(f"/Groups/{group['id']}", add("members", references(await client.user("eve@example.com"))))
    [user, _] = await read_range(tables.rows, "default", keys.of_kind("change"))
    await tables.rows.transact("default", [RowOperation(Verb.DELETE, Role.OUTBOX, user.properties["RowKey"])])
    await count("a change that is relayed alone", tables.relay("default"))
    assert counted["a change that is relayed alone"] == costs.RELAY


def test_the_sum_follows_from_its_parts_by_hand() -> None:
    """10,000 users who do nothing but change, each once, without always-ready instances, at round prices."""
    idle = Activity(changed=1, joined=0, left=0, moved=0, probes=0, listed=0)
    prices = replace(Prices(), million_table_transactions=1, alerts=0, vault=0, log_gb=1)
    bare = Deployment(always_ready=0, backups_kept=0, availability_test=0)
    asked = costs.requests(10_000, idle)
    assert {kind: count for kind, count in asked.items() if count} == {
        "match that finds one": 10_000,
        "GET user": 10_000,
        "PATCH user": 10_000,
    }
    parts = costs.costs(10_000, idle, prices, bare)
    patch = costs.MEASURED["PATCH user"].billed
    calls = 10_000 * (3 + 2 + patch + costs.RELAY.billed) + 2 * (8_640 + 43_200) + 10_000 * 7 * 30 / 1000
    assert parts["table calls"] == pytest.approx(calls / 1e6)
    assert parts["always ready"] == 0
    seconds = 8_640 + 43_200 + 7_500  # sweeps, turns of the feeds' timer, requests; 100,000 GB seconds are free
    assert parts["executions"] == pytest.approx((2 * seconds - 100_000) * prices.on_demand_gb_second)
    assert parts["table storage"] == pytest.approx(0.12 * prices.table_gb)


def test_an_instance_that_is_always_ready_is_paid_for_each_second() -> None:
    parts = costs.costs(1_000, Activity(), Prices(), Deployment(always_ready=1, memory_gb=2))

    assert parts["always ready"] == pytest.approx(2 * 30 * 24 * 3600 * 0.000004)


def test_the_availability_test_is_paid_for_each_question() -> None:
    test = the("prod", "Microsoft.Insights/webtests")["properties"]
    assert (len(test["Locations"]), test["Frequency"]) == (costs.PLACES, costs.PROBE_SECONDS)

    with_it, without = (
        costs.costs(1_000, Activity(), Prices(), Deployment(availability_test=number)) for number in (1, 0)
    )
    assert with_it["availability test"] == pytest.approx(5 * 2 * 24 * 2 * 30 * 0.0005)
    assert without["availability test"] == 0
    # Each question is a request, too.
    assert with_it["executions"] > without["executions"]


def test_each_alert_is_reckoned_with() -> None:
    said = Path(costs.__file__).read_text()
    over_logs = len(foretold("prod", "Microsoft.Insights/scheduledQueryRules"))
    over_metrics = len(foretold("prod", "Microsoft.Insights/metricAlerts"))

    assert (over_logs, over_metrics) == (14, 3)
    assert "Fourteen rules over logs" in said
    assert "three over metrics" in said


def test_more_users_cost_more_and_less_than_in_proportion() -> None:
    sums = [sum(costs.costs(users, Activity(), Prices(), Deployment()).values()) for users in costs.USERS]

    assert sums == sorted(sums)
    assert sums[2] < 100 * sums[0]


def test_prices_are_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    assert costs.main(["--price", "always_ready_gb_second=0", "--deployment", "always_ready=2"]) == 0
    assert "| always ready | 0.00 | 0.00 | 0.00 |" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        costs.main(["--price", "moonlight=1"])


def test_the_documentation_shows_this_table() -> None:
    """`make costs` prints it: paste it again when this fails."""
    assert costs.table(Activity(), Prices(), Deployment()) in (ROOT / "docs" / "operate.md").read_text()
