"""What a change has done to a resource, as the log tells it: names of attributes from the schemas, and no values."""

from collections.abc import Sequence
from dataclasses import replace

from scim_core.messages import Effect, Origin, Result
from scim_core.model import Membership, MembershipEdits, StoredResource
from scim_core.protocol.documents import changed_attributes
from scim_core.protocol.group_patch import MEMBERS
from scim_core.protocol.schemas import ResourceType
from scim_core.service.change_notes import Overlooked, change_note


def created(resource_type: ResourceType, stored: StoredResource, members: Sequence[Membership]) -> Effect:
    """The resource is new, with these members."""
    names = changed_attributes(resource_type, {}, stored.document)
    return Effect(stored.id, Result.CREATED, _with_members(names, any_=bool(members)), "", stored.version)


def changed(
    resource_type: ResourceType, before: StoredResource, after: StoredResource, edits: MembershipEdits
) -> Effect:
    """The resource has another state, or the same as before."""
    if after.version == before.version:
        return Effect(before.id, Result.UNCHANGED, (), before.version, before.version)
    names = changed_attributes(resource_type, before.document, after.document)
    return Effect(before.id, Result.CHANGED, _with_members(names, any_=bool(edits)), before.version, after.version)


def with_note(effect: Effect, resource_type: ResourceType, origin: Origin, overlooked: Overlooked) -> Effect:
    """The effect, with a note for the provisioning log if nothing changed or something was ignored."""
    if effect.result is not Result.UNCHANGED and not overlooked:
        return effect
    return replace(effect, note=change_note(resource_type, origin, {}, {}, overlooked).text)


def _with_members(names: tuple[str, ...], *, any_: bool) -> tuple[str, ...]:
    return (*names, MEMBERS) if any_ else names
