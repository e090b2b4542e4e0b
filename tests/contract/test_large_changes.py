"""Changes of more memberships than one transaction holds: as whole as small ones."""

import asyncio
from dataclasses import replace

import pytest

from scim_core.model import Membership, MembershipEdits, StoredResource
from scim_core.storage.port import NotFound, Storage, StorageError, Swept, UniquenessConflict, VersionConflict
from tests.contract.builders import (
    NOW,
    TENANT,
    adding,
    also_on_azurite,
    create,
    edge,
    edges_of,
    group,
    id_of,
    outcomes,
    removing,
    stored,
    user,
)

PEOPLE = range(1, 121)
EVERYBODY = [edge(500, number) for number in PEOPLE]


@pytest.fixture
async def populated(storage: Storage) -> Storage:
    """Users 1 to 120; group 500 without members; group 501 of users 1 to 50."""
    await create(storage, *(user(number) for number in PEOPLE), group(500))
    await storage.create(TENANT, group(501), [edge(501, number) for number in range(1, 51)])
    return storage


async def edited(storage: Storage, number: int, edits: MembershipEdits, version: str = "v2") -> StoredResource:
    before = await stored(storage, group(number))
    await storage.edit_members(TENANT, replace(before, version=version, last_modified=NOW), edits, guarded=False)
    return await stored(storage, group(number))


async def edited_or_refused(storage: Storage) -> StorageError | None:
    """What the addition of everybody to group 500 raised."""
    after = replace(await stored(storage, group(500)), version="v2")
    [refused] = await outcomes(storage.edit_members(TENANT, after, adding(*EVERYBODY), guarded=False))
    return refused


async def groups_of(storage: Storage, number: int) -> list[Membership]:
    return (await storage.groups_of(TENANT, [id_of(number)]))[id_of(number)]


async def test_a_group_is_created_with_many_members(populated: Storage) -> None:
    await populated.create(TENANT, group(502), [edge(502, number) for number in PEOPLE])
    after = await stored(populated, group(502))
    assert (after.version, after.document, after.change_pending) == ("g502-1", group(502).document, False)
    assert await edges_of(populated, 502) == [edge(502, number) for number in PEOPLE]
    assert await groups_of(populated, 120) == [edge(502, 120)]
    assert (await stored(populated, user(120))).version != user(120).version


async def test_creating_it_again_with_the_same_id_succeeds(populated: Storage) -> None:
    members = [edge(502, number) for number in PEOPLE]
    await populated.create(TENANT, group(502), members)
    await populated.create(TENANT, group(502), members)
    assert await edges_of(populated, 502) == members


async def test_a_name_that_is_taken_leaves_nothing_of_many_members(populated: Storage) -> None:
    index = group(500).index
    with pytest.raises(UniquenessConflict):
        await populated.create(TENANT, group(502, index=index), [edge(502, number) for number in PEOPLE])
    assert await edges_of(populated, 502) == []
    assert await populated.sweep(before="9", seconds=10) == Swept(0, 0)


async def test_many_members_of_whom_one_does_not_exist_are_not_added(populated: Storage) -> None:
    before = await stored(populated, group(500))
    with pytest.raises(NotFound) as missing:
        await edited(populated, 500, adding(*EVERYBODY, edge(500, 999)))
    assert missing.value.ids == {id_of(999)}
    assert await stored(populated, group(500)) == before
    assert await edges_of(populated, 500) == []


@also_on_azurite
async def test_many_join_and_many_leave_at_once(populated: Storage) -> None:
    joining = [edge(501, number) for number in range(51, 121)]
    leaving = [edge(501, number) for number in range(1, 41)]
    before = [(await stored(populated, user(number))).version for number in (1, 45, 120)]
    after = await edited(populated, 501, MembershipEdits(add=tuple(joining), remove=tuple(leaving)))
    assert (after.version, after.last_modified, after.change_pending) == ("v2", NOW, False)
    assert await edges_of(populated, 501) == [edge(501, number) for number in range(41, 121)]
    assert await groups_of(populated, 1) == []
    assert await groups_of(populated, 120) == [edge(501, 120)]
    versions = [(await stored(populated, user(number))).version for number in (1, 45, 120)]
    assert [version != old for version, old in zip(versions, before, strict=True)] == [True, False, True]


async def test_many_leave_though_some_have_left_before(populated: Storage) -> None:
    await edited(populated, 501, removing(*(edge(501, number) for number in range(5, 15))))
    await edited(populated, 501, removing(*(edge(501, number) for number in range(1, 50))), "v3")
    assert await edges_of(populated, 501) == [edge(501, 50)]


async def test_a_document_changes_together_with_many_members(populated: Storage) -> None:
    before = await stored(populated, group(500))
    after = replace(before, document={"id": id_of(500), "displayName": "New"}, index=frozenset(), version="v2")
    await populated.update(TENANT, after, adding(*EVERYBODY))
    assert (await stored(populated, group(500))).document["displayName"] == "New"
    assert await edges_of(populated, 500) == EVERYBODY
    with pytest.raises(VersionConflict):
        await populated.update(TENANT, after, removing(*EVERYBODY))
    assert await edges_of(populated, 500) == EVERYBODY


async def test_a_group_of_many_members_is_deleted(populated: Storage) -> None:
    await edited(populated, 500, adding(*EVERYBODY))
    doomed, some = await stored(populated, group(500)), await populated.members_of(TENANT, id_of(500), limit=100)
    await populated.delete(TENANT, doomed, some, now=NOW)
    assert await populated.read(TENANT, "Group", [id_of(500)]) == [None]
    assert await edges_of(populated, 500) == []
    assert [item.group_id for item in await groups_of(populated, 1)] == [id_of(501)]
    assert (await stored(populated, user(120))).version not in ("u120-1", "v2")
    await create(populated, group(503, index=doomed.index or group(500).index))


@also_on_azurite
async def test_a_user_in_many_groups_is_deleted(storage: Storage) -> None:
    numbers = range(500, 570)
    await create(storage, user(1), user(2))
    for number in numbers:
        await storage.create(TENANT, group(number), [edge(number, 1), edge(number, 2)])
    await storage.delete(TENANT, await stored(storage, user(1)), await groups_of(storage, 1), now=NOW)
    assert await storage.read(TENANT, "User", [id_of(1)]) == [None]
    assert await groups_of(storage, 1) == []
    assert len(await groups_of(storage, 2)) == 70
    for number in (500, 569):
        assert await edges_of(storage, number) == [edge(number, 2)]
        after = await stored(storage, group(number))
        assert after.version != f"g{number}-1"
        assert after.last_modified == NOW


@also_on_azurite
async def test_two_large_changes_of_one_group_side_by_side_both_happen(populated: Storage) -> None:
    async def until_done(edits: MembershipEdits, version: str) -> None:
        while True:
            await populated.apply_pending(TENANT, id_of(500), seconds=10)
            after = replace(await stored(populated, group(500)), version=version)
            [refused] = await outcomes(populated.edit_members(TENANT, after, edits, guarded=False))
            if refused is None:
                return
            assert isinstance(refused, VersionConflict)

    halves = EVERYBODY[:60], EVERYBODY[60:]
    await asyncio.gather(*(until_done(adding(*half), str(number)) for number, half in enumerate(halves)))
    assert await edges_of(populated, 500) == EVERYBODY


async def test_a_member_that_is_deleted_meanwhile_leaves_no_membership(populated: Storage) -> None:
    async def delete(number: int) -> None:
        while True:
            member, edges = await stored(populated, user(number)), await groups_of(populated, number)
            if await outcomes(populated.delete(TENANT, member, edges, now=NOW)) == [None]:
                return

    leaving = range(30, 90, 7)
    found, *_ = await asyncio.gather(edited_or_refused(populated), *(delete(number) for number in leaving))
    gone = {id_of(number) for number in leaving}
    assert found is None or isinstance(found, NotFound)
    await populated.apply_pending(TENANT, id_of(500), seconds=10)
    assert not gone.intersection(item.member_id for item in await populated.members_of(TENANT, id_of(500)))
    for number in leaving:
        assert await groups_of(populated, number) == []
