"""A person who was deleted is erased from all that the table still knows, and nobody else is."""

import json

import pytest

from scim_core.storage.feed_port import MAX_KEPT_CHARACTERS
from scim_core.storage.maintenance.forgetting import forget
from scim_core.storage.tables import TableStorage, keys, log_keys
from scim_core.storage.tables.reading import read_range
from tests.commands import Done, run_here
from tests.faults.disturbed_rows import Death, MortalRows, ProcessDied
from tests.feed.test_attempts import TENANT, Pairs
from tests.memory_rows import MemoryRows
from tests.scim import Clock, Json, path, replace

NAMES = ("ann@example.com", "Ann Personal", "E-7", "ann.second@example.com")


async def left_behind() -> tuple[MemoryRows, Json, Json]:
    """Rows of a person who was changed, refused, renamed and deleted; and of somebody else."""
    rows = MemoryRows()
    clock = Clock()
    it = Pairs(TableStorage(rows, clock), clock)
    client = it.client
    await client.post("/Users", {"userName": NAMES[0], "active": "perhaps"})
    ann = await client.user(NAMES[0], displayName=NAMES[1], externalId=NAMES[2], wrkEmail="x")
    bob = await client.user("bob@example.com")
    await client.group("Sales", ann, bob)
    await client.post("/Users", {"userName": NAMES[0]})
    await client.post("/Users", {"userName": "bob@example.com"})
    await client.patch(path(ann), replace("userName", NAMES[3]))
    await client.delete(path(ann))
    await it.rows()
    return rows, ann, bob


async def told(rows: MemoryRows) -> str:
    found = await read_range(rows, TENANT, keys.everything())
    return json.dumps([row.properties for row in found], ensure_ascii=False)


async def run(rows: MemoryRows, *given: str) -> Done:
    return await run_here(rows, "users", "forget", TENANT, *given)


async def test_no_name_of_the_person_is_left_and_others_keep_theirs() -> None:
    rows, ann, bob = await left_behind()
    before = await told(rows)
    assert all(name in before for name in NAMES)
    done = await run(rows, ann["id"], "--confirm", ann["id"])
    assert done.returncode == 0, done.stderr
    after = await told(rows)
    assert not [name for name in NAMES if name in after]
    assert "bob@example.com" in after
    assert len(await read_range(rows, TENANT, log_keys.logged_of(bob["id"]))) == 2
    assert len(await read_range(rows, TENANT, keys.of_kind("attempt"))) == 1
    assert "immutable" in done.stdout
    assert "Log Analytics" in done.stdout
    nobody = await run_here(rows, "who", TENANT, NAMES[0])
    assert "no request of the last 7 days named it" in nobody.stdout
    audit = await run_here(rows, "audit")
    assert "users forget ended" in audit.stdout
    again = await run_here(rows, "--json", "users", "forget", TENANT, ann["id"], "--confirm", ann["id"])
    assert json.loads(again.stdout)["erased"] == {"log": 0, "was": 0, "attempts": 0, "gone": 0}


async def test_who_is_still_here_is_not_forgotten_and_nobody_by_mistake() -> None:
    rows, ann, bob = await left_behind()
    before = await told(rows)
    unconfirmed = await run(rows, ann["id"])
    assert (unconfirmed.returncode, "--confirm" in unconfirmed.stderr) == (2, True)
    here = await run(rows, bob["id"], "--confirm", bob["id"])
    assert (here.returncode, "Delete the user first" in here.stderr) == (2, True)
    after = await told(rows)
    assert all(name in before and name in after for name in NAMES)


async def test_the_log_of_a_group_that_is_there_is_kept() -> None:
    rows, _, bob = await left_behind()
    clock = Clock()
    client = Pairs(TableStorage(rows, clock), clock).client
    group = await client.group("Board", bob)
    refused = await run(rows, group["id"], "--confirm", group["id"])
    assert (refused.returncode, "is in the directory" in refused.stderr) == (2, True)
    assert len(await read_range(rows, TENANT, log_keys.logged_of(group["id"]))) == 1


async def test_attempts_that_name_the_person_in_another_way_are_found() -> None:
    rows, clock = MemoryRows(), Clock()
    it = Pairs(TableStorage(rows, clock), clock)
    long = "l" * (MAX_KEPT_CHARACTERS + 100)
    ann = await it.client.user(NAMES[0], displayName=NAMES[1], externalId=long, emails=[{"value": NAMES[3]}])
    for asked in (
        {"userName": f" {NAMES[0].upper()} "},
        {"userName": "", "displayName": NAMES[1]},
        {"userName": "", "externalId": long},
        {"userName": NAMES[3], "active": "perhaps"},
    ):
        assert (await it.client.post("/Users", asked)).status in (400, 409)
    await it.client.post("/Users", {"userName": "bob", "active": "perhaps"})
    await it.client.delete(path(ann))
    await it.rows()
    assert (await forget(rows, TENANT, ann["id"])).attempts == 4
    assert len(await read_range(rows, TENANT, keys.of_kind("attempt"))) == 1


@pytest.mark.parametrize("after", [False, True])
async def test_one_that_was_interrupted_goes_on_with_the_next_run(after: bool) -> None:
    start, ann, _ = await left_behind()
    life = Death()
    await forget(MortalRows(start.copy(), life), TENANT, ann["id"])
    for number in range(len(life.calls)):
        rows = start.copy()
        with pytest.raises(ProcessDied):
            await forget(MortalRows(rows, Death(number, after=after)), TENANT, ann["id"])
        await forget(rows, TENANT, ann["id"])
        told_now = await told(rows)
        assert not [name for name in NAMES if name in told_now]
