"""What others do between two storage calls of a change, and what comes late or twice: nothing is lost or stuck."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any

import pytest

from scim_core.model import Membership, StoredResource
from scim_core.storage.maintenance.checking import check, repair
from scim_core.storage.port import VersionConflict
from scim_core.storage.tables import TableStorage, keys, writing
from scim_core.storage.tables.errors import RowExists, RowMissing, Unanswered
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from tests.faults.directory import TENANT, Directory
from tests.faults.disturbed_rows import StumblingRows
from tests.memory_rows import MemoryRows
from tests.scim import Client, Clock, Json, add, endpoint_over, member_ids, path, references, remove, replace
from tests.wrapped_rows import WrappedRows

pytestmark = pytest.mark.usefixtures("_small_transactions")

type Send = Callable[[], Awaitable[list[str]]]
type Meddle = Callable[[Sequence[RowOperation], Send], Awaitable[list[str]]]


class MeddledRows(WrappedRows):
    """Rows that leave each transaction to `meddle`, with what sends it."""

    def __init__(self, directory: Directory, meddle: Meddle) -> None:
        super().__init__(directory.storage.rows)
        self.meddle = meddle
        directory.storage.rows = self

    async def transact(self, tenant: str, operations: Sequence[RowOperation], **options: Any) -> list[str]:
        send = super().transact
        return await self.meddle(operations, lambda: send(tenant, operations, **options))


def decides(operations: Sequence[RowOperation]) -> bool:
    return any((item.verb, item.role) == (Verb.INSERT, Role.PENDING) for item in operations)


def ids(resources: Sequence[Json]) -> list[str]:
    return [item["id"] for item in resources]


async def all_join(directory: Directory) -> None:
    answer = await directory.client.patch(path(directory.group), add("members", references(*directory.users)))
    assert answer.status == 204


async def require_all_joined(directory: Directory) -> None:
    assert await is_clean(directory)
    assert member_ids(await directory.client.document(directory.group)) == ids(directory.users)


async def is_clean(directory: Directory) -> bool:
    await directory.swept()
    checked = await check(directory.storage.rows, TENANT)
    assert checked.findings == []
    entries = await directory.storage.rows.page(keys.SWEEP, keys.sweep_entries_of(TENANT))
    return entries.rows == []


RACES = 500


async def test_a_member_that_joins_while_it_is_deleted_leaves_no_membership_whoever_is_quicker() -> None:
    rows, chance = MemoryRows(), Random(4)
    one, other = (Client(endpoint_over(TableStorage(StumblingRows(rows, chance)), Clock())) for _ in range(2))
    group = await one.group("racing")
    seen: Counter[tuple[int, int]] = Counter()
    for number in range(RACES):
        user = await one.user(f"user{number}")
        joining, leaving = await asyncio.gather(
            one.patch(path(group), add("members", references(user))), other.delete(path(user))
        )
        seen[joining.status, leaving.status] += 1
    assert seen == {(204, 204): RACES}
    assert "members" not in await one.document(group)
    assert (await check(rows, TENANT)).findings == []


@pytest.mark.usefixtures("_nobody_has_time")
async def test_members_of_a_group_whose_deletion_is_being_applied_can_be_changed_and_deleted(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, users = directory.client, directory.users
    with monkeypatch.context() as patch:
        patch.setattr(writing, "APPLY_SECONDS", 20)
        await all_join(directory)
        other = await client.group("other", users[0], users[1])
    monkeypatch.setattr(writing, "MANY_MEMBERSHIPS", 4)
    assert (await client.delete(path(directory.group))).status == 204
    assert await directory.rows() == 12
    assert (await client.patch(path(users[1]), replace("title", "new"))).status == 200
    assert (await client.delete(path(users[0]))).status == 204
    assert member_ids(await client.document(other)) == ids(users[1:2])
    assert await is_clean(directory)


@pytest.mark.usefixtures("_nobody_has_time")
async def test_groups_of_a_user_whose_deletion_is_being_applied_can_be_changed_and_deleted(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, users = directory.client, directory.users
    groups = [await client.group(f"group {number}", *users[:2]) for number in range(5)]
    assert (await client.delete(path(users[0]))).status == 204
    assert (await client.patch(path(groups[0]), remove("members", value=references(users[0])))).status == 204
    put = await client.put(path(groups[1]), {"displayName": "new", "members": references(users[1], users[2])})
    assert (put.status, member_ids(put.document)) == (200, ids(users[1:3]))
    assert (await client.patch(path(groups[2]), remove("members"))).status == 204
    assert (await client.delete(path(groups[3]))).status == 204
    monkeypatch.setattr(writing, "APPLY_SECONDS", 20)
    assert await is_clean(directory)
    shown = [member_ids(await client.document(group)) for group in (*groups[:3], groups[4])]
    assert shown == [ids(users[1:2]), ids(users[1:3]), [], ids(users[1:2])]


async def test_a_decision_that_is_sent_again_after_its_change_was_applied_is_no_second_one(
    directory: Directory,
) -> None:
    repeated = 0

    async def meddle(operations: Sequence[RowOperation], send: Send) -> list[str]:
        nonlocal repeated
        if not decides(operations) or repeated:
            return await send()
        repeated += 1
        etags = await send()
        await directory.swept()
        with pytest.raises(RowExists) as refused:
            await send()
        assert refused.value.operation.role is Role.OUTBOX
        await directory.storage.relay(TENANT)
        with pytest.raises(RowMissing):
            await send()
        return etags

    MeddledRows(directory, meddle)
    await all_join(directory)
    assert repeated
    await require_all_joined(directory)


DECISIONS = 2
"""How a change is decided: with its first step; and if a member is in the way, without it."""


async def test_a_decision_that_comes_after_its_change_was_given_up_is_none(directory: Directory) -> None:
    late: list[Send] = []

    async def meddle(operations: Sequence[RowOperation], send: Send) -> list[str]:
        if not decides(operations):
            return await send()
        if len(late) < DECISIONS:
            late.append(send)
            raise VersionConflict
        for decision in late:
            with pytest.raises(RowMissing):
                await decision()
        return await send()

    MeddledRows(directory, meddle)
    await all_join(directory)
    assert len(late) == DECISIONS
    await require_all_joined(directory)


@pytest.mark.parametrize("which", range(DECISIONS))
async def test_a_change_is_not_given_up_once_its_decision_has_come_after_all(directory: Directory, which: int) -> None:
    late: list[Send] = []
    came: list[Send] = []

    async def meddle(operations: Sequence[RowOperation], send: Send) -> list[str]:
        if decides(operations) and len(late) < DECISIONS:
            late.append(send)
            raise VersionConflict
        gives_up = [item for item in operations if item.verb is Verb.DELETE and item.key.endswith(":0000")]
        if gives_up and not came and len(operations) == 1:
            came.append(late[which])
            await late[which]()
        return await send()

    MeddledRows(directory, meddle)
    await all_join(directory)
    assert came
    await require_all_joined(directory)


async def test_a_decision_that_comes_before_the_one_without_its_step_is_the_only_one(directory: Directory) -> None:
    late: list[Send] = []

    async def meddle(operations: Sequence[RowOperation], send: Send) -> list[str]:
        if not decides(operations):
            return await send()
        late.append(send)
        if len(late) == 1:
            raise VersionConflict
        await late[0]()
        with pytest.raises(RowExists):
            await send()
        return await send()

    MeddledRows(directory, meddle)
    await all_join(directory)
    assert len(late) == DECISIONS
    await require_all_joined(directory)


async def test_a_decision_whose_answer_was_lost_does_not_touch_the_change_that_came_after_it(
    directory: Directory,
) -> None:
    """Others have applied the change, and have decided the next one of this group: it names other members."""
    client, group, users = directory.client, directory.group, directory.users
    decided = 0

    async def meddle(operations: Sequence[RowOperation], send: Send) -> list[str]:
        nonlocal decided
        if not decides(operations):
            return await send()
        decided += 1
        if decided != 1:
            return await send()
        await send()
        await directory.swept()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(writing, "APPLY_SECONDS", 0)
            assert (await client.patch(path(group), replace("members", references(*users[6:])))).status == 204
        return await send()

    MeddledRows(directory, meddle)
    await all_join(directory)
    assert decided == 2
    assert await is_clean(directory)
    assert member_ids(await client.document(group)) == ids(users[6:])


async def test_members_that_are_deleted_right_before_the_decision_are_left_out(directory: Directory) -> None:
    client, users = directory.client, directory.users
    deleted = False

    async def meddle(operations: Sequence[RowOperation], send: Send) -> list[str]:
        nonlocal deleted
        if decides(operations) and not deleted:
            deleted = True
            assert (await client.delete(path(users[3]))).status == 204
        return await send()

    MeddledRows(directory, meddle)
    await all_join(directory)
    assert await is_clean(directory)
    assert member_ids(await client.document(directory.group)) == ids(users[:3] + users[4:])


async def test_memberships_that_others_remove_right_before_the_decision_are_gone(directory: Directory) -> None:
    client, users, group = directory.client, directory.users, directory.group
    await all_join(directory)
    removed = False

    async def meddle(operations: Sequence[RowOperation], send: Send) -> list[str]:
        nonlocal removed
        if decides(operations) and not removed:
            removed = True
            some = remove("members", value=references(users[0], users[5]))
            assert (await client.patch(path(group), some)).status == 204
        return await send()

    MeddledRows(directory, meddle)
    leaving = remove("members", value=references(*users[:10]))
    assert (await client.patch(path(group), leaving)).status == 204
    assert await is_clean(directory)
    assert member_ids(await client.document(group)) == ids(users[10:])


@pytest.mark.parametrize("applied_by_others", [1, 2, 3])
async def test_others_may_make_any_of_the_steps_of_a_change_that_is_being_applied(
    directory: Directory, applied_by_others: int
) -> None:
    """Also the last one, which ends the change."""
    transactions = 0

    async def meddle(operations: Sequence[RowOperation], send: Send) -> list[str]:
        nonlocal transactions
        if operations[0].role is Role.PENDING and any(item.role is Role.MEMBERSHIP for item in operations):
            transactions += 1
            if transactions == applied_by_others:
                await directory.swept()
        return await send()

    MeddledRows(directory, meddle)
    await all_join(directory)
    assert transactions >= applied_by_others
    await require_all_joined(directory)


@pytest.mark.parametrize("group_too", [False, True])
async def test_a_deletion_whose_steps_others_make_leaves_no_membership(directory: Directory, group_too: bool) -> None:
    client, users = directory.client, directory.users
    groups = [await client.group(f"group {number}", *users[:2]) for number in range(7)]
    transactions = 0

    async def meddle(operations: Sequence[RowOperation], send: Send) -> list[str]:
        nonlocal transactions
        if operations[0].role is Role.PENDING and any(item.role is Role.MEMBERSHIP for item in operations):
            transactions += 1
            if transactions == 1 and group_too:
                assert (await client.delete(path(groups[6]))).status == 204
            elif transactions == 2:
                await directory.swept()
        return await send()

    MeddledRows(directory, meddle)
    assert (await client.delete(path(users[0]))).status == 204
    assert transactions >= 2
    assert await is_clean(directory)
    left = groups[:6] if group_too else groups
    assert [member_ids(await client.document(item)) for item in left] == [ids(users[1:2])] * len(left)


async def test_a_last_step_whose_answer_was_lost_has_ended_the_change(directory: Directory) -> None:
    lost = 0

    async def meddle(operations: Sequence[RowOperation], send: Send) -> list[str]:
        nonlocal lost
        etags = await send()
        if operations[0].verb is Verb.DELETE and operations[0].key == keys.pending(directory.group["id"]):
            lost += 1
            assert any(item.role is Role.MEMBERSHIP for item in operations)
            return await send()  # as the SDK does
        return etags

    MeddledRows(directory, meddle)
    some = add("members", references(*directory.users[2:12]))
    assert (await directory.client.patch(path(directory.group), some)).status == 204
    assert lost == 1
    await require_all_joined(directory)


async def test_a_repair_leaves_a_change_alone_that_is_decided_meanwhile(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = 0

    async def meddle(operations: Sequence[RowOperation], send: Send) -> list[str]:
        nonlocal found
        if not decides(operations):
            return await send()
        checked = await check(directory.storage.rows, TENANT)
        etags = await send()
        for finding in checked.findings:
            found += 1
            await repair(directory.storage.rows, TENANT, finding)
        return etags

    MeddledRows(directory, meddle)
    with monkeypatch.context() as patch:
        patch.setattr(writing, "APPLY_SECONDS", 0)
        await all_join(directory)
    assert found
    await require_all_joined(directory)


@pytest.mark.parametrize("joins", [True, False])
async def test_a_member_change_does_not_take_for_done_what_a_large_change_before_it_has_yet_to_do(
    directory: Directory, monkeypatch: pytest.MonkeyPatch, joins: bool
) -> None:
    """The group is read late, when the large change has been applied, and the membership early."""
    client, group, storage, users = directory.client, directory.group, directory.storage, directory.users
    large = add("members", references(*users)) if not joins else replace("members", references(*users[1:]))
    with monkeypatch.context() as patch:
        patch.setattr(writing, "APPLY_SECONDS", 0)
        assert (await client.patch(path(group), large)).status == 204
    present, read = storage.present, storage.read

    async def present_early(tenant: str, group_id: str, member_ids: Sequence[str]) -> list[Membership]:
        monkeypatch.setattr(storage, "present", present)
        return await present(tenant, group_id, member_ids)

    async def read_late(tenant: str, resource_type: str, wanted: Sequence[str]) -> list[StoredResource | None]:
        monkeypatch.setattr(storage, "read", read)
        await directory.swept()
        return await read(tenant, resource_type, wanted)

    monkeypatch.setattr(storage, "present", present_early)
    monkeypatch.setattr(storage, "read", read_late)
    changed = references(users[0] if joins else users[11])
    operation = add("members", changed) if joins else remove("members", value=changed)
    assert (await client.patch(path(group), operation)).status == 204
    expected = ids(users) if joins else ids(users[:11])
    assert member_ids(await client.document(group)) == expected


async def test_a_version_that_others_have_seen_does_not_come_back(directory: Directory) -> None:
    """The answer to an addition is lost. Then a reader sees the version, and another client changes it."""
    client, group = directory.client, directory.group
    seen: list[str] = []

    async def meddle(operations: Sequence[RowOperation], send: Send) -> list[str]:
        etags = await send()
        adds = any(item.role is Role.MEMBERSHIP for item in operations)
        if adds and not seen:
            seen.append((await client.get(path(group), excludedAttributes="members")).headers["etag"])
            assert (await client.patch(path(group), replace("displayName", "renamed"))).status == 204
            raise Unanswered("reset")
        return etags

    MeddledRows(directory, meddle)
    assert (await client.patch(path(group), add("members", references(directory.users[5])))).status == 204
    after = await client.get(path(group))
    assert after.document["displayName"] == "renamed"
    assert after.headers["etag"] != seen[0]
    stale = await client.put(path(group), {"displayName": "old"}, headers={"if-match": seen[0]})
    assert stale.status == 412


async def test_each_step_of_a_deletion_gives_the_other_end_a_version_of_its_own(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two groups are members of each other, and one of them is deleted in steps."""
    client, group, users = directory.client, directory.group, directory.users
    other = await client.group("other", group, *users[:8])
    await all_join(directory)
    assert (await client.patch(path(group), add("members", references(other)))).status == 204
    versions: list[str] = []

    async def meddle(_: Sequence[RowOperation], send: Send) -> list[str]:
        etags = await send()
        found = await client.get(path(other), excludedAttributes="members")
        versions.append(found.headers["etag"])
        return etags

    monkeypatch.setattr(writing, "MANY_MEMBERSHIPS", 4)
    rows = MeddledRows(directory, meddle)
    assert (await client.delete(path(group))).status == 204
    rows.meddle = lambda _, send: send()
    moved = [version for version, before in zip(versions[1:], versions, strict=False) if version != before]
    assert len(set(moved)) == len(moved) == 2
    assert await is_clean(directory)
