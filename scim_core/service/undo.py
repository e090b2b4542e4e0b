"""Puts back what a mass change took away: who was deactivated is active again, who was deleted is there again, and
who was removed from a group is a member again.

Everything goes through the transactions of any change. So the feed, the log and the hooks see it. An undo that was
interrupted is run again: what is done already is found to be as before.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import batched

from scim_core.clock import Clock, instant_text
from scim_core.messages import Origin
from scim_core.model import NO_EDITS, Json, Membership, MembershipEdits, StoredResource
from scim_core.protocol.documents import ACTIVE, changed_attributes, reactivated
from scim_core.protocol.representation import index_entries, with_document
from scim_core.protocol.schemas import Catalogue, ResourceType
from scim_core.service.change_notes import BeforeAndAfter, change_note
from scim_core.service.losses import Chosen, Fate, History, Told, note_of, told
from scim_core.service.removals import Removal, Removals
from scim_core.service.undo_results import DEACTIVATED, DELETED, WHOLE, Loss, Portion, Undone, loss_of_members
from scim_core.service.unique_values import UniqueValues
from scim_core.storage.feed_port import Attempt, FeedChange, FeedStorage, GoneResource, LogRow
from scim_core.storage.port import ChangeNote, NotFound, StorageBusy, UniquenessConflict, VersionConflict

AT_ONCE = 50
"""Resources that are read, or looked up, at the same time."""

SIDE_BY_SIDE = 10
"""Resources that are put back at the same time: the customer's own requests go on."""

MAX_ATTEMPTS = 20
"""How often one resource is tried again because others change it at the same time."""

APPLY_SECONDS = 60
"""How long a large change is waited for: one of a group before members are added to it, and a deletion before its
resource is put back. What it has not removed until then, it would remove from the resource that is there again.
"""

FEED_PAGE = 1_000
"""Changes that were made during the look, read at a time."""

ATTEMPTS_PAGE = 1_000
"""Attempts that are read at a time: one answer of Table Storage."""


@dataclass(frozen=True, slots=True)
class _Case:
    """A lost resource with its history, its type if it is declared, what is there now, and what was kept."""

    history: History
    loss: LogRow
    resource_type: ResourceType | None
    stored: StoredResource | None
    gone: GoneResource | None
    fate: Fate

    @property
    def shown(self) -> Loss:
        note = note_of(self.loss)
        deleted = not self.history.inactive_at_last
        return Loss(
            self.history.resource_type,
            self.history.id,
            _name(self.stored.document if self.stored else self.gone.document if self.gone else {})
            or self.history.name,
            DELETED if deleted else DEACTIVATED,
            self.loss.time,
            note.get("credential", ""),
            note.get("request", ""),
            self.fate,
            () if deleted else tuple(name for name in self.loss.attributes if name != ACTIVE),
            len(self.gone.memberships) if self.gone else 0,
        )


class Undo:
    """Looks at the mass changes of a tenant, and puts back what they took away. `origin` is for the log.

    Before it reads, deletions that are pending are applied. Every method may raise StorageBusy.
    """

    def __init__(
        self, storage: FeedStorage, catalogue: Catalogue, origin: Origin, *, clock: Clock, new_id: Callable[[], str]
    ) -> None:
        self._storage = storage
        self._catalogue = catalogue
        self._removals = Removals(storage, catalogue)
        self._unique_values = UniqueValues(storage)
        self._origin = origin
        self._clock = clock
        self._new_id = new_id

    async def look(self, tenant: str, chosen: Chosen) -> Undone:
        """What the chosen changes took away, and what would become of it. Nothing is changed."""
        found, cases = await self._cases(tenant, chosen)
        removed = await self._removals.look(tenant, found, _fates(cases))
        return Undone([*(case.shown for case in cases), *map(loss_of_members, removed)])

    async def run(
        self,
        tenant: str,
        chosen: Chosen,
        progress: Callable[[int], object] = lambda _: None,
        portion: Portion = WHOLE,
    ) -> Undone:
        """What can be put back is. `progress` is told how many resources are done, each time.

        With a portion, run it again until nothing is `left`, and no `after` is told.
        """
        found, cases = await self._cases(tenant, chosen)
        due = [case.history.id for case in cases if case.fate is Fate.TO_UNDO]
        later = frozenset(due[portion.resources :])
        fates = dict[str, Fate]()
        for some in batched((case for case in cases if case.history.id not in later), SIDE_BY_SIDE, strict=False):
            reached = await asyncio.gather(*(self._put_back(tenant, case) for case in some))
            fates |= {case.history.id: fate for case, fate in zip(some, reached, strict=True)}
            progress(len(some))
        done = [replace(case, fate=fates.get(case.history.id, case.fate)) for case in cases]
        after = "" if due else portion.after  # the groups of who is there only now were not looked at
        wanted = {key: edges for key, edges in _memberships(found, done, later).items() if key[1] > after}
        groups = sorted(wanted, key=lambda key: key[1])[: portion.groups]
        joined = [await self._join(tenant, *group, wanted[group]) for group in groups]
        last = groups[-1][1] if groups else after
        more = last if len(groups) < len(wanted) and not later else ""
        returned = await self._return_members(
            tenant, found, done, limit=0 if later or more else portion.groups - len(groups)
        )
        if not later and any(item.fate is Fate.TO_UNDO for item in returned):
            more = last
        memberships = sum(joined) + sum(len(item.edges) for item in returned if item.fate is Fate.UNDONE)
        return Undone([*(case.shown for case in done), *map(loss_of_members, returned)], memberships, more)

    async def _cases(self, tenant: str, chosen: Chosen) -> tuple[Told, list[_Case]]:
        await self._storage.relay(tenant)
        head = await self._storage.feed_head(tenant)
        since = datetime.fromisoformat(chosen.since)
        rows, attempts = await asyncio.gather(
            self._storage.log_since(tenant, since), self._attempts_since(tenant, since)
        )
        found = told(rows, attempts, chosen)
        deleted = [item.id for item in found.lost if item.deletion]
        for ids in batched(deleted, AT_ONCE, strict=False):
            await asyncio.gather(*(self._require_applied(tenant, id_) for id_ in ids))
        by_entry = {item.entry: item for item in await self._storage.gone_since(tenant, since)}
        stored = await self._present(tenant, found.lost)
        moved = await self._moved_since(tenant, head.next - 1)
        return found, [
            case
            for some in batched(found.lost, AT_ONCE, strict=False)
            for case in await asyncio.gather(
                *(self._case(tenant, item, stored.get(item.id), by_entry, moved=item.id in moved) for item in some)
            )
        ]

    async def _attempts_since(self, tenant: str, since: datetime) -> list[Attempt]:
        found = list[Attempt]()
        while True:
            after = found[-1].place if found else ""
            older = await self._storage.attempts(tenant, since=since, limit=ATTEMPTS_PAGE, after=after)
            found += reversed(older)
            if len(older) < ATTEMPTS_PAGE:
                return found

    async def _require_applied(self, tenant: str, resource_id: str) -> None:
        """Nothing of this resource is pending. Its steps have kept all memberships. Raises StorageBusy."""
        if not await self._storage.is_pending(tenant, resource_id):
            return
        await self._storage.apply_pending(tenant, resource_id, seconds=APPLY_SECONDS)
        if await self._storage.is_pending(tenant, resource_id):
            raise StorageBusy("A large deletion is still being applied. Run the command again.")

    async def _case(
        self,
        tenant: str,
        history: History,
        stored: StoredResource | None,
        kept: dict[str, GoneResource],
        *,
        moved: bool,
    ) -> _Case:
        loss = history.loss
        assert loss is not None  # noqa: S101 -- only such resources are asked about
        gone = kept.get(loss.entry) if history.deletion else None
        resource_type = self._catalogue.named(history.resource_type)
        case = _Case(history, loss, resource_type, stored, gone, Fate.TO_UNDO)
        return replace(case, fate=await self._fate(tenant, case, moved=moved))

    async def _fate(self, tenant: str, case: _Case, *, moved: bool) -> Fate:
        if case.resource_type is None:
            return Fate.UNDECLARED
        if case.history.inactive_at_last:
            return _fate_of_inactive(case, moved=moved)
        fate = _fate_of_deleted(case, moved=moved)
        if fate is Fate.TO_UNDO and case.gone and await self._is_taken(tenant, case.resource_type, case.gone):
            return Fate.TAKEN
        return fate

    async def _is_taken(self, tenant: str, resource_type: ResourceType, gone: GoneResource) -> bool:
        """Whether somebody else has a unique value of the deleted resource by now."""
        unique = [entry for entry in index_entries(resource_type, gone.document) if entry.unique]
        found = await asyncio.gather(
            *(self._storage.find(tenant, resource_type.name, entry, limit=1) for entry in unique)
        )
        return any(ids and ids[0] != gone.id for ids in found)

    async def _present(self, tenant: str, lost: Sequence[History]) -> dict[str, StoredResource]:
        """The resources that are there now, by id."""
        found: dict[str, StoredResource] = {}
        for type_name in {item.resource_type for item in lost}:
            ids = [item.id for item in lost if item.resource_type == type_name]
            for some in batched(ids, AT_ONCE, strict=False):
                read = await self._storage.read(tenant, type_name, some)
                found |= {item.id: item for item in read if item is not None}
        return found

    async def _moved_since(self, tenant: str, number: int) -> set[str]:
        """The ids of resources that were changed while this was looking: after the entry of this number."""
        moved = set[str]()
        while True:
            reading = await self._storage.feed(tenant, after=number, limit=FEED_PAGE)
            moved |= {row.id for row in reading.rows if row.change is not FeedChange.MEMBERS}
            if len(reading.rows) < FEED_PAGE:
                return moved
            number = reading.rows[-1].number

    async def _put_back(self, tenant: str, case: _Case) -> Fate:
        if case.fate is not Fate.TO_UNDO or case.resource_type is None:
            return case.fate
        try:
            if case.gone is not None and case.stored is None:
                return await self._restore(tenant, case.resource_type, case.history, case.gone)
            return await self._reactivate(tenant, case.resource_type, case)
        except UniquenessConflict:
            return Fate.TAKEN

    async def _reactivate(self, tenant: str, resource_type: ResourceType, case: _Case) -> Fate:
        """The resource has `active` as it had before. If others change its document at the same time, it is left alone.

        Another undo at the same time may be quicker.
        """
        there = before = case.stored
        for _ in range(MAX_ATTEMPTS):
            if there is None or before is None:
                return Fate.CHANGED
            document = reactivated(before.document, case.history.was)
            if there.document != before.document:
                return Fate.AS_BEFORE if there.document == document else Fate.CHANGED
            names = changed_attributes(resource_type, there.document, document)
            note = self._note(resource_type, BeforeAndAfter(names, there.document, document))
            after = self._stored(resource_type, there, document)
            try:
                await self._unique_values.update(tenant, resource_type, there, after, NO_EDITS, note=note)
            except VersionConflict:
                [there] = await self._storage.read(tenant, resource_type.name, [there.id])
            except NotFound:
                return Fate.CHANGED
            else:
                return Fate.UNDONE
        raise StorageBusy("Others are changing the resources at the same time. Run the command again.")

    async def _restore(self, tenant: str, resource_type: ResourceType, history: History, gone: GoneResource) -> Fate:
        """The resource is there again, with its id. If a chosen change had deactivated it before, it is active."""
        document = gone.document
        if history.deactivation is not None and not history.stays_inactive:
            document = reactivated(document, history.was)
        new = StoredResource(resource_type.name, gone.id, document, gone.created, "", "")
        note = self._note(resource_type, BeforeAndAfter(changed_attributes(resource_type, {}, document), {}, document))
        stored = self._stored(resource_type, new, document)
        try:
            await self._unique_values.create(tenant, resource_type, stored, (), note, kept=gone.state)
        except VersionConflict:
            return Fate.CHANGED  # another undo has put it back, and it was deleted again
        except NotFound:
            return Fate.NOT_KEPT
        return Fate.UNDONE

    def _stored(self, resource_type: ResourceType, before: StoredResource, document: Json) -> StoredResource:
        touched = replace(before, last_modified=instant_text(self._clock()), version=self._new_id())
        return with_document(resource_type, touched, document)

    async def _return_members(self, tenant: str, found: Told, done: Sequence[_Case], *, limit: int) -> list[Removal]:
        """The members whom chosen changes removed from groups: those of so many groups are members again."""
        removed = await self._removals.look(tenant, found, _fates(done))
        due = {item.group_id for item in [item for item in removed if item.fate is Fate.TO_UNDO][:limit]}
        return [await self._return(tenant, item) if item.group_id in due else item for item in removed]

    async def _return(self, tenant: str, removal: Removal) -> Removal:
        """The members are in the group again. If there is nothing to do any more, somebody else was quicker: another
        undo, which has put all of them back, or whoever deleted the group or the members.
        """
        if removal.fate is not Fate.TO_UNDO:
            return removal
        joined = await self._join(tenant, removal.group_type, removal.group_id, set(removal.edges))
        if joined:
            return replace(removal, fate=Fate.UNDONE)
        ids = [edge.member_id for edge in removal.edges]
        present = await self._storage.present(tenant, removal.group_id, ids)
        return replace(removal, fate=Fate.AS_BEFORE if len(present) == len(ids) else Fate.CHANGED)

    async def _join(self, tenant: str, type_name: str, group_id: str, edges: set[Membership]) -> int:
        """How many of these memberships were missing, and are there now. Both ends must exist."""
        group_type = self._catalogue.named(type_name)
        note = self._note(group_type, BeforeAndAfter((), {}, {})) if group_type else ChangeNote()
        for _ in range(MAX_ATTEMPTS):
            [group] = await self._storage.read(tenant, type_name, [group_id])
            if group is None:
                return 0
            if group.change_pending:
                await self._storage.apply_pending(tenant, group_id, seconds=APPLY_SECONDS)
                continue
            missing = await self._missing(tenant, group_id, edges)
            if not missing:
                return 0
            after = replace(group, version=self._new_id(), last_modified=instant_text(self._clock()))
            edits = MembershipEdits(add=tuple(missing))
            try:
                await self._storage.edit_members(tenant, after, edits, guarded=False, note=note)
            except (NotFound, VersionConflict):
                continue
            return len(missing)
        raise StorageBusy("Others are changing a group at the same time. Run the command again.")

    async def _missing(self, tenant: str, group_id: str, edges: set[Membership]) -> list[Membership]:
        """The memberships whose member is there, and is no member."""
        present = set(await self._storage.present(tenant, group_id, [edge.member_id for edge in edges]))
        absent = sorted(edges - present)
        there = set[str]()
        for type_name in {edge.member_type for edge in absent}:
            ids = [edge.member_id for edge in absent if edge.member_type == type_name]
            there |= await self._storage.existing(tenant, type_name, ids)
        return [edge for edge in absent if edge.member_id in there]

    def _note(self, resource_type: ResourceType, change: BeforeAndAfter) -> ChangeNote:
        return change_note(resource_type, self._origin, change)


def _memberships(found: Told, cases: Sequence[_Case], later: Collection[str]) -> dict[tuple[str, str], set[Membership]]:
    """The memberships to put back, by group: those of resources that are there again.

    While some are put back later, that is who was put back now; then it is everybody. Who was removed from a group
    since, by a change of the group, stays outside.
    """
    there = (Fate.UNDONE,) if later else (Fate.UNDONE, Fate.AS_BEFORE)
    wanted: dict[tuple[str, str], set[Membership]] = {}
    for case in cases:
        for edge in case.gone.memberships if case.gone and case.fate in there else ():
            if not found.left_after(edge.group_id, edge.member_id, case.loss):
                wanted.setdefault((edge.group_type, edge.group_id), set()).add(edge)
    return wanted


def _fate_of_inactive(case: _Case, *, moved: bool) -> Fate:
    if case.stored is None or case.history.changed or moved:
        return Fate.CHANGED
    if case.stored.document.get(ACTIVE) is not False:
        return Fate.AS_BEFORE
    return Fate.ASKED_AGAIN if case.history.asked_again else Fate.TO_UNDO


def _fate_of_deleted(case: _Case, *, moved: bool) -> Fate:
    if case.stored is not None:
        return Fate.AS_BEFORE
    if case.history.deleted_since or moved:
        return Fate.CHANGED
    if case.gone is None:
        return Fate.NOT_KEPT
    return Fate.ASKED_AGAIN if case.history.asked_again else Fate.TO_UNDO


def _fates(cases: Sequence[_Case]) -> dict[str, Fate]:
    return {case.history.id: case.fate for case in cases}


def _name(document: Json) -> str:
    return str(document.get("userName") or document.get("displayName") or "")
