"""The storage port over Table Storage. Row keys, entities and limits: docs/storage.md."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence

from scim_core.storage import (
    GROUP,
    Bookmark,
    ColumnTest,
    IndexEntry,
    Membership,
    MembershipEdits,
    NotFound,
    Page,
    StorageError,
    StoredResource,
    UniquenessConflict,
    VersionConflict,
)
from scim_core.tables import changes, entities, keys
from scim_core.tables.errors import RowChanged, RowExists, RowMissing
from scim_core.tables.keys import KeyRange
from scim_core.tables.limits import require_transaction
from scim_core.tables.operations import Operation, Role, Verb
from scim_core.tables.rows import Row, Rows, read_pages

SIDE_BY_SIDE = 50
"""Reads that one operation has under way at a time: half the transport's connections, and enough for the members that
fit one transaction, so that no operation waits for itself and no operation keeps the others out.
"""

MAX_ATTEMPTS = 5
"""How often an edit is planned anew because memberships it removes were removed by others in the meantime."""

_ID = "id"
_EDGE = "group,member,type,edges"
_PING = "ping"
_NO_EDITS = MembershipEdits()
_MARK_BYTES = 12


class TableStorage:
    """All of the storage port in one table. It belongs to the event loop that uses it first; `close` it there."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    async def create(self, tenant: str, resource: StoredResource, members: Sequence[Membership] = ()) -> None:
        """See Storage.create."""
        operations = changes.creation(resource, members, _new_mark())
        try:
            await self._transact(tenant, operations)
        except RowExists as conflict:
            if not await self._is_repetition(tenant, resource, conflict.operation):
                raise UniquenessConflict(conflict.operation.about) from None
        except RowMissing:
            raise NotFound(await self._missing_members(tenant, members)) from None

    async def read(self, tenant: str, resource_type: str, ids: Sequence[str]) -> list[StoredResource | None]:
        """See Storage.read."""
        rows = await _side_by_side(self.rows.get(tenant, keys.resource(resource_type, id_)) for id_ in ids)
        return [_resource(resource_type, row) if row else None for row in rows]

    async def find(self, tenant: str, resource_type: str, entry: IndexEntry, *, prefix: bool = False) -> list[str]:
        """See Storage.find."""
        if prefix:
            return sorted({*await self._ids(tenant, keys.holders_of_prefix(resource_type, entry))})
        if not entry.unique:
            return await self._ids(tenant, keys.holders(resource_type, entry))
        row = await self.rows.get(tenant, keys.unique_index(resource_type, entry), select=_ID)
        return [row.properties["id"]] if row else []

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
        rows = await self._range(tenant, keys.resources(resource_type, after), limit=one_more, tests=tests)
        found = tuple(_resource(resource_type, row) for row in rows[:limit])
        return Page(found, found[-1].id if len(rows) == one_more else None)

    async def count(self, tenant: str, resource_type: str) -> int:
        """See Storage.count."""
        pages = read_pages(self.rows, tenant, keys.resources(resource_type), select=_ID)
        return sum([len(rows) async for rows in pages])

    async def seek(self, tenant: str, resource_type: str, *, after: str | None, steps: int) -> str | None:
        """See Storage.seek."""
        ids = await self._ids(tenant, keys.resources(resource_type, after), limit=steps)
        return ids[-1] if len(ids) == steps else None

    async def update(self, tenant: str, resource: StoredResource, edits: MembershipEdits = _NO_EDITS) -> None:
        """See Storage.update."""
        mark = _new_mark()
        await self._edit(tenant, resource, edits, lambda possible: changes.update(resource, possible, mark))

    async def edit_members(self, tenant: str, group: StoredResource, edits: MembershipEdits, *, guarded: bool) -> None:
        """See Storage.edit_members."""
        mark = _new_mark()
        await self._edit(
            tenant, group, edits, lambda possible: changes.membership_change(group, possible, mark, guarded=guarded)
        )

    async def delete(
        self, tenant: str, resource: StoredResource, memberships: Sequence[Membership], *, now: str
    ) -> None:
        """See Storage.delete."""
        if not changes.accounts_for(resource, memberships) and set(memberships) != await self._all(tenant, resource):
            raise VersionConflict
        try:
            await self._transact(tenant, changes.deletion(resource, memberships, _new_mark(), now))
        except RowChanged:
            raise VersionConflict from None
        except RowMissing as failure:
            if failure.operation.role is Role.RESOURCE:
                raise NotFound({resource.id}) from None
            _require_index(failure.operation)
            raise VersionConflict from None

    async def members_of(self, tenant: str, group_id: str) -> list[Membership]:
        """See Storage.members_of."""
        return await self._memberships(tenant, keys.members(group_id))

    async def groups_of(
        self, tenant: str, member_ids: Sequence[str], *, contiguous: bool = False
    ) -> dict[str, list[Membership]]:
        """See Storage.groups_of."""
        groups: dict[str, list[Membership]] = {id_: [] for id_ in member_ids}
        if not groups:
            return groups
        ranges = (
            [keys.groups_of(min(groups), max(groups))] if contiguous else [keys.groups_of(id_, id_) for id_ in groups]
        )
        for memberships in await _side_by_side(self._memberships(tenant, key_range) for key_range in ranges):
            for edge in memberships:
                if edge.member_id in groups:
                    groups[edge.member_id].append(edge)
        return groups

    async def present(self, tenant: str, group_id: str, member_ids: Sequence[str]) -> list[Membership]:
        """See Storage.present."""
        rows = await _side_by_side(
            self.rows.get(tenant, keys.member(group_id, id_), select=_EDGE) for id_ in sorted(set(member_ids))
        )
        return [entities.to_membership(row.properties) for row in rows if row]

    async def load_bookmark(self, tenant: str, key: str) -> Bookmark | None:
        """See Storage.load_bookmark."""
        row = await self.rows.get(tenant, keys.bookmark(key))
        return entities.to_bookmark(row.properties) if row else None

    async def save_bookmark(self, tenant: str, key: str, bookmark: Bookmark) -> None:
        """See Storage.save_bookmark."""
        properties = entities.bookmark_properties(bookmark)
        await self._transact(tenant, [Operation(Verb.UPSERT, Role.RESOURCE, keys.bookmark(key), properties)])

    async def ping(self) -> None:
        """See Storage.ping."""
        await self.rows.get(_PING, _PING)

    async def close(self) -> None:
        """See Storage.close."""
        await self.rows.close()

    async def _edit(
        self,
        tenant: str,
        resource: StoredResource,
        edits: MembershipEdits,
        plan: Callable[[MembershipEdits], list[Operation]],
    ) -> None:
        """The planned change has happened; removals that others were quicker with have been left out of it."""
        for _ in range(MAX_ATTEMPTS):
            try:
                await self._transact(tenant, plan(edits))
            except RowChanged:
                raise VersionConflict from None
            except RowExists as conflict:
                raise UniquenessConflict(conflict.operation.about) from None
            except RowMissing as failure:
                if failure.operation.role is Role.RESOURCE:
                    raise NotFound({resource.id}) from None
                _require_index(failure.operation)
                edits = await self._still_possible(tenant, edits)
            else:
                return
        raise VersionConflict

    async def _still_possible(self, tenant: str, edits: MembershipEdits) -> MembershipEdits:
        """The edits without the removals of what is gone. Raises NotFound when a member to add does not exist.

        A member that was deleted took its memberships along, so the removal of one of them has no row left to touch.
        """
        missing, rows = await asyncio.gather(
            self._missing_members(tenant, edits.add),
            _side_by_side(
                self.rows.get(tenant, keys.member(edge.group_id, edge.member_id), select=_EDGE) for edge in edits.remove
            ),
        )
        if missing:
            raise NotFound(missing)
        there = [edge for edge, row in zip(edits.remove, rows, strict=True) if row]
        return MembershipEdits(edits.add, tuple(there))

    async def _missing_members(self, tenant: str, edges: Sequence[Membership]) -> set[str]:
        rows = await _side_by_side(
            self.rows.get(tenant, keys.resource(edge.member_type, edge.member_id), select=_ID) for edge in edges
        )
        return {edge.member_id for edge, row in zip(edges, rows, strict=True) if row is None}

    async def _is_repetition(self, tenant: str, resource: StoredResource, existing: Operation) -> bool:
        """Whether this create has happened before: its answer was lost, and it was sent again."""
        if existing.role is Role.RESOURCE:
            return True
        # The resource's row comes first, but nothing promises that the first of two failures is the one we are told.
        return (await self.read(tenant, resource.resource_type, [resource.id])) != [None]

    async def _all(self, tenant: str, resource: StoredResource) -> set[Membership]:
        ranges = [keys.groups_of(resource.id, resource.id)]
        if resource.resource_type == GROUP:
            ranges.append(keys.members(resource.id))
        found = await _side_by_side(self._memberships(tenant, key_range) for key_range in ranges)
        return {edge for memberships in found for edge in memberships}

    async def _memberships(self, tenant: str, key_range: KeyRange) -> list[Membership]:
        rows = await self._range(tenant, key_range, select=_EDGE)
        return [entities.to_membership(row.properties) for row in rows]

    async def _ids(self, tenant: str, key_range: KeyRange, *, limit: int | None = None) -> list[str]:
        return [row.properties["id"] for row in await self._range(tenant, key_range, limit=limit, select=_ID)]

    async def _range(
        self,
        tenant: str,
        key_range: KeyRange,
        *,
        limit: int | None = None,
        tests: Sequence[ColumnTest] = (),
        select: str | None = None,
    ) -> list[Row]:
        pages = read_pages(self.rows, tenant, key_range, limit=limit, tests=tests, select=select)
        return [row async for rows in pages for row in rows]

    async def _transact(self, tenant: str, operations: Sequence[Operation]) -> None:
        require_transaction(operations)
        await self.rows.transact(tenant, operations)


def _resource(resource_type: str, row: Row) -> StoredResource:
    return entities.from_entity(resource_type, row.properties, row.etag)


def _require_index(missing: Operation) -> None:
    """Raises StorageError for an index row that the resource lists and that is gone: only a hand can have done that."""
    if missing.role is Role.INDEX:
        raise StorageError("An index row of the resource is gone. Repair it as docs/storage.md says.")


def _new_mark() -> str:
    return secrets.token_hex(_MARK_BYTES)


async def _side_by_side[T](reads: Iterable[Awaitable[T]]) -> list[T]:
    places = asyncio.Semaphore(SIDE_BY_SIDE)

    async def in_place(read: Awaitable[T]) -> T:
        async with places:
            return await read

    return await asyncio.gather(*map(in_place, reads))
