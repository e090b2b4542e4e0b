"""Groups with their members, both of one state, whatever happens while they are read (docs/adr/0013).

A group's row and its memberships are many rows, and a large change is applied in steps. A reading is the group, then
its members, then the group again. It is good when the group has not been changed as a whole in between. So a client
never gets the name of one state with the members of another, and never members under a newer version.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from itertools import batched

from scim_core.model import Membership, StoredResource
from scim_core.storage.port import READ_AS_ONE, Storage, StorageBusy

READER_SECONDS = 2
"""How long a reader of a group helps to apply its large change. What is left then is added in memory."""

REREADING_SECONDS = 2
"""How long a group that is changed while it is read is read again.

A small group can be read hundreds of times in it. A group of 100,000 members takes longer to read once.
"""

MIN_READINGS = 2
"""A group that takes long to read, and is changed as a whole during that, is read again at least once."""


GROUPS_AT_ONCE = 50
"""Groups whose members are read at the same time: as many as the storage reads side by side. Of each group up to
READ_AS_ONE members are kept, together 50,000 memberships or 20 MB."""


@dataclass(frozen=True, slots=True)
class GroupSnapshot:
    """A group, and all members that it has by its last decided change, applied or not; not all if not `whole`."""

    stored: StoredResource
    members: list[Membership]
    whole: bool = True


async def one_by_one(storage: Storage, tenant: str, groups: Sequence[StoredResource]) -> AsyncGenerator[GroupSnapshot]:
    """What group_snapshots answers, group by group. A large group is read when it is its turn.

    So the members of one large group are held at a time, and no more groups are read than the caller takes.
    """
    for some in batched(groups, GROUPS_AT_ONCE, strict=False):
        for snapshot in await group_snapshots(storage, tenant, some, limit=READ_AS_ONE if len(groups) > 1 else None):
            if snapshot.whole:
                yield snapshot
            else:
                for whole in await group_snapshots(storage, tenant, [snapshot.stored]):
                    yield whole


async def group_snapshots(
    storage: Storage, tenant: str, groups: Sequence[StoredResource], *, limit: int | None = None
) -> list[GroupSnapshot]:
    """These groups, of one type or several, as they are now, in this order, each with its members.

    Groups that are deleted by now are left out.

    The members of a group are never older than its version. A group with `limit` members or more is not `whole`.
    Raises StorageBusy for a group that is changed as a whole again and again.
    """
    read: dict[str, GroupSnapshot] = {}
    unread, readings = groups, 0
    now = asyncio.get_running_loop().time
    end = now() + REREADING_SECONDS
    while unread:
        members, cut = await _members(storage, tenant, unread, limit)
        after = await _read(storage, tenant, unread)
        readings, in_time = readings + 1, now() < end
        again = []
        for group, current in zip(unread, after, strict=True):
            if current is None:
                continue
            if group.id in cut:
                read[group.id] = GroupSnapshot(current, [], whole=False)
            elif _is_good(group, current, members[group.id], in_time=in_time):
                read[group.id] = GroupSnapshot(group, members[group.id])
            else:
                again.append(current)
        if again and not in_time and readings >= MIN_READINGS:
            raise StorageBusy("A group was changed as a whole each time while it was read.")
        unread = again
    return [read[group.id] for group in groups if group.id in read]


async def _read(storage: Storage, tenant: str, groups: Sequence[StoredResource]) -> list[StoredResource | None]:
    """These groups as they are now, in this order; None for one that is deleted."""
    by_type: dict[str, list[str]] = {}
    for group in groups:
        by_type.setdefault(group.resource_type, []).append(group.id)
    found = await asyncio.gather(*(storage.read(tenant, kind, ids) for kind, ids in by_type.items()))
    by_id = {item.id: item for some in found for item in some if item is not None}
    return [by_id.get(group.id) for group in groups]


def _is_good(before: StoredResource, after: StoredResource, members: Sequence[Membership], *, in_time: bool) -> bool:
    """Whether these members, read between `before` and `after`, belong to the group as it was before.

    If members have only joined or left one by one, members that are read as at one moment are a state that the group
    had. Otherwise each membership is as it was at some moment of the reading. That is good enough once the time is
    over in which the group might stop changing.
    """
    if after.base_version != before.base_version:
        return False
    as_one = len(members) < READ_AS_ONE and not before.change_pending
    return after.version == before.version or as_one or not in_time


async def _members(
    storage: Storage, tenant: str, groups: Sequence[StoredResource], limit: int | None
) -> tuple[dict[str, list[Membership]], set[str]]:
    """The members that have rows, and what the pending changes of these groups have left to apply.

    Also the ids of groups with `limit` rows or more: not all of their members are there.
    """
    pending = [group.id for group in groups if group.change_pending]
    left = await asyncio.gather(
        *(storage.apply_pending(tenant, group_id, seconds=READER_SECONDS) for group_id in pending)
    )
    edits = dict(zip(pending, left, strict=True))
    members = await storage.members_of_each(tenant, [group.id for group in groups], limit=limit)
    cut = {group_id for group_id, some in members.items() if limit is not None and len(some) >= limit}
    applied = {
        group_id: edits[group_id].applied(some) if edits.get(group_id) else some for group_id, some in members.items()
    }
    return applied, cut
