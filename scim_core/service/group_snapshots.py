"""Groups with their members, both as at one moment, whatever happens while they are read (docs/adr/0013).

A group's row and its memberships are many rows, and a change of many memberships is applied in steps: what is read
in between must never be taken for what somebody made of the group, nor go out under the version of another state.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from scim_core.model import GROUP, Membership, StoredResource
from scim_core.storage.port import Storage

READER_SECONDS = 2
"""How long somebody who reads a group helps to apply its large change; what is left then is added in memory."""

MAX_REREADINGS = 2
"""How often a group that changes meanwhile is read anew. 100,000 members take seconds each time, and a group that gains
a member every second would never be read."""


@dataclass(frozen=True, slots=True)
class GroupSnapshot:
    """A group, and all members that it has by its last decided change, applied or not."""

    stored: StoredResource
    members: list[Membership]


async def group_snapshots(storage: Storage, tenant: str, groups: Sequence[StoredResource]) -> list[GroupSnapshot]:
    """What these groups are by now, in this order, each with its members; those deleted meanwhile are left out.

    Members are read after their group, and the group once more after them: both anew when its version has moved. One
    that never stands still is shown as it was last read, with a version that is no newer than its members.
    """
    whole: dict[str, GroupSnapshot] = {}
    unread = groups
    for readings_left in reversed(range(1 + MAX_REREADINGS)):
        members = await _members(storage, tenant, unread)
        now = await storage.read(tenant, GROUP, [group.id for group in unread])
        moved = []
        for group, after in zip(unread, now, strict=True):
            if after is not None and after.version != group.version and readings_left:
                moved.append(after)
            elif after is not None:
                whole[group.id] = GroupSnapshot(group, members[group.id])
        if not moved:
            break
        unread = moved
    return [whole[group.id] for group in groups if group.id in whole]


async def _members(storage: Storage, tenant: str, groups: Sequence[StoredResource]) -> dict[str, list[Membership]]:
    """The members that have rows, and what the changes that these groups wait for have left to do."""
    pending = [group.id for group in groups if group.change_pending]
    left = await asyncio.gather(
        *(storage.apply_pending(tenant, group_id, seconds=READER_SECONDS) for group_id in pending)
    )
    edits = dict(zip(pending, left, strict=True))
    members = await storage.members_of_each(tenant, [group.id for group in groups])
    return {
        group_id: edits[group_id].applied(some) if edits.get(group_id) else some for group_id, some in members.items()
    }
