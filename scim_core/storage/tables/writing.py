"""The changes of the storage port: each is planned in changes.py, and sent here, whole or in steps."""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any

from scim_core.clock import Clock
from scim_core.model import NO_EDITS, Membership, MembershipEdits, StoredResource
from scim_core.storage.feed_port import FeedChange
from scim_core.storage.port import (
    MANY_MEMBERSHIPS,
    NO_NOTE,
    ChangeNote,
    NotFound,
    StorageError,
    UniquenessConflict,
    VersionConflict,
)
from scim_core.storage.tables import changes, keys, large_change_runner, reading
from scim_core.storage.tables.changes import Change
from scim_core.storage.tables.doorbell import Doorbell
from scim_core.storage.tables.entities import ReadState
from scim_core.storage.tables.errors import RowChanged, RowExists, RowMissing, Unanswered
from scim_core.storage.tables.gone_rows import kept_document, kept_edges, restoration
from scim_core.storage.tables.index_completeness import Completeness
from scim_core.storage.tables.large_change import DECISION_OPERATIONS, LargeChange, deleting, editing, first_step
from scim_core.storage.tables.large_change_runner import Known, Opening
from scim_core.storage.tables.names import Names
from scim_core.storage.tables.outbox import OutboxRow, new_change_id, outbox_row
from scim_core.storage.tables.reading import read_memberships, side_by_side
from scim_core.storage.tables.row_operations import Role, RowOperation
from scim_core.storage.tables.rows import Rows
from scim_core.storage.tables.service_limits import require_index_rows, require_transaction

MAX_ATTEMPTS = 5
"""How often an edit is planned again because others have removed memberships that it removes."""

APPLY_SECONDS = 20
"""How long the request of a large change applies it after the decision: half of what a request may take, and enough
for some ten thousand members. The rest is left to whoever meets the change, and to the sweep.
"""

log = logging.getLogger(__name__)


class TableWriting:
    """The changes of one process: see TableStorage, which is the whole port."""

    def __init__(self, rows: Rows, clock: Clock) -> None:
        self.rows = rows
        self._clock = clock
        self._completeness = Completeness(clock)
        self._names = Names(self._completeness)
        self._doorbell = Doorbell(clock)

    async def create(
        self,
        tenant: str,
        resource: StoredResource,
        members: Sequence[Membership] = (),
        *,
        note: ChangeNote = NO_NOTE,
        kept: str = "",
    ) -> None:
        """See Storage.create."""
        resource = await self._names.resolved(self.rows, tenant, resource)
        require_index_rows(len(resource.index))
        await self._completeness.permit_write(self.rows, tenant, resource)
        change = changes.creation(
            resource, members, self._said(FeedChange.CREATED, resource, note, MembershipEdits(add=tuple(members)))
        )
        if kept:
            change = replace(change, own=(*change.own, restoration(kept, change.said.time)))
        await self._rung(tenant, self._create(tenant, change, members))

    async def update(
        self,
        tenant: str,
        resource: StoredResource,
        edits: MembershipEdits = NO_EDITS,
        *,
        note: ChangeNote = NO_NOTE,
    ) -> None:
        """See Storage.update."""
        resource = await self._names.resolved(self.rows, tenant, resource)
        require_index_rows(len(resource.index), len(ReadState.of(resource).index_keys))
        await self._completeness.permit_write(self.rows, tenant, resource)
        change = changes.update(resource, edits, self._said(FeedChange.UPDATED, resource, note, edits))
        await self._rung(tenant, self._edit(tenant, change))

    async def edit_members(
        self,
        tenant: str,
        group: StoredResource,
        edits: MembershipEdits,
        *,
        guarded: bool,
        note: ChangeNote = NO_NOTE,
    ) -> None:
        """See Storage.edit_members."""
        said = self._said(FeedChange.MEMBERS, group, note, edits)
        await self._rung(tenant, self._edit(tenant, changes.membership_change(group, edits, said, guarded=guarded)))

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
        """See Storage.delete."""
        if resource.change_pending:
            raise VersionConflict
        said = self._said(FeedChange.DELETED, resource, note)
        try:
            await self._rung(tenant, self._delete(tenant, resource, memberships, said, now, keep=keep))
        except RowExists as failure:
            if failure.operation.role is not Role.OUTBOX:  # otherwise it has happened, and its answer was lost
                raise VersionConflict from None
        except RowChanged:
            raise VersionConflict from None
        except RowMissing as failure:
            _require_resource(failure.operation, resource)
            _require_index(failure.operation)
            raise VersionConflict from None

    def _said(
        self, change: FeedChange, resource: StoredResource, note: ChangeNote, edits: MembershipEdits = NO_EDITS
    ) -> OutboxRow:
        """What a change that is made now says of itself."""
        return outbox_row(
            change,
            resource.resource_type,
            resource.id,
            change_id=new_change_id(),
            now=self._clock(),
            after=ReadState.of(resource).stamp if resource.etag else "",
            edits=edits,
            note=note,
        )

    async def _rung(self, tenant: str, change: Coroutine[Any, Any, None]) -> None:
        """The change is made. Side by side with it, the timer is told that the tenant has one, if it is time to."""
        now = self._doorbell.due(tenant)
        if now is None:
            await change
            return
        ring = self._doorbell.ring(self.rows, tenant, now)
        for failure in await asyncio.gather(change, ring, return_exceptions=True):
            if failure is not None:
                raise failure

    async def _create(self, tenant: str, change: Change, members: Sequence[Membership]) -> None:
        try:
            if change.fits:
                await self.rows.transact(tenant, change.operations(change.edits))
            else:
                await self._decide(tenant, change)
        except RowExists as conflict:
            if not await self._is_repetition(tenant, change.resource, conflict.operation):
                raise UniquenessConflict(conflict.operation.about) from None
        except RowChanged:  # what was kept has been put back: by this very creation, or another one
            if not await self._is_there(tenant, change.resource):
                raise VersionConflict from None
        except RowMissing:
            raise NotFound(await self._missing_members(tenant, members)) from None

    async def _delete(
        self,
        tenant: str,
        resource: StoredResource,
        memberships: Sequence[Membership],
        said: OutboxRow,
        now: str,
        *,
        keep: bool,
    ) -> None:
        ends = changes.other_ends(resource.id, memberships)
        own = changes.departure(resource, said, ends)
        is_small = len(memberships) < MANY_MEMBERSHIPS and changes.fits(len(own), memberships)
        kept = _kept(resource, said, memberships if is_small else ()) if keep else []
        kept_key = kept[0].key if kept else ""
        # With as many index rows as there can be, there is no room: then it is kept before. If the resource is not
        # deleted after all, the log has no such deletion, and nobody reads what was kept.
        beside = kept if changes.room(len(own) + len(kept) + DECISION_OPERATIONS) >= 0 else []
        if kept and not beside:
            await self.rows.transact(tenant, kept)
        if is_small and changes.fits(len(own) + len(beside), memberships):
            await self._require_all(tenant, resource, memberships)
            key, change_id = changes.key_of(resource), said.change_id
            rest = changes.severance(key, resource.id, memberships, change_id=change_id, version=change_id, now=now)
            await large_change_runner.transact_touching(self.rows, tenant, [*own, *beside, *rest], ends)
        else:
            change, parts = deleting(resource, said, now, kept_key)
            opening = Opening([*changes.departure(resource, said), *beside[:1]])  # its steps keep the memberships
            pending = await large_change_runner.decide(self.rows, tenant, change, parts, opening)
            all_known = len(memberships) < MANY_MEMBERSHIPS and changes.accounts_for(resource, memberships)
            await self._apply(tenant, pending, Known(parts, memberships if all_known else None))

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
                return _require_repetition(conflict)
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
            _require_repetition(conflict)
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
        openings = [Opening(opening)]
        if first := first_step(parts, large, opening):
            openings.insert(0, Opening(change.opening(first), len(first.add) + len(first.remove)))
        pending = await large_change_runner.decide(self.rows, tenant, large, parts, *openings)
        await self._apply(tenant, pending, Known(parts))

    async def _apply(self, tenant: str, pending: LargeChange | None, known: Known) -> None:
        """The change is applied as far as the time and the storage allow. It holds in any case."""
        if pending is None:
            return
        try:
            if not await large_change_runner.finish(
                self.rows, tenant, pending, APPLY_SECONDS, self._clock, known=known
            ):
                log.info("a large change goes on after its answer", extra={"tenant": tenant, "id": pending.resource_id})
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
        if existing.role in (Role.RESOURCE, Role.PENDING, Role.OUTBOX):
            return True
        # The resource's row comes first. But of two failures, Table Storage may report the second one.
        return await self._is_there(tenant, resource)

    async def _is_there(self, tenant: str, resource: StoredResource) -> bool:
        return bool(await reading.existing(self.rows, tenant, resource.resource_type, [resource.id]))

    async def _require_all(self, tenant: str, resource: StoredResource, memberships: Sequence[Membership]) -> None:
        """Raises VersionConflict unless these memberships are all that the resource takes part in."""
        if changes.accounts_for(resource, memberships):
            return
        ranges = keys.memberships(resource.resource_type, resource.id)
        found = await side_by_side(read_memberships(self.rows, tenant, key_range) for key_range in ranges)
        if set(memberships) != {edge for some in found for edge in some}:
            raise VersionConflict


def _kept(resource: StoredResource, said: OutboxRow, memberships: Sequence[Membership]) -> list[RowOperation]:
    """What the deletion of a resource keeps of it: the document, and these memberships."""
    document = kept_document(resource, said)
    return [document, *kept_edges(document.key, resource.id, memberships, done=0, time=said.time)]


def _require_repetition(conflict: RowExists) -> None:
    """Returns if the change has happened, and only its answer was lost: its own row is there. Else its value is taken.

    Raises UniquenessConflict.
    """
    if conflict.operation.role is not Role.OUTBOX:
        raise UniquenessConflict(conflict.operation.about) from None


def _require_resource(missing: RowOperation, resource: StoredResource) -> None:
    """Raises NotFound when what is missing is the resource itself."""
    if missing.role is Role.RESOURCE:
        raise NotFound({resource.id})


def _require_index(missing: RowOperation) -> None:
    """Raises StorageError for an index row that the resource lists and that is gone: somebody deleted it by hand."""
    if missing.role is Role.INDEX:
        raise StorageError("An index row of the resource is gone. Repair it as docs/storage.md says.")
