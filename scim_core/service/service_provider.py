"""The operations of RFC 7644, one method per section, over the storage port. No HTTP, no clock of its own.

Reads that do not depend on each other run side by side, so an operation costs few round trips.
A change reads the resource, applies itself, and stores the result if no other change came between. Otherwise it is
applied again to what is there now. A client that sent If-Match is refused then.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from scim_core.clock import Clock, instant_text
from scim_core.messages import Effect, Origin, Result
from scim_core.model import Json, Membership, StoredResource
from scim_core.protocol import documents
from scim_core.protocol.documents import DocumentChange
from scim_core.protocol.group_patch import MembershipPatch, split, take_members
from scim_core.protocol.leniency import Leniency
from scim_core.protocol.patch_application import modification
from scim_core.protocol.patch_cost import reading_units
from scim_core.protocol.patch_operations import patch_request
from scim_core.protocol.preconditions import Preconditions
from scim_core.protocol.representation import Renderer, with_document
from scim_core.protocol.schemas import Catalogue, ResourceType
from scim_core.protocol.stated_schemas import require_patch, require_resource
from scim_core.protocol.strict_json import Body
from scim_core.service.address import Address, Outcome
from scim_core.service.change_notes import BeforeAndAfter, Overlooked, change_note
from scim_core.service.effects import created, with_note
from scim_core.service.group_snapshots import READER_SECONDS, group_snapshots
from scim_core.service.hold import held, is_held
from scim_core.service.ignored_input import IgnoredInput
from scim_core.service.memberships import Memberships, no_memberships
from scim_core.service.optimistic_retry import OptimisticRetry
from scim_core.service.resource_change import Requested, ResourceChange
from scim_core.service.unique_values import UniqueValues
from scim_core.storage.port import NotFound, Storage, StorageBusy, Swept, VersionConflict
from scim_core.work import Work

WRITER_SECONDS = 10
"""How long a writer of a resource helps to apply its large change. After that it is told to come back."""

SWEEP_AFTER = timedelta(minutes=2)
"""Age from which the sweep finishes a change: every request that might work on it has ended long before."""

SWEEP_SECONDS = 240
"""Longest time of one sweep. By default a sweep starts every five minutes."""

PENDING_RETRY_AFTER = 30
"""Seconds after which a writer comes back to a resource with a pending change: it takes a minute or two to apply."""

BODY = "the body"
"""What work with the body is for."""

log = logging.getLogger(__name__)


class ServiceProvider:
    """Creates, reads, changes and deletes the resources of a tenant."""

    def __init__(
        self,
        storage: Storage,
        catalogue: Catalogue,
        *,
        clock: Clock,
        new_id: Callable[[], str],
        pause: Callable[[float], Awaitable[None]],
        ignored: IgnoredInput,
        keeps_deleted: bool = False,
    ) -> None:
        """With `keeps_deleted`, what is deleted can be put back: see Storage.delete."""
        self._storage = storage
        self._catalogue = catalogue
        self._memberships = Memberships(storage, catalogue, ignored)
        self._ignored = ignored
        self._clock = clock
        self._new_id = new_id
        self._retry = OptimisticRetry(pause)
        self._unique_values = UniqueValues(storage)
        self._keeps_deleted = keeps_deleted

    async def create(self, tenant: str, resource_type: ResourceType, body: Body, work: Work, origin: Origin) -> Outcome:
        """A new resource with an id of ours is stored (RFC 7644 section 3.3).

        Raises InvalidSyntaxException, InvalidValueException, ValidationError, RequestTooLarge, TooMuchWork, and the
        storage's UniquenessConflict, TooLarge, StorageBusy.
        """
        resource_id, now = self._new_id(), instant_text(self._clock())
        leniency = Leniency(resource_type)

        def shaped() -> tuple[Json, tuple[Membership, ...], int]:
            require_resource(resource_type, self._catalogue, body.value)
            attributes = leniency.resource(body.value)
            members = take_members(resource_type, attributes)
            document = documents.creation(resource_type, attributes, resource_id)
            return (
                document,
                tuple(Membership(resource_id, *member, resource_type.name) for member in sorted(members.kinds.items())),
                members.malformed,
            )

        document, edges, malformed = await work.run(body.units, BODY, shaped)
        new = StoredResource(resource_type.name, resource_id, {}, now, now, self._new_id())
        stored = with_document(resource_type, new, document)
        self._ignored.attributes(tenant, resource_type.name, leniency.ignored)
        self._ignored.malformed_members(tenant, resource_id, malformed)
        names = documents.changed_attributes(resource_type, {}, document)
        joining = edges
        if not self._memberships.are_served(edges):
            joining = await self._memberships.known(tenant, resource_type, resource_id, edges, work)

        async def attempt() -> Outcome:
            nonlocal joining
            there = {edge.member_id for edge in joining}
            absent = [edge.member_id for edge in edges if edge.member_id not in there]
            overlooked = Overlooked(leniency.ignored, absent=absent, malformed=malformed)
            note = change_note(resource_type, origin, BeforeAndAfter(names, {}, document), overlooked)
            try:
                await self._unique_values.create(tenant, resource_type, stored, joining, note)
            except NotFound as error:
                joining = await self._memberships.known(tenant, resource_type, resource_id, edges, work)
                raise VersionConflict from error
            effect = created(resource_type, stored, names, joining)
            return Outcome(stored, joining, with_note(effect, resource_type, origin, overlooked))

        return await self._retry.until_not_overtaken((tenant, resource_id), attempt)

    async def get(self, address: Address, *, memberships: bool) -> Outcome:
        """The resource (RFC 7644 section 3.4.1). Raises NotFoundException when there is none with this id."""
        if memberships and address.resource_type.has_members:
            return await self._whole(address)
        stored, edges = await asyncio.gather(
            self.read(address), self._memberships.shown(address) if memberships else no_memberships()
        )
        return Outcome(stored, edges)

    async def replace(
        self,
        address: Address,
        body: Body,
        conditions: Preconditions,
        work: Work,
        renderer: Renderer,
        *,
        origin: Origin,
        memberships: bool,
    ) -> Outcome:
        """The resource is what the body says. What the body leaves out is cleared (RFC 7644 section 3.5.1).

        Raises what create raises, NotFoundException, MutabilityException, PreconditionFailedException.
        """
        leniency = Leniency(address.resource_type)

        def shaped() -> tuple[MembershipPatch, DocumentChange]:
            require_resource(address.resource_type, self._catalogue, body.value)
            attributes = leniency.resource(body.value)
            members = MembershipPatch(renderer.shown_member, address.resource_type.name)
            if address.resource_type.has_members:
                members.replace(take_members(address.resource_type, attributes))
            return members, documents.replacement(address.resource_type, attributes, address.id)

        members, change = await work.run(body.units, BODY, shaped)
        overlooked = Overlooked(leniency.ignored, malformed=members.malformed)
        return await self._change(
            Requested(address, members, change, conditions, origin, memberships, overlooked), work
        )

    async def patch(
        self,
        address: Address,
        body: Body,
        conditions: Preconditions,
        work: Work,
        renderer: Renderer,
        *,
        origin: Origin,
        memberships: bool,
    ) -> Outcome:
        """The operations are applied in order, all or none (RFC 7644 section 3.5.2).

        Raises InvalidPathException, InvalidFilterException, NoTargetException, and as replace.
        """
        leniency = Leniency(address.resource_type)

        def shaped() -> tuple[MembershipPatch, DocumentChange | None]:
            require_patch(body.value)
            members, request = split(address.resource_type, patch_request(leniency, body.value), renderer.shown_member)
            return members, modification(address.resource_type, request)

        members, change = await work.run(body.units + reading_units(body.value), BODY, shaped)
        overlooked = Overlooked(leniency.ignored, malformed=members.malformed)
        return await self._change(
            Requested(address, members, change, conditions, origin, memberships, overlooked), work
        )

    async def delete(self, address: Address, conditions: Preconditions, origin: Origin) -> Effect:
        """The resource and all memberships it took part in are gone (RFC 7644 section 3.6).

        Raises NotFoundException, PreconditionFailedException, StorageBusy, and HttpError if deletions are held.
        """

        async def attempt() -> Effect:
            stored, edges, is_waiting = await asyncio.gather(
                self.read(address),
                self._memberships.for_deletion(address),
                is_held(self._storage, address.tenant, origin),
            )
            conditions.require(stored.version)
            if is_waiting:
                raise held()
            await self.require_applied(address, stored)
            names = documents.changed_attributes(address.resource_type, stored.document, {})
            note = change_note(address.resource_type, origin, BeforeAndAfter(names, stored.document, {}))
            try:
                now = instant_text(self._clock())
                await self._storage.delete(address.tenant, stored, edges, now=now, note=note, keep=self._keeps_deleted)
            except NotFound:
                log.info("a resource to delete was gone already", extra={"tenant": address.tenant})
            return Effect(stored.id, Result.DELETED, version_before=stored.version)

        return await self._retry.until_not_overtaken((address.tenant, address.id), attempt)

    async def sweep(self) -> Swept:
        """The large changes that have been unfinished for SWEEP_AFTER are finished; raises StorageBusy."""
        before = instant_text(self._clock() - SWEEP_AFTER)
        return await self._storage.sweep(before=before, seconds=SWEEP_SECONDS)

    async def _change(self, requested: Requested, work: Work) -> Outcome:
        """The resource after the change. What was ignored in the body is in the log."""
        address, overlooked = requested.address, requested.overlooked
        self._ignored.attributes(address.tenant, address.resource_type.name, overlooked.attributes)
        self._ignored.malformed_members(address.tenant, address.id, overlooked.malformed)
        change = ResourceChange(
            requested,
            self,
            self._memberships,
            self._storage,
            work,
            ignored=self._ignored,
            clock=self._clock,
            new_id=self._new_id,
        )
        return await self._retry.until_not_overtaken((address.tenant, address.id), change.attempt)

    async def _whole(self, address: Address) -> Outcome:
        """The group with its members, as at one moment."""
        group = await self.read(address)
        whole = await group_snapshots(self._storage, address.tenant, [group])
        if not whole:
            raise address.not_found()
        return Outcome(whole[0].stored, whole[0].members)

    async def read(self, address: Address) -> StoredResource:
        """The resource alone. Raises NotFoundException, StorageBusy."""
        [stored] = await self._storage.read(address.tenant, address.resource_type.name, [address.id])
        if stored is None:
            # The deletion of this resource may be pending: whoever asks for the resource helps to apply it.
            await self._storage.apply_pending(address.tenant, address.id, seconds=READER_SECONDS)
            raise address.not_found()
        return stored

    async def require_applied(self, address: Address, stored: StoredResource) -> None:
        """Returns if no change was pending. Raises VersionConflict once it is applied, StorageBusy if it stays pending.

        VersionConflict, because what was read at the same time as the resource may be older than that change.
        """
        if not stored.change_pending:
            return
        if await self._storage.apply_pending(address.tenant, address.id, seconds=WRITER_SECONDS):
            raise StorageBusy("A large change of the resource is being applied.", PENDING_RETRY_AFTER)
        raise VersionConflict
