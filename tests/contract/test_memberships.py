"""What every implementation of the storage port promises about memberships."""

from dataclasses import replace

import pytest

from scim_core.model import Membership, MembershipEdits, StoredResource
from scim_core.storage.port import NotFound, Storage, VersionConflict
from tests.contract.builders import (
    NOW,
    TENANT,
    THEN,
    adding,
    also_on_azurite,
    create,
    edge,
    edges_of,
    group,
    id_of,
    removing,
    stored,
    user,
)


async def edited(storage: Storage, number: int, edits: MembershipEdits, version: str = "v2") -> StoredResource:
    """The group after unguarded edits."""
    before = await stored(storage, group(number))
    await storage.edit_members(TENANT, replace(before, version=version, last_modified=NOW), edits, guarded=False)
    return await stored(storage, group(number))


@pytest.fixture
async def populated(storage: Storage) -> Storage:
    """Users 1 to 5; group 10 of users 1 and 2, group 11 of user 2, group 12 without members."""
    await create(storage, *(user(number) for number in range(1, 6)))
    await storage.create(TENANT, group(10), [edge(10, 1), edge(10, 2)])
    await storage.create(TENANT, group(11), [edge(11, 2)])
    await create(storage, group(12))
    return storage


async def test_memberships_are_seen_from_the_group_and_from_the_member(populated: Storage) -> None:
    assert await populated.members_of(TENANT, id_of(10)) == [edge(10, 1), edge(10, 2)]
    assert await populated.groups_of(TENANT, [id_of(2), id_of(3)]) == {
        id_of(2): [edge(10, 2), edge(11, 2)],
        id_of(3): [],
    }


async def test_groups_of_many_are_the_same_by_one_range_read(populated: Storage) -> None:
    ids = [id_of(number) for number in (3, 1)]
    assert await populated.groups_of(TENANT, ids, contiguous=True) == await populated.groups_of(TENANT, ids)
    assert await populated.groups_of(TENANT, [], contiguous=True) == {}


async def test_present_answers_those_that_are_members(populated: Storage) -> None:
    ids = [id_of(number) for number in (9, 2, 3, 1, 2)]
    assert await populated.present(TENANT, id_of(10), ids) == [edge(10, 1), edge(10, 2)]
    assert await populated.present(TENANT, id_of(10), []) == []


async def test_first_members_get_a_new_version(populated: Storage) -> None:
    assert (await stored(populated, user(1))).version != user(1).version
    assert (await stored(populated, user(3))).version == "u3-1"


async def test_a_group_with_an_unknown_first_member_is_not_created(populated: Storage) -> None:
    with pytest.raises(NotFound) as missing:
        await populated.create(TENANT, group(20), [edge(20, 1), edge(20, 98), edge(20, 99)])
    assert missing.value.ids == {id_of(98), id_of(99)}
    assert await populated.read(TENANT, "Group", [id_of(20)]) == [None]
    assert await populated.groups_of(TENANT, [id_of(1)]) == {id_of(1): [edge(10, 1)]}


@also_on_azurite
async def test_edits_add_and_remove_and_move_the_versions_of_all_they_concern(populated: Storage) -> None:
    before = [(await stored(populated, user(number))).version for number in (1, 2, 3)]
    after = await edited(populated, 10, MembershipEdits(add=(edge(10, 3),), remove=(edge(10, 1),)))
    assert (after.version, after.last_modified, after.document) == ("v2", NOW, group(10).document)
    assert await edges_of(populated, 10) == [edge(10, 2), edge(10, 3)]
    versions = [(await stored(populated, user(number))).version for number in (1, 2, 3)]
    assert [version != old for version, old in zip(versions, before, strict=True)] == [True, False, True]
    assert (await stored(populated, user(1))).last_modified == THEN
    assert await populated.groups_of(TENANT, [id_of(1)]) == {id_of(1): []}


async def test_edits_are_idempotent(populated: Storage) -> None:
    edits = MembershipEdits(add=(edge(10, 3),), remove=(edge(10, 1),))
    await edited(populated, 10, edits)
    after = await edited(populated, 10, edits, "v3")
    assert after.version == "v3"
    assert await edges_of(populated, 10) == [edge(10, 2), edge(10, 3)]
    assert (await stored(populated, user(3))).version != user(3).version


@also_on_azurite
async def test_removing_a_membership_that_is_not_there_does_not_touch_the_other(populated: Storage) -> None:
    await edited(populated, 10, removing(edge(10, 1), edge(10, 4), edge(10, 99)))
    assert await edges_of(populated, 10) == [edge(10, 2)]
    assert (await stored(populated, user(4))).version == "u4-1"


@also_on_azurite
async def test_adding_an_unknown_member_adds_nobody_and_names_it(populated: Storage) -> None:
    before = await stored(populated, group(10))
    with pytest.raises(NotFound) as missing:
        await edited(populated, 10, adding(edge(10, 3), edge(10, 98), edge(10, 99)))
    assert missing.value.ids == {id_of(98), id_of(99)}
    assert await stored(populated, group(10)) == before
    assert await edges_of(populated, 10) == [edge(10, 1), edge(10, 2)]


async def test_a_member_of_another_type_than_stated_is_unknown(populated: Storage) -> None:
    with pytest.raises(NotFound) as missing:
        await edited(populated, 10, adding(edge(10, 11, "User")))
    assert missing.value.ids == {id_of(11)}


async def test_edits_of_a_group_that_is_gone_find_nothing(populated: Storage) -> None:
    before = await stored(populated, group(12))
    await populated.delete(TENANT, before, [], now=NOW)
    for guarded in (True, False):
        with pytest.raises(NotFound) as missing:
            await populated.edit_members(TENANT, before, adding(edge(12, 1)), guarded=guarded)
        assert missing.value.ids == {id_of(12)}
    assert await populated.groups_of(TENANT, [id_of(1)]) == {id_of(1): [edge(10, 1)]}


async def test_guarded_edits_of_a_changed_group_are_refused(populated: Storage) -> None:
    before = await stored(populated, group(10))
    await edited(populated, 10, adding(edge(10, 3)))
    with pytest.raises(VersionConflict):
        await populated.edit_members(TENANT, replace(before, version="v3"), adding(edge(10, 4)), guarded=True)
    assert await edges_of(populated, 10) == [edge(10, 1), edge(10, 2), edge(10, 3)]
    now = await stored(populated, group(10))
    await populated.edit_members(TENANT, replace(now, version="v3"), adding(edge(10, 4)), guarded=True)
    assert (await stored(populated, group(10))).version == "v3"


async def test_an_update_carries_edits_along_or_refuses_them_with_it(populated: Storage) -> None:
    before = await stored(populated, group(10))
    edits = MembershipEdits(add=(edge(10, 3),), remove=(edge(10, 1), edge(10, 4)))
    renamed = replace(group(10, "renamed"), etag=before.etag, version="v2")
    await populated.update(TENANT, renamed, edits)
    assert await edges_of(populated, 10) == [edge(10, 2), edge(10, 3)]
    with pytest.raises(VersionConflict):
        await populated.update(TENANT, renamed, removing(edge(10, 2)))
    now = await stored(populated, group(10))
    with pytest.raises(NotFound) as missing:
        await populated.update(TENANT, replace(renamed, etag=now.etag), adding(edge(10, 99)))
    assert missing.value.ids == {id_of(99)}
    assert await stored(populated, group(10)) == now


async def test_an_update_of_a_member_keeps_its_memberships(populated: Storage) -> None:
    before = await stored(populated, user(2))
    await populated.update(TENANT, replace(user(2, "renamed"), etag=before.etag))
    assert await populated.groups_of(TENANT, [id_of(2)]) == {id_of(2): [edge(10, 2), edge(11, 2)]}


@also_on_azurite
async def test_deleting_a_member_removes_its_memberships_and_moves_its_groups(populated: Storage) -> None:
    groups = [await stored(populated, group(number)) for number in (10, 11, 12)]
    memberships = (await populated.groups_of(TENANT, [id_of(2)]))[id_of(2)]
    await populated.delete(TENANT, await stored(populated, user(2)), memberships, now=NOW)
    assert await edges_of(populated, 10) == [edge(10, 1)]
    assert await edges_of(populated, 11) == []
    assert await populated.groups_of(TENANT, [id_of(2)]) == {id_of(2): []}
    for before, moved in zip(groups, (True, True, False), strict=True):
        after = await stored(populated, before)
        assert (after.version != before.version) is moved
        assert after.last_modified == (NOW if moved else THEN)


async def test_deleting_a_group_removes_its_memberships_and_moves_the_versions_of_its_members(
    populated: Storage,
) -> None:
    before = await stored(populated, user(1))
    await populated.delete(
        TENANT, await stored(populated, group(10)), await populated.members_of(TENANT, id_of(10)), now=NOW
    )
    assert await populated.members_of(TENANT, id_of(10)) == []
    assert await populated.groups_of(TENANT, [id_of(1), id_of(2)]) == {id_of(1): [], id_of(2): [edge(11, 2)]}
    after = await stored(populated, user(1))
    assert after.version != before.version
    assert after.last_modified == before.last_modified


@pytest.mark.parametrize("given", [[], [edge(10, 2)], [edge(10, 2), edge(11, 2), edge(12, 2)]])
async def test_deleting_with_other_memberships_than_it_has_is_refused(
    populated: Storage, given: list[Membership]
) -> None:
    with pytest.raises(VersionConflict):
        await populated.delete(TENANT, await stored(populated, user(2)), given, now=NOW)
    assert await populated.groups_of(TENANT, [id_of(2)]) == {id_of(2): [edge(10, 2), edge(11, 2)]}


async def test_a_resource_whose_memberships_have_changed_since_it_was_read_is_not_deleted(populated: Storage) -> None:
    before = await stored(populated, user(1))
    memberships = (await populated.groups_of(TENANT, [id_of(1)]))[id_of(1)]
    await edited(populated, 11, adding(edge(11, 1)))
    with pytest.raises(VersionConflict):
        await populated.delete(TENANT, before, memberships, now=NOW)
    assert await edges_of(populated, 11) == [edge(11, 1), edge(11, 2)]


async def test_groups_can_be_members_even_of_each_other(populated: Storage) -> None:
    await edited(populated, 10, adding(edge(10, 11, "Group")))
    await edited(populated, 11, adding(edge(11, 10, "Group")))
    assert await populated.groups_of(TENANT, [id_of(10), id_of(11)]) == {
        id_of(10): [edge(11, 10, "Group")],
        id_of(11): [edge(10, 11, "Group")],
    }
    memberships = [*await populated.members_of(TENANT, id_of(10)), edge(11, 10, "Group")]
    await populated.delete(TENANT, await stored(populated, group(10)), memberships, now=NOW)
    assert await edges_of(populated, 11) == [edge(11, 2)]
    assert (await stored(populated, group(11))).last_modified == NOW


async def test_a_group_can_have_itself_as_a_member_and_be_deleted(populated: Storage) -> None:
    itself = edge(12, 12, "Group")
    await edited(populated, 12, adding(itself))
    assert await edges_of(populated, 12) == [itself]
    await populated.delete(TENANT, await stored(populated, group(12)), [itself], now=NOW)
    assert await populated.members_of(TENANT, id_of(12)) == []


@also_on_azurite
async def test_33_members_fit_one_change(populated: Storage) -> None:
    await create(populated, *(user(number) for number in range(100, 133)))
    await edited(populated, 12, adding(*(edge(12, number) for number in range(100, 133))))
    assert len(await edges_of(populated, 12)) == 33
    await edited(populated, 12, removing(*(edge(12, number) for number in range(100, 133))))
    assert await edges_of(populated, 12) == []
