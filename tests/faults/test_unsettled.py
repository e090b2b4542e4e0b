"""A large change that has been decided and is not carried out yet, as clients see it."""

import asyncio

import pytest

from scim_core import memberships
from scim_core.storage import Membership, MembershipEdits
from scim_core.tables import keys
from scim_core.tables import storage as table_storage_module
from tests.faults.directory import Directory
from tests.scim import Json, add, member_ids, path, references, remove, replace
from tests.transcript import transcript

REPLACEMENTS = 5

pytestmark = pytest.mark.usefixtures("_small_transactions")


async def replaced(directory: Directory, *, carried_out: bool = False) -> list[str]:
    """The ids of the members after all but the first have joined and the first has left, as was decided."""
    members = references(*directory.users[1:])
    answer = await directory.client.patch(path(directory.group), {"op": "replace", "path": "members", "value": members})
    assert answer.status == 204
    assert await directory.rows() == (11 if carried_out else 2)
    return [user["id"] for user in directory.users[1:]]


@pytest.mark.usefixtures("_nobody_has_time")
async def test_readers_see_it_whole(directory: Directory) -> None:
    client, group = directory.client, directory.group
    expected = await replaced(directory)
    assert member_ids(await client.document(group)) == expected
    [listed] = (await client.get("/Groups")).document["Resources"]
    assert member_ids(listed) == expected
    [found] = await client.found("/Groups", 'displayName eq "group"')
    assert member_ids(found) == expected
    sorted_by_name = (await client.get("/Groups", sortBy="displayName")).document["Resources"]
    assert [member_ids(item) for item in sorted_by_name] == [expected]
    for user, count in ((directory.users[0], 0), (directory.users[11], 1)):
        probe = f'id eq "{group["id"]}" and members eq "{user["id"]}"'
        assert len(await client.found("/Groups", probe)) == count
    assert len(await client.found("/Groups", 'displayName sw "gr" and members.type eq "User"')) == 1
    assert await directory.rows() == 2


async def test_a_probe_that_shows_the_members_carries_the_change_out_once(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(table_storage_module, "CARRY_OUT_SECONDS", 0)
        expected = await replaced(directory)
    probe = f'id eq "{directory.group["id"]}" and members eq "{expected[-1]}"'
    with transcript(directory.storage) as seen:
        [found] = await directory.client.found("/Groups", probe)
    assert member_ids(found) == expected
    heads = [call for call in seen.calls if call.kind == "get" and call.keys == (keys.pending(found["id"]),)]
    assert len(heads) == 1


@pytest.mark.usefixtures("_nobody_has_time")
async def test_a_reader_of_one_change_sees_the_next_one_that_was_decided_meanwhile(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, group, storage = directory.client, directory.group, directory.storage
    await replaced(directory)
    settle = storage.settle

    async def settle_and_be_overtaken(tenant: str, resource_id: str, *, seconds: float) -> MembershipEdits:
        left = await settle(tenant, resource_id, seconds=seconds)
        monkeypatch.setattr(storage, "settle", settle)
        await storage.sweep(before="9999", seconds=20)
        assert (await client.patch(path(group), remove("members"))).status == 204
        return left

    monkeypatch.setattr(storage, "settle", settle_and_be_overtaken)
    assert member_ids(await client.document(group)) == []
    assert await directory.rows() == 11


async def test_a_group_of_more_members_than_one_answer_holds_is_shown_as_it_was_at_one_moment(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memberships, "READ_AT_ONCE", 2)
    client, group, storage = directory.client, directory.group, directory.storage
    members_of = storage.members_of

    async def in_two_answers(tenant: str, group_id: str, *, limit: int | None = None) -> list[Membership]:
        first, *_ = await members_of(tenant, group_id, limit=limit)
        monkeypatch.setattr(storage, "members_of", members_of)
        await replaced(directory, carried_out=True)
        return [first, *(await members_of(tenant, group_id, limit=limit))[1:]]

    monkeypatch.setattr(storage, "members_of", in_two_answers)
    assert member_ids(await client.document(group)) == [user["id"] for user in directory.users[1:]]


@pytest.mark.usefixtures("_nobody_has_time")
async def test_writers_are_told_to_come_back(directory: Directory) -> None:
    client, group = directory.client, directory.group
    expected = await replaced(directory)
    for answer in (
        await client.patch(path(group), add("members", references(directory.users[0]))),
        await client.patch(path(group), replace("displayName", "new")),
        await client.put(path(group), {"displayName": "new"}),
        await client.delete(path(group)),
    ):
        assert (answer.status, answer.headers["retry-after"]) == (503, "30")
    assert member_ids(await client.document(group)) == expected


async def test_whoever_has_time_carries_it_out(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    client, group = directory.client, directory.group
    with monkeypatch.context() as patch:
        patch.setattr(table_storage_module, "CARRY_OUT_SECONDS", 0)
        expected = await replaced(directory)
    assert member_ids(await client.document(group)) == expected
    assert await directory.rows() == len(expected)
    with monkeypatch.context() as patch:
        patch.setattr(table_storage_module, "CARRY_OUT_SECONDS", 0)
        assert (await client.patch(path(group), remove("members"))).status == 204
    assert (await client.patch(path(group), add("members", references(directory.users[3])))).status == 204
    assert member_ids(await client.document(group)) == [directory.users[3]["id"]]
    assert await directory.rows() == 1


async def test_the_version_is_that_of_the_change_from_its_decision_on(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_storage_module, "CARRY_OUT_SECONDS", 0)
    members = references(*directory.users)
    answer = await directory.client.patch(path(directory.group), add("members", members))
    after = await directory.client.get(path(directory.group), headers={"if-none-match": answer.headers["etag"]})
    assert after.status == 304


@pytest.mark.usefixtures("_nobody_has_time")
async def test_what_was_deleted_is_gone_from_the_decision_on(directory: Directory) -> None:
    client, users = directory.client, directory.users
    for number in range(5):
        await client.group(f"more {number}", users[0])
    assert (await client.delete(path(users[0]))).status == 204
    assert (await client.get(path(users[0]))).status == 404
    assert await client.found("/Users", 'userName eq "user0"') == []
    assert (await client.post("/Users", {"userName": "user0"})).status == 201
    await directory.storage.sweep(before="9999", seconds=20)
    assert member_ids(await client.document(directory.group)) == [users[1]["id"]]


@pytest.mark.parametrize("read_at_once", [memberships.READ_AT_ONCE, 2])
async def test_readers_beside_a_writer_see_each_time_what_one_of_its_requests_made(
    directory: Directory, monkeypatch: pytest.MonkeyPatch, read_at_once: int
) -> None:
    monkeypatch.setattr(memberships, "READ_AT_ONCE", read_at_once)
    client, group, halves = directory.client, directory.group, (directory.users[:6], directory.users[6:])
    written = asyncio.Event()

    async def put(half: list[Json]) -> None:
        body = {"displayName": "group", "members": references(*half)}
        assert (await client.put(path(group), body)).status == 200

    async def write() -> None:
        for half in REPLACEMENTS * halves:
            await put(half)
        written.set()

    async def read() -> list[list[str]]:
        seen = []
        while not written.is_set():
            seen.append(member_ids(await client.document(group)))
            [found] = await client.found("/Groups", 'displayName eq "group"')
            seen.append(member_ids(found))
        return seen

    await put(halves[1])
    _, *readers = await asyncio.gather(write(), read(), read())
    seen = [ids for reader in readers for ids in reader]
    states = [[user["id"] for user in half] for half in halves]
    assert [ids for ids in seen if ids not in states] == []
    assert all(state in seen for state in states)
