"""What a change has done to a resource, as the log tells it: names of attributes from the schemas, and no values."""

from collections.abc import Sequence
from dataclasses import replace

from scim_core.messages import Effect, Origin, Result
from scim_core.model import Membership, MembershipEdits, StoredResource
from scim_core.protocol.schemas import ResourceType
from scim_core.service.change_notes import BeforeAndAfter, Overlooked, change_note


def created(
    resource_type: ResourceType, stored: StoredResource, names: tuple[str, ...], members: Sequence[Membership]
) -> Effect:
    """The resource is new, with attributes of these names, and with these members."""
    return Effect(stored.id, Result.CREATED, _with_members(resource_type, names, members), "", stored.version)


def unchanged(stored: StoredResource) -> Effect:
    """The resource has the same state as before."""
    return Effect(stored.id, Result.UNCHANGED, (), stored.version, stored.version)


def changed(
    resource_type: ResourceType,
    before: StoredResource,
    after: StoredResource,
    names: tuple[str, ...],
    edits: MembershipEdits,
) -> Effect:
    """The attributes of these names have other values, and the memberships are edited."""
    whole = _with_members(resource_type, names, edits)
    return Effect(before.id, Result.CHANGED, whole, before.version, after.version)


def with_note(effect: Effect, resource_type: ResourceType, origin: Origin, overlooked: Overlooked) -> Effect:
    """The effect, with a note for the provisioning log if nothing changed or something was ignored."""
    if effect.result is not Result.UNCHANGED and not overlooked:
        return effect
    return replace(effect, note=change_note(resource_type, origin, BeforeAndAfter((), {}, {}), overlooked).text)


def _with_members(
    resource_type: ResourceType, names: tuple[str, ...], members: Sequence[Membership] | MembershipEdits
) -> tuple[str, ...]:
    return (*names, str(resource_type.memberships)) if members else names
