"""A copy of a directory that follows the feed, as docs/consume.md tells its readers to; and writers, relays and readers
that work on one table at the same time, and die at random.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from scim_core.clock import utc_now
from scim_core.feed.feed import ChangesPage, Feed, Importing, Kept, Resync
from scim_core.model import GROUP, Json, Membership, MembershipEdits, StoredResource
from scim_core.protocol.schemas import Catalogue, load_catalogue
from scim_core.storage.feed_port import FeedChange
from scim_core.storage.port import ChangeNote, NotFound, StorageBusy, StorageError, UniquenessConflict, VersionConflict
from scim_core.storage.tables import TableStorage, keys
from scim_core.storage.tables.codec import BELOW_ALL
from scim_core.storage.tables.feed_rows import to_feed_row
from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.reading import read_range
from scim_core.storage.tables.rows import Row, RowPage, Rows
from tests.contract.builders import TENANT, group, id_of, user
from tests.faults.disturbed_rows import Death, MortalRows, ProcessDied
from tests.wrapped_rows import WrappedRows

BASE = "https://scim.example.com"
KEPT = Kept(feed_days=30, log_days=90)
CATALOGUE: Catalogue = load_catalogue()

type Key = tuple[str, str]


def feed_of(rows: Rows, kept: Kept = KEPT) -> Feed:
    """The feed of a new process on these rows."""
    return Feed(TableStorage(rows), CATALOGUE, utc_now, kept)


def plain(resource: Json) -> Json:
    """A representation without what a membership changes in passing."""
    return {name: value for name, value in resource.items() if name != "meta"}


@dataclass
class Copy:
    """What a reader keeps: resources, memberships, and the cursor with which it goes on."""

    resources: dict[Key, Json] = field(default_factory=dict)
    pairs: set[Key] = field(default_factory=set)
    cursor: str | None = None
    number: int = 0
    snapshots: int = 0

    def applied(self, page: ChangesPage) -> "Copy":
        """The copy after this page: a transaction of the reader."""
        after = Copy(dict(self.resources), set(self.pairs), page.cursor, self.number, self.snapshots)
        for entry in page.entries:
            assert after.number in (0, entry["number"] - 1), "a gap"
            after.number = entry["number"]
            after.take(entry)
        return after

    def take(self, entry: Json) -> None:
        """One entry."""
        id_ = entry["id"]
        if entry["change"] == "deleted" or ("resource" in entry and entry["resource"] is None):
            self.forget(id_)
        elif "resource" in entry:
            self.resources[entry["type"], id_] = plain(entry["resource"])
        self.pairs |= {(id_, member) for member in entry.get("joined", ())}
        self.pairs -= {(id_, member) for member in entry.get("left", ())}

    def forget(self, id_: str) -> None:
        """To delete an id is to delete every pair in which it is group or member."""
        self.resources = {key: value for key, value in self.resources.items() if key[1] != id_}
        self.pairs = {pair for pair in self.pairs if id_ not in pair}


async def begun(feed: Feed, tenant: str = TENANT, limit: int = 7) -> Copy:
    """A copy that begins with the snapshot. Raises Resync, Importing."""
    copy, page = Copy(snapshots=1), None
    while True:
        part = await feed.snapshot(tenant, page=page, limit=limit, base_url=BASE)
        copy.resources |= {(item["type"], item["id"]): plain(item["resource"]) for item in part.resources}
        copy.pairs |= {(item["group"], item["member"]) for item in part.memberships}
        copy.cursor, page = part.cursor, part.next
        if page is None:
            break
    named = {id_ for _, id_ in copy.resources}
    copy.pairs = {pair for pair in copy.pairs if named >= {*pair}}
    return copy


async def followed(feed: Feed, copy: Copy, tenant: str = TENANT, limit: int = 100) -> Copy:
    """The copy at the end of the feed. It begins again where it has to. Raises Importing."""
    while True:
        try:
            if copy.cursor is None:
                copy = replace(await begun(feed, tenant), snapshots=copy.snapshots + 1)
            page = await feed.changes(tenant, after=copy.cursor, limit=limit, base_url=BASE)
        except Resync:
            copy = Copy(snapshots=copy.snapshots)
            continue
        copy = copy.applied(page)
        if not page.more:
            return copy


async def directory(rows: Rows, tenant: str = TENANT) -> Copy:
    """What the tables hold, as a copy should."""
    storage, copy = TableStorage(rows), Copy()
    for resource_type in CATALOGUE:
        found = await storage.page(tenant, resource_type.name, limit=999)
        for stored in found.resources:
            copy.resources[stored.resource_type, stored.id] = stored.document
    ids = {id_ for _, id_ in copy.resources}
    edges = await storage.memberships(tenant, after=None, limit=10_000)
    copy.pairs = {(edge.group_id, edge.member_id) for edge in edges}
    assert all(ids >= {*pair} for pair in copy.pairs)
    return copy


@dataclass
class Made:
    """What the writers know: the texts of the notes of changes that were answered, and of those without an answer."""

    answered: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    kinds: Counter[str] = field(default_factory=Counter)
    users: dict[str, int] = field(default_factory=dict)
    groups: dict[str, int] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))


class Writer:
    """One instance, whose clock is wrong by `skew`. It changes users and groups at random."""

    def __init__(self, rows: Rows, number: int, chance: Random, made: Made, *, users: int, groups: int) -> None:
        skew = timedelta(seconds=chance.uniform(-5, 5))
        self.storage = TableStorage(rows, lambda: datetime.now(UTC) + skew)
        self._number = number
        self._chance = chance
        self._made = made
        self._users = users
        self._groups = groups
        self._count = 0

    async def change(self) -> None:
        """One change. If others are quicker, it is made again to what they left."""
        kind = self._chance.choices([self.user, self.leaver, self.members, self.team, self.dissolve], [8, 1, 8, 3, 1])[
            0
        ]
        self._count += 1
        name = f"{self._number}.{self._count}"
        self._made.unknown.add(name)
        for attempt in range(60):
            try:
                await kind(ChangeNote((), f'{{"method":"{name}"}}'))
            except (VersionConflict, NotFound):
                await asyncio.sleep(self._chance.random() * 0.002 * attempt)
            except (UniquenessConflict, Unchanged):
                break
            except StorageBusy:
                return
            else:
                self._made.answered.add(name)
                self._made.kinds[kind.__name__] += 1
                break
        self._made.unknown.discard(name)

    async def user(self, note: ChangeNote) -> None:
        """A user is created, or changed if there are enough."""
        if len(self._made.users) < self._users:
            number = next(self._made.numbers)
            self._made.users[id_of(number)] = number
            await self.storage.create(TENANT, _served(user(number)), note=note)
            return
        there = await self._one("User", self._made.users)
        document = there.document | {"title": note.text}
        index = user(int(there.id[-12:], 16)).index
        await self.storage.update(TENANT, replace(there, document=document, version=note.text, index=index), note=note)

    async def leaver(self, note: ChangeNote) -> None:
        await self._delete(await self._one("User", self._made.users), note)

    async def dissolve(self, note: ChangeNote) -> None:
        await self._delete(await self._one(GROUP, self._made.groups), note)

    async def team(self, note: ChangeNote) -> None:
        """A group is created, or changed as a whole with its members."""
        members = await self._some()
        if len(self._made.groups) < self._groups:
            number = next(self._made.numbers)
            edges = [Membership(id_of(number), member) for member in members]
            await self.storage.create(TENANT, _served(group(number)), edges, note=note)
            self._made.groups[id_of(number)] = number
            return
        there = await self._one(GROUP, self._made.groups)
        present = await self.storage.members_of(TENANT, there.id)
        edits = _edits(there.id, present, members)
        index = group(int(there.id[-12:], 16)).index
        await self.storage.update(TENANT, replace(there, version=note.text, index=index), edits, note=note)

    async def members(self, note: ChangeNote) -> None:
        """Members join or leave, with or without a condition."""
        there = await self._one(GROUP, self._made.groups)
        present = await self.storage.members_of(TENANT, there.id)
        if present and self._chance.random() < 0.4:
            leaving = self._chance.sample(present, min(len(present), 3))
            edits = MembershipEdits(remove=tuple(leaving))
        else:
            known = {edge.member_id for edge in present}
            joining = [member for member in await self._some() if member not in known]
            edits = MembershipEdits(add=tuple(Membership(there.id, member) for member in joining))
        if not edits:
            raise Unchanged
        guarded = self._chance.random() < 0.3
        after = replace(there, version=note.text)
        await self.storage.edit_members(TENANT, after, edits, guarded=guarded, note=note)

    async def _one(self, resource_type: str, pool: dict[str, int]) -> StoredResource:
        """One of these resources as it is now. Raises Unchanged, VersionConflict."""
        if not pool:
            raise Unchanged
        [there] = await self.storage.read(TENANT, resource_type, [self._chance.choice(list(pool))])
        if there is None:
            raise Unchanged
        if there.change_pending:
            await self.storage.apply_pending(TENANT, there.id, seconds=1)
            raise VersionConflict
        return there

    async def _delete(self, there: StoredResource, note: ChangeNote) -> None:
        groups = (await self.storage.groups_of(TENANT, [there.id]))[there.id]
        members = await self.storage.members_of(TENANT, there.id) if there.resource_type == GROUP else []
        await self.storage.delete(TENANT, there, [*groups, *members], now="9", note=note)
        self._made.users.pop(there.id, None)
        self._made.groups.pop(there.id, None)

    async def _some(self) -> list[str]:
        users = list(self._made.users)
        wanted = self._chance.sample(users, min(len(users), self._chance.randint(1, 9)))
        return sorted(await self.storage.existing(TENANT, "User", wanted))


class Unchanged(Exception):
    """There is nothing to change."""


def _served(resource: StoredResource) -> StoredResource:
    """The resource as the service stores it."""
    resource_type = CATALOGUE.named(resource.resource_type)
    assert resource_type is not None
    return replace(resource, document={"schemas": [resource_type.schema], **resource.document})


def _edits(group_id: str, present: list[Membership], wanted: list[str]) -> MembershipEdits:
    there = {edge.member_id for edge in present}
    joining = tuple(Membership(group_id, member) for member in wanted if member not in there)
    return MembershipEdits(joining, tuple(edge for edge in present if edge.member_id not in wanted))


class TornRows(WrappedRows):
    """Rows whose range reads are not of one moment: some rows are of a later one, as Table Storage may read."""

    def __init__(self, rows: Rows, chance: Random) -> None:
        super().__init__(rows)
        self._chance = chance

    async def page(self, tenant: str, key_range: KeyRange, *, limit: int = 1_000, **options: Any) -> RowPage:
        if options.get("token") or "RowKey" not in (options.get("select") or "RowKey"):
            return await super().page(tenant, key_range, limit=limit, **options)
        found, low = list[Row](), key_range.low
        while len(found) < limit:
            some = min(len(found) + 1, limit - len(found))
            page = await super().page(tenant, KeyRange(low, key_range.high), limit=some, **options)
            found += page.rows
            if page.token is None:
                return RowPage(found, None)
            low = found[-1].properties["RowKey"] + BELOW_ALL
            await asyncio.sleep(self._chance.random() * 0.004)
        return RowPage(found, page.token)


async def dying(rows: Rows, chance: Random, work: Callable[[Rows], Awaitable[None]], calls: int) -> bool:
    """Whether a process that does this work has died at one of its first calls."""
    death = Death(chance.randrange(calls), after=chance.random() < 0.5)
    try:
        await work(MortalRows(rows, death))
    except ProcessDied:
        return True
    return False


async def relaying(rows: Rows, chance: Random, stop: asyncio.Event) -> int:
    """A relay that dies again and again, and how often it did."""
    deaths = 0

    async def relay(mortal: Rows) -> None:
        await TableStorage(TornRows(mortal, chance)).relay(TENANT)

    while not stop.is_set():
        deaths += await dying(rows, chance, relay, calls=60)
        await asyncio.sleep(chance.random() * 0.01)
    return deaths


async def consuming(rows: Rows, chance: Random, stop: asyncio.Event, copies: list[Copy]) -> int:
    """A reader that dies again and again before its transaction; its copy is the last of `copies`."""
    deaths = 0
    while not stop.is_set():
        feed = feed_of(rows)
        try:
            copy = copies[-1]
            if copy.cursor is None:
                copies.append(await begun(feed))
            else:
                page = await feed.changes(TENANT, after=copy.cursor, limit=chance.randint(1, 40), base_url=BASE)
                after = copy.applied(page)
                if chance.random() < 0.3:
                    deaths += 1
                elif copies[-1] is copy:  # saved only if the cursor is still the one that the page was asked with
                    copies.append(after)
        except Resync:
            copies.append(Copy(snapshots=copies[-1].snapshots))
        except (Importing, StorageError):
            await asyncio.sleep(0.01)
        await asyncio.sleep(chance.random() * 0.01)
    return deaths


async def settled(rows: Rows) -> None:
    """Large changes are applied, and every change is in the feed."""
    storage = TableStorage(rows)
    for _ in range(20):
        if (await storage.sweep(before="9999", seconds=60)).left == 0:
            break
    await storage.relay(TENANT)
    assert await read_range(rows, TENANT, keys.of_kind("change")) == []


async def require_whole(rows: Rows, made: Made) -> Counter[str]:
    """Every change that was answered is in the log once, and no other; the feed has no gap, and users are in order.

    How many entries the feed has of each kind.
    """
    storage = TableStorage(rows)
    head = await storage.feed_head(TENANT)
    entries = [to_feed_row(row) for row in await read_range(rows, TENANT, keys.feed_after(0))]
    assert [row.number for row in entries] == list(range(head.first, head.next))
    notes = Counter[str]()
    for row in await read_range(rows, TENANT, keys.of_kind("log")):
        text = row.properties.get("n0")
        if text and "of" not in row.properties:
            notes[text.removeprefix('{"method":"').removesuffix('"}')] += 1
    assert made.answered - notes.keys() == set(), "lost"
    assert notes.keys() - made.answered - made.unknown == set(), "invented"
    assert {name: count for name, count in notes.items() if count > 1} == {}
    last: dict[str, str] = {}
    for entry in entries:
        if entry.change is not FeedChange.MEMBERS:
            rest = entry.entry.split(":")[2]  # of the stamp, to the last one that there can be
            assert rest < last.get(entry.id, "~"), "a change of a resource came after its successor"
            last[entry.id] = rest
    return Counter(entry.change.value for entry in entries)


async def stop_all(stop: asyncio.Event, *tasks: asyncio.Task[int]) -> list[int]:
    """What the tasks counted, once they have stopped."""
    stop.set()
    with suppress(asyncio.CancelledError):
        return list(await asyncio.gather(*tasks))
    return []
