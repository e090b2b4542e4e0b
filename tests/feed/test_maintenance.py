"""What import, export, restore, repair, reindex and the end of a tenant do with what changes leave behind."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from scim_core.admin.declared import DeclaredIndexes
from scim_core.clock import utc_now
from scim_core.feed.feed import Feed, Importing, Resync
from scim_core.storage.maintenance.archive import Header, Line, Writer, read
from scim_core.storage.maintenance.checking import check, repair
from scim_core.storage.maintenance.exporting import export
from scim_core.storage.maintenance.import_plan import ImportPlan
from scim_core.storage.maintenance.importing import restore
from scim_core.storage.maintenance.invariants import Problem
from scim_core.storage.maintenance.reindexing import Surroundings, reindex
from scim_core.storage.tables import TableRegistry, TableStorage, keys, writing
from scim_core.storage.tables.reading import read_range
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Rows
from tests.commands import run_here
from tests.contract.builders import NOW, TENANT, adding, create, edge, edges_of, group, id_of, stored, user
from tests.faults.disturbed_rows import Death, MortalRows, ProcessDied
from tests.feed.copying import CATALOGUE, KEPT, Copy, directory, followed
from tests.memory_rows import MemoryRows
from tests.scim import Clock
from tests.wrapped_rows import WrappedRows


def feed_over(rows: Rows) -> Feed:
    return Feed(TableStorage(rows), CATALOGUE, utc_now, KEPT)


async def filled(rows: Rows) -> TableStorage:
    """Four users, a group of three of them; one user and one group were deleted. Some of it is relayed."""
    storage = TableStorage(rows)
    await create(storage, *(user(number) for number in range(1, 6)))
    await storage.create(TENANT, group(50), [edge(50, number) for number in (1, 2, 3)])
    await storage.relay(TENANT)
    await storage.delete(TENANT, await stored(storage, user(5)), [], now=NOW)
    await create(storage, group(51))
    await storage.delete(TENANT, await stored(storage, group(51)), [], now=NOW)
    return storage


async def exported(rows: Rows) -> list[bytes]:
    return [line async for line in export(rows, TENANT, utc_now)]


async def imported(rows: Rows, lines: Sequence[bytes]) -> None:
    def content() -> list[Header | Line]:
        return list(read(lines))

    await restore(rows, TENANT, ImportPlan.of(content()), "digest", content)


async def test_an_export_has_nothing_of_what_changes_leave_behind(storage: TableStorage) -> None:
    await filled(storage.rows)
    kinds = {keys.kind_of(item.key) for item in read(await exported(storage.rows)) if isinstance(item, Line)}
    assert kinds == {"User", "Group", "member"}


async def test_an_import_gives_a_new_epoch_and_leaves_no_changes() -> None:
    lines = await exported((await filled(MemoryRows())).rows)
    rows = MemoryRows()
    feed = feed_over(rows)
    copy = await followed(feed, Copy())
    await imported(rows, lines)
    assert await read_range(rows, TENANT, keys.of_kind("change")) == []
    with pytest.raises(Resync):
        await feed.changes(TENANT, after=copy.cursor, limit=5, base_url="https://x")
    after, expected = await followed(feed, copy), await directory(rows)
    assert (after.resources, after.pairs) == (expected.resources, expected.pairs)
    assert len(after.pairs) == 3


@pytest.mark.parametrize("after", [False, True])
async def test_from_its_first_row_to_its_last_an_import_is_no_directory_to_a_reader(after: bool) -> None:
    """It dies at each of its calls, and a reader comes. Then it is finished."""
    lines = await exported((await filled(MemoryRows())).rows)
    life, whole = Death(), MemoryRows()
    await imported(MortalRows(whole, life), lines)
    told: list[str] = []
    for number in range(len(life.calls)):
        rows = MemoryRows()
        with pytest.raises(ProcessDied):
            await imported(MortalRows(rows, Death(number, after=after)), lines)
        try:
            copy = await followed(feed_over(rows), Copy())
            told.append("whole" if len(copy.resources) == 5 else "empty")
            assert len(copy.resources) in (0, 5)
        except Importing:
            told.append("importing")
        if told[-1] != "whole":
            await imported(rows, lines)
        copy = await followed(feed_over(rows), Copy())
        assert len(copy.resources) == 5
    assert told == sorted(told, key=["empty", "importing", "whole"].index)
    assert {"empty", "importing"} <= set(told)


async def test_a_tenant_that_was_emptied_can_be_restored_and_its_old_changes_delete_nothing() -> None:
    rows = MemoryRows()
    storage = await filled(rows)
    lines = await exported(rows)
    feed = feed_over(rows)
    copy = await followed(feed, Copy())
    await storage.delete(TENANT, await stored(storage, group(50)), await edges_of(storage, 50), now=NOW)
    for number in range(1, 5):
        await storage.delete(TENANT, await stored(storage, user(number)), [], now=NOW)
    assert await read_range(rows, TENANT, keys.of_kind("change")) != []
    await imported(rows, lines)
    copy, expected = await followed(feed, copy), await directory(rows)
    assert (copy.resources, copy.pairs) == (expected.resources, expected.pairs)
    assert len(copy.resources) == 5


async def test_a_file_of_version_02_has_rows_of_the_feed_and_they_are_left_out(storage: TableStorage) -> None:
    """Version 0.2 exports every kind of row that it does not know."""
    await filled(storage.rows)
    writer = Writer()
    lines = [writer.header(Header(TENANT, "2026-11-26T00:00:00.000000Z"))]
    for row in await read_range(storage.rows, TENANT, keys.everything()):
        key = row.properties["RowKey"]
        if "." not in keys.kind_of(key) and keys.kind_of(key) != "memberOf":
            properties = {
                name: value for name, value in row.properties.items() if name not in ("PartitionKey", "RowKey")
            }
            assert {"id", "lastModified"} <= properties.keys() or keys.kind_of(key) == "member"
            lines.append(writer.row(key, properties))
    rows = MemoryRows()
    await imported(rows, [*lines, writer.trailer()])
    kinds = {keys.kind_of(row.properties["RowKey"]) for row in await read_range(rows, TENANT, keys.everything())}
    assert kinds & keys.FEED_KINDS == {"feed"}
    assert [row.properties["RowKey"] for row in await read_range(rows, TENANT, keys.of_kind("feed"))] == ["feed:"]


async def test_a_tenant_with_nothing_but_the_feed_is_empty(tmp_path: Path) -> None:
    file, rows = tmp_path / "export.ndjson", MemoryRows()
    storage = await filled(rows)
    assert (await run_here(rows, "export", "--tenant", TENANT, file)).returncode == 0
    await storage.delete(TENANT, await stored(storage, group(50)), await edges_of(storage, 50), now=NOW)
    for number in range(1, 5):
        await storage.delete(TENANT, await stored(storage, user(number)), [], now=NOW)
    await storage.relay(TENANT)
    done = await run_here(rows, "import", "--tenant", TENANT, file)
    assert done.returncode == 0, done.stderr


async def test_a_check_finds_nothing_in_the_rows_of_the_feed(storage: TableStorage) -> None:
    await filled(storage.rows)
    assert (await check(storage.rows, TENANT)).findings == []
    await storage.relay(TENANT)
    assert (await check(storage.rows, TENANT)).findings == []


async def mended(rows: Rows, key: str, verb: Verb, **properties: str) -> list[Problem]:
    """What was found after this row was written or deleted by hand, and mended."""
    await rows.transact(TENANT, [RowOperation(verb, Role.MEMBERSHIP, key, dict(properties))])
    found = (await check(rows, TENANT)).findings
    for finding in found:
        assert await repair(rows, TENANT, finding)
    assert (await check(rows, TENANT)).findings == []
    return [finding.problem for finding in found]


@pytest.mark.parametrize("key", [keys.member(id_of(50), id_of(1)), keys.member_of(id_of(1), id_of(50))])
async def test_a_repair_that_completes_a_membership_says_so(storage: TableStorage, key: str) -> None:
    await filled(storage.rows)
    feed = feed_over(storage.rows)
    copy = await followed(feed, Copy())
    assert await mended(storage.rows, key, Verb.DELETE) == [Problem.HALF_MEMBERSHIP]
    page = await feed.changes(TENANT, after=copy.cursor, limit=9, base_url="https://x")
    assert [(entry["change"], entry["joined"]) for entry in page.entries] == [("members", [id_of(1)])]


async def test_a_repair_that_removes_a_membership_says_so(storage: TableStorage) -> None:
    await filled(storage.rows)
    feed = feed_over(storage.rows)
    copy = await followed(feed, Copy())
    stray = {"group": id_of(50), "member": id_of(99), "type": "User", "edges": "x"}
    key = keys.member(id_of(50), id_of(99))
    assert Problem.DANGLING_MEMBERSHIP in await mended(storage.rows, key, Verb.INSERT, **stray)
    page = await feed.changes(TENANT, after=copy.cursor, limit=9, base_url="https://x")
    assert [(entry["change"], entry["left"]) for entry in page.entries] == [("members", [id_of(99)])]


@pytest.mark.usefixtures("_small_transactions")
async def test_a_large_change_that_a_repair_finishes_says_each_step(
    storage: TableStorage, monkeypatch: pytest.MonkeyPatch
) -> None:

    await create(storage, *(user(number) for number in range(1, 11)), group(50))
    monkeypatch.setattr(writing, "APPLY_SECONDS", 0)
    edits = adding(*(edge(50, number) for number in range(1, 11)))
    await storage.edit_members(TENANT, await stored(storage, group(50)), edits, guarded=False)
    feed = feed_over(storage.rows)
    copy = await followed(feed, Copy())
    assert copy.pairs == set()
    [finding] = (await check(storage.rows, TENANT)).findings
    assert await repair(storage.rows, TENANT, finding)
    assert len((await followed(feed, copy)).pairs) == 10


async def test_reindexing_changes_no_document_and_leaves_no_row(storage: TableStorage) -> None:
    await create(storage, user(1, index=frozenset()))
    await storage.relay(TENANT)
    key = keys.resource("User", id_of(1))
    before = await storage.rows.get(TENANT, key)

    clock = Clock()

    async def pause(seconds: float) -> None:
        clock.advance(seconds=seconds)

    done = await reindex(storage.rows, TENANT, DeclaredIndexes(CATALOGUE), Surroundings(clock, pause))
    after = await storage.rows.get(TENANT, key)
    assert before is not None
    assert after is not None
    assert (done.written, after.etag != before.etag) == (1, True)
    assert after.properties["stamp"] == before.properties["stamp"]
    assert await storage.relay(TENANT) == 0


async def test_a_deleted_tenant_leaves_no_row_of_the_feed_and_no_doorbell(storage: TableStorage) -> None:
    await filled(storage.rows)
    await storage.relay(TENANT)
    assert [moved.tenant for moved in await storage.moved_feeds()] == [TENANT]
    await storage.create("contoso-2", user(1))
    async for _ in TableRegistry(storage.rows).erase(TENANT):
        pass
    assert await read_range(storage.rows, TENANT, keys.everything()) == []
    left = await read_range(storage.rows, keys.SWEEP, keys.everything())
    assert [row.properties["tenant"] for row in left] == ["contoso-2"]


async def test_the_command_gives_a_new_epoch_to_one_tenant_or_to_all(storage: TableStorage) -> None:
    await filled(storage.rows)
    await storage.create("fabrikam", user(1))
    before = [(await storage.feed_head(tenant)).epoch for tenant in (TENANT, "fabrikam")]
    done = await run_here(storage.rows, "feed", "new-epoch", "--tenant", TENANT)
    assert (done.returncode, TENANT in done.stdout) == (0, True), done.stderr
    between = [(await storage.feed_head(tenant)).epoch for tenant in (TENANT, "fabrikam")]
    assert [one == other for one, other in zip(before, between, strict=True)] == [False, True]
    assert (await run_here(storage.rows, "feed", "new-epoch", "--all")).returncode == 0
    last = [(await storage.feed_head(tenant)).epoch for tenant in (TENANT, "fabrikam")]
    assert not set(last) & {*before, *between}
    assert (await run_here(storage.rows, "feed", "new-epoch")).returncode == 2
    assert (await storage.feed_head(TENANT)).next == 7


async def test_a_new_epoch_while_a_relay_is_at_work_is_kept(storage: TableStorage) -> None:
    await filled(storage.rows)
    epochs: list[str] = []

    class Interrupted(WrappedRows):
        async def transact(
            self, tenant: str, operations: Sequence[RowOperation], *, repeatable: bool = True
        ) -> list[str]:
            if tenant == TENANT and not epochs:
                epochs.append((await storage.new_epoch(TENANT)).epoch)
            return await super().transact(tenant, operations, repeatable=repeatable)

    assert await TableStorage(Interrupted(storage.rows)).relay(TENANT) == 3
    assert (await storage.feed_head(TENANT)).epoch == epochs[0]
