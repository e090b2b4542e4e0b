"""The cycle run: what a first cycle of Entra costs, request by request as Entra sends them.

Each user is matched and created. Then each group is matched and created, and its members are added one by one. The app
(bench/cycle_app) is the endpoint, and it counts its own calls to Table Storage.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from bench.apps import App, serving
from bench.directory import group, user, user_name
from bench.http_client import Request, Response
from bench.load import NO_REQUESTS, Sample
from bench.operations import Client, add_member
from devhost.azurite import Azurite
from infra.costs import Activity, Calls, Deployment, Prices

USERS = 10_000
"""Users of a common company."""

GROUPS = 500
"""Groups that such a company provisions."""

GROUPS_EACH = int(Activity().groups_each)
"""Groups of a user. infra/costs.py assumes the same, so each group has 100 members."""

CONNECTIONS = 16
"""Connections over which requests come: the most that operations are measured with."""

_CYCLE_APP = Path(__file__).parent / "cycle_app"


@dataclass(frozen=True)
class Stage:
    """All requests of one kind: how they were answered, the processor seconds of the app, and its storage calls."""

    title: str
    sample: Sample
    cpu_seconds: float
    calls: Calls


@dataclass(frozen=True)
class CycleRun:
    """The stages of a cycle, and the memory of the process at its end."""

    stages: tuple[Stage, ...]
    resident_mb: float

    @property
    def whole(self) -> Stage:
        """All stages together."""
        sample = sum((stage.sample for stage in self.stages), NO_REQUESTS)
        reads, operations = (
            sum(getattr(stage.calls, name) for stage in self.stages) for name in ("reads", "operations")
        )
        return Stage(
            "the whole cycle", sample, sum(stage.cpu_seconds for stage in self.stages), Calls(reads, operations)
        )


async def run(users: int, groups: int, *, plain_azurite: bool, progress: Callable[[Stage], object]) -> CycleRun:
    """A cycle of so many users and groups, into an empty directory."""
    with ExitStack() as stack:
        azurite = stack.enter_context(Azurite.start(seeks=not plain_azurite))
        endpoint = stack.enter_context(serving(azurite, "cycle", app=_CYCLE_APP))
        played = _Played(endpoint.app, endpoint.client)
        stages = []
        for title, requests in _stages(played, users, groups):
            stages.append(await played.stage(title, requests))
            progress(stages[-1])
        return CycleRun(tuple(stages), endpoint.app.meter.resident_mb())


def dollars(whole: Stage, prices: Prices, deployment: Deployment, activity: Activity) -> dict[str, float]:
    """US dollars of a cycle on always-ready instances, as infra/costs.py reckons: nothing is free here."""
    requests = len(whole.sample.seconds)
    gb_seconds = requests * activity.execution_seconds / activity.concurrency * deployment.memory_gb
    return {
        "executions": requests / 1e6 * prices.million_executions + gb_seconds * prices.always_ready_execution_gb_second,
        "table calls": whole.calls.billed / 1e6 * prices.million_table_transactions,
    }


def _stages(played: "_Played", users: int, groups: int) -> Iterator[tuple[str, Iterator[Request]]]:
    client = played.client
    yield "match a user", (_match(client, "Users", f'userName eq "{user_name(n)}"') for n in range(users))
    yield "POST user", (client.request("POST", "/Users", 201, user(n)) for n in range(users))
    yield (
        "match a group",
        (
            _match(client, "Groups", f'displayName eq "{group(n)["displayName"]}"', excludedAttributes="members")
            for n in range(groups)
        ),
    )
    yield "POST group", (client.request("POST", "/Groups", 201, group(n)) for n in range(groups))
    yield "PATCH group, 1 member", played.memberships(users, groups)


def _match(client: Client, kind: str, text: str, **further: str) -> Request:
    return client.request("GET", f"/{kind}?{urlencode({**further, 'filter': text})}", 200)


class _Played:
    """Sends the requests of a cycle, and keeps the ids that the endpoint has given."""

    def __init__(self, app: App, client: Client) -> None:
        self._app = app
        self._ids: dict[str, str] = {}
        self.client = client

    async def stage(self, title: str, requests: Iterator[Request]) -> Stage:
        """The requests are answered."""
        before = await self._calls()
        sample, cpu_seconds = await self._app.serve(requests, CONNECTIONS, self._note)
        after = await self._calls()
        calls = Calls(after.reads - before.reads, after.operations - before.operations)
        return Stage(title, sample, cpu_seconds, calls)

    def memberships(self, users: int, groups: int) -> Iterator[Request]:
        """Each user joins GROUPS_EACH groups. Entra fills one group after the other."""
        client = Client(
            self.client.path,
            self.client.token,
            user_id=lambda number: self._ids[user_name(number)],
            group_id=lambda number: self._ids[str(group(number)["displayName"])],
        )
        pairs = {
            ((member * GROUPS_EACH + turn) % groups, member) for member in range(users) for turn in range(GROUPS_EACH)
        }
        return (add_member(client, *pair) for pair in sorted(pairs))

    def _note(self, response: Response) -> None:
        if response.status == 201:  # noqa: PLR2004  Created
            made = json.loads(response.body)
            self._ids[made.get("userName") or made["displayName"]] = made["id"]

    async def _calls(self) -> Calls:
        found: list[Calls] = []
        await self._app.serve(
            [Request("GET", "/bench/calls", 200)], 1, lambda response: found.append(Calls(**json.loads(response.body)))
        )
        [calls] = found
        return calls
