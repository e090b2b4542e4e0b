"""What a deletion keeps: as it was at rest, for as long as the setting says, and for nobody but an undo."""

import json
from dataclasses import replace as changed
from datetime import UTC, datetime

import pytest

from scim_core.feed.feed import Feed, Kept
from scim_core.model import IndexEntry
from scim_core.storage.maintenance.checking import check
from scim_core.storage.maintenance.exporting import export
from scim_core.storage.maintenance.forgetting import forget
from scim_core.storage.port import VersionConflict
from scim_core.storage.tables import TableStorage, service_limits
from scim_core.storage.tables.service_limits import MAX_INDEX_ROWS
from tests.contract.builders import TENANT as PLAIN
from tests.contract.builders import edge, group, user
from tests.feed.copying import CATALOGUE
from tests.mass_changes.incident import TENANT, Company, kept
from tests.transcript import transcript


async def test_a_deletion_keeps_the_whole_document_and_the_memberships_and_takes_no_call_more() -> None:
    async with Company() as it:
        ann = await it.user("ann@example.com", title="Director", emails=[{"value": "a@example.com"}])
        staff = await it.group("staff", ann)
        [at_rest] = await it.storage.read(TENANT, "User", [ann["id"]])
        with transcript(it.storage) as seen:
            await it.delete(it.sync, ann)
        document, memberships = await kept(it.rows)
        assert at_rest is not None
        assert json.loads(document["d0"]) == at_rest.document
        assert (document["id"], document["type"], document["created"]) == (ann["id"], "User", at_rest.created)
        assert memberships["m0"] == f"{staff['id']}\t{ann['id']}\tUser\tGroup"
        assert [kind for kind in seen.kinds if kind == "transact"] == ["transact"]
        assert (await check(it.rows, TENANT)).findings == []


async def test_no_export_has_it_and_who_is_forgotten_is_gone_from_it() -> None:
    async with Company() as it:
        ann, bob = await it.user("ann@example.com"), await it.user("bob@example.com")
        await it.group("staff", ann, bob)
        await it.delete(it.sync, ann)
        await it.delete(it.sync, bob)
        written = b"".join([line async for line in export(it.rows, TENANT, it.clock)])
        assert b"ann@example.com" not in written
        assert b"gone:" not in written
        assert (await forget(it.rows, TENANT, ann["id"])).gone == 2
        assert {row["id"] for row in await kept(it.rows)} == {bob["id"]}
        assert (await forget(it.rows, TENANT, ann["id"])).gone == 0


@pytest.mark.parametrize(("deleted_days", "log_days", "stays"), [(30, 90, 20), (30, 10, 9), (0, 90, 0)])
async def test_it_is_trimmed_when_its_days_are_over(deleted_days: int, log_days: int, stays: int) -> None:
    async with Company() as it:
        ann = await it.user("ann@example.com")
        await it.group("staff", ann)
        await it.delete(it.sync, ann)
        feed = Feed(it.storage, CATALOGUE, it.clock, Kept(30, log_days, deleted_days))
        if stays:
            it.clock.advance(days=stays)
            await feed.tend()
            assert len(await kept(it.rows)) == 2
        it.clock.advance(days=31)
        await feed.tend()
        assert await kept(it.rows) == []


@pytest.mark.parametrize(("index_rows", "groups"), [(MAX_INDEX_ROWS, 2), (95, 1), (94, 2), (97, 0), (98, 0)])
async def test_a_resource_with_as_many_index_rows_as_there_can_be_is_deleted_and_kept(
    storage: TableStorage, monkeypatch: pytest.MonkeyPatch, index_rows: int, groups: int
) -> None:
    monkeypatch.setattr(service_limits, "MAX_INDEX_ROWS", 98)  # version 0.1 let a resource have more
    values = [IndexEntry("emails.value", f"{number}@example.com") for number in range(index_rows - 2)]
    ann = changed(user(1), index=frozenset([*user(1).index, *values]))
    await storage.create(PLAIN, ann)
    for number in range(groups):
        await storage.create(PLAIN, group(number + 2), [edge(number + 2, 1)])
    [there] = await storage.read(PLAIN, "User", [ann.id])
    assert there is not None
    edges = (await storage.groups_of(PLAIN, [ann.id]))[ann.id]
    await storage.delete(PLAIN, there, edges, now="9", keep=True)
    assert await storage.read(PLAIN, "User", [ann.id]) == [None]
    [gone] = await storage.gone_since(PLAIN, datetime(2026, 1, 1, tzinfo=UTC))
    assert (gone.document, set(gone.memberships)) == (ann.document, set(edges))


async def test_a_deletion_that_is_refused_keeps_nothing(storage: TableStorage) -> None:
    await storage.create(PLAIN, user(1))
    [there] = await storage.read(PLAIN, "User", [user(1).id])
    assert there is not None
    await storage.update(PLAIN, changed(there, version="other", index=user(1).index))
    with pytest.raises(VersionConflict):
        await storage.delete(PLAIN, there, [], now="9", keep=True)
    assert await kept(storage.rows, PLAIN) == []
