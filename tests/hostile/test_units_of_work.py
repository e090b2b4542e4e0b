"""Whatever is sent, the work is bounded, counted, and done in turns: no request is worth more than its units.

Nothing here depends on the speed of a machine. Units are counted by the product; what the interpreter really does is
counted by sys.monitoring: function calls, and rounds of loops. `make fuzz` tries more requests.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings

from scim_core import work
from scim_core.storage.tables import TableStorage
from scim_core.work import MAX_UNITS, UNITS_PER_TURN, Shares, Work
from tests.global_relay import USER_TARGETS
from tests.hostile.requests import Hostile, hostile
from tests.memory_rows import MemoryRows
from tests.scim import (
    ENTERPRISE,
    GLOBAL_RELAY,
    Client,
    Clock,
    Json,
    add,
    endpoint_over,
    path,
    remove,
    replace,
    sentence,
)

STEPS_OF_A_UNIT = 150
"""Calls and rounds of loops in a unit of work. A core makes forty to two hundred in ten microseconds."""

UNCOUNTED_STEPS = 30_000
"""What no unit stands for: routes and headers, the names of `attributes` in a query, an answer's log line. Three
milliseconds."""

UNITS_OF_A_BYTE = 5
"""Most units that a byte of a request costs by itself."""

STORED_BYTES_OF_A_UNIT = 1_000
"""Bytes of stored resources that each byte of a request may be compared with in one unit."""

LONGEST_STEP = 5_000
"""Units of what is computed without a turn in between: a body without its members, one resource, or the parameters of a
search. The last are most: a sortBy of 8 KiB takes 3,300, and 200 long names 1,600. Fifty milliseconds at most."""

VALUES_OF = {"active": True, "proxyAddresses": ["x"]}
"""Values of attributes that are no texts."""

_TOOL = 4  # a number that no debugger, profiler or coverage tool has


@dataclass
class Counted:
    """What a request has cost: its units, the most between two turns, and the steps of the interpreter."""

    works: list["CountingWork"] = field(default_factory=list)
    longest: int = 0
    steps: int = 0

    @property
    def units(self) -> int:
        """All units that were spent."""
        return sum(item.spent for item in self.works)


class CountingWork(Work):
    """Work that shows how much is computed between two moments at which others run."""

    counted: Counted

    async def spend(self, units: int, what: str) -> None:
        await super().spend(units, what)
        self.counted.longest = max(self.counted.longest, self._in_turn)

    async def run[T](self, units: int, what: str | None, function: Callable[[], T]) -> T:
        longest = self.counted.longest
        try:
            return await super().run(units, what, function)
        finally:
            if units > UNITS_PER_TURN:  # it ran in a thread, in which others have their turns
                self.counted.longest = longest


@contextmanager
def counting() -> Iterator[Counted]:
    """The units of the block are counted. What would run in a thread runs at once, so that it is counted, too."""
    counted = Counted()

    def made(shares: Shares, tenant: str) -> Work:
        item = CountingWork(original(shares, tenant)._share)
        item.counted = counted
        counted.works.append(item)
        return item

    async def at_once[T](_: Any, function: Callable[[], T]) -> T:
        return function()

    original = Shares.work
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Shares, "work", made)
        patch.setattr(work._Share, "in_thread", at_once)
        yield counted


@contextmanager
def stepping(counted: Counted) -> Iterator[None]:
    """The interpreter's steps in the block are counted, too, which takes several times as long."""

    def step(code: CodeType, *_: Any) -> Any:
        if "tests" in code.co_filename or "asyncio" in code.co_filename or "storage/tables" in code.co_filename:
            return sys.monitoring.DISABLE
        counted.steps += 1
        return None

    events = sys.monitoring.events
    watched = events.PY_START | events.PY_RESUME | events.JUMP
    sys.monitoring.use_tool_id(_TOOL, "steps")
    for event in (events.PY_START, events.PY_RESUME, events.JUMP):
        sys.monitoring.register_callback(_TOOL, event, step)
    sys.monitoring.set_events(_TOOL, watched)
    try:
        yield
    finally:
        sys.monitoring.set_events(_TOOL, 0)
        sys.monitoring.free_tool_id(_TOOL)


@dataclass
class Directory:
    """Rows that each example starts with, and the ids of what is in them."""

    rows: MemoryRows
    ids: dict[str, str]
    stored_bytes: int

    def client(self) -> Client:
        """A client of an endpoint over a copy of the rows."""
        return Client(endpoint_over(TableStorage(self.rows.copy()), Clock()))


@pytest.fixture(scope="module")
async def directory() -> Directory:
    """Users, one of them with as many values as there may be, and a group of them all."""
    rows = MemoryRows()
    client = Client(endpoint_over(TableStorage(rows), Clock()))
    many = [{"value": str(number), "type": "work"} for number in range(90)]
    phones = [{"value": f"{number:030}", "type": "x", "display": "y" * 50} for number in range(300)]
    users = [await client.user(f"user{number}", title="x" * 200, emails=many[:2]) for number in range(150)]
    rich = await client.user("rich", emails=many, ims=phones, **{f"{ENTERPRISE}:department": "x"})
    group = await client.group("group", *users, rich)
    stored = sum([len((await client.get(url, count=1_000)).body) for url in ("/Users", "/Groups")])
    return Directory(rows, {"user": users[0]["id"], "rich": rich["id"], "group": group["id"]}, stored)


REFUSED = json.dumps(
    {
        "Operations": [
            {"op": "add", "path": "name.givenName", "value": [{"VALUE": "x", "value": "y"}] * 10},
            {"op": "Remove"},
            {"op": "replace", "path": "active pr"},
        ]
        * 66
    }
).encode()
"""Operations that are all refused. Each takes more than one that is applied."""


@pytest.mark.filterwarnings("ignore:Generating overly large repr")  # of a request, which is megabytes long
@settings(
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
@given(request=hostile())
@example(request=Hostile("PATCH", "/Users/{rich}", "", REFUSED))
async def test_a_request_costs_what_it_counts_and_no_more_than_its_budget(
    directory: Directory, request: Hostile
) -> None:
    client = directory.client()
    url, body = request.url, request.body
    for name, resource_id in directory.ids.items():
        url, body = url.replace(f"{{{name}}}", resource_id), body.replace(b"{%s}" % name.encode(), resource_id.encode())
    with counting() as counted, stepping(counted):
        answer = await client.send(request.method, f"{url}?{request.query}", body)
    assert answer.status < 500, request.shown
    if answer.status >= 400:
        assert 0 < len(sentence(answer)) <= 500
    size = len(body) + len(request.query)
    compared = size * (UNITS_OF_A_BYTE + directory.stored_bytes // STORED_BYTES_OF_A_UNIT)
    assert counted.units <= min(MAX_UNITS, directory.stored_bytes + compared) + UNITS_PER_TURN, request.shown
    assert counted.longest <= UNITS_PER_TURN + LONGEST_STEP, request.shown
    assert counted.steps <= UNCOUNTED_STEPS + STEPS_OF_A_UNIT * counted.units, request.shown


async def spent(client: Client, method: str, url: str, body: Json) -> int:
    """The units of a request that succeeds."""
    with counting() as counted:
        answer = await client.send(method, url, body)
    assert answer.status in (200, 201, 204), answer.document
    assert counted.longest <= UNITS_PER_TURN + LONGEST_STEP
    return counted.units


@pytest.mark.parametrize("name", ["attributes", "excludedAttributes"])
async def test_what_names_the_attributes_to_show_is_counted_before_it_is_read(client: Client, name: str) -> None:
    user = await client.user("ann")
    long = ",".join(["title"] * 50 + ["x" * 10_000])
    for method, body in (("GET", {}), ("PUT", {"userName": "ann"}), ("PATCH", {"Operations": [replace("title", "x")]})):
        short = await spent(client, method, path(user), body)
        assert await spent(client, method, f"{path(user)}?{name}={long}", body) > short + 400


def uuid(number: int) -> str:
    return f"{number:08x}-0000-7000-8000-{number:012x}"


async def test_what_readme_promises_fits_the_budget(client: Client) -> None:
    """100,000 members, 1,000 operations, and every attribute of the Global Relay tutorial in one PATCH."""
    user = await client.user()
    every = [replace(target, VALUES_OF.get(target.rpartition(":")[2], "x")) for target in USER_TARGETS]
    assert len(every) == 67
    assert await spent(client, "PATCH", path(user), {"Operations": every}) < MAX_UNITS / 100
    thousand = [replace(f"{GLOBAL_RELAY}:extensionAttribute{number % 15 + 1}", "x") for number in range(1_000)]
    assert await spent(client, "PATCH", path(user), {"Operations": thousand}) < MAX_UNITS / 10
    group = await client.group("group", user)
    by_id = [remove(f'members[value eq "{uuid(number)}"]') for number in range(1_000)]
    assert await spent(client, "PATCH", path(group), {"Operations": by_id}) < MAX_UNITS / 10
    named = [{"value": uuid(number), "$ref": f"https://scim.example.com/{number:050}"} for number in range(99_999)]
    by_url = [{"$ref": f"https://scim.example.com/scim/v2/Users/{uuid(number).upper()}"} for number in range(10_000)]
    wrong = [{"value": f"{number:036}"} for number in range(10_000)]
    assert (await client.put(path(group), {"displayName": "group", "members": wrong})).status == 400
    await in_budget(client, path(group), named)
    # How members are named makes no difference once they are read: a tenth of them takes a tenth of the budget.
    for members in (by_url, [*wrong[-9_999:], *named[:1]]):
        body = {"displayName": f"many {len(str(members))}", "members": members}
        assert await spent(client, "POST", "/Groups", body) < MAX_UNITS / 30


async def in_budget(client: Client, group: str, members: list[Json]) -> None:
    """Every request that names these members takes a third of its budget at most."""
    for method, url, body in (
        ("POST", "/Groups", {"displayName": f"many {len(str(members))}", "members": members}),
        ("PUT", group, {"displayName": "group", "members": members}),
        ("PATCH", group, {"Operations": [add("members", members)]}),
        ("PATCH", group, {"Operations": [remove("members", value=members)]}),
    ):
        assert await spent(client, method, url, body) < MAX_UNITS / 3
