"""The storage port over Table Storage. Row keys, entities and limits: docs/storage.md."""

import asyncio
import logging
import secrets
from collections.abc import Collection, Sequence

from scim_core.clock import Clock, utc_now
from scim_core.model import NO_EDITS, Index, IndexEntry, Membership, MembershipEdits, StoredResource
from scim_core.storage.port import (
    MANY_MEMBERSHIPS,
    ColumnTest,
    Count,
    NotFound,
    Page,
    PagePosition,
    StorageError,
    Swept,
    UniquenessConflict,
    VersionConflict,
)
from scim_core.storage.tables import changes, entities, keys, large_change_runner, reading
from scim_core.storage.tables.changes import Change
from scim_core.storage.tables.entities import ReadState
from scim_core.storage.tables.errors import RowChanged, RowExists, RowMissing, Unanswered
from scim_core.storage.tables.index_completeness import Completeness
from scim_core.storage.tables.keys import KeyRange
from scim_core.storage.tables.large_change import LargeChange, deleting, editing
from scim_core.storage.tables.names import Names
from scim_core.storage.tables.reading import ID, read_memberships, read_range, side_by_side
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Row, Rows, read_pages
from scim_core.storage.tables.service_limits import require_index_rows, require_transaction
from scim_core.storage.tables.turns import in_turns

MAX_ATTEMPTS = 5
"""How often an edit is planned again because others have removed memberships that it removes."""

APPLY_SECONDS = 20
"""How long the request of a large change applies it after the decision: half of what a request may take, and enough
for some ten thousand members. The rest is left to whoever meets the change, and to the sweep.
"""

_PING = "ping"
_CHANGE_ID_BYTES = 12

log = logging.getLogger(__name__)


class TableStorage:
    """All of the storage port in one table. It belongs to the event loop that uses it first; `close` it there."""

    def __init__(self, rows: Rows, clock: Clock = utc_now) -> None:
        self.rows = rows
        self._completeness = Completeness(clock)
        self._names = Names(self._completeness)

    async def create(self, tenant: str, resource: StoredResource, members: Sequence[Membership] = ()) -> None:
        """See Storage.create."""
        resource = await self._names.resolved(self.rows, tenant, resource)
        require_index_rows(len(resource.index))
        await self._completeness.permit_write(self.rows, tenant, resource)
        change = changes.creation(resource, members, _new_change_id())
        try:
            if change.fits:
                await self.rows.transact(tenant, change.operations(change.edits))
            else:
                await self._decide(tenant, change)
        except RowExists as conflict:
            if not await self._is_repetition(tenant, resource, conflict.operation):
                raise UniquenessConflict(conflict.operation.about) from None
        except RowMissing:
            raise NotFound(await self._missing_members(tenant, members)) from None

    async def read(self, tenant: str, resource_type: str, ids: Sequence[str]) -> list[StoredResource | None]:
        """See Storage.read."""
        by_id = {resource_id: keys.resource(resource_type, resource_id) for resource_id in ids}
        found = await reading.among(self.rows, tenant, by_id.values())
        rows = (found.get(by_id[resource_id]) for resource_id in ids)
        return [_resource(resource_type, row) if row else None for row in rows]

    async def existing(self, tenant: str, resource_type: str, ids: Collection[str]) -> set[str]:
        """See Storage.existing."""
        return await reading.existing(self.rows, tenant, resource_type, ids)

    async def complete_indexes(self, tenant: str, indexes: frozenset[Index]) -> frozenset[Index]:
        """See Storage.complete_indexes."""
        return await self._completeness.complete(self.rows, tenant, indexes)

    async def find(
        self, tenant: str, resource_type: str, entry: IndexEntry, *, prefix: bool = False, limit: int | None = None
    ) -> list[str]:
        """See Storage.find."""
        entries = await self._names.looked_up(self.rows, tenant, resource_type, entry)
        found = await side_by_side(
            self._find(tenant, resource_type, item, prefix=prefix, limit=limit) for item in entries
        )
        return sorted({resource_id for ids in found for resource_id in ids})[:limit]

    async def _find(
        self, tenant: str, resource_type: str, entry: IndexEntry, *, prefix: bool, limit: int | None
    ) -> list[str]:
        if prefix:
            return await self._holders(tenant, keys.holders_of_prefix(resource_type, entry), limit)
        if not entry.unique:
            return await self._ids(tenant, keys.holders(resource_type, entry), limit=limit)
        row = await self.rows.get(tenant, keys.unique_index(resource_type, entry), select=ID)
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

    async def update(self, tenant: str, resource: StoredResource, edits: MembershipEdits = NO_EDITS) -> None:
        """See Storage.update."""
        resource = await self._names.resolved(self.rows, tenant, resource)
        require_index_rows(len(resource.index), len(ReadState.of(resource).index_keys))
        await self._completeness.permit_write(self.rows, tenant, resource)
        await self._edit(tenant, changes.update(resource, edits, _new_change_id()))

    async def edit_members(self, tenant: str, group: StoredResource, edits: MembershipEdits, *, guarded: bool) -> None:
        """See Storage.edit_members."""
        await self._edit(tenant, changes.membership_change(group, edits, _new_change_id(), guarded=guarded))

    async def delete(
        self, tenant: str, resource: StoredResource, memberships: Sequence[Membership], *, now: str
    ) -> None:
        """See Storage.delete."""
        if resource.change_pending:
            raise VersionConflict
        change_id, own = _new_change_id(), changes.departure(resource)
        try:
            if len(memberships) < MANY_MEMBERSHIPS and changes.fits(own, memberships):
                await self._require_all(tenant, resource, memberships)
                key, ends = changes.key_of(resource), changes.other_ends(resource.id, memberships)
                rest = changes.severance(key, resource.id, memberships, change_id=change_id, version=change_id, now=now)
                await large_change_runner.transact_touching(self.rows, tenant, [*own, *rest], ends)
            else:
                change, parts = deleting(resource, change_id, now)
                await large_change_runner.decide(self.rows, tenant, change, parts, own)
                await self._apply(tenant, change)
        except (RowChanged, RowExists):
            raise VersionConflict from None
        except RowMissing as failure:
            _require_resource(failure.operation, resource)
            _require_index(failure.operation)
            raise VersionConflict from None

    async def apply_pending(self, tenant: str, resource_id: str, *, seconds: float) -> MembershipEdits:
        """See Storage.apply_pending."""
        if await large_change_runner.apply(self.rows, tenant, resource_id, seconds):
            return NO_EDITS
        return await large_change_runner.left_to_apply(self.rows, tenant, resource_id)

    async def sweep(self, *, before: str, seconds: float) -> Swept:
        """See Storage.sweep."""
        return await large_change_runner.sweep(self.rows, before, seconds)

    async def members_of(self, tenant: str, group_id: str, *, limit: int | None = None) -> list[Membership]:
        """See Storage.members_of."""
        return await read_memberships(self.rows, tenant, keys.members(group_id), limit=limit)

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

    async def _edit(self, tenant: str, change: Change) -> None:
        """The change has happened. Removals that others have made already are left out."""
        if change.resource.change_pending:
            raise VersionConflict
        if not change.fits:
            return await self._decide_edits(tenant, change)
        edits, gone = change.edits, set[str]()
        for _ in range(MAX_ATTEMPTS):
            try:
                await self.rows.transact(tenant, change.operations(edits, gone), repeatable=change.guarded)
            except RowChanged:
                raise VersionConflict from None
            except Unanswered:
                if change.guarded:
                    raise
                change = change.as_read()  # a repetition must not undo what others have done since
            except RowExists as conflict:
                raise UniquenessConflict(conflict.operation.about) from None
            except RowMissing as failure:
                _require_resource(failure.operation, change.resource)
                _require_index(failure.operation)
                edits, gone = await self._still_possible(tenant, edits)
            else:
                return None
        raise VersionConflict

    async def _decide_edits(self, tenant: str, change: Change) -> None:
        try:
            await self._decide(tenant, change)
        except RowChanged:
            raise VersionConflict from None
        except RowExists as conflict:
            if conflict.operation.role is Role.PENDING:
                raise VersionConflict from None
            raise UniquenessConflict(conflict.operation.about) from None
        except RowMissing as failure:
            _require_resource(failure.operation, change.resource)
            _require_index(failure.operation)
            raise VersionConflict from None

    async def _decide(self, tenant: str, change: Change) -> None:
        """A change beyond one transaction is decided, and applied as far as there is time.

        Raises NotFound when a member to add does not exist, TooLarge, and what a transaction raises.
        """
        opening = change.opening()
        require_transaction(opening)
        large, parts = editing(change)
        if missing := await self._missing_members(tenant, change.edits.add):
            raise NotFound(missing)
        await large_change_runner.decide(self.rows, tenant, large, parts, opening)
        await self._apply(tenant, large)

    async def _apply(self, tenant: str, change: LargeChange) -> None:
        """The change is applied as far as the time and the storage allow. It holds in any case."""
        try:
            if not await large_change_runner.apply(self.rows, tenant, change.resource_id, APPLY_SECONDS):
                log.info("a large change goes on after its answer", extra={"tenant": tenant, "id": change.resource_id})
        except StorageError as error:
            log.warning("a large change was interrupted and is left to the sweep", exc_info=error)

    async def _still_possible(self, tenant: str, edits: MembershipEdits) -> tuple[MembershipEdits, set[str]]:
        """The edits without removals of memberships that are gone, and the members that are gone themselves.

        Such a member has been deleted, and its memberships go with it, at once or soon. Raises NotFound when a member
        to add does not exist.
        """
        missing, there = await asyncio.gather(
            self._missing_members(tenant, edits.add), reading.edges_present(self.rows, tenant, edits.remove)
        )
        if missing:
            raise NotFound(missing)
        return MembershipEdits(edits.add, tuple(there)), await self._missing_members(tenant, there)

    async def _missing_members(self, tenant: str, edges: Sequence[Membership]) -> set[str]:
        return await reading.gone(self.rows, tenant, ((edge.member_type, edge.member_id) for edge in edges))

    async def _is_repetition(self, tenant: str, resource: StoredResource, existing: RowOperation) -> bool:
        """Whether this create has happened before: its answer was lost, and it was sent again."""
        if existing.role in (Role.RESOURCE, Role.PENDING):
            return True
        # The resource's row comes first. But of two failures, Table Storage may report the second one.
        return (await self.read(tenant, resource.resource_type, [resource.id])) != [None]

    async def _require_all(self, tenant: str, resource: StoredResource, memberships: Sequence[Membership]) -> None:
        """Raises VersionConflict unless these memberships are all that the resource takes part in."""
        if changes.accounts_for(resource, memberships):
            return
        ranges = keys.memberships(resource.resource_type, resource.id)
        found = await side_by_side(read_memberships(self.rows, tenant, key_range) for key_range in ranges)
        if set(memberships) != {edge for some in found for edge in some}:
            raise VersionConflict

    async def _holders(self, tenant: str, key_range: KeyRange, limit: int | None) -> list[str]:
        """The ids, ascending, of the range of an index, in which a resource may have several rows."""
        found = set[str]()
        async for rows in read_pages(self.rows, tenant, key_range, select=ID):
            found.update(row.properties[ID] for row in rows)
            if limit is not None and len(found) >= limit:
                break
        return sorted(found)[:limit]

    async def _ids(self, tenant: str, key_range: KeyRange, *, limit: int | None = None) -> list[str]:
        rows = await read_range(self.rows, tenant, key_range, limit=limit, select=ID)
        return [row.properties[ID] for row in rows]


def _resource(resource_type: str, row: Row) -> StoredResource:
    return entities.from_entity(resource_type, row.properties, row.etag)


def _require_resource(missing: RowOperation, resource: StoredResource) -> None:
    """Raises NotFound when what is missing is the resource itself."""
    if missing.role is Role.RESOURCE:
        raise NotFound({resource.id})


def _require_index(missing: RowOperation) -> None:
    """Raises StorageError for an index row that the resource lists and that is gone: somebody deleted it by hand."""
    if missing.role is Role.INDEX:
        raise StorageError("An index row of the resource is gone. Repair it as docs/storage.md says.")


def _new_change_id() -> str:
    return secrets.token_hex(_CHANGE_ID_BYTES)
