"""The reference implementation of the storage port: dictionaries and a lock. For tests and demonstrations."""

import hashlib
import itertools
import operator
from collections.abc import Callable, Collection, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any

from scim_core.model import GROUP, NO_EDITS, Column, IndexEntry, Membership, MembershipEdits, StoredResource
from scim_core.storage.port import (
    MANY_MEMBERSHIPS,
    ColumnTest,
    Count,
    NotFound,
    Page,
    PagePosition,
    Swept,
    UniquenessConflict,
    VersionConflict,
)

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}


@dataclass(slots=True)
class _Tenant:
    """What one tenant owns. Resources are found by type and id, and carry their index entries."""

    resources: dict[str, dict[str, StoredResource]] = field(default_factory=dict)
    holders: dict[tuple[str, str, str], set[str]] = field(default_factory=dict)
    memberships: set[Membership] = field(default_factory=set)
    page_positions: dict[str, PagePosition] = field(default_factory=dict)

    def of_type(self, resource_type: str) -> dict[str, StoredResource]:
        return self.resources.setdefault(resource_type, {})

    def current(self, resource: StoredResource, *, guarded: bool) -> StoredResource:
        stored = self.of_type(resource.resource_type).get(resource.id)
        if stored is None:
            raise NotFound({resource.id})
        if guarded and stored.etag != resource.etag:
            raise VersionConflict
        return stored

    def require_unique(self, resource: StoredResource) -> None:
        for entry in sorted(resource.index, key=lambda entry: (entry.attribute, entry.key)):
            holders = self.holders.get((resource.resource_type, entry.attribute, entry.key), set())
            if entry.unique and holders - {resource.id}:
                raise UniquenessConflict(entry.attribute)

    def require_members(self, added: Iterable[Membership]) -> None:
        missing = {edge.member_id for edge in added if edge.member_id not in self.of_type(edge.member_type)}
        if missing:
            raise NotFound(missing)

    def memberships_of(self, resource: StoredResource) -> set[Membership]:
        of_group = {
            edge for edge in self.memberships if edge.group_id == resource.id and resource.resource_type == GROUP
        }
        return of_group | {
            edge
            for edge in self.memberships
            if edge.member_id == resource.id and edge.member_type == resource.resource_type
        }


class MemoryStorage:
    """All of the storage port in this process's memory. Nothing outlives the object."""

    def __init__(self) -> None:
        self._tenants: dict[str, _Tenant] = {}
        self._lock = Lock()
        self._etags = itertools.count(1)

    async def create(self, tenant: str, resource: StoredResource, members: Sequence[Membership] = ()) -> None:
        """See Storage.create."""
        with self._lock:
            owned = self._owned(tenant)
            if resource.id in owned.of_type(resource.resource_type):
                return
            owned.require_unique(resource)
            owned.require_members(members)
            self._put(owned, resource)
            self._edit(owned, MembershipEdits(add=tuple(members)), resource)

    async def read(self, tenant: str, resource_type: str, ids: Sequence[str]) -> list[StoredResource | None]:
        """See Storage.read."""
        with self._lock:
            stored = self._owned(tenant).of_type(resource_type)
            return [_as_read(stored[id_]) if id_ in stored else None for id_ in ids]

    async def existing(self, tenant: str, resource_type: str, ids: Collection[str]) -> set[str]:
        """See Storage.existing."""
        with self._lock:
            return set(ids).intersection(self._owned(tenant).of_type(resource_type))

    async def find(
        self, tenant: str, resource_type: str, entry: IndexEntry, *, prefix: bool = False, limit: int | None = None
    ) -> list[str]:
        """See Storage.find."""
        with self._lock:
            holders = self._owned(tenant).holders
            if not prefix:
                return sorted(holders.get((resource_type, entry.attribute, entry.key), ()))[:limit]
            found = set[str]()
            for (type_, attribute, key), ids in holders.items():
                if (type_, attribute) == (resource_type, entry.attribute) and key.startswith(entry.key):
                    found |= ids
            return sorted(found)[:limit]

    async def page(
        self,
        tenant: str,
        resource_type: str,
        *,
        after: str | None = None,
        limit: int,
        tests: Sequence[ColumnTest] = (),
    ) -> Page:
        """See Storage.page."""
        with self._lock:
            stored = self._owned(tenant).of_type(resource_type)
            passing = [stored[id_] for id_ in _ids_after(stored, after) if _passes(stored[id_], tests)]
            found = tuple(_as_read(resource) for resource in passing[:limit])
            return Page(found, found[-1].id if len(passing) > limit else None)

    async def count(
        self,
        tenant: str,
        resource_type: str,
        *,
        after: str | None = None,
        up_to: str | None = None,
        limit: int | None = None,
    ) -> Count:
        """See Storage.count."""
        with self._lock:
            found = _ids_after(self._owned(tenant).of_type(resource_type), after)
            ids = [id_ for id_ in found if up_to is None or id_ <= up_to][:limit]
            return Count(len(ids), ids[-1] if ids else None)

    async def seek(self, tenant: str, resource_type: str, *, after: str | None, steps: int) -> str | None:
        """See Storage.seek."""
        with self._lock:
            ids = _ids_after(self._owned(tenant).of_type(resource_type), after)
            return ids[steps - 1] if len(ids) >= steps else None

    async def update(self, tenant: str, resource: StoredResource, edits: MembershipEdits = NO_EDITS) -> None:
        """See Storage.update."""
        with self._lock:
            owned = self._owned(tenant)
            owned.current(resource, guarded=True)
            owned.require_unique(resource)
            owned.require_members(edits.add)
            self._put(owned, resource)
            self._edit(owned, edits, resource)

    async def edit_members(self, tenant: str, group: StoredResource, edits: MembershipEdits, *, guarded: bool) -> None:
        """See Storage.edit_members."""
        with self._lock:
            owned = self._owned(tenant)
            stored = owned.current(group, guarded=guarded)
            owned.require_members(edits.add)
            self._put(owned, replace(stored, version=group.version, last_modified=group.last_modified))
            self._edit(owned, edits, group)

    async def delete(
        self, tenant: str, resource: StoredResource, memberships: Sequence[Membership], *, now: str
    ) -> None:
        """See Storage.delete."""
        with self._lock:
            owned = self._owned(tenant)
            owned.current(resource, guarded=True)
            present = owned.memberships_of(resource)
            if len(memberships) < MANY_MEMBERSHIPS and present != set(memberships):
                raise VersionConflict
            version = _version_after(resource, now)
            for edge in present:
                owned.memberships.discard(edge)
                self._touch(owned, edge.member_type, edge.member_id, version)
                self._touch(owned, GROUP, edge.group_id, version, now)
            self._forget(owned, resource)

    async def settle(self, tenant: str, resource_id: str, *, seconds: float) -> MembershipEdits:  # noqa: ARG002
        """See Storage.settle: every change here is carried out at once."""
        return NO_EDITS

    async def sweep(self, *, before: str, seconds: float) -> Swept:  # noqa: ARG002
        """See Storage.sweep."""
        return Swept()

    async def members_of(self, tenant: str, group_id: str, *, limit: int | None = None) -> list[Membership]:
        """See Storage.members_of."""
        with self._lock:
            return sorted(edge for edge in self._owned(tenant).memberships if edge.group_id == group_id)[:limit]

    async def members_of_each(self, tenant: str, group_ids: Sequence[str]) -> dict[str, list[Membership]]:
        """See Storage.members_of_each."""
        return {group_id: await self.members_of(tenant, group_id) for group_id in group_ids}

    async def groups_of(
        self,
        tenant: str,
        member_ids: Sequence[str],
        *,
        contiguous: bool = False,  # noqa: ARG002  the answer is the same
    ) -> dict[str, list[Membership]]:
        """See Storage.groups_of."""
        with self._lock:
            groups: dict[str, list[Membership]] = {id_: [] for id_ in member_ids}
            for edge in sorted(self._owned(tenant).memberships):
                if edge.member_id in groups:
                    groups[edge.member_id].append(edge)
            return groups

    async def present(self, tenant: str, group_id: str, member_ids: Sequence[str]) -> list[Membership]:
        """See Storage.present."""
        ids = set(member_ids)
        return [edge for edge in await self.members_of(tenant, group_id) if edge.member_id in ids]

    async def load_page_position(self, tenant: str, key: str) -> PagePosition | None:
        """See Storage.load_page_position."""
        with self._lock:
            return self._owned(tenant).page_positions.get(key)

    async def save_page_position(self, tenant: str, key: str, position: PagePosition) -> None:
        """See Storage.save_page_position."""
        with self._lock:
            self._owned(tenant).page_positions[key] = position

    async def ping(self) -> None:
        """See Storage.ping."""

    async def close(self) -> None:
        """See Storage.close."""

    def _owned(self, tenant: str) -> _Tenant:
        return self._tenants.setdefault(tenant, _Tenant())

    def _put(self, owned: _Tenant, resource: StoredResource) -> None:
        self._forget(owned, resource)
        for entry in resource.index:
            owned.holders.setdefault((resource.resource_type, entry.attribute, entry.key), set()).add(resource.id)
        stored = replace(
            resource,
            document=deepcopy(resource.document),
            columns=dict(resource.columns),
            etag=str(next(self._etags)),
        )
        owned.of_type(resource.resource_type)[resource.id] = stored

    def _forget(self, owned: _Tenant, resource: StoredResource) -> None:
        stored = owned.of_type(resource.resource_type).pop(resource.id, None)
        for entry in stored.index if stored else ():
            owned.holders[resource.resource_type, entry.attribute, entry.key].discard(resource.id)

    def _edit(self, owned: _Tenant, edits: MembershipEdits, group: StoredResource) -> None:
        removed = owned.memberships.intersection(edits.remove)
        owned.memberships.difference_update(removed)
        owned.memberships.update(edits.add)
        for edge in (*edits.add, *removed):
            self._touch(owned, edge.member_type, edge.member_id, group.version)

    def _touch(self, owned: _Tenant, resource_type: str, id_: str, version: str, now: str | None = None) -> None:
        stored = owned.of_type(resource_type)[id_]
        self._put(owned, replace(stored, version=version, last_modified=now or stored.last_modified))


def _as_read(stored: StoredResource) -> StoredResource:
    return replace(stored, document=deepcopy(stored.document), columns=dict(stored.columns), index=frozenset())


def _ids_after(stored: Iterable[str], after: str | None) -> list[str]:
    return sorted(id_ for id_ in stored if after is None or id_ > after)


def _passes(resource: StoredResource, tests: Sequence[ColumnTest]) -> bool:
    values = {"created": resource.created, "lastModified": resource.last_modified} | resource.columns
    return all(_holds(values.get(test.column), test) for test in tests)


def _holds(value: Column | None, test: ColumnTest) -> bool:
    return type(value) is type(test.value) and _COMPARE[test.operator](value, test.value)


def _version_after(resource: StoredResource, now: str) -> str:
    """A version that no resource has had: that of the resources left behind when this one is deleted."""
    return hashlib.sha256(f"{resource.id} {resource.version} {now}".encode()).hexdigest()[:20]
