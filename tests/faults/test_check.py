"""The check finds every way in which the rows of a tenant can be broken, and the repair mends it."""

import asyncio
import itertools
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from devhost.azurite import Azurite
from scim_core.settings import StorageSettings
from scim_core.storage.maintenance.checking import check, repair
from scim_core.storage.maintenance.invariants import Problem
from scim_core.storage.tables import TableStorage, keys, large_change_runner, table_storage
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from tests.contract.builders import TENANT, adding, create, edge, group, id_of, stored, user
from tests.running import ROOT, clean_environment

_tables = (f"check{number}" for number in itertools.count())


@dataclass(frozen=True)
class Place:
    """A storage and how to reach it."""

    storage: TableStorage
    environment: dict[str, str]

    async def write(self, verb: Verb, key: str, **properties: str) -> None:
        """One row, past all rules."""
        await self.storage.rows.transact(TENANT, [RowOperation(verb, Role.INDEX, key, dict(properties))])

    async def found(self) -> list[Problem]:
        return [finding.problem for finding in (await check(self.storage.rows, TENANT)).findings]

    async def mended(self) -> list[Problem]:
        """What is left when everything found has been repaired."""
        for finding in (await check(self.storage.rows, TENANT)).findings:
            assert await repair(self.storage.rows, TENANT, finding)
        return await self.found()

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What `python -m scim_core.admin check` says of it."""
        return subprocess.run(
            [sys.executable, "-m", "scim_core.admin", "check", "--tenant", TENANT, *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=clean_environment() | self.environment,
        )


@pytest.fixture
async def place(azurite: Azurite) -> AsyncIterator[Place]:
    """Users 1 to 5, group 10 of users 1 and 2."""
    environment = {"SCIM_STORAGE_CONNECTION": azurite.connection_string, "SCIM_TABLE_NAME": next(_tables)}
    storage = table_storage(StorageSettings.from_environment(environment))
    await create(storage, *(user(number) for number in range(1, 6)))
    await storage.create(TENANT, group(10), [edge(10, 1), edge(10, 2)])
    yield Place(storage, environment)
    await storage.close()


MEMBER, MEMBER_OF = keys.member(id_of(10), id_of(1)), keys.member_of(id_of(1), id_of(10))
NAME, ROW = "User.userName:user1@example.com", keys.resource("User", id_of(1))
EDGE = {"group": id_of(10), "member": id_of(99), "type": "User", "edges": "m"}
DAMAGE: dict[str, tuple[Callable[[Place], object], set[Problem]]] = {
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
    await damage(place)  # type: ignore[misc]
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
    clean = place.command()
    assert (clean.returncode, clean.stdout) == (
        0,
        "21 rows of the tenant contoso were examined. Every invariant holds.\n",
    )
    await place.write(Verb.DELETE, NAME)
    broken = place.command()
    assert broken.returncode == 1
    assert f"{ROW} is not found by {NAME}" in broken.stdout
    assert "--repair" in broken.stdout
    mended = place.command("--repair")
    assert (mended.returncode, "1 broke an invariant; 0 still do" in mended.stdout) == (0, True)
    assert place.command().returncode == 0


def test_the_command_says_which_setting_is_missing() -> None:
    environment = {"SCIM_STORAGE_CONNECTION": "", "SCIM_STORAGE_ACCOUNT_URL": ""}
    answer = Place(None, environment).command()  # type: ignore[arg-type]
    assert answer.returncode == 2
    assert "SCIM_STORAGE_ACCOUNT_URL" in answer.stderr
