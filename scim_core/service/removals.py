"""Members whom a mass change has removed from groups without deleting them: which of them an undo can put back."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import batched

from scim_core.model import Json, Membership, StoredResource
from scim_core.protocol.schemas import USER, Catalogue
from scim_core.service.losses import LEFT_ALONE, Fate, History, MemberHistory, Told
from scim_core.service.memberships import kinds_of
from scim_core.storage.feed_port import FeedStorage, LogRow

AT_ONCE = 50
"""Groups that are looked at at the same time."""


@dataclass(frozen=True, slots=True)
class Removal:
    """Memberships of one group that chosen changes have removed, and what becomes of all of them.

    `name` is that of the group, as far as it is known. `row` is the last of these changes, `note` what the log keeps of
    it.
    """

    group_type: str
    group_id: str
    name: str
    row: LogRow
    note: Json
    fate: Fate
    edges: tuple[Membership, ...]


@dataclass(frozen=True, slots=True)
class _There:
    """What there is now: the group, its members by id, and the types of all that could be members, by id.

    `fates` are those of the resources that were lost. `declared` says whether a file declares the group's type, and
    `found` what the log tells.
    """

    group: StoredResource | None
    present: frozenset[str]
    kinds: Mapping[str, str]
    fates: Mapping[str, Fate]
    declared: bool
    found: Told

    def is_left_inactive(self, member: str, place: MemberHistory) -> bool:
        """Whether the others have deactivated the member after it was removed, and it is inactive still."""
        return place.removal is not None and bool(place.left) and self.found.inactive_after(member, place.removal)


class Removals:
    """Finds these memberships. It only reads. Every method may raise StorageBusy."""

    def __init__(self, storage: FeedStorage, catalogue: Catalogue) -> None:
        self._storage = storage
        self._catalogue = catalogue

    async def look(self, tenant: str, found: Told, fates: Mapping[str, Fate]) -> list[Removal]:
        """The removals, by group and by what becomes of them. `fates` are those of the resources that were lost."""
        by_type: dict[str, list[str]] = {}
        for id_, places in found.places.items():
            if any(place.removal for place in places.values()):
                by_type.setdefault(found.histories[id_].resource_type, []).append(id_)
        return [
            removal
            for type_name, ids in by_type.items()
            for removal in await self._of_type(tenant, type_name, ids, found, fates)
        ]

    async def _of_type(
        self, tenant: str, type_name: str, ids: Sequence[str], found: Told, fates: Mapping[str, Fate]
    ) -> list[Removal]:
        group_type = self._catalogue.named(type_name)
        removed = {id_: {member: place for member, place in found.places[id_].items() if place.removal} for id_ in ids}
        kinds: dict[str, str] = {}
        if group_type is not None:
            members = set[str]().union(*removed.values())
            kinds = await kinds_of(self._storage, self._catalogue, tenant, group_type, members)
        removals = list[Removal]()
        for some in batched(ids, AT_ONCE, strict=False):
            groups = await self._storage.read(tenant, type_name, some)
            edges = await asyncio.gather(*(self._storage.present(tenant, id_, list(removed[id_])) for id_ in some))
            for id_, group, present in zip(some, groups, edges, strict=True):
                ids_present = frozenset(edge.member_id for edge in present) if group else frozenset[str]()
                there = _There(group, ids_present, kinds, fates, group_type is not None, found)
                removals += _by_fate(found.histories[id_], removed[id_], there)
        return removals


def _by_fate(group: History, places: Mapping[str, MemberHistory], there: _There) -> Iterator[Removal]:
    members: dict[Fate, list[str]] = {}
    for member, place in places.items():
        fate = _fate(group.id, member, place, there)
        if fate is not None:
            members.setdefault(fate, []).append(member)
    name = there.group.document.get("displayName") if there.group else group.name
    for fate, ids in members.items():
        edges = tuple(Membership(group.id, id_, there.kinds.get(id_, USER), group.resource_type) for id_ in sorted(ids))
        place = min((places[id_] for id_ in ids), key=_place)  # the newest has the least place
        if place.removal is not None:
            yield Removal(group.resource_type, group.id, str(name or ""), place.removal, place.note, fate, edges)


def _fate(group_id: str, member: str, place: MemberHistory, there: _There) -> Fate | None:
    """What becomes of one membership. None: a deletion has kept it, because the member had come back before."""
    if not there.declared:
        return Fate.UNDECLARED
    if member in there.present:
        return Fate.AS_BEFORE
    if place.changed or there.is_left_inactive(member, place):
        return Fate.CHANGED
    for resource_id, is_there in ((group_id, there.group is not None), (member, member in there.kinds)):
        fate = there.fates.get(resource_id, Fate.CHANGED)
        if not is_there and fate is not Fate.TO_UNDO:
            return fate if fate in LEFT_ALONE else Fate.CHANGED
    if not place.left:
        return None
    fate = there.fates.get(member, Fate.TO_UNDO)
    return fate if fate in LEFT_ALONE and there.found.is_inactive(member) else Fate.TO_UNDO


def _place(place: MemberHistory) -> str:
    return place.removal.place if place.removal is not None else ""
