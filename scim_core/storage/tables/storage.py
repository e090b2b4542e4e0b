"""The storage port over Table Storage. Row keys, entities and limits: docs/storage.md."""

from collections.abc import Collection, Sequence
from contextlib import aclosing

from scim_core.clock import Clock, utc_now
from scim_core.model import NO_EDITS, Index, IndexEntry, Membership, MembershipEdits, StoredResource
from scim_core.storage.port import ColumnTest, Count, Page, PagePosition, Swept
from scim_core.storage.tables import entities, keys, large_change_runner, reading
from scim_core.storage.tables.feed_reading import TableFeed
from scim_core.storage.tables.hooks import TableHooks
from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.losses import TableLosses
from scim_core.storage.tables.reading import ID, read_memberships, read_range, side_by_side
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Row, Rows, read_pages
from scim_core.storage.tables.traced_rows import traced
from scim_core.storage.tables.turns import in_turns
from scim_core.storage.tables.writing import TableWriting
from scim_core.traces import NO_TRACER, Tracer

_PING = "ping"


class TableStorage(TableWriting, TableFeed, TableLosses, TableHooks):
    """All of the storage port in one table. It belongs to the event loop that uses it first; `close` it there.

    Its changes are in writing.py, what the feed asks of it in feed_reading.py, mass changes are in losses.py, and
    what hooks ask in hooks.py.
    """

    def __init__(self, rows: Rows, clock: Clock = utc_now, tracer: Tracer = NO_TRACER) -> None:
        super().__init__(traced(rows, tracer), clock)
        self.tracer = tracer

    async def read(self, tenant: str, resource_type: str, ids: Sequence[str]) -> list[StoredResource | None]:
        """See Storage.read."""
        by_id = {resource_id: keys.resource(resource_type, resource_id) for resource_id in ids}
        found = await reading.among(self.rows, tenant, by_id.values())
        rows = (found.get(by_id[resource_id]) for resource_id in ids)
        return [_resource(resource_type, row) if row else None for row in rows]

    async def has_rows(self, tenant: str) -> bool:
        """See Storage.has_rows."""
        return bool(await read_range(self.rows, tenant, keys.everything(), limit=1, select="RowKey"))

    async def existing(self, tenant: str, resource_type: str, ids: Collection[str]) -> set[str]:
        """See Storage.existing."""
        return await reading.existing(self.rows, tenant, resource_type, ids)

    async def complete_indexes(self, tenant: str, indexes: frozenset[Index]) -> frozenset[Index]:
        """See Storage.complete_indexes."""
        return await self._completeness.complete(self.rows, tenant, indexes)

    async def find(
        self,
        tenant: str,
        resource_type: str,
        entry: IndexEntry,
        *,
        prefix: bool = False,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[str]:
        """See Storage.find."""
        entries = await self._names.looked_up(self.rows, tenant, resource_type, entry)
        found = await side_by_side(
            self._holders(tenant, keys.holders_of_prefix(resource_type, item), limit)
            if prefix
            else self._find(tenant, resource_type, item, after, limit)
            for item in entries
        )
        return sorted({resource_id for ids in found for resource_id in ids})[:limit]

    async def _find(
        self, tenant: str, resource_type: str, entry: IndexEntry, after: str | None, limit: int | None
    ) -> list[str]:
        if not entry.unique:
            return await self._ids(tenant, keys.holders(resource_type, entry, after), limit=limit)
        row = await self.rows.get(tenant, keys.unique_index(resource_type, entry), select=ID)
        return [row.properties["id"]] if row and row.properties["id"] > (after or "") else []

    async def page(
        self,
        tenant: str,
        resource_type: str,
        *,
        after: str | None = None,
        limit: int,
        tests: Sequence[ColumnTest] = (),
    ) -> Page:
        """See Storage.page."""
        one_more = limit + 1
        key_range = keys.resources(resource_type, after)
        rows = await read_range(self.rows, tenant, key_range, limit=one_more, tests=tests)
        found = tuple(_resource(resource_type, row) for row in rows[:limit])
        return Page(found, found[-1].id if len(rows) == one_more else None)

    async def count(
        self,
        tenant: str,
        resource_type: str,
        *,
        after: str | None = None,
        up_to: str | None = None,
        limit: int | None = None,
    ) -> Count:
        """See Storage.count."""
        number, marks = 0, list[tuple[str, int]]()
        key_range = keys.resources(resource_type, after, up_to)
        async for rows in read_pages(self.rows, tenant, key_range, limit=limit, select=ID):
            number += len(rows)
            marks += [(rows[-1].properties[ID], number)] if rows else []
        return Count(number, marks[-1][0] if marks else None, tuple(marks))

    async def seek(self, tenant: str, resource_type: str, *, after: str | None, steps: int) -> str | None:
        """See Storage.seek."""
        ids = await self._ids(tenant, keys.resources(resource_type, after), limit=steps)
        return ids[-1] if len(ids) == steps else None

    async def apply_pending(self, tenant: str, resource_id: str, *, seconds: float) -> MembershipEdits:
        """See Storage.apply_pending."""
        if await large_change_runner.apply(self.rows, tenant, resource_id, seconds, self._clock):
            return NO_EDITS
        return await large_change_runner.left_to_apply(self.rows, tenant, resource_id)

    async def is_pending(self, tenant: str, resource_id: str) -> bool:
        """See Storage.is_pending."""
        return await large_change_runner.load(self.rows, tenant, resource_id) is not None

    async def sweep(self, *, before: str, seconds: float) -> Swept:
        """See Storage.sweep."""
        return await large_change_runner.sweep(self.rows, before, seconds, self._clock)

    async def members_of(
        self, tenant: str, group_id: str, *, after: str | None = None, limit: int | None = None
    ) -> list[Membership]:
        """See Storage.members_of."""
        return await read_memberships(self.rows, tenant, keys.members(group_id, after), limit=limit)

    async def members_of_each(
        self, tenant: str, group_ids: Sequence[str], *, limit: int | None = None
    ) -> dict[str, list[Membership]]:
        """See Storage.members_of_each."""
        members = await side_by_side(self.members_of(tenant, group_id, limit=limit) for group_id in group_ids)
        return dict(zip(group_ids, members, strict=True))

    async def groups_of(
        self, tenant: str, member_ids: Sequence[str], *, contiguous: bool = False
    ) -> dict[str, list[Membership]]:
        """See Storage.groups_of."""
        groups: dict[str, list[Membership]] = {id_: [] for id_ in member_ids}
        if contiguous and groups:
            edges = await read_memberships(self.rows, tenant, keys.groups_of(min(groups), max(groups)))
        else:
            edges = await reading.groups_of(self.rows, tenant, groups)
        for edge in edges:
            if edge.member_id in groups:
                groups[edge.member_id].append(edge)
        return groups

    async def present(self, tenant: str, group_id: str, member_ids: Sequence[str]) -> list[Membership]:
        """See Storage.present."""
        distinct = sorted(dict.fromkeys(member_ids))
        edges = [Membership(group_id, member_id) async for some in in_turns(distinct) for member_id in some]
        return await reading.edges_present(self.rows, tenant, edges)

    async def load_page_position(self, tenant: str, key: str) -> PagePosition | None:
        """See Storage.load_page_position."""
        row = await self.rows.get(tenant, keys.bookmark(key))
        return entities.to_page_position(row.properties) if row else None

    async def save_page_position(self, tenant: str, key: str, position: PagePosition) -> None:
        """See Storage.save_page_position."""
        properties = entities.page_position_properties(position)
        await self.rows.transact(tenant, [RowOperation(Verb.UPSERT, Role.RESOURCE, keys.bookmark(key), properties)])

    async def ping(self) -> None:
        """See Storage.ping."""
        await self.rows.get(_PING, _PING)

    async def close(self) -> None:
        """See Storage.close."""
        await self.rows.close()

    async def _holders(self, tenant: str, key_range: KeyRange, limit: int | None) -> list[str]:
        """The ids, ascending, of the range of an index, in which a resource may have several rows."""
        found = set[str]()
        async with aclosing(read_pages(self.rows, tenant, key_range, select=ID)) as pages:
            async for rows in pages:
                found.update(row.properties[ID] for row in rows)
                if limit is not None and len(found) >= limit:
                    break
        return sorted(found)[:limit]

    async def _ids(self, tenant: str, key_range: KeyRange, *, limit: int | None = None) -> list[str]:
        rows = await read_range(self.rows, tenant, key_range, limit=limit, select=ID)
        return [row.properties[ID] for row in rows]


def _resource(resource_type: str, row: Row) -> StoredResource:
    return entities.from_entity(resource_type, row.properties, row.etag)
