"""One PUT or PATCH of one resource: read, apply, store. It starts again when another change came between.

If only members change, no model is built: the document stays as it is.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from scim2_models import InvalidValueException

from scim_core.clock import Clock, instant_text
from scim_core.messages import Effect, Origin
from scim_core.model import NO_EDITS, Json, Membership, MembershipEdits, StoredResource
from scim_core.protocol.documents import ACTIVE, DocumentChange, changed_attributes, deactivated
from scim_core.protocol.group_patch import MembershipPatch
from scim_core.protocol.preconditions import Preconditions
from scim_core.protocol.representation import with_document
from scim_core.service.address import Address, Outcome
from scim_core.service.change_notes import NOTHING, BeforeAndAfter, Overlooked, change_note
from scim_core.service.effects import changed, unchanged, with_note
from scim_core.service.hold import require_not_held
from scim_core.service.ignored_input import IgnoredInput
from scim_core.service.memberships import EDGES_OF_A_UNIT, THE_MEMBERS, Memberships
from scim_core.service.unique_values import UniqueValues
from scim_core.storage.port import ChangeNote, NotFound, Storage, UniquenessConflict, VersionConflict
from scim_core.work import Work


@dataclass(frozen=True, slots=True)
class Requested:
    """What a PUT or PATCH asks for. Without `attributes` the document stays as it is.

    `memberships` says whether the answer shows them. `origin` is who asks, and `overlooked` what was ignored of it.
    """

    address: Address
    members: MembershipPatch
    attributes: DocumentChange | None
    conditions: Preconditions
    origin: Origin
    memberships: bool
    overlooked: Overlooked = NOTHING

    @property
    def atomic(self) -> bool:
        """Whether all of it happens at one moment. If not, it only adds and removes members, each at its own moment."""
        return self.attributes is not None or self.members.needs_present_members

    @property
    def guarded(self) -> bool:
        """Whether the resource must not have changed between its reading and its storing."""
        return self.atomic or self.conditions.match is not None


class Resources(Protocol):
    """What a change asks of the service provider."""

    async def get(self, address: Address, *, memberships: bool) -> Outcome:
        """See ServiceProvider.get."""

    async def read(self, address: Address) -> StoredResource:
        """See ServiceProvider.read."""

    async def require_applied(self, address: Address, stored: StoredResource) -> None:
        """See ServiceProvider.require_applied."""


class ResourceChange:
    """The attempts at one change. Each knows which versions the others made, and whether a member was missing."""

    def __init__(
        self,
        requested: Requested,
        resources: Resources,
        memberships: Memberships,
        storage: Storage,
        work: Work,
        *,
        ignored: IgnoredInput,
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        self._requested = requested
        self._resources = resources
        self._memberships = memberships
        self._storage = storage
        self._work = work
        self._ignored = ignored
        self._unique_values = UniqueValues(storage)
        self._clock = clock
        self._new_id = new_id
        self._made: dict[str, Effect] = {}
        self._member_missing = False
        self._absent: tuple[str, ...] = ()
        self._skipped: tuple[str, ...] = ()

    async def attempt(self) -> Outcome:
        """The resource after the change. If nothing changes, nothing is written.

        Raises VersionConflict when another change came between: another attempt may succeed. Raises StorageBusy, and
        the error with which the change itself is refused.
        """
        address, conditions = self._requested.address, self._requested.conditions
        before, present = await self.read()
        if before.version in self._made:  # the change was made: only its answer was lost
            outcome = await self._resources.get(address, memberships=self._requested.memberships)
            return replace(outcome, effect=self._made[before.version])
        conditions.require(before.version)
        await self._resources.require_applied(address, before)
        document = await self.apply(before)
        present, edits = await self._edits(present)
        try:
            after = await self.store(before, document, edits)
        except UniquenessConflict:
            await self._deactivate(before, document)
            raise
        except NotFound as error:
            self._member_missing = True
            raise VersionConflict from error
        if after is before and self._requested.guarded and self._requested.members:
            await self._require_unmoved(before)
        effect = unchanged(before) if after is before else self._made[after.version]
        effect = with_note(effect, address.resource_type, self._requested.origin, self._overlooked)
        if not self._requested.memberships:
            return Outcome(after, effect=effect)
        units = 1 + (len(present) + len(edits.add)) // EDGES_OF_A_UNIT
        shown = await self._work.run(units, None, partial(edits.applied, present))
        return Outcome(after, shown, effect)

    async def read(self) -> tuple[StoredResource, list[Membership]]:
        """The resource and the memberships that the change must know.

        A guarded change of members reads them after the group. If they were older, a change in between could be missed.
        """
        address = self._requested.address
        if self._requested.guarded and self._requested.members:
            return await self._resources.read(address), await self._present()
        return await asyncio.gather(self._resources.read(address), self._present())

    async def apply(self, before: StoredResource) -> Json:
        """The document that the change makes of the present one. Raises the error with which the change is refused."""
        if self._requested.address.id in self._requested.members.added:
            raise InvalidValueException(detail="A group cannot be a member of itself.")
        attributes = self._requested.attributes
        if attributes is None:
            return before.document
        applied = await self._work.run(
            attributes.units(before.document), "the operations", partial(attributes.apply, before.document)
        )
        address = self._requested.address
        self._skipped = tuple(item.path for item in applied.skipped)
        self._ignored.skipped_operations(address.tenant, address.resource_type.name, self._skipped)
        return applied.document

    async def store(self, before: StoredResource, document: Json, edits: MembershipEdits) -> StoredResource:
        """The resource as stored: with this document, and with its memberships edited.

        Raises VersionConflict, UniquenessConflict, NotFound, TooLarge, StorageBusy, and HttpError if deactivations are
        held.
        """
        address = self._requested.address
        same = document == before.document
        if same and not edits:
            return before
        if self._deactivates(before, document):
            await require_not_held(self._storage, address.tenant, self._requested.origin)
        after = replace(before, version=self._new_id(), last_modified=instant_text(self._clock()), document=document)
        names = () if same else changed_attributes(address.resource_type, before.document, document)
        self._made[after.version] = changed(address.resource_type, before, after, names, edits)
        note = self._note(BeforeAndAfter(names, before.document, document))
        if same:
            await self._storage.edit_members(address.tenant, after, edits, guarded=self._requested.guarded, note=note)
            return after
        after = with_document(address.resource_type, after, document)
        await self._unique_values.update(address.tenant, address.resource_type, before, after, edits, note=note)
        return after

    def _note(self, change: BeforeAndAfter) -> ChangeNote:
        requested = self._requested
        return change_note(requested.address.resource_type, requested.origin, change, self._overlooked)

    @property
    def _overlooked(self) -> Overlooked:
        overlooked = self._requested.overlooked
        if self._skipped or self._absent:
            overlooked = replace(overlooked, operations=self._skipped, absent=self._absent)
        return overlooked

    async def _deactivate(self, before: StoredResource, document: Json) -> None:
        """The resource is deactivated if the refused change would have done it. Nothing else of it changes.

        A client repeats the refused change while the other resource has the name. Nobody stays active for that long.
        """
        if self._deactivates(before, document):
            resource_type = self._requested.address.resource_type
            made = dict(self._made)
            try:
                await self.store(before, deactivated(resource_type, before.document), NO_EDITS)
            finally:
                self._made = made  # whoever finds this version in another attempt has not found the change made

    def _deactivates(self, before: StoredResource, document: Json) -> bool:
        can_be = self._requested.address.resource_type.can_be_inactive
        return can_be and document.get(ACTIVE) is False and before.document.get(ACTIVE) is not False

    async def _require_unmoved(self, before: StoredResource) -> None:
        """Raises VersionConflict when the group has changed since it was read: its members were read after it."""
        if (await self._resources.read(self._requested.address)).version != before.version:
            raise VersionConflict

    async def _edits(self, present: list[Membership]) -> tuple[list[Membership], MembershipEdits]:
        """The present members, and the edits that bring them to what is asked for."""
        address, members = self._requested.address, self._requested.members
        if not members:
            return present, NO_EDITS
        if not self._requested.guarded and members.finds_done(present):
            # The members were read at the same time as the group. They may be older than a large change of the group.
            present = await self._present()
        edits = await self._work.run(
            members.units(len(present)), THE_MEMBERS, partial(members.edits, address.id, present)
        )
        if self._member_missing or not self._memberships.are_served(edits.add):
            known = await self._memberships.known(
                address.tenant, address.resource_type, address.id, edits.add, self._work
            )
            known_ids = {edge.member_id for edge in known}
            self._absent = tuple(edge.member_id for edge in edits.add if edge.member_id not in known_ids)
            edits = replace(edits, add=known)
        return present, edits

    async def _present(self) -> list[Membership]:
        requested = self._requested
        return await self._memberships.for_change(
            requested.address, requested.members, self._work, shown=requested.memberships
        )
