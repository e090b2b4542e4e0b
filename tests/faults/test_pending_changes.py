"""A large change that has been decided and is not applied yet, as clients see it."""

import asyncio

import pytest

from scim_core.model import Membership, MembershipEdits
from scim_core.storage.tables import keys, writing
from tests.contract.builders import also_on_azurite
from tests.faults.directory import Directory
from tests.scim import add, member_ids, path, references, remove, replace
from tests.transcript import transcript

REPLACEMENTS = 5

pytestmark = pytest.mark.usefixtures("_small_transactions")


async def replaced(directory: Directory, *, applied: bool = False) -> list[str]:
    """The ids of the members by the decided change: the first one has left, all others have joined.

    The decision itself removes the first one, and nobody else has to be removed. All others join in steps.
    """
    members = references(*directory.users[1:])
    answer = await directory.client.patch(path(directory.group), {"op": "replace", "path": "members", "value": members})
    assert answer.status == 204
    assert await directory.rows() == (11 if applied else 1)
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
    assert await directory.rows() == 1


async def test_a_probe_that_shows_the_members_applies_the_change_once(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(writing, "APPLY_SECONDS", 0)
        expected = await replaced(directory)
    probe = f'id eq "{directory.group["id"]}" and members eq "{expected[-1]}"'
    with transcript(directory.storage) as seen:
        [found] = await directory.client.found("/Groups", probe)
    assert member_ids(found) == expected
    reads = [call for call in seen.calls if call.kind == "get" and call.keys == (keys.pending(found["id"]),)]
    assert len(reads) == 1


@pytest.mark.usefixtures("_nobody_has_time")
async def test_a_reader_of_one_change_sees_the_next_one_that_was_decided_meanwhile(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, group, storage = directory.client, directory.group, directory.storage
    await replaced(directory)
    apply_pending = storage.apply_pending

    async def apply_and_be_overtaken(tenant: str, resource_id: str, *, seconds: float) -> MembershipEdits:
        left = await apply_pending(tenant, resource_id, seconds=seconds)
        monkeypatch.setattr(storage, "apply_pending", apply_pending)
        await storage.sweep(before="9999", seconds=20)
        assert (await client.patch(path(group), remove("members"))).status == 204
        return left

    monkeypatch.setattr(storage, "apply_pending", apply_and_be_overtaken)
    assert member_ids(await client.document(group)) == []
    assert await directory.rows() == 8


@pytest.mark.parametrize("large", [True, False])
async def test_a_group_that_changes_between_its_row_and_its_members_is_shown_as_it_is_afterwards(
    directory: Directory, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    client, group, storage = directory.client, directory.group, directory.storage
    members_of, changed = storage.members_of, directory.users[1:] if large else directory.users[1:3]

    async def overtaken(tenant: str, group_id: str, *, limit: int | None = None) -> list[Membership]:
        first, *_ = await members_of(tenant, group_id, limit=limit)
        monkeypatch.setattr(storage, "members_of", members_of)
        assert (await client.put(path(group), {"displayName": "new", "members": references(*changed)})).status == 200
        return [first, *(await members_of(tenant, group_id, limit=limit))[1:]]

    monkeypatch.setattr(storage, "members_of", overtaken)
    answer = await client.get(path(group))
    assert answer.document["displayName"] == "new"
    assert member_ids(answer.document) == [user["id"] for user in changed]
    assert (await client.get(path(group), headers={"if-none-match": answer.headers["etag"]})).status == 304


async def test_a_group_that_is_deleted_while_it_is_read_is_not_there(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, group, storage = directory.client, directory.group, directory.storage
    other, members_of = await client.group("other", directory.users[0]), storage.members_of

    async def overtaken(tenant: str, group_id: str, *, limit: int | None = None) -> list[Membership]:
        members = await members_of(tenant, group_id, limit=limit)
        if group_id == group["id"]:
            monkeypatch.setattr(storage, "members_of", members_of)
            await client.delete(path(group))
        return members

    monkeypatch.setattr(storage, "members_of", overtaken)
    assert (await client.get(path(group))).status == 404
    group.update(await client.group("group", *directory.users[:2]))
    for query in ({}, {"sortBy": "displayName"}, {"filter": 'members.type eq "User"'}):
        monkeypatch.setattr(storage, "members_of", overtaken)
        listed = (await client.get("/Groups", **query)).document["Resources"]
        assert [item["id"] for item in listed] == [other["id"]]
        group.update(await client.group("group", *directory.users[:2]))


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


async def test_whoever_has_time_applies_it(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    client, group = directory.client, directory.group
    with monkeypatch.context() as patch:
        patch.setattr(writing, "APPLY_SECONDS", 0)
        expected = await replaced(directory)
    assert member_ids(await client.document(group)) == expected
    assert await directory.rows() == len(expected)
    with monkeypatch.context() as patch:
        patch.setattr(writing, "APPLY_SECONDS", 0)
        assert (await client.patch(path(group), remove("members"))).status == 204
    assert (await client.patch(path(group), add("members", references(directory.users[3])))).status == 204
    assert member_ids(await client.document(group)) == [directory.users[3]["id"]]
    assert await directory.rows() == 1


async def test_the_version_is_that_of_the_change_from_its_decision_on(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "APPLY_SECONDS", 0)
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


@also_on_azurite
async def test_readers_see_what_one_request_of_a_writer_made_or_are_told_to_come_back(directory: Directory) -> None:
    client, group, halves = directory.client, directory.group, (directory.users[:6], directory.users[6:])
    bodies = [{"displayName": f"half {number}", "members": references(*half)} for number, half in enumerate(halves)]
    written = asyncio.Event()

    async def write() -> None:
        for body in REPLACEMENTS * bodies:
            assert (await client.put(path(group), body)).status == 200
        written.set()

    async def read() -> list[tuple[str, list[str]]]:
        seen = []
        while not written.is_set():
            for answer in (await client.get(path(group)), await client.get("/Groups")):
                if answer.status == 503:
                    assert int(answer.headers["retry-after"]) > 0
                else:
                    [item] = answer.document.get("Resources", [answer.document])
                    seen.append((item["displayName"], member_ids(item)))
        return seen

    assert (await client.put(path(group), bodies[1])).status == 200
    _, *readers = await asyncio.gather(write(), read(), read())
    seen = [shown for reader in readers for shown in reader]
    states = [(f"half {number}", [user["id"] for user in half]) for number, half in enumerate(halves)]
    assert [shown for shown in seen if shown not in states] == []
    last = await client.document(group)
    assert (last["displayName"], member_ids(last)) == states[1]
