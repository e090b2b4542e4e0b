"""What a reader of the feed gets: entries as they are true now, pages that are bounded, and cursors that say where."""

import json
from typing import Any

import pytest

from scim_core.feed import feed as feed_module
from scim_core.feed.cursors import Cursor, SnapshotPosition, read_cursor, read_position
from scim_core.feed.entries import FeedEntries
from scim_core.feed.feed import ChangesPage, Feed, HeadsPage, Importing, Resync, UnknownCursor
from scim_core.protocol.representation import Renderer
from scim_core.protocol.schemas import load_catalogue
from scim_core.storage.feed_port import FeedChange, FeedRow
from scim_core.storage.tables import TableStorage, keys, writing
from scim_core.storage.tables.feed_rows import head_change
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from tests.contract.builders import user as a_user
from tests.feed.copying import CATALOGUE, KEPT, followed
from tests.feed.copying import Copy as ReadersCopy
from tests.scim import BASE, Client, Clock, Json, add, endpoint_over, path, references, remove, replace, schema_files
from tests.transcript import transcript

TENANT = "default"
HOST = "https://scim.example.com"


@pytest.fixture
def feed(storage: TableStorage, clock: Clock) -> Feed:
    return Feed(storage, CATALOGUE, clock, KEPT)


async def page(feed: Feed, after: str | None = None, limit: int = 100) -> ChangesPage:
    return await feed.changes(TENANT, after=after, limit=limit, base_url=HOST)


async def test_an_entry_shows_the_resource_as_a_client_sees_it(feed: Feed, client: Client) -> None:
    user = await client.user("ann@example.com", displayName="Ann", emails=[{"value": "ann@example.com"}])
    await client.group("team", user)
    [created, group] = (await page(feed)).entries
    shown = await client.document(user)
    assert created["resource"] == {name: value for name, value in shown.items() if name != "groups"}
    assert created["version"] == shown["meta"]["version"]
    assert created["resource"]["meta"]["location"] == f"{BASE}/Users/{user['id']}"
    assert (created["number"], created["change"], created["type"]) == (1, "created", "User")
    assert set(created["attributes"]) == {"userName", "displayName", "active", "emails"}
    assert "members" not in group["resource"]
    assert (group["joined"], group["left"]) == ([user["id"]], [])


async def test_an_entry_tells_what_is_true_now(feed: Feed, client: Client) -> None:
    user, other = await client.user("ann"), await client.user("bob")
    group = await client.group("team", user)
    await client.patch(path(group), add("members", references(other)))
    await client.patch(path(group), remove("members", value=references(user)))
    await client.patch(path(user), replace("title", "Director"))
    await client.delete(path(other))
    found = (await page(feed)).entries
    assert found[0]["resource"]["title"] == "Director"
    assert (found[1]["change"], found[1]["resource"], found[1]["version"]) == ("created", None, None)
    assert (found[2]["joined"], found[2]["left"]) == ([], [user["id"]])
    assert (found[3]["change"], found[3]["joined"], found[3]["left"]) == ("members", [], [other["id"]])
    assert found[6] == {
        "number": 7,
        "time": found[6]["time"],
        "change": "deleted",
        "type": "User",
        "id": other["id"],
        "was": {"userName": "bob"},
    }


async def test_an_id_whose_deletion_is_under_way_counts_as_left(
    feed: Feed, client: Client, storage: TableStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await client.user("ann")
    group = await client.group("team", user)
    monkeypatch.setattr(writing, "MANY_MEMBERSHIPS", 0)
    monkeypatch.setattr(writing, "APPLY_SECONDS", 0)
    await client.delete(path(user))
    assert len(await storage.members_of(TENANT, group["id"])) == 1
    [pair] = (await feed.snapshot(TENANT, page=None, limit=5, base_url=HOST)).resources
    assert pair["id"] == group["id"]
    found = (await page(feed)).entries
    assert (found[1]["joined"], found[1]["left"]) == ([], [user["id"]])
    copy = await followed(feed, ReadersCopy(), TENANT)
    assert (len(copy.resources), copy.pairs) == (1, set())


async def test_pages_follow_each_other_and_an_empty_one_has_a_cursor(feed: Feed, client: Client) -> None:
    first = await page(feed)
    assert (first.entries, first.more) == ([], False)
    for number in range(5):
        await client.user(f"user{number}")
    second = await page(feed, first.cursor, limit=3)
    assert ([entry["number"] for entry in second.entries], second.more) == ([1, 2, 3], True)
    third = await page(feed, second.cursor, limit=3)
    assert ([entry["number"] for entry in third.entries], third.more) == ([4, 5], False)
    last = await page(feed, third.cursor, limit=3)
    assert (last.entries, last.cursor, last.more) == ([], third.cursor, False)
    again = await page(feed, second.cursor, limit=3)
    assert again == third


async def test_without_a_cursor_the_feed_is_read_from_the_oldest_that_is_kept(feed: Feed, client: Client) -> None:
    await client.user("ann")
    assert [entry["number"] for entry in (await page(feed)).entries] == [1]


async def test_an_empty_page_costs_one_round_trip(feed: Feed, client: Client, storage: TableStorage) -> None:
    await client.user("ann")
    cursor = (await page(feed)).cursor
    with transcript(storage) as seen:
        await page(feed, cursor)
    assert (seen.round_trips, seen.kinds) == (1, ["page", "get", "page"])


async def test_a_page_ends_at_its_ids_and_at_its_bytes(
    feed: Feed, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = [await client.user(f"user{number}") for number in range(6)]
    for number in range(4):
        await client.group(f"group{number}", *users)
    cursor = (await page(feed, limit=6)).cursor
    with monkeypatch.context() as patch:
        patch.setattr(feed_module, "MAX_IDS", 12)
        found = await page(feed, cursor)
        assert ([entry["number"] for entry in found.entries], found.more) == ([7, 8], True)
    whole = await page(feed, cursor)
    sizes = [len(json.dumps(entry, separators=(",", ":"))) for entry in whole.entries]
    monkeypatch.setattr(feed_module, "MAX_PAGE_BYTES", sum(sizes[:3]))
    found = await page(feed, cursor)
    assert ([entry["number"] for entry in found.entries], found.more) == ([7, 8, 9], True)


async def test_a_resource_that_fits_no_page_is_left_out_and_marked(storage: TableStorage, client: Client) -> None:
    user = await client.user("ann", displayName="x" * 3_000)
    rows = (await storage.feed(TENANT, after=0, limit=5)).rows
    entries = FeedEntries(storage, CATALOGUE)
    renderer = Renderer(BASE, {"User": "/Users"})
    [entry] = await entries.page(TENANT, rows, renderer, max_ids=10, max_bytes=1_000)
    assert entry["omitted"] is True
    assert "resource" not in entry
    assert entry["id"] == user["id"]


async def test_a_resource_whose_type_is_not_served_any_more_is_marked_and_not_gone(
    storage: TableStorage, clock: Clock, schema_directory: Any
) -> None:
    schema: Json = {"id": "urn:x:Device", "name": "Device", "description": "A device", "attributes": []}
    kind: Json = {"id": "Device", "name": "Device", "endpoint": "/Devices", "schema": "urn:x:Device"}
    folder = schema_files(schema_directory, device=schema, device_type=kind)
    device = Client(endpoint_over(storage, clock, SCIM_SCHEMA_DIRECTORY=str(folder)))
    assert (await device.post("/Devices", {"schemas": ["urn:x:Device"]})).status == 201
    served = Feed(storage, load_catalogue(folder), clock, KEPT)
    assert (await page(served)).entries[0]["resource"] is not None
    [entry] = (await page(Feed(storage, CATALOGUE, clock, KEPT))).entries
    assert entry["omitted"] is True
    assert "resource" not in entry


@pytest.mark.parametrize("text", ["", "x", "????", "Yy4x", "é", "a" * 500, "cC4x", "MTIz"])
async def test_a_cursor_that_is_none_of_ours_is_refused(feed: Feed, text: str) -> None:
    with pytest.raises(UnknownCursor):
        await page(feed, text)
    if text:
        with pytest.raises(UnknownCursor):
            await feed.snapshot(TENANT, page=text, limit=5, base_url=HOST)


async def test_a_cursor_of_another_epoch_or_beyond_the_head_begins_again(
    feed: Feed, client: Client, storage: TableStorage
) -> None:
    await client.user("ann")
    cursor = (await page(feed)).cursor
    beyond = str(Cursor((await storage.feed_head(TENANT)).epoch, 2))
    with pytest.raises(Resync):
        await page(feed, beyond)
    shown = await feed.snapshot(TENANT, page=None, limit=1, base_url=HOST)
    await storage.new_epoch(TENANT)
    with pytest.raises(Resync):
        await page(feed, cursor)
    with pytest.raises(Resync):
        await feed.snapshot(TENANT, page=shown.next, limit=1, base_url=HOST)
    assert (await page(feed)).entries != []


async def test_a_gap_begins_again(feed: Feed, client: Client, storage: TableStorage) -> None:
    for number in range(4):
        await client.user(f"user{number}")
    cursor = (await page(feed, limit=1)).cursor
    await storage.rows.transact(TENANT, [RowOperation(Verb.DELETE, Role.FEED, keys.feed(3))])
    with pytest.raises(Resync):
        await page(feed, cursor)


async def test_while_a_tenant_is_imported_nothing_is_read(feed: Feed, client: Client, storage: TableStorage) -> None:
    await client.user("ann")
    cursor = (await page(feed)).cursor
    await storage.rows.transact(TENANT, [head_change(importing=True)])
    for after in (cursor, None):
        with pytest.raises(Importing):
            await page(feed, after)
    with pytest.raises(Importing):
        await feed.snapshot(TENANT, page=None, limit=5, base_url=HOST)


async def test_the_snapshot_shows_users_then_groups_then_memberships(feed: Feed, client: Client) -> None:
    users = [await client.user(f"user{number}") for number in range(5)]
    groups = [await client.group(f"group{number}", *users[: number + 1]) for number in range(3)]
    await page(feed)
    pages, following = [], None
    while True:
        found = await feed.snapshot(TENANT, page=following, limit=2, base_url=HOST)
        pages.append(found)
        following = found.next
        if following is None:
            break
    shown = [item for some in pages for item in some.resources]
    assert [(item["type"], item["id"]) for item in shown] == [
        *(("User", user["id"]) for user in users),
        *(("Group", group["id"]) for group in groups),
    ]
    assert shown[0]["resource"]["userName"] == "user0"
    assert shown[0]["version"] == shown[0]["resource"]["meta"]["version"]
    pairs = [(item["group"], item["member"]) for some in pages for item in some.memberships]
    assert pairs == [(group["id"], user["id"]) for n, group in enumerate(groups) for user in users[: n + 1]]
    assert len({found.cursor for found in pages}) == 1
    assert (await page(feed, pages[0].cursor)).entries == []


async def test_a_snapshot_goes_on_while_the_directory_changes(feed: Feed, client: Client) -> None:
    users = [await client.user(f"user{number}") for number in range(4)]
    first = await feed.snapshot(TENANT, page=None, limit=2, base_url=HOST)
    await client.delete(path(users[0]))
    await client.user("late")
    second = await feed.snapshot(TENANT, page=first.next, limit=9, base_url=HOST)
    assert [item["resource"]["userName"] for item in second.resources] == ["user2", "user3", "late"]
    found = (await page(feed, first.cursor)).entries
    assert [entry["change"] for entry in found][-2:] == ["deleted", "created"]


async def test_a_page_of_the_snapshot_ends_at_its_bytes(
    feed: Feed, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        await client.user(f"user{number}", displayName="x" * 2_000)
    monkeypatch.setattr(feed_module, "MAX_PAGE_BYTES", 8_000)
    monkeypatch.setattr(feed_module, "FIRST_PORTION", 2)
    sizes, following = [], None
    while True:
        found = await feed.snapshot(TENANT, page=following, limit=1_000, base_url=HOST)
        sizes.append(len(found.resources))
        following = found.next
        if following is None:
            break
    assert [size for size in sizes if size] == [3, 3]


async def test_a_directory_from_before_the_feed_is_copied_from_the_snapshot(
    feed: Feed, client: Client, storage: TableStorage
) -> None:
    user = await client.user("ann")
    await client.group("team", user)
    for kind in keys.FEED_KINDS:
        found = await storage.rows.page(TENANT, keys.of_kind(kind))
        for row in found.rows:
            await storage.rows.transact(TENANT, [RowOperation(Verb.DELETE, Role.FEED, row.properties["RowKey"])])
    copy = await followed(feed, ReadersCopy(), TENANT)
    assert len(copy.resources) == 2
    assert len(copy.pairs) == 1
    await client.delete(path(user))
    copy = await followed(feed, copy, TENANT)
    assert (len(copy.resources), copy.pairs, copy.snapshots) == (1, set(), 1)


async def test_a_deletion_of_what_an_import_has_brought_back_is_none(
    feed: Feed, client: Client, storage: TableStorage
) -> None:
    user = await client.user("ann")
    row = await storage.rows.get(TENANT, keys.resource("User", user["id"]))
    assert row is not None
    await client.delete(path(user))
    back = {name: value for name, value in row.properties.items() if name not in ("PartitionKey", "RowKey")}
    key = keys.resource("User", user["id"])
    await storage.rows.transact(TENANT, [RowOperation(Verb.INSERT, Role.RESOURCE, key, back)])
    entry = (await page(feed)).entries[-1]
    assert (entry["change"], entry["resource"]["userName"]) == ("updated", "ann")


async def test_the_tenants_that_moved_last_come_first(storage: TableStorage, clock: Clock) -> None:
    feed = Feed(storage, CATALOGUE, clock, KEPT)
    assert await feed.heads(page=None, limit=9) == HeadsPage([], None)
    for tenant in ("contoso", "fabrikam"):
        await TableStorage(storage.rows, clock).create(tenant, a_user(1))
        await storage.relay(tenant)
    whole = await feed.heads(page=None, limit=9)
    found = whole.heads
    assert [(head.tenant, head.number) for head in found] == [("fabrikam", 1), ("contoso", 1)]
    assert found[0].time > found[1].time
    assert whole.next is None


async def test_the_tenants_that_moved_come_in_pages(storage: TableStorage, clock: Clock) -> None:
    feed = Feed(storage, CATALOGUE, clock, KEPT)
    names = [f"tenant{number}" for number in range(5)]
    for tenant in names:
        await TableStorage(storage.rows, clock).create(tenant, a_user(1))
        await storage.relay(tenant)
    shown, page = list[str](), None
    for expected in (2, 2, 1):
        found = await feed.heads(page=page, limit=2)
        assert len(found.heads) == expected
        shown, page = shown + [head.tenant for head in found.heads], found.next
    assert (shown, page) == (names[::-1], None)
    second = (await feed.heads(page=None, limit=2)).next
    await TableStorage(storage.rows, clock).create("tenant0", a_user(2))
    await storage.relay("tenant0")
    assert [head.tenant for head in (await feed.heads(page=second, limit=9)).heads] == ["tenant2", "tenant1"]
    assert (await feed.heads(page=None, limit=1)).heads[0].tenant == "tenant0"
    for wrong in ("x", str(Cursor("e", 1)), "%"):
        with pytest.raises(UnknownCursor):
            await feed.heads(page=wrong, limit=2)


def test_cursors_and_positions_are_read_as_they_were_written() -> None:
    cursor = Cursor("0123456789abcdef", 41)
    assert read_cursor(str(cursor)) == cursor
    for position in (
        SnapshotPosition(cursor, "User"),
        SnapshotPosition(cursor, "Group", "018f0000-0000-7000-8000-000000000001"),
        SnapshotPosition(cursor, "", "018f0000-0000-7000-8000-000000000001", "018f0000-0000-7000-8000-000000000002"),
    ):
        assert read_position(str(position)) == position
        assert read_cursor(str(position)) is None
    assert read_position(str(cursor)) is None


async def test_entries_without_names_tell_nothing_of_members(storage: TableStorage) -> None:
    row = FeedRow(1, "now", FeedChange.MEMBERS, "Group", "018f0000-0000-7000-8000-000000000001", joined=("a",))
    [entry] = await FeedEntries(storage, CATALOGUE).page(TENANT, [row], Renderer(BASE, {}), max_ids=5, max_bytes=5_000)
    assert (entry["joined"], entry["left"], entry["version"]) == ([], ["a"], None)
