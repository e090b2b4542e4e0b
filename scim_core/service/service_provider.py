"""The operations of RFC 7644, one method per section, over the storage port. No HTTP, no clock of its own.

Reads that do not depend on each other go side by side, so that an operation costs few round trips.
A change is read, applied and stored provided nothing else came between; otherwise it is applied anew to what is there
now, and a client that named the version it wanted to change is refused.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from scim2_models import (
    Context,
    InvalidValueException,
    NotFoundException,
    PatchOp,
    PreconditionFailedException,
    Resource,
)

from scim_core.clock import Clock, instant_text
from scim_core.ids import is_id
from scim_core.model import Json, Membership, MembershipEdits, StoredResource
from scim_core.protocol.group_patch import MEMBERS, MembershipPatch, members_named, split
from scim_core.protocol.leniency import Leniency
from scim_core.protocol.preconditions import Preconditions
from scim_core.protocol.representation import check_required, columns, index_entries, to_document, to_model
from scim_core.protocol.schemas import POLICY, Catalogue, ResourceType
from scim_core.protocol.strict_json import check_text
from scim_core.service.group_snapshots import READER_SECONDS, group_snapshots
from scim_core.service.ignored_input import log_ignored, log_unknown
from scim_core.service.optimistic_retry import OptimisticRetry
from scim_core.storage.port import MANY_MEMBERSHIPS, NotFound, Storage, StorageBusy, Swept, VersionConflict

WRITER_SECONDS = 10
"""How long somebody who wants to change a resource helps to apply its large change, before being told to return."""

SWEEP_AFTER = timedelta(minutes=2)
"""Age of an unfinished change that the sweep takes up: every request that might be at it has ended long before."""

SWEEP_SECONDS = 240
"""Longest time of one sweep, which the next one follows after five minutes unless a deployment says otherwise."""

PENDING_RETRY_AFTER = 30
"""Seconds after which to come back to a resource with a pending change: to apply it takes a minute or two."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Address:
    """One resource of one tenant. Raises NotFoundException for an id that no resource of ours can have."""

    tenant: str
    resource_type: ResourceType
    id: str

    def __post_init__(self) -> None:
        if not is_id(self.id):
            raise self.not_found()

    def not_found(self) -> NotFoundException:
        """The 404 for this resource; the same whether it never was, is gone, or is another tenant's."""
        return NotFoundException(detail=f"There is no {self.resource_type.name} with the id {self.id[:80]!r}.")


@dataclass(frozen=True, slots=True)
class Outcome:
    """A resource as it now is, with the memberships it shows where they were asked for."""

    stored: StoredResource
    memberships: Sequence[Membership] = ()


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
    ) -> None:
        self._storage = storage
        self._catalogue = catalogue
        self._clock = clock
        self._new_id = new_id
        self._turns = OptimisticRetry(pause)

    async def create(self, tenant: str, resource_type: ResourceType, payload: Any) -> Outcome:
        """A new resource with an id of ours is stored (RFC 7644 section 3.3).

        Raises InvalidSyntaxException, InvalidValueException, ValidationError, RequestTooLarge, and the storage's
        UniquenessConflict, TooLarge, StorageBusy.
        """
        tolerance = Leniency(resource_type)
        shaped = tolerance.resource(payload)
        resource_id, now = self._new_id(), instant_text(self._clock())
        members = _members_in(resource_type, shaped)
        model = _validated(resource_type, shaped, Context.RESOURCE_CREATION_REQUEST)
        document = _document(resource_type, model, resource_id)
        stored = StoredResource(
            resource_type=resource_type.name,
            id=resource_id,
            document=document,
            created=now,
            last_modified=now,
            version=self._new_id(),
            index=index_entries(resource_type, document),
            columns=columns(document),
        )
        log_ignored(tenant, resource_type.name, tolerance.ignored)
        edges = _well_formed(tenant, _edges(resource_id, members))

        async def attempt(resolve: bool) -> Outcome:
            joining = await self._known(tenant, edges) if resolve else edges
            await self._storage.create(tenant, stored, joining)
            return Outcome(stored, joining)

        return await self._turns.until_not_overtaken((tenant, resource_id), attempt)

    async def get(self, address: Address, *, memberships: bool) -> Outcome:
        """The resource (RFC 7644 section 3.4.1). Raises NotFoundException when there is none with this id."""
        if memberships and address.resource_type.has_members:
            return await self._whole(address)
        stored, edges = await asyncio.gather(
            self._read(address), self._shown(address) if memberships else _no_memberships()
        )
        return Outcome(stored, edges)

    async def replace(self, address: Address, payload: Any, conditions: Preconditions, *, memberships: bool) -> Outcome:
        """The resource is what the body says; what the body omits is cleared (RFC 7644 section 3.5.1).

        Raises what create raises, NotFoundException, MutabilityException, PreconditionFailedException.
        """
        tolerance = Leniency(address.resource_type)
        shaped = tolerance.resource(payload)
        members = MembershipPatch()
        if address.resource_type.has_members:
            members.replace(_members_in(address.resource_type, shaped))
        log_ignored(address.tenant, address.resource_type.name, tolerance.ignored)

        def replaced(original: Resource[Any]) -> Resource[Any]:
            model = _validated(address.resource_type, shaped, Context.RESOURCE_REPLACEMENT_REQUEST)
            model.replace(original)
            return model

        return await self._change(address, members, replaced, conditions, atomic=True, memberships=memberships)

    async def patch(self, address: Address, payload: Any, conditions: Preconditions, *, memberships: bool) -> Outcome:
        """The operations are applied in order, all or none (RFC 7644 section 3.5.2).

        Raises InvalidPathException, InvalidFilterException, NoTargetException, and as replace.
        """
        tolerance = Leniency(address.resource_type)
        members, operations = split(address.resource_type, tolerance.operations(payload))
        patch = _validated_patch(address.resource_type, operations) if operations else None
        log_ignored(address.tenant, address.resource_type.name, tolerance.ignored)

        def patched(original: Resource[Any]) -> Resource[Any]:
            if patch is not None:
                patch.patch(original, scim_policy=POLICY)
            return original

        atomic = patch is not None or members.needs_present_members
        return await self._change(address, members, patched, conditions, atomic=atomic, memberships=memberships)

    async def delete(self, address: Address, conditions: Preconditions) -> None:
        """The resource and all memberships it took part in are gone (RFC 7644 section 3.6).

        Raises NotFoundException, PreconditionFailedException, StorageBusy.
        """

        async def attempt(_: bool) -> None:
            stored, edges = await asyncio.gather(self._read(address), self._all_edges(address))
            _check(conditions, stored)
            await self._require_applied(address, stored)
            try:
                await self._storage.delete(address.tenant, stored, edges, now=instant_text(self._clock()))
            except NotFound:
                log.info("a resource was gone when its deletion came to it", extra={"tenant": address.tenant})

        await self._turns.until_not_overtaken((address.tenant, address.id), attempt)

    async def sweep(self) -> Swept:
        """The large changes that have been unfinished for SWEEP_AFTER are finished; raises StorageBusy."""
        before = instant_text(self._clock() - SWEEP_AFTER)
        return await self._storage.sweep(before=before, seconds=SWEEP_SECONDS)

    async def _change(
        self,
        address: Address,
        members: MembershipPatch,
        apply: Callable[[Resource[Any]], Resource[Any]],
        conditions: Preconditions,
        *,
        atomic: bool,
        memberships: bool,
    ) -> Outcome:
        """Read, apply, store; anew when something else came between. Nothing is written when nothing changes.

        What only adds and removes members is not `atomic`: each of its memberships may change at its own moment.
        """
        guarded = conditions.match is not None or atomic
        ours = set[str]()

        async def attempt(resolve: bool) -> Outcome:
            before, present = await self._state(address, members, guarded=guarded, memberships=memberships)
            if before.version in ours:  # the change was made, only the answer was lost on its way
                return await self.get(address, memberships=memberships)
            _check(conditions, before)
            await self._require_applied(address, before)
            if address.id in members.added:
                raise InvalidValueException(detail="A group cannot be a member of itself.")
            original = to_model(address.resource_type, before.document)
            document = _document(address.resource_type, apply(original), address.id)
            if members and not guarded and members.finds_done(present):
                # Who is a member was read beside the group, and may be older than a large change that it has behind it.
                present = await self._present(address, members, memberships=memberships)
            edits = members.edits(address.id, present) if members else MembershipEdits()
            joining = _well_formed(address.tenant, edits.add)
            edits = replace(edits, add=await self._known(address.tenant, joining) if resolve else joining)
            moved = replace(before, version=self._new_id(), last_modified=instant_text(self._clock()))
            ours.add(moved.version)
            after = await self._store(address, before, moved, document, edits, guarded=guarded)
            if after is before and guarded and members:
                await self._require_unmoved(address, before)
            return Outcome(after, edits.applied(present))

        return await self._turns.until_not_overtaken((address.tenant, address.id), attempt)

    async def _store(
        self,
        address: Address,
        before: StoredResource,
        moved: StoredResource,
        document: Json,
        edits: MembershipEdits,
        *,
        guarded: bool,
    ) -> StoredResource:
        if document == before.document and not edits:
            return before
        if document == before.document:
            await self._storage.edit_members(address.tenant, moved, edits, guarded=guarded)
            return moved
        index = index_entries(address.resource_type, document)
        after = replace(moved, document=document, index=index, columns=columns(document))
        await self._storage.update(address.tenant, after, edits)
        return after

    async def _whole(self, address: Address) -> Outcome:
        """The group with its members, as at one moment."""
        group = await self._read(address)
        whole = await group_snapshots(self._storage, address.tenant, [group])
        if not whole:
            raise address.not_found()
        return Outcome(whole[0].stored, whole[0].members)

    async def _read(self, address: Address) -> StoredResource:
        [stored] = await self._storage.read(address.tenant, address.resource_type.name, [address.id])
        if stored is None:
            # A deletion that was left unfinished is applied by whoever asks for what it deleted.
            await self._storage.apply_pending(address.tenant, address.id, seconds=READER_SECONDS)
            raise address.not_found()
        return stored

    async def _require_applied(self, address: Address, stored: StoredResource) -> None:
        """Raises VersionConflict once a pending change of the resource is applied, StorageBusy when it stays pending.

        What was read beside the resource may be older than that change.
        """
        if not stored.change_pending:
            return
        if await self._storage.apply_pending(address.tenant, address.id, seconds=WRITER_SECONDS):
            raise StorageBusy("a large change of the resource is being applied", PENDING_RETRY_AFTER)
        raise VersionConflict

    async def _require_unmoved(self, address: Address, before: StoredResource) -> None:
        """Raises VersionConflict when the group has changed since it was read: its members were read after it."""
        if (await self._read(address)).version != before.version:
            raise VersionConflict

    async def _shown(self, address: Address) -> list[Membership]:
        """The memberships that a representation shows: a group's members, another resource's groups."""
        if address.resource_type.has_members:
            return await self._storage.members_of(address.tenant, address.id)
        return (await self._storage.groups_of(address.tenant, [address.id])).get(address.id, [])

    async def _state(
        self, address: Address, members: MembershipPatch, *, guarded: bool, memberships: bool
    ) -> tuple[StoredResource, list[Membership]]:
        """The resource and the memberships that a change must know.

        A guarded change of members reads them after the group: were they older, what came between would go unnoticed.
        """
        if guarded and members:
            return await self._read(address), await self._present(address, members, memberships=memberships)
        return await asyncio.gather(self._read(address), self._present(address, members, memberships=memberships))

    async def _present(self, address: Address, members: MembershipPatch, *, memberships: bool) -> list[Membership]:
        """The memberships a change must know: all where it depends on them or shows them, else those it names."""
        if members.needs_present_members or (memberships and not members):
            return await self._shown(address)
        named = [member_id for member_id in members.named if is_id(member_id)]
        return await self._storage.present(address.tenant, address.id, named) if named else []

    async def _all_edges(self, address: Address) -> list[Membership]:
        """The memberships of a resource to delete; of the members of a group no more than a delete needs."""
        as_group = (
            self._storage.members_of(address.tenant, address.id, limit=MANY_MEMBERSHIPS)
            if address.resource_type.has_members
            else _no_memberships()
        )
        groups, members = await asyncio.gather(self._storage.groups_of(address.tenant, [address.id]), as_group)
        return [*groups.get(address.id, []), *members]

    async def _known(self, tenant: str, edges: Sequence[Membership]) -> tuple[Membership, ...]:
        """Those of well-formed edges whose members exist, each with its member's real type; others are logged."""
        unknown = {edge.member_id for edge in edges}
        kinds: dict[str, str] = {}
        for resource_type in self._catalogue:
            found = await self._storage.existing(tenant, resource_type.name, unknown)
            kinds |= dict.fromkeys(found, resource_type.name)
            unknown -= found
        log_unknown(tenant, list(unknown))
        return tuple(replace(edge, member_type=kinds[edge.member_id]) for edge in edges if edge.member_id in kinds)


def _document(resource_type: ResourceType, model: Resource[Any], resource_id: str) -> Json:
    model.id = resource_id
    document = to_document(resource_type, model)
    check_required(resource_type, document)
    check_text(document)  # escapes within a path or an app role's JSON text are read after the body was checked
    return document


def _validated_patch(resource_type: ResourceType, operations: Sequence[Json]) -> Any:
    patch_type: Any = PatchOp[resource_type.model]  # type: ignore[name-defined]
    message = {"schemas": [str(patch_type.__schema__)], "Operations": operations}
    return patch_type.model_validate(message, scim_ctx=Context.RESOURCE_PATCH_REQUEST, scim_policy=POLICY)


def _validated(resource_type: ResourceType, shaped: Json, context: Context) -> Resource[Any]:
    return resource_type.model.model_validate(shaped, scim_ctx=context, scim_policy=POLICY)


def _members_in(resource_type: ResourceType, shaped: Json) -> dict[str, str]:
    """Takes `members` out of a POST or PUT body: they are kept as rows."""
    return members_named(resource_type, shaped.pop(MEMBERS, None)) if resource_type.has_members else {}


def _edges(group_id: str, members: dict[str, str]) -> tuple[Membership, ...]:
    return tuple(Membership(group_id, member_id, kind) for member_id, kind in sorted(members.items()))


def _well_formed(tenant: str, edges: Sequence[Membership]) -> tuple[Membership, ...]:
    log_unknown(tenant, [edge.member_id for edge in edges if not is_id(edge.member_id)])
    return tuple(edge for edge in edges if is_id(edge.member_id))


def _check(conditions: Preconditions, stored: StoredResource) -> None:
    if not conditions.permit_change(stored.version):
        raise PreconditionFailedException(
            detail="The resource has changed: its version is no longer the one that If-Match names. Read it again."
        )


async def _no_memberships() -> list[Membership]:
    return []
