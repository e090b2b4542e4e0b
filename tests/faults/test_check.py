"""The check finds every way in which the rows of a tenant can be broken, and the repair mends it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from devhost.azurite import Azurite
from scim_core.settings import StorageSettings
from scim_core.storage.maintenance.checking import check, repair
from scim_core.storage.maintenance.invariants import Problem
from scim_core.storage.tables import TableStorage, keys, large_change_runner, table_storage
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Row
from tests.commands import Done, run_here, run_process
from tests.contract.builders import TENANT, adding, create, edge, group, id_of, stored, user
from tests.tables import new_table
from tests.wrapped_rows import WrappedRows


@dataclass(frozen=True)
class Place:
    """A storage and, where it is not in this process, how to reach it."""

    storage: TableStorage
    environment: dict[str, str] | None = None

    async def write(self, verb: Verb, key: str, **properties: str) -> None:
        """Writes one row, without any check."""
        await self.storage.rows.transact(TENANT, [RowOperation(verb, Role.INDEX, key, dict(properties))])

    async def found(self) -> list[Problem]:
        return [finding.problem for finding in (await check(self.storage.rows, TENANT)).findings]

    async def mended(self) -> list[Problem]:
        """What is left when everything found has been repaired."""
        for finding in (await check(self.storage.rows, TENANT)).findings:
            assert await repair(self.storage.rows, TENANT, finding)
        return await self.found()

    async def command(self, *arguments: str) -> Done:
        """What `python -m scim_core.admin check` says of it."""
        given = ("check", "--tenant", TENANT, *arguments)
        return run_process(self.environment, *given) if self.environment else await run_here(self.storage.rows, *given)


@pytest.fixture
async def place(storage: TableStorage) -> Place:
    """In this process."""
    return await filled(Place(storage))


@pytest.fixture
async def place_in_azurite(azurite: Azurite) -> AsyncIterator[Place]:
    environment = new_table(azurite)
    storage = table_storage(StorageSettings.from_environment(environment))
    yield await filled(Place(storage, environment))
    await storage.close()


async def filled(place: Place) -> Place:
    """Users 1 to 5, group 10 of users 1 and 2."""
    await create(place.storage, *(user(number) for number in range(1, 6)))
    await place.storage.create(TENANT, group(10), [edge(10, 1), edge(10, 2)])
    return place


MEMBER, MEMBER_OF = keys.member(id_of(10), id_of(1)), keys.member_of(id_of(1), id_of(10))
NAME, ROW = "User.userName:user1@example.com", keys.resource("User", id_of(1))
EDGE = {"group": id_of(10), "member": id_of(99), "type": "User", "edges": "m"}
DAMAGE: dict[str, tuple[Callable[[Place], Awaitable[None]], set[Problem]]] = {
    "an index row is gone": (lambda p: p.write(Verb.DELETE, NAME), {Problem.INDEX_MISSING}),
    "an index row finds another": (
        lambda p: p.write(Verb.UPSERT, NAME, id=id_of(2)),
        {Problem.INDEX_MISSING, Problem.INDEX_STRAY},
    ),
    "an index row finds nobody": (
        lambda p: p.write(Verb.INSERT, "User.userName:nobody", id=id_of(77)),
        {Problem.INDEX_STRAY},
    ),
    "half a membership is gone": (lambda p: p.write(Verb.DELETE, MEMBER_OF), {Problem.HALF_MEMBERSHIP}),
    "the other half is gone": (lambda p: p.write(Verb.DELETE, MEMBER), {Problem.HALF_MEMBERSHIP}),
    "a member does not exist": (
        lambda p: p.write(Verb.INSERT, keys.member(id_of(10), id_of(99)), **EDGE),
        {Problem.HALF_MEMBERSHIP, Problem.DANGLING_MEMBERSHIP},
    ),
    "a resource is gone": (lambda p: p.write(Verb.DELETE, ROW), {Problem.INDEX_STRAY, Problem.DANGLING_MEMBERSHIP}),
    "a resource waits in vain": (lambda p: p.write(Verb.MERGE, ROW, pending="m"), {Problem.WAITS_IN_VAIN}),
    "a part belongs to nothing": (
        lambda p: p.write(Verb.INSERT, keys.pending_part(id_of(10), "m", 0), type="User", p0=id_of(1)),
        {Problem.STRAY_PART},
    ),
}


async def test_a_sound_directory_is_clean(place: Place) -> None:
    assert await place.found() == []


@pytest.mark.parametrize("name", DAMAGE)
async def test_damage_is_found_and_mended(place: Place, name: str) -> None:
    damage, problems = DAMAGE[name]
    await damage(place)
    assert set(await place.found()) == problems
    assert await place.mended() == []
    assert await place.storage.find(TENANT, "User", next(iter(user(2).index - user(1).index))) == [id_of(2)]


async def test_an_unfinished_change_is_found_and_applied(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    await create(place.storage, *(user(number) for number in range(100, 150)))

    async def never(*_: object) -> bool:
        return False

    with monkeypatch.context() as patch:
        patch.setattr(large_change_runner, "apply", never)
        before = await stored(place.storage, group(10))
        edits = adding(*(edge(10, number) for number in range(100, 150)))
        await place.storage.edit_members(TENANT, before, edits, guarded=False)
    assert await place.found() == [Problem.UNFINISHED]
    assert await place.mended() == []
    assert len(await place.storage.members_of(TENANT, id_of(10))) == 52


async def test_what_changes_while_it_is_checked_is_no_finding(place: Place) -> None:
    async def churn() -> None:
        for number in range(200, 240):
            await create(place.storage, user(number))
            before = await stored(place.storage, group(10))
            await place.storage.edit_members(TENANT, before, adding(edge(10, number)), guarded=False)

    churning = asyncio.create_task(churn())
    while not churning.done():
        assert await place.found() == []
    await churning


async def test_the_command_says_what_it_found_and_mends_it(place: Place) -> None:
    clean = await place.command()
    assert (clean.returncode, clean.stdout) == (
        0,
        "27 rows of the tenant contoso were examined. Every invariant holds.\n",
    )
    await place.write(Verb.DELETE, NAME)
    broken = await place.command()
    assert broken.returncode == 1
    assert f"{ROW} is not found by {NAME}" in broken.stdout
    assert "--repair" in broken.stdout
    mended = await place.command("--repair")
    assert (mended.returncode, "1 broke an invariant. 0 still do" in mended.stdout) == (0, True)
    assert (await place.command()).returncode == 0


async def test_the_command_is_a_process_that_reaches_table_storage(place_in_azurite: Place) -> None:
    await place_in_azurite.write(Verb.DELETE, NAME)
    broken = await place_in_azurite.command()
    assert (broken.returncode, f"{ROW} is not found by {NAME}" in broken.stdout) == (1, True)


async def test_a_membership_that_goes_while_it_is_repaired_is_mended(place: Place) -> None:
    """Both of its rows are gone between the look at them and the repair."""
    rows = place.storage.rows
    await place.write(Verb.INSERT, keys.member(id_of(10), id_of(99)), **EDGE)
    [finding, *_] = (await check(rows, TENANT)).findings
    looked = 0

    class Overtaken(WrappedRows):
        async def get(self, tenant: str, key: str, **options: Any) -> Row | None:
            nonlocal looked
            looked += key == keys.member(id_of(10), id_of(99)) and options.get("select") == "id"
            if looked == 1:
                looked += 1
                await place.write(Verb.DELETE, key)
            return await super().get(tenant, key, **options)

    assert await repair(Overtaken(rows), TENANT, finding)
    assert looked > 1
    assert await place.found() == []


def test_the_command_says_which_setting_is_missing() -> None:
    answer = run_process({"SCIM_STORAGE_CONNECTION": "", "SCIM_STORAGE_ACCOUNT_URL": ""}, "check", "--tenant", TENANT)
    assert answer.returncode == 2
    assert "SCIM_STORAGE_ACCOUNT_URL" in answer.stderr
