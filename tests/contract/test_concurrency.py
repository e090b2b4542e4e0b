"""What every implementation of the storage port promises when changes meet."""

import asyncio
from dataclasses import replace

import pytest

from scim_core.model import IndexEntry, MembershipEdits
from scim_core.storage.port import NotFound, Storage, UniquenessConflict, VersionConflict
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

ROUNDS = 20


@also_on_azurite
async def test_of_30_creates_of_one_name_exactly_one_wins(storage: Storage) -> None:
    found = await outcomes(*(storage.create(TENANT, user(number, "same")) for number in range(30)))
    assert sorted(type(item).__name__ for item in found) == ["NoneType"] + ["UniquenessConflict"] * 29
    winner = id_of(found.index(None))
    assert await storage.find(TENANT, "User", IndexEntry("userName", "same", unique=True)) == [winner]
    assert (await storage.count(TENANT, "User")).number == 1


@also_on_azurite
async def test_of_20_updates_from_one_state_exactly_one_wins(storage: Storage) -> None:
    await create(storage, user(1))
    before = await stored(storage, user(1))
    found = await outcomes(
        *(storage.update(TENANT, replace(user(1, f"name{number}"), etag=before.etag)) for number in range(20))
    )
    assert sorted(type(item).__name__ for item in found) == ["NoneType"] + ["VersionConflict"] * 19
    winner = (await stored(storage, user(1))).document["userName"]
    names = [
        name
        for name in ("user1@example.com", *(f"name{number}" for number in range(20)))
        if await storage.find(TENANT, "User", IndexEntry("userName", name, unique=True))
    ]
    assert names == [winner]


@also_on_azurite
async def test_two_that_take_each_others_name_never_share_one(storage: Storage) -> None:
    await create(storage, user(1, "a"), user(2, "b"))
    first, second = await stored(storage, user(1)), await stored(storage, user(2))
    found = await outcomes(
        storage.update(TENANT, replace(user(1, "b"), etag=first.etag)),
        storage.update(TENANT, replace(user(2, "a"), etag=second.etag)),
    )
    assert all(isinstance(item, UniquenessConflict) for item in found)


@also_on_azurite
async def test_unguarded_edits_side_by_side_all_land(storage: Storage) -> None:
    await create(storage, group(50), *(user(number) for number in range(30)))
    before = await stored(storage, group(50))

    async def add(number: int) -> None:
        for _ in range(30):  # a storage may ask to try again
            after = replace(before, version=f"{number}")
            [refused] = await outcomes(storage.edit_members(TENANT, after, adding(edge(50, number)), guarded=False))
            if refused is None:
                return

    await asyncio.gather(*map(add, range(30)))
    assert await edges_of(storage, 50) == [edge(50, number) for number in range(30)]


@also_on_azurite
async def test_guarded_edits_side_by_side_all_land_when_repeated(storage: Storage) -> None:
    await create(storage, group(50), *(user(number) for number in range(8)))

    async def add(number: int) -> None:
        while True:
            before = await stored(storage, group(50))
            try:
                await storage.edit_members(TENANT, before, adding(edge(50, number)), guarded=True)
            except VersionConflict:
                continue
            return

    await asyncio.gather(*map(add, range(8)))
    assert len(await edges_of(storage, 50)) == 8


@also_on_azurite
async def test_a_member_added_while_it_is_deleted_leaves_no_membership_of_a_missing_resource(storage: Storage) -> None:
    await create(storage, group(50))
    target = await stored(storage, group(50))
    for number in range(ROUNDS):
        await create(storage, user(number))

        async def remove(number: int = number) -> None:
            while True:
                # Side by side, as a service provider reads them: the edges may be older than the resource.
                member, groups = await asyncio.gather(
                    stored(storage, user(number)), storage.groups_of(TENANT, [id_of(number)])
                )
                try:
                    await storage.delete(TENANT, member, groups[id_of(number)], now=NOW)
                except VersionConflict:
                    continue
                return

        added = storage.edit_members(TENANT, target, adding(edge(50, number)), guarded=False)
        found, _ = await asyncio.gather(outcomes(added), remove())
        assert all(item is None or isinstance(item, NotFound | VersionConflict) for item in found)
    assert await storage.members_of(TENANT, id_of(50)) == []
    assert (await storage.count(TENANT, "User")).number == 0


@also_on_azurite
async def test_a_member_added_while_its_group_is_deleted_keeps_no_membership(storage: Storage) -> None:
    await create(storage, user(1))
    for number in range(50, 50 + ROUNDS):
        await create(storage, group(number))
        target = await stored(storage, group(number))

        async def remove(number: int = number) -> None:
            while True:
                doomed, edges = await asyncio.gather(
                    stored(storage, group(number)), storage.members_of(TENANT, id_of(number))
                )
                try:
                    await storage.delete(TENANT, doomed, edges, now=NOW)
                except VersionConflict:
                    continue
                return

        added = storage.edit_members(TENANT, target, adding(edge(number, 1)), guarded=False)
        await asyncio.gather(outcomes(added), remove())
    assert await storage.groups_of(TENANT, [id_of(1)]) == {id_of(1): []}


@also_on_azurite
async def test_removals_of_overlapping_members_side_by_side_all_succeed(storage: Storage) -> None:
    members = [edge(50, number) for number in range(8)]
    await create(storage, *(user(number) for number in range(8)))
    await storage.create(TENANT, group(50), members)
    before = await stored(storage, group(50))
    found = await outcomes(
        storage.edit_members(TENANT, before, removing(*members[:5]), guarded=False),
        storage.edit_members(TENANT, before, removing(*members[3:]), guarded=False),
        storage.edit_members(TENANT, before, removing(*members), guarded=False),
    )
    assert found == [None, None, None]
    assert await edges_of(storage, 50) == []


@also_on_azurite
async def test_a_removal_succeeds_while_the_member_is_deleted(storage: Storage) -> None:
    for number in range(ROUNDS):
        await create(storage, user(number))
        await storage.create(TENANT, group(50 + number), [edge(50 + number, number)])
        member, target = await stored(storage, user(number)), await stored(storage, group(50 + number))
        found = await outcomes(
            storage.delete(TENANT, member, [edge(50 + number, number)], now=NOW),
            storage.edit_members(TENANT, target, removing(edge(50 + number, number)), guarded=False),
        )
        assert found[0] is None or isinstance(found[0], VersionConflict)
        assert found[1] is None
        assert await storage.members_of(TENANT, id_of(50 + number)) == []


@also_on_azurite
async def test_adds_and_removes_of_one_membership_leave_both_rows_or_none(storage: Storage) -> None:
    await create(storage, user(1), group(50))
    before = await stored(storage, group(50))
    edits: list[MembershipEdits] = [adding(edge(50, 1)), removing(edge(50, 1))] * 5
    await outcomes(*(storage.edit_members(TENANT, before, item, guarded=False) for item in edits))
    groups = (await storage.groups_of(TENANT, [id_of(1)]))[id_of(1)]
    assert await storage.members_of(TENANT, id_of(50)) == groups


@also_on_azurite
@pytest.mark.parametrize("side_by_side", [200])
async def test_many_reads_at_once_are_all_answered(storage: Storage, side_by_side: int) -> None:
    await create(storage, user(1))
    found = await storage.read(TENANT, "User", [id_of(1)] * side_by_side)
    assert len([item for item in found if item]) == side_by_side
