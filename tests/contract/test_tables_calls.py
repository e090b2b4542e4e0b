"""What the table storage asks of Table Storage, and what follows from interruptions, lost answers and refusals."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scim_core.ids import uuid7
from scim_core.model import IndexEntry, Membership, MembershipEdits, StoredResource
from scim_core.storage.port import (
    NotFound,
    PagePosition,
    StorageError,
    UniquenessConflict,
    VersionConflict,
)
from scim_core.storage.tables import TableStorage
from scim_core.storage.tables.errors import RowExists
from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import RowPage, Token
from tests.contract.builders import NOW, TENANT, adding, create, edge, edges_of, group, id_of, removing, stored, user
from tests.transcript import transcript
from tests.wrapped_rows import WrappedRows


class InterruptedRows(WrappedRows):
    """Rows that do something before, or lose the answer after, the next transaction."""

    def __init__(self, storage: TableStorage) -> None:
        super().__init__(storage.rows)
        self.before: Callable[[], Awaitable[object]] | None = None
        self.lose_answers = 0

    async def transact(self, tenant: str, operations: Sequence[RowOperation], **options: Any) -> list[str]:
        before, self.before = self.before, None
        if before is not None:
            await before()
        etags = await super().transact(tenant, operations, **options)
        if self.lose_answers:
            self.lose_answers -= 1
            return await super().transact(
                tenant, operations, **options
            )  # as the SDK does when the first answer was lost
        return etags


PAUSED = "paused"
"""What a token of ShreddedRows has after an empty page."""


class ShreddedRows(WrappedRows):
    """Rows whose answers have one row each, and come after an empty page: Table Storage may answer so."""

    async def page(
        self, tenant: str, key_range: KeyRange, *, token: Token | None = None, limit: int = 1, **options: Any
    ) -> RowPage:
        rest = dict(token or {})
        if not rest.pop(PAUSED, ""):
            return RowPage([], {**rest, PAUSED: "yes"})
        assert limit > 0
        return await super().page(tenant, key_range, token=rest or None, limit=1, **options)


class ShortRows(WrappedRows):
    """Rows of which one answer holds a hundred at most, as if they were large."""

    async def page(self, tenant: str, key_range: KeyRange, *, limit: int = 100, **options: Any) -> RowPage:
        return await super().page(tenant, key_range, limit=min(limit, 100), **options)


@pytest.fixture
def interrupted(storage: TableStorage) -> InterruptedRows:
    storage.rows = InterruptedRows(storage)
    return storage.rows


async def members_at(storage: TableStorage, number: int) -> tuple[StoredResource, list[Membership]]:
    """The member and its memberships, read side by side."""
    found, groups = await asyncio.gather(stored(storage, user(number)), storage.groups_of(TENANT, [id_of(number)]))
    return found, groups[id_of(number)]


async def test_round_trips_are_those_of_the_design(storage: TableStorage) -> None:
    everyone = [user(number) for number in range(1, 33)]
    await create(storage, *everyone, group(50))
    target = await stored(storage, group(50))
    ids = [item.id for item in everyone]
    members = [edge(50, number) for number in range(1, 33)]

    async def trips(*calls: Awaitable[object]) -> int:
        with transcript(storage) as recorded:
            for call in calls:
                await call
        return recorded.round_trips

    assert await trips(storage.create(TENANT, user(100))) == 1
    assert await trips(storage.create(TENANT, group(51), members[:3])) == 1
    assert await trips(storage.read(TENANT, "User", ids)) == 1
    assert await trips(storage.find(TENANT, "User", IndexEntry("userName", "nobody", unique=True))) == 1
    assert await trips(storage.find(TENANT, "User", IndexEntry("externalId", "nobody"))) == 1
    assert await trips(storage.find(TENANT, "User", IndexEntry("externalId", "x-"), prefix=True)) == 1
    assert await trips(storage.edit_members(TENANT, target, adding(*members), guarded=False)) == 1
    assert await trips(storage.present(TENANT, id_of(50), ids)) == 1
    assert await trips(storage.groups_of(TENANT, ids)) == 1
    assert await trips(storage.groups_of(TENANT, ids, contiguous=True)) == 1
    assert await trips(storage.members_of(TENANT, id_of(50))) == 1
    assert await trips(storage.page(TENANT, "User", limit=100)) == 1
    assert await trips(storage.count(TENANT, "User")) == 1
    assert await trips(storage.update(TENANT, await stored(storage, user(1)))) == 1
    leaving, memberships = await members_at(storage, 1)
    assert await trips(storage.delete(TENANT, leaving, memberships, now=NOW)) == 1
    assert await trips(storage.ping()) == 1


def given_at(*milliseconds: int) -> list[str]:
    """Ids that were given at these milliseconds of a day."""
    return [uuid7(datetime(2026, 11, 23, tzinfo=UTC) + timedelta(milliseconds=item)) for item in milliseconds]


FAR = 3_600_000
"""An hour."""

LOOK_UPS = {
    "33 of a bulk import": (range(0, 330, 10), {"page": 1}),
    "33 of Entra's cycle": (range(0, 3_300, 100), {"page": 3}),
    "33 of many days": (range(0, 33 * FAR, FAR), {"get": 33}),
    "five of a moment": (range(5), {"get": 5}),
    "six of a moment": (range(6), {"page": 1}),
    "six of a second and more": (range(0, 1_206, 201), {"get": 6}),
    "some of a moment, others alone": ((*range(10), FAR, 2 * FAR, *range(3 * FAR, 3 * FAR + 7)), {"page": 2, "get": 2}),
    "50 of a moment": (range(50), {"page": 1}),
}


@pytest.mark.parametrize(("instants", "calls"), LOOK_UPS.values(), ids=LOOK_UPS)
async def test_ids_of_a_moment_are_looked_up_together_and_others_one_by_one(
    storage: TableStorage, instants: Sequence[int], calls: dict[str, int]
) -> None:
    ids, others = given_at(*instants), given_at(*instants)
    users = [user(number, id=item) for number, item in enumerate((*ids, *others))]
    await create(storage, *users, group(50), group(51))
    some, rest = ids[::2], [*ids[1::2], *others]
    for group_id, joined in ((50, some), (51, rest)):
        edges = [Membership(id_of(group_id), item) for item in joined]
        await storage.edit_members(TENANT, await stored(storage, group(group_id)), adding(*edges), guarded=False)
    for call, expected in (
        (storage.present(TENANT, id_of(50), ids), [Membership(id_of(50), item) for item in sorted(some)]),
        (storage.existing(TENANT, "User", ids), set(ids)),
        (storage.existing(TENANT, "Group", ids), set()),
    ):
        with transcript(storage) as recorded:
            assert await call == expected
        assert (recorded.round_trips, Counter(recorded.kinds)) == (1, calls)


async def test_whole_resources_are_read_one_by_one_although_they_are_of_a_moment(storage: TableStorage) -> None:
    """What lies between them can be large."""
    ids = given_at(*range(20))
    await create(storage, *(user(number, id=item) for number, item in enumerate(ids)))
    with transcript(storage) as recorded:
        assert None not in await storage.read(TENANT, "User", ids)
    assert Counter(recorded.kinds) == {"get": 20}


async def test_calls_that_follow_each_other_are_counted_and_calls_side_by_side_are_not(storage: TableStorage) -> None:
    await create(storage, user(1))
    with transcript(storage) as recorded:
        await asyncio.gather(storage.ping(), storage.read(TENANT, "User", [id_of(1), id_of(2)]))
        await storage.save_page_position(TENANT, "key", PagePosition(id_of(1), 1, NOW))
    assert recorded.round_trips == 2
    assert recorded.kinds == ["get", "get", "get", "transact"]
    await storage.ping()
    assert len(recorded.calls) == 4


async def test_a_membership_costs_three_operations(storage: TableStorage) -> None:
    await create(storage, user(1), group(50))
    target = await stored(storage, group(50))
    with transcript(storage) as recorded:
        await storage.edit_members(TENANT, target, adding(edge(50, 1)), guarded=False)
    [call] = recorded.calls
    *others, said = call.keys
    assert sorted(others) == sorted(
        [
            f"Group:{id_of(50)}",
            f"User:{id_of(1)}",
            f"member:{id_of(50)}:{id_of(1)}",
            f"memberOf:{id_of(1)}:{id_of(50)}",
        ]
    )
    assert said.startswith("change:")


async def large_change(storage: TableStorage, change: Awaitable[None]) -> tuple[list[str], list[int]]:
    """The kinds of the calls that it makes, and the operations of each of its transactions in the tenant."""
    with transcript(storage) as recorded:
        await change
    operations = [len(call.keys) for call in recorded.calls if call.kind == "transact" and len(call.keys) > 2]
    return recorded.kinds, operations


@pytest.fixture
async def crowd(storage: TableStorage) -> TableStorage:
    """Users 0 to 139, and group 500 without members. The doorbell has rung for this minute."""
    await create(storage, *(user(number) for number in range(140)), group(500))
    return storage


@pytest.mark.parametrize(
    ("count", "steps"),
    [
        (33, [100, 3 + 4]),  # the decision with 32 members; the other one, and the end
        (64, [100, 100]),
        (65, [100, 98, 3 + 4]),
        (100, [100, 98, 98, 4 * 3 + 4]),
    ],
)
async def test_a_large_change_reads_only_its_members_and_nothing_that_it_has_written(
    crowd: TableStorage, count: int, steps: list[int]
) -> None:
    target, edits = await stored(crowd, group(500)), adding(*(edge(500, number) for number in range(count)))
    kinds, operations = await large_change(crowd, crowd.edit_members(TENANT, target, edits, guarded=False))
    assert operations == steps
    before, after = 2, 1  # the sweep's entry and the part; then the entry
    assert kinds[-len(steps) - before - after :] == ["transact"] * (before + len(steps) + after)
    assert "transact" not in kinds[: -len(steps) - before - after]
    assert len(await edges_of(crowd, 500)) == count


async def test_a_step_that_leaves_no_room_for_the_end_is_followed_by_it(crowd: TableStorage) -> None:
    """Both parts of the change are deleted with its end: one operation more than there is room for."""
    people = [edge(500, number) for number in range(97)]
    await crowd.edit_members(TENANT, await stored(crowd, group(500)), adding(*people[:1]), guarded=False)
    edits = MembershipEdits(add=tuple(people[1:]), remove=tuple(people[:1]))
    kinds, operations = await large_change(
        crowd, crowd.edit_members(TENANT, await stored(crowd, group(500)), edits, guarded=False)
    )
    assert operations == [4 + 3, 98, 98, 98, 4]
    assert kinds[-8:] == ["transact"] * 8
    assert await edges_of(crowd, 500) == people[1:]


async def test_a_deletion_with_many_memberships_reads_them_once_or_never(crowd: TableStorage) -> None:
    everybody = [edge(500, number) for number in range(100)]
    await crowd.edit_members(TENANT, await stored(crowd, group(500)), adding(*everybody), guarded=False)
    for number in range(501, 540):
        await crowd.create(TENANT, group(number), [edge(number, 1)])
    member, memberships = await members_at(crowd, 1)
    assert len(memberships) == 40
    kinds, operations = await large_change(crowd, crowd.delete(TENANT, member, memberships, now=NOW))
    assert kinds == ["transact"] * 6  # the sweep's entry, the part, the decision, two steps, the entry
    assert operations == [6, 98, 8 * 3 + 3]
    doomed, some = await stored(crowd, group(500)), everybody[2:]
    kinds, _ = await large_change(crowd, crowd.delete(TENANT, doomed, some, now=NOW))
    assert kinds == [*["transact"] * 3, "page", "page", *["transact"] * 5]
    with transcript(crowd) as recorded:
        assert await edges_of(crowd, 500) == []
    assert recorded.kinds == ["page"]


async def test_ranges_are_read_to_their_end_through_empty_and_short_pages(storage: TableStorage) -> None:
    await create(storage, *(user(number) for number in range(4)))
    await storage.create(TENANT, group(50), [edge(50, number) for number in range(4)])
    storage.rows = ShreddedRows(storage.rows)
    ids = [id_of(number) for number in range(4)]
    assert (await storage.count(TENANT, "User")).number == 4
    assert [item.id for item in (await storage.page(TENANT, "User", limit=4)).resources] == ids
    page = await storage.page(TENANT, "User", limit=3)
    assert ([item.id for item in page.resources], page.last_id) == (ids[:3], ids[2])
    assert await storage.seek(TENANT, "User", after=ids[0], steps=3) == ids[3]
    assert len(await edges_of(storage, 50)) == 4
    assert await storage.find(TENANT, "User", IndexEntry("externalId", "x-"), prefix=True) == ids


async def test_many_ids_that_lie_together_are_read_together_and_others_one_by_one(storage: TableStorage) -> None:
    await create(storage, *(user(number) for number in range(240)))

    async def calls(numbers: Sequence[int]) -> Counter[str]:
        with transcript(storage) as recorded:
            found = await storage.read(TENANT, "User", [id_of(number) for number in numbers])
        assert [item and item.id for item in found] == [id_of(n) if n < 240 else None for n in numbers]
        return Counter(recorded.kinds)

    assert await calls(range(50)) == {"get": 50}
    assert await calls(range(239, -1, -1)) == {"page": 1}
    assert await calls([*range(60), *range(10_000, 10_060)]) == {"page": 1}
    storage.rows = ShortRows(storage.rows)
    assert await calls(range(240)) == {"page": 3}
    assert await calls(range(0, 240, 4)) == {"page": 3}
    assert await calls([0, *range(180, 240)]) == {"page": 1, "get": 60}
    assert await calls([0, 0, *range(60), *range(180, 240)]) == {"page": 2}


async def test_the_groups_of_many_that_lie_together_are_read_together_and_others_one_by_one(
    storage: TableStorage,
) -> None:
    await create(storage, *(user(number) for number in range(240)))
    await storage.create(TENANT, group(300), [edge(300, number) for number in range(240)])
    await storage.create(TENANT, group(301), [edge(301, number) for number in range(30)])

    async def calls(numbers: Sequence[int]) -> int:
        with transcript(storage) as recorded:
            found = await storage.groups_of(TENANT, [id_of(number) for number in numbers])
        expected = {
            number: [*([edge(300, number)] if number < 240 else []), *([edge(301, number)] if number < 30 else [])]
            for number in numbers
        }
        assert found == {id_of(number): edges for number, edges in expected.items()}
        return len(recorded.calls)

    assert await calls(range(50)) == 50
    assert await calls(range(239, -1, -1)) == 3
    assert await calls([*range(0, 240, 3), *range(10_000, 10_020)]) == 1
    storage.rows = ShortRows(storage.rows)
    assert await calls(range(100)) == 2
    assert await calls([0, 0, *range(180, 240)]) == 1 + 60


async def test_a_create_whose_answer_was_lost_has_happened(storage: TableStorage, interrupted: InterruptedRows) -> None:
    await create(storage, user(1))
    interrupted.lose_answers = 1
    await storage.create(TENANT, group(50), [edge(50, 1)])
    assert await edges_of(storage, 50) == [edge(50, 1)]


async def test_a_create_sent_again_has_happened_whichever_row_is_said_to_be_in_the_way(
    storage: TableStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create(storage, user(1))

    async def refuse(_: str, operations: Sequence[RowOperation]) -> None:
        raise RowExists(next(item for item in operations if item.role is Role.INDEX))

    monkeypatch.setattr(storage.rows, "transact", refuse)
    await create(storage, user(1))
    with pytest.raises(UniquenessConflict):
        await create(storage, user(2, "user1@example.com"))


async def test_edits_whose_answer_was_lost_have_happened(storage: TableStorage, interrupted: InterruptedRows) -> None:
    await create(storage, user(1), user(2))
    await storage.create(TENANT, group(50), [edge(50, 1)])
    interrupted.lose_answers = 1
    edits = MembershipEdits(add=(edge(50, 2),), remove=(edge(50, 1),))
    await storage.edit_members(TENANT, await stored(storage, group(50)), edits, guarded=False)
    assert await edges_of(storage, 50) == [edge(50, 2)]


async def test_a_name_that_another_takes_before_the_update_is_a_conflict(
    storage: TableStorage, interrupted: InterruptedRows
) -> None:
    await create(storage, user(1, "ann"))
    renamed = replace(user(1, "bea"), etag=(await stored(storage, user(1))).etag)
    interrupted.before = lambda: storage.create(TENANT, user(2, "bea"))
    with pytest.raises(UniquenessConflict, match="userName"):
        await storage.update(TENANT, renamed)


async def test_a_member_deleted_before_it_is_added_is_not_found(
    storage: TableStorage, interrupted: InterruptedRows
) -> None:
    await create(storage, user(1), user(2), group(50))
    member, target = await stored(storage, user(1)), await stored(storage, group(50))
    interrupted.before = lambda: storage.delete(TENANT, member, [], now=NOW)
    with pytest.raises(NotFound) as missing:
        await storage.edit_members(TENANT, target, adding(edge(50, 1), edge(50, 2)), guarded=False)
    assert missing.value.ids == {id_of(1)}
    assert await edges_of(storage, 50) == []


async def test_a_member_deleted_before_it_is_removed_is_removed(
    storage: TableStorage, interrupted: InterruptedRows
) -> None:
    await create(storage, user(1), user(2))
    await storage.create(TENANT, group(50), [edge(50, 1), edge(50, 2)])
    (member, memberships), target = await members_at(storage, 1), await stored(storage, group(50))
    interrupted.before = lambda: storage.delete(TENANT, member, memberships, now=NOW)
    await storage.edit_members(TENANT, target, removing(edge(50, 1), edge(50, 2)), guarded=False)
    assert await edges_of(storage, 50) == []
    assert await storage.groups_of(TENANT, [id_of(1), id_of(2)]) == {id_of(1): [], id_of(2): []}


async def test_a_member_added_before_its_delete_makes_the_delete_start_again(
    storage: TableStorage, interrupted: InterruptedRows
) -> None:
    await create(storage, user(1), group(50))
    (member, memberships), target = await members_at(storage, 1), await stored(storage, group(50))
    interrupted.before = lambda: storage.edit_members(TENANT, target, adding(edge(50, 1)), guarded=False)
    with pytest.raises(VersionConflict):
        await storage.delete(TENANT, member, memberships, now=NOW)
    assert await edges_of(storage, 50) == [edge(50, 1)]


@pytest.mark.parametrize("earlier", [[], [51], [51, 52]])
async def test_memberships_older_than_the_resource_they_were_read_beside_do_not_delete_it(
    storage: TableStorage, earlier: list[int]
) -> None:
    await create(storage, user(1), group(50), group(51), group(52))
    for number in earlier:
        await storage.edit_members(TENANT, await stored(storage, group(number)), adding(edge(number, 1)), guarded=False)
    _, memberships = await members_at(storage, 1)
    await storage.edit_members(TENANT, await stored(storage, group(50)), adding(edge(50, 1)), guarded=False)
    member, _ = await members_at(storage, 1)
    with pytest.raises(VersionConflict):
        await storage.delete(TENANT, member, memberships, now=NOW)
    assert await edges_of(storage, 50) == [edge(50, 1)]


async def test_a_groups_own_groups_older_than_its_members_do_not_delete_it(storage: TableStorage) -> None:
    await create(storage, user(1), group(50), group(60))
    groups = (await storage.groups_of(TENANT, [id_of(50)]))[id_of(50)]
    for number, edits in ((60, adding(edge(60, 50, "Group"))), (50, adding(edge(50, 1)))):
        await storage.edit_members(TENANT, await stored(storage, group(number)), edits, guarded=False)
    members = await storage.members_of(TENANT, id_of(50))
    with pytest.raises(VersionConflict):
        await storage.delete(TENANT, await stored(storage, group(50)), [*groups, *members], now=NOW)
    assert await edges_of(storage, 60) == [edge(60, 50, "Group")]


async def test_a_delete_reads_its_memberships_again_only_where_they_could_be_older(storage: TableStorage) -> None:
    await create(storage, user(1), user(2), user(3), group(50), group(51))
    for edits in (adding(edge(50, 1), edge(50, 2)), removing(edge(50, 2))):
        await storage.edit_members(TENANT, await stored(storage, group(50)), edits, guarded=False)
    costs = []
    for number in (1, 2, 3):
        member, memberships = await members_at(storage, number)
        with transcript(storage) as recorded:
            await storage.delete(TENANT, member, memberships, now=NOW)
        costs.append(recorded.round_trips)
    assert costs == [1, 2, 1]


async def test_a_lost_index_row_is_reported_and_not_taken_for_a_conflict(storage: TableStorage) -> None:
    await create(storage, user(1))
    before = await stored(storage, user(1))
    key = "User.externalId:x-user1@example.com:" + id_of(1)
    await storage.rows.transact(TENANT, [RowOperation(Verb.DELETE, Role.INDEX, key)])
    for change in (
        storage.update(TENANT, replace(before, index=frozenset())),
        storage.delete(TENANT, before, [], now=NOW),
    ):
        with pytest.raises(StorageError, match="index row") as refused:
            await change
        assert not isinstance(refused.value, VersionConflict)
