"""The costs: the calls that they rest on are counted, the arithmetic is checked, the documentation shows them."""

from collections.abc import AsyncIterator, Awaitable, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

import scim_feed.feed
from devhost.azurite import Azurite
from infra import costs, following_costs
from infra.costs import Activity, Calls, Deployment, Prices
from scim_core import ScimRequest
from scim_core.endpoint.feed_handlers import MAX_WAIT_SECONDS, POLL_SECONDS
from scim_core.feed.hooks.sending import Sender, Tried
from scim_core.settings import StorageSettings
from scim_core.storage.hook_port import Hook
from scim_core.storage.tables import TableStorage, keys, table_storage
from scim_core.storage.tables.reading import read_range
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from tests.hooks.receiver import HOOK, TAKEN, add_hook, hooks_over
from tests.hooks.set_receiver import SET_HOOK
from tests.hooks.test_doorbells import BELL
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


class Taking(Sender):
    """A receiver that takes everything, and a queue."""

    async def send(self, _url: str, _headers: Mapping[str, str], _body: bytes) -> Tried:
        return TAKEN


@pytest.mark.parametrize(
    ("hook", "name", "rings"),
    [
        (HOOK, "a hook with CloudEvents", 0),
        (SET_HOOK, "a hook with security event tokens", 0),
        (BELL, "a hook to a queue", 1),
    ],
)
async def test_the_storage_calls_of_a_delivery_are_those_that_are_reckoned_with(
    storage: TableStorage, clock: Clock, hook: Hook, name: str, rings: int
) -> None:
    await add_hook(storage, replace(hook, tenant="default"), "default")
    client = Client(endpoint_over(storage, clock))
    ann, group = await client.user("ann@example.com"), await client.group("G")
    hooks = hooks_over(storage, Taking(), clock)
    await hooks.deliver("default")
    await client.patch(f"/Groups/{group['id']}", add("members", references(ann)))
    await storage.relay("default")
    with transcript(storage) as recorded:
        assert (await hooks.deliver("default")).taken == 1
    reads = sum(call.kind != "transact" for call in recorded.calls)
    operations = sum(len(call.keys) for call in recorded.calls if call.kind == "transact")
    assert Calls(reads, operations + rings) == following_costs.DELIVERIES[name]


async def test_the_calls_of_the_timer_and_of_a_look_are_those_that_are_reckoned_with(
    storage: TableStorage, clock: Clock
) -> None:
    endpoint = endpoint_over(storage, clock)

    async def turn() -> int:
        with transcript(storage) as recorded:
            await endpoint.tend_feeds()
        return len(recorded.calls)

    assert [await turn() for _ in range(3)][1:] == [costs.TURN_READS] * 2
    await add_hook(storage, replace(HOOK, tenant="default"), "default")
    more = costs.TURN_READS + following_costs.HOOK_TURN_READS
    assert [await turn() for _ in range(3)][1:] == [more] * 2
    token = {"authorization": "Bearer reader"}
    reader = endpoint_over(storage, clock, SCIM_FEED_TOKEN_SHA256=sha256(b"reader").hexdigest())
    await reader.handle(ScimRequest("GET", "/feed/v1/changes", headers=token))
    with transcript(storage) as recorded:
        assert (await reader.handle(ScimRequest("GET", "/feed/v1/changes", headers=token))).status == 200
    assert Calls(len(recorded.calls), 0) == following_costs.LOOK
    assert (POLL_SECONDS, MAX_WAIT_SECONDS) == (following_costs.LOOKS_SECONDS, following_costs.WAIT_SECONDS)
    assert scim_feed.feed.POLL_SECONDS == following_costs.POLL_SECONDS


async def test_the_rows_of_a_change_are_no_larger_than_is_reckoned_with(storage: TableStorage, clock: Clock) -> None:
    client = Client(endpoint_over(storage, clock))
    ann, group = await client.user("ann@example.com"), await client.group("G")
    await storage.relay("default")
    before = {row.properties["RowKey"] for row in await read_range(storage.rows, "default", keys.everything())}
    await client.patch(f"/Groups/{group['id']}", add("members", references(ann)))
    await storage.relay("default")
    rows = [row.properties for row in await read_range(storage.rows, "default", keys.everything())]
    made = [row for row in rows if row["RowKey"] not in before]
    feed = sum(at_rest(row) for row in made if row["RowKey"].startswith("feed:"))
    log = sum(at_rest(row) for row in made if row["RowKey"].startswith("log:"))
    assert 0.3 * following_costs.FEED_BYTES < feed <= following_costs.FEED_BYTES
    assert 0.3 * following_costs.LOG_BYTES < log <= following_costs.LOG_BYTES


def at_rest(row: Mapping[str, Any]) -> int:
    """The bytes of a row in Table Storage, as Microsoft's formula has them: names and texts are UTF-16."""
    given = {name: value for name, value in row.items() if name not in ("PartitionKey", "RowKey")}
    sizes = (8 + 2 * len(name) + 4 + 2 * len(str(value)) for name, value in given.items())
    return 4 + 2 * (len(str(row.get("PartitionKey", ""))) + len(str(row["RowKey"]))) + sum(sizes)


def test_those_who_follow_cost_what_a_hand_reckons() -> None:
    on_demand = following_costs.following(1_000, Activity(), Prices(), Deployment(always_ready=0))
    ready = following_costs.following(1_000, Activity(), Prices(), Deployment())
    assert on_demand["a reader that asks every 10 seconds"] == pytest.approx(
        259_200 * (2 * 0.000026 + 0.4e-6 + 3 * 0.036e-6)
    )
    assert on_demand["a reader that always waits"] == pytest.approx(
        2_592_000 * (2 * 0.000026 + 3 * 0.036e-6) + 103_680 * 0.4e-6
    )
    assert ready["a reader that always waits"] == pytest.approx(
        2_592_000 * (2 * 0.000016 + 3 * 0.036e-6) + 103_680 * 0.4e-6
    )
    changes = sum(costs.requests(1_000, Activity())[kind] for kind in costs.CHANGES)
    assert ready["a hook with CloudEvents"] == pytest.approx((changes * 16 + 2 * 43_200) * 0.036e-6)
    assert ready["the rows of feed and log"] == pytest.approx(changes * 13_000 / 1e9 * 0.0563)


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
    calls = 10_000 * (3 + 2 + patch + costs.RELAY.billed) + 2 * 8_640 + 3 * 43_200 + 10_000 * 7 * 30 / 1000
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

    assert (over_logs, over_metrics) == (15, 3)
    assert "Fifteen rules over logs" in said
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
    page = (ROOT / "docs" / "operate" / "limits-and-costs.md").read_text()
    assert costs.table(Activity(), Prices(), Deployment()) in page
    assert following_costs.table(Activity(), Prices(), Deployment()) in page
