"""Changes that come between: what was read is no longer what is stored."""

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import suppress

import pytest

from scim_core.model import Membership, MembershipEdits, StoredResource
from scim_core.storage.port import NO_NOTE, ChangeNote, NotFound, VersionConflict
from scim_core.storage.tables import TableStorage
from tests.memory_rows import MemoryRows
from tests.scim import Client, Clock, Json, add, endpoint_over, member_ids, path, references, remove, replace

NONE = MembershipEdits()


class Contended(TableStorage):
    """Storage in which something else happens first, as often as there is something in `rivals`."""

    def __init__(self) -> None:
        super().__init__(MemoryRows())
        self.rivals: list[Awaitable[object]] = []
        self.calls: list[str] = []

    async def _rival(self, call: str) -> None:
        self.calls.append(call)
        if self.rivals:
            await self.rivals.pop(0)

    async def create(
        self,
        tenant: str,
        resource: StoredResource,
        members: Sequence[Membership] = (),
        *,
        note: ChangeNote = NO_NOTE,
        kept: str = "",
    ) -> None:
        await self._rival("create")
        await super().create(tenant, resource, members, note=note, kept=kept)

    async def update(
        self, tenant: str, resource: StoredResource, edits: MembershipEdits = NONE, *, note: ChangeNote = NO_NOTE
    ) -> None:
        await self._rival("update")
        await super().update(tenant, resource, edits, note=note)

    async def edit_members(
        self, tenant: str, group: StoredResource, edits: MembershipEdits, *, guarded: bool, note: ChangeNote = NO_NOTE
    ) -> None:
        await self._rival("edit_members")
        await super().edit_members(tenant, group, edits, guarded=guarded, note=note)

    async def delete(
        self,
        tenant: str,
        resource: StoredResource,
        memberships: Sequence[Membership],
        *,
        now: str,
        note: ChangeNote = NO_NOTE,
        keep: bool = False,
    ) -> None:
        await self._rival("delete")
        await super().delete(tenant, resource, memberships, now=now, note=note, keep=keep)


class Overtaken(TableStorage):
    """Storage on which a rival is quick: it comes when the members of a group have been read, and not the group yet."""

    def __init__(self) -> None:
        super().__init__(MemoryRows())
        self.rivals: list[Awaitable[object]] = []
        self._gone_by = asyncio.Event()

    async def read(self, tenant: str, resource_type: str, ids: Sequence[str]) -> list[StoredResource | None]:
        if self.rivals:
            with suppress(TimeoutError):  # unless nobody reads the members before the group
                await asyncio.wait_for(self._gone_by.wait(), 0.05)
        return await super().read(tenant, resource_type, ids)

    async def members_of(
        self, tenant: str, group_id: str, *, after: str | None = None, limit: int | None = None
    ) -> list[Membership]:
        return await self._before_a_rival(await super().members_of(tenant, group_id, after=after, limit=limit))

    async def present(self, tenant: str, group_id: str, member_ids: Sequence[str]) -> list[Membership]:
        return await self._before_a_rival(await super().present(tenant, group_id, member_ids))

    async def _before_a_rival(self, found: list[Membership]) -> list[Membership]:
        if self.rivals:
            await self.rivals.pop()
            self._gone_by.set()
        return found


@pytest.fixture
def storage() -> Contended:
    return Contended()


@pytest.fixture
def rival(storage: Contended, clock: Clock) -> Client:
    """Another client of the same directory."""
    return Client(endpoint_over(storage, clock))


@pytest.fixture
async def user(client: Client) -> Json:
    return await client.user()


async def test_a_change_is_applied_to_what_a_rival_left(
    client: Client, storage: Contended, rival: Client, user: Json
) -> None:
    storage.rivals = [rival.patch(path(user), add("emails", [{"value": "rival"}]))]
    answer = await client.patch(path(user), add("emails", [{"value": "ours"}]))
    assert [item["value"] for item in answer.document["emails"]] == ["rival", "ours"]


async def test_a_change_of_a_named_version_is_refused_then(
    client: Client, storage: Contended, rival: Client, user: Json
) -> None:
    storage.rivals = [rival.patch(path(user), replace("title", "rival"))]
    tag = {"if-match": user["meta"]["version"]}
    assert (await client.patch(path(user), replace("title", "ours"), headers=tag)).status == 412
    assert (await client.document(user))["title"] == "rival"


async def test_a_deletion_of_a_named_version_is_refused_then(
    client: Client, storage: Contended, rival: Client, user: Json
) -> None:
    storage.rivals = [rival.patch(path(user), replace("title", "rival"))]
    assert (await client.delete(path(user), headers={"if-match": user["meta"]["version"]})).status == 412
    storage.rivals = [rival.patch(path(user), replace("title", "again"))]
    assert (await client.delete(path(user))).status == 204


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_what_a_rival_deleted_is_not_found(
    client: Client, storage: Contended, rival: Client, user: Json, method: str
) -> None:
    body = {"userName": "x", "Operations": [replace("title", "x")]}
    storage.rivals = [rival.delete(path(user))]
    assert (await client.send(method, path(user), body)).status == 404


async def test_a_deletion_that_a_rival_was_quicker_with_has_happened(
    client: Client, storage: Contended, rival: Client, user: Json
) -> None:
    storage.rivals = [rival.delete(path(user))]
    assert (await client.delete(path(user))).status == 204
    assert (await client.delete(path(user))).status == 404


async def test_a_group_that_a_rival_deleted_is_not_found(
    client: Client, storage: Contended, rival: Client, user: Json
) -> None:
    group = await client.group()
    storage.rivals = [rival.delete(path(group))]
    assert (await client.patch(path(group), add("members", references(user)))).status == 404
    assert "groups" not in await client.document(user)


async def test_a_name_that_a_rival_took_is_a_conflict(
    client: Client, storage: Contended, rival: Client, user: Json
) -> None:
    storage.rivals = [rival.user("taken")]
    assert (await client.patch(path(user), replace("userName", "taken"))).status == 409
    storage.rivals = [rival.user("new")]
    assert (await client.post("/Users", {"userName": "new"})).status == 409


async def test_a_member_that_a_rival_deleted_is_skipped(client: Client, storage: Contended, rival: Client) -> None:
    users = [await client.user(f"user{number}") for number in range(4)]
    storage.rivals = [rival.delete(path(users[0])), rival.delete(path(users[1]))]
    created = await client.post("/Groups", {"displayName": "g", "members": references(*users)})
    assert member_ids(created.document) == [item["id"] for item in users[2:]]
    group = await client.group("h", users[2])
    storage.rivals = [rival.delete(path(users[3]))]
    assert (await client.patch(path(group), add("members", references(users[3])))).status == 204
    assert member_ids(await client.document(group)) == [users[2]["id"]]


async def test_adding_a_member_does_not_wait_for_rivals(
    client: Client, storage: Contended, rival: Client, user: Json
) -> None:
    group, other = await client.group(), await rival.user("other")
    storage.calls.clear()
    storage.rivals = [rival.patch(path(group), add("members", references(other)))]
    assert (await client.patch(path(group), add("members", references(user)))).status == 204
    assert storage.calls == ["edit_members"] * 2
    assert member_ids(await client.document(group)) == [user["id"], other["id"]]


async def test_emptying_a_group_takes_what_a_rival_added(
    client: Client, storage: Contended, rival: Client, user: Json
) -> None:
    group, other = await client.group("group", user), await rival.user("other")
    storage.rivals = [rival.patch(path(group), add("members", references(other)))]
    assert (await client.patch(path(group), remove("members"))).status == 204
    assert "members" not in await client.document(group)


async def named(client: Client, group: Json, method: str, name: str, member: Json) -> None:
    """The group gets this name and this member, whom `add` lets join those that are there."""
    if method == "PUT":
        answer = await client.put(path(group), {"displayName": name, "members": references(member)})
    else:
        joining = {"op": method, "path": "members", "value": references(member)}
        answer = await client.patch(path(group), joining, replace("displayName", name))
    assert answer.status in (200, 204)


@pytest.mark.parametrize("theirs", ["PUT", "replace"])
@pytest.mark.parametrize("ours", ["PUT", "replace", "add"])
async def test_what_two_say_at_once_of_a_group_is_not_mixed(clock: Clock, ours: str, theirs: str) -> None:
    storage = Overtaken()
    client, rival = Client(endpoint_over(storage, clock)), Client(endpoint_over(storage, clock))
    one, other = await client.user("one"), await client.user("other")
    group = await client.group("before", one)
    storage.rivals = [named(rival, group, theirs, "theirs", other)]
    await named(client, group, ours, "ours", one)
    found = await client.document(group)
    expected = [one, other] if ours == "add" else [one]
    assert (found["displayName"], member_ids(found)) == ("ours", [item["id"] for item in expected])


async def test_a_change_that_changes_nothing_is_not_stored(client: Client, storage: Contended, user: Json) -> None:
    group = await client.group("group", user)
    storage.calls.clear()
    await client.patch(path(user), replace("userName", user["userName"]))
    await client.put(path(user), user)
    await client.patch(path(group), add("members", references(user)), replace("displayName", "group"))
    await client.put(path(group), group)
    assert storage.calls == []


async def test_parallel_changes_are_all_kept(client: Client, user: Json) -> None:
    answers = await asyncio.gather(
        *(client.patch(path(user), add("emails", [{"value": f"{number}@x"}])) for number in range(25))
    )
    assert {answer.status for answer in answers} == {200}
    assert len((await client.document(user))["emails"]) == 25


async def test_parallel_members_are_all_kept(client: Client) -> None:
    users = [await client.user(f"user{number}") for number in range(100)]
    group = await client.group()
    answers = await asyncio.gather(*(client.patch(path(group), add("members", references(item))) for item in users))
    assert {answer.status for answer in answers} == {204}
    assert member_ids(await client.document(group)) == [item["id"] for item in users]


async def test_of_parallel_creations_of_one_name_one_succeeds(client: Client) -> None:
    answers = await asyncio.gather(*(client.post("/Users", {"userName": "Same"}) for _ in range(10)))
    assert sorted(answer.status for answer in answers) == [201] + [409] * 9


@pytest.mark.parametrize("error", [VersionConflict(), NotFound()])
async def test_what_never_settles_ends(
    storage: Contended, user: Json, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[str] = []
    waits: list[float] = []

    async def fails(*_: object, **__: object) -> None:
        attempts.append("attempt")
        raise error

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    for name in ("create", "update", "delete", "edit_members"):
        monkeypatch.setattr(storage, name, fails)
    monkeypatch.setattr("scim_core.composition.asyncio.sleep", wait)
    impatient = Client(endpoint_over(storage, Clock()))
    answers = [
        await impatient.patch(path(user), replace("title", "x")),
        await impatient.put(path(user), {"userName": "x"}),
        await impatient.post("/Users", {"userName": "new"}),
    ]
    if isinstance(error, VersionConflict):
        answers.append(await impatient.delete(path(user)))
    for answer in answers:
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) > 0
    assert len(attempts) == 40 * len(answers)
    assert all(0 <= seconds <= 0.25 for seconds in waits)
