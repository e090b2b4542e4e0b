"""The process dies right before and right after every call to the storage that an operation makes.

Afterwards a new process serves the same table. Once somebody has touched the resource, or the sweep has run, every
invariant holds, and the operation has happened whole or not at all.
"""

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from devhost.azurite import Azurite
from scim_core.storage.maintenance.checking import check
from scim_core.storage.maintenance.invariants import Problem
from scim_core.storage.tables import TableStorage, keys
from scim_core.storage.tables.reading import read_range
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from tests.faults.conftest import held
from tests.faults.transport import Death, ProcessDied, storage_until
from tests.scim import Client, Clock, Json, add, endpoint_over, path, references, remove, replace

TENANT = "default"
FAR_FUTURE = "9999-12-31T00:00:00.000000Z"
MEMBERS = 10
"""As many as a group has that is changed at large: with the small transactions here, four steps."""

_tables = (f"death{number}" for number in itertools.count())


@dataclass
class Directory:
    """What every case starts with: twelve users; `full` has ten of them as members, `none` nobody.

    The first user is in four more groups.
    """

    users: list[Json]
    full: Json
    none: Json

    @classmethod
    async def filled(cls, client: Client) -> "Directory":
        users = [await client.user(f"user{number}", externalId=f"x{number}") for number in range(12)]
        full, none = await client.group("full", *users[:MEMBERS]), await client.group("none")
        for number in range(4):
            await client.group(f"other {number}", users[0])
        return cls(users, full, none)


@dataclass(frozen=True)
class Case:
    """An operation, and the request that touches what it is about."""

    act: Callable[[Client, Directory], Awaitable[Any]]
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


@dataclass(frozen=True)
class Process:
    """A process that serves the directory, until it dies."""

    storage: TableStorage
    client: Client

    @classmethod
    def started(cls, azurite: Azurite, table: str, death: Death) -> "Process":
        storage = storage_until(death, azurite.connection_string, table)
        return cls(storage, Client(endpoint_over(storage, Clock())))


async def survived(process: Process, case: Case, directory: Directory) -> bool:
    """Whether the process lived through the operation, which then must have succeeded."""
    try:
        answer = await case.act(process.client, directory)
    except ProcessDied:
        return False
    assert answer.status in (200, 201, 204)
    return True


@dataclass(frozen=True)
class Start:
    """A directory as every run of a case finds it: its rows are copied into a table of the run's own."""

    directory: Directory
    held: dict[str, Any]
    rows: list[RowOperation]

    @classmethod
    async def made(cls, azurite: Azurite) -> "Start":
        process = Process.started(azurite, next(_tables), Death())
        directory = await Directory.filled(process.client)
        found = await read_range(process.storage.rows, TENANT, keys.everything())
        rows = [
            RowOperation(Verb.INSERT, Role.RESOURCE, row.properties["RowKey"], _own(row.properties)) for row in found
        ]
        start = cls(directory, await held(process.client), rows)
        await process.storage.close()
        return start

    async def again(self, azurite: Azurite) -> tuple[str, Process]:
        """A new table with these rows, and a process that serves it."""
        table = next(_tables)
        process = Process.started(azurite, table, Death())
        await process.storage.rows.transact(TENANT, self.rows)
        return table, process


def _own(properties: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in properties.items() if name not in ("PartitionKey", "RowKey")}


@pytest.fixture(scope="module")
async def start(azurite: Azurite) -> Start:
    return await Start.made(azurite)


async def outcome(azurite: Azurite, start: Start, case: Case, death: Death, heals: str) -> tuple[bool, dict[str, Any]]:
    """Whether the process survived, and what the directory holds once it has been healed; every invariant holds."""
    table, healthy = await start.again(azurite)
    mortal = Process.started(azurite, table, death)
    try:
        lived = await survived(mortal, case, start.directory)
        if heals == "touched":
            assert (await healthy.client.get(case.touch(start.directory))).status in (200, 404)
        else:
            await healthy.storage.sweep(before=FAR_FUTURE, seconds=30)
        checked = await check(healthy.storage.rows, TENANT)
        # Parts that were written before a decision which never came are the sweep's.
        expected = Problem.STRAY_PART if heals == "touched" else None
        assert [finding for finding in checked.findings if finding.problem is not expected] == []
        return lived, await held(healthy.client)
    finally:
        await mortal.storage.close()
        await healthy.storage.close()


@pytest.mark.parametrize("heals", ["touched", "swept"])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.usefixtures("_small_transactions")
async def test_an_operation_happens_whole_or_not_at_all(azurite: Azurite, start: Start, name: str, heals: str) -> None:
    case, life = CASES[name], Death()
    lived, whole = await outcome(azurite, start, case, life, heals)
    assert lived
    assert whole != start.held
    happened = []
    for number, method in enumerate(life.calls):
        # After a read the storage is as it was before it: one death tells as much as two.
        for after in (False, True) if method == "POST" else (False,):
            lived, found = await outcome(azurite, start, case, Death(number, after=after), heals)
            assert not lived
            assert found in (start.held, whole)
            happened.append(found == whole)
    assert set(happened) == {False, True}
    assert happened == sorted(happened), "what has happened stays"
