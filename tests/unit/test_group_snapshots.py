"""Groups that are changed while they are read: after each answer that holds members, something happens."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from itertools import batched
from typing import Any

import pytest

from scim_core.model import Membership, MembershipEdits, StoredResource
from scim_core.service import group_snapshots as module
from scim_core.service.group_snapshots import MIN_READINGS, GroupSnapshot, group_snapshots
from scim_core.storage.port import READ_AS_ONE, StorageBusy
from scim_core.storage.tables import TableStorage, keys, writing
from scim_core.storage.tables import changes as changes_module
from scim_core.storage.tables.entities import membership_properties
from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Row, RowPage
from scim_core.storage.tables.service_limits import PAGE_ROWS
from tests.contract.builders import NOW, TENANT, adding, create, edge, group, id_of, removing, stored, user
from tests.memory_rows import MemoryRows
from tests.scim import Client, Clock, add, endpoint_over, member_ids, path, references, remove
from tests.scim import replace as replace_value
from tests.wrapped_rows import WrappedRows

GROUP_NUMBER = 1
FIRST_JOINER = 500_000
FOREVER = 1_000_000


class DisturbedRows(WrappedRows):
    """The rows as a reader calls them. `disturb` happens after each answer that holds members."""

    def __init__(self, rows: MemoryRows) -> None:
        super().__init__(rows)
        self.calls = 0
        self.disturb: Callable[[], Awaitable[None]] | None = None

    async def get(self, tenant: str, key: str, **options: Any) -> Row | None:
        self.calls += 1
        return await super().get(tenant, key, **options)

    async def page(self, tenant: str, key_range: KeyRange, **options: Any) -> RowPage:
        self.calls += 1
        answer = await super().page(tenant, key_range, **options)
        if self.disturb is not None:
            await self.disturb()
        return answer


@dataclass
class World:
    """One group, a writer, and a reader whose calls are disturbed."""

    writer: TableStorage
    rows: DisturbedRows
    joined: list[str] = field(default_factory=list)
    changes: int = 0

    @classmethod
    async def made(cls, members: int) -> "World":
        rows = MemoryRows()
        world = cls(TableStorage(rows), DisturbedRows(rows))
        await create(world.writer, group(GROUP_NUMBER))
        edges = (edge(GROUP_NUMBER, number) for number in range(2, 2 + members))
        for some in batched(edges, 100, strict=False):
            await rows.transact(
                TENANT,
                [
                    RowOperation(
                        Verb.UPSERT,
                        Role.MEMBERSHIP,
                        keys.member(item.group_id, item.member_id),
                        membership_properties(item, "change"),
                    )
                    for item in some
                ],
            )
        return world

    async def read(self) -> GroupSnapshot:
        reader = TableStorage(self.rows)
        [snapshot] = await group_snapshots(reader, TENANT, [await stored(reader, group(GROUP_NUMBER))])
        return snapshot

    async def now(self) -> StoredResource:
        return await stored(self.writer, group(GROUP_NUMBER))

    async def a_member_joins(self) -> None:
        joiner = user(FIRST_JOINER + len(self.joined))
        await create(self.writer, joiner)
        await self.change(adding(edge(GROUP_NUMBER, FIRST_JOINER + len(self.joined))))
        self.joined.append(joiner.id)

    async def change(self, edits: MembershipEdits) -> None:
        self.changes += 1
        moved = replace(await self.now(), version=f"change {self.changes}", last_modified=NOW)
        await self.writer.edit_members(TENANT, moved, edits, guarded=False)

    async def it_is_renamed(self) -> None:
        self.changes += 1
        before = await self.now()
        named = group(GROUP_NUMBER, f"name {self.changes}", version=f"change {self.changes}", etag=before.etag)
        await self.writer.update(TENANT, named)

    def once(self, disturb: Callable[[], Awaitable[None]]) -> None:
        """The disturbance happens after the next answer only."""

        async def happens() -> None:
            self.rows.disturb = None
            await disturb()

        self.rows.disturb = happens


@pytest.fixture
def _no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REREADING_SECONDS", 0)


@pytest.fixture
def _all_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REREADING_SECONDS", FOREVER)


def ids(snapshot: GroupSnapshot) -> list[str]:
    return [item.member_id for item in snapshot.members]


@pytest.mark.usefixtures("_no_time")
async def test_100_000_members_and_one_more_after_each_answer_take_as_many_calls_as_if_they_stood_still() -> None:
    world = await World.made(100_000)
    still = await world.read()
    calls, world.rows.calls = world.rows.calls, 0
    assert calls == 1 + 100_000 // PAGE_ROWS + 1
    world.rows.disturb = world.a_member_joins
    snapshot = await world.read()
    assert len(world.joined) >= 100
    assert world.rows.calls == calls + len(world.joined) // PAGE_ROWS + 1  # those who join come last
    assert snapshot.stored == still.stored
    assert ids(snapshot)[:100_000] == ids(still)
    assert set(ids(snapshot)[100_000:]) <= set(world.joined)


@pytest.mark.usefixtures("_no_time")
async def test_a_group_that_takes_long_to_read_and_is_renamed_on_the_way_is_read_again() -> None:
    world = await World.made(READ_AS_ONE + 1)
    world.once(world.it_is_renamed)
    snapshot = await world.read()
    assert snapshot.stored == await world.now()
    assert snapshot.stored.document["displayName"] == "name 1"


@pytest.mark.usefixtures("_no_time")
@pytest.mark.parametrize("members", [3, READ_AS_ONE + 1])
async def test_a_group_that_is_changed_as_a_whole_in_each_reading_is_not_shown(members: int) -> None:
    world = await World.made(members)
    world.rows.disturb = world.it_is_renamed
    with pytest.raises(StorageBusy):
        await world.read()
    assert world.changes == MIN_READINGS * (1 + members // PAGE_ROWS)


@pytest.mark.usefixtures("_all_time")
async def test_a_group_that_is_changed_as_a_whole_is_read_again_as_long_as_there_is_time() -> None:
    world = await World.made(3)

    async def renamed_twenty_times() -> None:
        if world.changes < 20:
            await world.it_is_renamed()

    world.rows.disturb = renamed_twenty_times
    assert (await world.read()).stored.document["displayName"] == "name 20"


@pytest.mark.usefixtures("_no_time")
async def test_a_client_is_told_when_to_come_back_for_a_group_that_is_changed_all_the_time() -> None:
    memory = MemoryRows()
    disturbed = DisturbedRows(memory)
    client, writer = (Client(endpoint_over(TableStorage(rows), Clock())) for rows in (disturbed, memory))
    url, names = path(await client.group("group 0")), itertools.count(1)

    async def renamed() -> None:
        assert (await writer.patch(url, replace_value("displayName", f"group {next(names)}"))).status == 204

    disturbed.disturb = renamed
    for disturbed_url in (url, "/Groups"):
        answer = await client.get(disturbed_url)
        assert (answer.status, int(answer.headers["retry-after"]) > 0) == (503, True)
    disturbed.disturb = None
    assert (await client.document(url))["displayName"] == f"group {next(names) - 1}"


@pytest.mark.usefixtures("_all_time")
async def test_a_member_who_joins_a_small_group_costs_its_reader_nothing() -> None:
    world = await World.made(3)
    before = await world.now()
    world.rows.disturb = world.a_member_joins
    snapshot = await world.read()
    assert (snapshot.stored, len(snapshot.members), world.rows.calls) == (before, 3, 3)
    world.once(world.a_member_joins)
    assert len((await world.read()).members) == 4


@pytest.mark.usefixtures("_all_time")
async def test_a_group_of_several_answers_is_shown_as_it_was_at_one_moment_when_there_is_time() -> None:
    world = await World.made(READ_AS_ONE + 1)
    left, joins = edge(GROUP_NUMBER, 2), world.a_member_joins
    await create(world.writer, user(2))
    await world.change(adding(left))

    async def one_leaves_and_one_joins() -> None:
        await world.change(removing(left))
        await joins()

    world.once(one_leaves_and_one_joins)
    snapshot = await world.read()
    assert snapshot.stored == await world.now()
    assert left not in snapshot.members
    assert ids(snapshot)[-1:] == world.joined


@pytest.mark.usefixtures("_all_time")
async def test_who_joined_by_a_large_change_and_left_since_is_not_shown_beside_who_came_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = await World.made(3)
    await create(world.writer, *(user(number) for number in range(10, 20)))
    with monkeypatch.context() as patch:
        patch.setattr(changes_module, "TRANSACTION_OPERATIONS", 13)
        patch.setattr(writing, "APPLY_SECONDS", 0)
        await world.change(adding(*(edge(GROUP_NUMBER, number) for number in range(10, 20))))
    monkeypatch.setattr(module, "READER_SECONDS", 0)
    reader = TableStorage(world.rows)
    apply_pending = reader.apply_pending

    async def applied_and_changed(tenant: str, resource_id: str, *, seconds: float) -> MembershipEdits:
        left = await apply_pending(tenant, resource_id, seconds=seconds)
        monkeypatch.setattr(reader, "apply_pending", apply_pending)
        assert await world.writer.apply_pending(tenant, resource_id, seconds=FOREVER) == MembershipEdits()
        await world.change(removing(edge(GROUP_NUMBER, 10)))
        await world.a_member_joins()
        return left

    monkeypatch.setattr(reader, "apply_pending", applied_and_changed)
    before = await world.now()
    assert (before.change_pending, before.base_version) == (True, before.version)
    [snapshot] = await group_snapshots(reader, TENANT, [before])
    assert snapshot.stored == await world.now()
    assert id_of(10) not in ids(snapshot)
    assert ids(snapshot)[-1:] == world.joined


async def test_readers_never_see_the_name_of_one_state_with_the_members_of_another() -> None:
    client = Client(endpoint_over(TableStorage(MemoryRows()), Clock()))
    users = [await client.user(f"user{number}") for number in range(15)]
    halves, others = (users[:6], users[6:12]), users[12:]
    bodies = [{"displayName": f"half {number}", "members": references(*half)} for number, half in enumerate(halves)]
    made = await client.group("half 0", *halves[0])
    url, written = path(made), asyncio.Event()

    async def replace_it() -> None:
        for body in 20 * bodies:
            assert (await client.put(url, body)).status == 200
        written.set()

    async def change_it() -> None:
        while not written.is_set():
            for other in others:
                assert (await client.patch(url, add("members", references(other)))).status == 204
                assert (await client.patch(url, remove(f'members[value eq "{other["id"]}"]'))).status == 204

    async def read_it() -> list[tuple[str, list[str]]]:
        seen = []
        while not written.is_set():
            for answer in (await client.get(url), await client.get("/Groups")):
                assert answer.status == 200 or (answer.status, "retry-after" in answer.headers) == (503, True)
                shown = answer.document.get("Resources", [answer.document]) if answer.status == 200 else []
                seen += [(item["displayName"], member_ids(item)) for item in shown]
        return seen

    _, _, *readers = await asyncio.gather(replace_it(), change_it(), read_it(), read_it())
    seen, singles = [shown for reader in readers for shown in reader], {other["id"] for other in others}
    wholes = {f"half {number}": [user["id"] for user in half] for number, half in enumerate(halves)}
    assert seen
    assert [shown for shown in seen if [item for item in shown[1] if item not in singles] != wholes[shown[0]]] == []


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_a_change_that_finds_its_name_and_its_members_in_two_states_is_made(
    monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    storage = TableStorage(MemoryRows())
    client = Client(endpoint_over(storage, Clock()))
    first, second = [await client.user(f"user{number}") for number in range(2)]
    url, members_of = path(await client.group("wanted", first)), storage.members_of

    async def overtaken(tenant: str, group_id: str, *, limit: int | None = None) -> list[Membership]:
        monkeypatch.setattr(storage, "members_of", members_of)
        assert (await client.put(url, {"displayName": "other", "members": references(second)})).status == 200
        return await members_of(tenant, group_id, limit=limit)

    monkeypatch.setattr(storage, "members_of", overtaken)
    wanted = {"displayName": "wanted", "members": references(second)}
    if method == "PUT":
        assert (await client.put(url, wanted)).status == 200
    else:
        assert (await client.patch(url, *(replace_value(name, value) for name, value in wanted.items()))).status == 204
    after = await client.document(url)
    assert (after["displayName"], member_ids(after)) == ("wanted", [second["id"]])
