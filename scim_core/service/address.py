"""The resource that an operation of RFC 7644 is about, and the result of the operation."""

from collections.abc import Sequence
from dataclasses import dataclass

from scim2_models import NotFoundException

from scim_core.ids import is_id
from scim_core.messages import Effect
from scim_core.model import Membership, StoredResource
from scim_core.protocol.schemas import ResourceType


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
        """The 404 for this resource. It is the same if the id never existed, is deleted, or is another tenant's."""
        return NotFoundException(detail=f"There is no {self.resource_type.name} with the id {self.id[:80]!r}.")


@dataclass(frozen=True, slots=True)
class Outcome:
    """A resource as it now is, with the memberships that it shows if they were asked for.

    `effect` says what a change has done to it.
    """

    stored: StoredResource
    memberships: Sequence[Membership] = ()
    effect: Effect | None = None
