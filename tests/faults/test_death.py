"""The process dies right before and right after every call to the storage that an operation makes.

Afterwards a new process serves the same table. Once somebody has touched the resource, or the sweep has run, every
invariant holds, and the operation has happened whole or not at all.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from devhost.azurite import Azurite
from scim_core.model import Column
from scim_core.settings import StorageSettings
from scim_core.storage.maintenance.checking import check
from scim_core.storage.maintenance.invariants import Problem
from scim_core.storage.tables import TableStorage, keys, table_rows
from scim_core.storage.tables.reading import read_range
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Rows
from tests.clients.targets import Answer
from tests.faults.conftest import held
from tests.faults.disturbed_rows import Death, MortalRows, ProcessDied
from tests.faults.transport import rows_until
from tests.memory_rows import MemoryRows
from tests.scim import Client, Clock, Json, add, endpoint_over, path, references, remove, replace
from tests.tables import new_table

TENANT = "default"
FAR_FUTURE = "9999-12-31T00:00:00.000000Z"
MEMBERS = 10
"""As many as a group has that is changed at large: with the small transactions here, four steps."""


@dataclass
class Directory:
    """What every case starts with: thirteen users; `full` has ten of them as members, `none` has no members.

    The first user is in four more groups.
    """

    users: list[Json]
    full: Json
    none: Json

    @classmethod
    async def filled(cls, client: Client) -> "Directory":
        users = [await client.user(f"user{number}", externalId=f"x{number}") for number in range(13)]
        full, none = await client.group("full", *users[:MEMBERS]), await client.group("none")
        for number in range(4):
            await client.group(f"other {number}", users[0])
        return cls(users, full, none)


@dataclass(frozen=True)
class Case:
    """An operation, and the request that touches what it is about."""

    act: Callable[[Client, Directory], Awaitable[Answer]]
    touch: Callable[[Directory], str]


def members(resources: list[Json]) -> Json:
    return add("members", references(*resources))


CASES = {
    "a user is created": Case(
        lambda client, _: client.post("/Users", {"userName": "new", "externalId": "n"}),
        lambda _: "/Users?filter=userName eq new",
    ),
    "a group is created": Case(
        lambda client, d: client.post("/Groups", {"displayName": "new", "members": references(*d.users[:3])}),
        lambda _: "/Groups?filter=displayName eq new",
    ),
    "a large group is created": Case(
        lambda client, d: client.post("/Groups", {"displayName": "new", "members": references(*d.users)}),
        lambda _: "/Groups?filter=displayName eq new",
    ),
    "a user is renamed": Case(
        lambda client, d: client.patch(path(d.users[0]), replace("userName", "renamed"), replace("externalId", "y")),
        lambda d: path(d.users[0]),
    ),
    "a user is replaced": Case(
        lambda client, d: client.put(path(d.users[0]), {"userName": "user0", "title": "Director"}),
        lambda d: path(d.users[0]),
    ),
    "a member is added": Case(
        lambda client, d: client.patch(path(d.none), members(d.users[:1])), lambda d: path(d.none)
    ),
    "many members are added": Case(
        lambda client, d: client.patch(path(d.none), members(d.users[:MEMBERS])), lambda d: path(d.none)
    ),
    "many members are removed": Case(
        lambda client, d: client.patch(path(d.full), remove("members")), lambda d: path(d.full)
    ),
    "many members are replaced, and the name": Case(
        lambda client, d: client.put(path(d.full), {"displayName": "changed", "members": references(*d.users[4:])}),
        lambda d: path(d.full),
    ),
    "a user is deleted": Case(lambda client, d: client.delete(path(d.users[5])), lambda d: path(d.users[5])),
    "a user in many groups is deleted": Case(
        lambda client, d: client.delete(path(d.users[0])), lambda d: path(d.users[0])
    ),
    "a large group is deleted": Case(lambda client, d: client.delete(path(d.full)), lambda d: path(d.full)),
}


async def survived(client: Client, case: Case, directory: Directory) -> bool:
    """Whether the process survived the operation. Then the operation must have succeeded."""
    try:
        answer = await case.act(client, directory)
    except ProcessDied:
        return False
    assert answer.status in (200, 201, 204)
    return True


def client_of(rows: Rows) -> Client:
    """A client of a new process on these rows."""
    return Client(endpoint_over(TableStorage(rows), Clock()))


@dataclass(frozen=True)
class Start:
    """A directory as every run of a case finds it: its rows are copied into a table of the run's own."""

    directory: Directory
    held: Json
    rows: list[RowOperation]
    undisturbed: dict[str, Json] = field(default_factory=dict)
    """What the directory holds after a case in which nothing went wrong, for the cases that were tried."""

    @classmethod
    async def made(cls) -> "Start":
        rows = MemoryRows()
        client = client_of(rows)
        directory = await Directory.filled(client)
        found = await read_range(rows, TENANT, keys.everything())
        copied = [
            RowOperation(Verb.INSERT, Role.RESOURCE, row.properties["RowKey"], _own(row.properties)) for row in found
        ]
        return cls(directory, await held(client), copied)

    async def written_to[T: Rows](self, rows: T) -> T:
        """These rows, which are empty, with the directory in them."""
        await rows.transact(TENANT, self.rows)
        return rows


def _own(properties: dict[str, Any]) -> dict[str, Column]:
    return {name: value for name, value in properties.items() if name not in ("PartitionKey", "RowKey")}


@pytest.fixture(scope="module")
async def start() -> Start:
    return await Start.made()


type Outcome = tuple[bool, Json]
"""Whether the process survived, and what the directory holds once it has been healed."""


async def outcome(start: Start, case: Case, mortal: Rows, healthy: Rows, heals: str) -> Outcome:
    """The result of a case in a process that may die. Every invariant holds afterwards."""
    client = client_of(healthy)
    lived = await survived(client_of(mortal), case, start.directory)
    if heals == "touched":
        assert (await client.get(case.touch(start.directory))).status in (200, 404)
    else:
        await TableStorage(healthy).sweep(before=FAR_FUTURE, seconds=30)
    checked = await check(healthy, TENANT)
    # Parts that were written before a decision which never came are the sweep's.
    expected = Problem.STRAY_PART if heals == "touched" else None
    assert [finding for finding in checked.findings if finding.problem is not expected] == []
    return lived, await held(client)


async def deaths(
    start: Start, run: Callable[[Death], Awaitable[Outcome]], before_and_after: tuple[bool, ...] = (False, True)
) -> None:
    """A process dies at each call of a run. Each time the operation has happened whole or not at all."""
    life = Death()
    lived, whole = await run(life)
    assert lived
    assert whole != start.held
    happened = []
    for number, writes in enumerate(life.calls):
        # A read changes nothing. And before a call the storage is as it was after the call before.
        for after in before_and_after if writes else before_and_after[:-1]:
            lived, found = await run(Death(number, after=after))
            assert not lived
            assert found in (start.held, whole)
            happened.append(found == whole)
    assert set(happened) == {False, True}
    assert happened == sorted(happened), "what has happened stays"


@pytest.mark.parametrize("heals", ["touched", "swept"])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.usefixtures("_small_transactions")
async def test_an_operation_happens_whole_or_not_at_all(start: Start, name: str, heals: str) -> None:
    async def run(death: Death) -> Outcome:
        rows = await start.written_to(MemoryRows())
        return await outcome(start, CASES[name], MortalRows(rows, death), rows, heals)

    await deaths(start, run)


@pytest.mark.parametrize(
    ("name", "heals"),
    [
        ("many members are replaced, and the name", "swept"),
        ("a large group is deleted", "touched"),
    ],
)
@pytest.mark.usefixtures("_small_transactions")
async def test_so_it_does_on_table_storage(azurite: Azurite, start: Start, name: str, heals: str) -> None:
    async def run(death: Death) -> Outcome:
        environment = new_table(azurite)
        healthy = table_rows(StorageSettings.from_environment(environment))
        mortal = rows_until(death, *environment.values())
        try:
            return await outcome(start, CASES[name], mortal, await start.written_to(healthy), heals)
        finally:
            await mortal.close()
            await healthy.close()

    await deaths(start, run, before_and_after=(True,))
