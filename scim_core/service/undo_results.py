"""What an undo finds and does: what becomes of each resource, and how much of it one run does."""

import sys
from dataclasses import dataclass

from scim_core.service.losses import Fate
from scim_core.service.removals import Removal

DEACTIVATED, DELETED, LOST_MEMBERS = "deactivated", "deleted", "lost members"
"""What a resource was lost by, or what became of a group."""


@dataclass(frozen=True, slots=True)
class Loss:
    """One resource that was deactivated or deleted, or a group that has lost members, by which request, and what
    becomes of it.

    `others` are attributes that the deactivating request changed besides; they stay as they are. `memberships` are
    those that were kept of a deleted resource, or lost by the group; `members` are the ids of the group's.
    """

    resource_type: str
    id: str
    name: str
    what: str
    time: str
    credential: str
    request: str
    fate: Fate
    others: tuple[str, ...] = ()
    memberships: int = 0
    members: tuple[str, ...] = ()


def loss_of_members(removal: Removal) -> Loss:
    """What a group has lost."""
    return Loss(
        removal.group_type,
        removal.group_id,
        removal.name,
        LOST_MEMBERS,
        removal.row.time,
        removal.note.get("credential", ""),
        removal.note.get("request", ""),
        removal.fate,
        memberships=len(removal.edges),
        members=tuple(edge.member_id for edge in removal.edges),
    )


@dataclass(frozen=True, slots=True)
class Undone:
    """What was found or done: each resource, and how many memberships were put back.

    `after` is the last group that was looked at, if a run in portions has more: the next one begins after it.
    """

    losses: list[Loss]
    memberships: int = 0
    after: str = ""

    @property
    def left(self) -> int:
        """How many resources are still to be put back, and how many groups still lack members."""
        return sum(loss.fate is Fate.TO_UNDO for loss in self.losses)


@dataclass(frozen=True, slots=True)
class Portion:
    """What one run does at most: it puts back so many resources, and looks at the memberships of so many groups.

    The last runs look at the groups of all, in the order of their ids. `after` is where the run before has ended.
    """

    resources: int
    groups: int
    after: str = ""


WHOLE = Portion(sys.maxsize, sys.maxsize)
"""Everything in one run."""
