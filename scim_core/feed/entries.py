"""Entries of the feed as readers see them: each with its resource and its memberships as they are now.

A row of the feed has names and ids. So an entry never tells what is no longer true, and pages can be read again.
"""

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from scim_core.model import Json, Membership, StoredResource
from scim_core.protocol.representation import Projection, Renderer, entity_tag
from scim_core.protocol.schemas import Catalogue, ResourceType
from scim_core.storage.feed_port import FeedChange, FeedRow, FeedStorage

PORTION = 25
"""Rows whose resources are read at a time: a page that is full after a few large resources reads no hundred of them."""

_WHOLE = Projection()
_FORMER = ("userName", "externalId")
"""What a reader is told of a resource that is gone: by these it knows whom it loses."""


@dataclass(slots=True)
class _Present:
    """What there is now of what the rows name."""

    resources: dict[tuple[str, str], StoredResource] = field(default_factory=dict)
    edges: set[tuple[str, str]] = field(default_factory=set)
    notes: dict[int, str] = field(default_factory=dict)


class FeedEntries:
    """Makes entries of rows. It reads what they need, side by side."""

    def __init__(self, storage: FeedStorage, catalogue: Catalogue) -> None:
        self._storage = storage
        self._catalogue = catalogue

    async def page(
        self, tenant: str, rows: Sequence[FeedRow], renderer: Renderer, *, max_ids: int, max_bytes: int
    ) -> list[Json]:
        """The entries of the first rows: as many as have so many ids of members and so many bytes, and at least one.

        If the first resource alone is too large, it is left out, and its entry is marked.
        """
        entries = list[Json]()
        for start in range(0, len(rows), PORTION):
            portion = rows[start : start + PORTION]
            present = await self._present(tenant, portion)
            for row in portion:
                entry = self._entry(row, present, renderer)
                ids, size = len(row.joined) + len(row.left), size_of(entry)
                if entries and (ids > max_ids or size > max_bytes):
                    return entries
                if size > max_bytes:
                    entry = _omitted(entry)
                entries.append(entry)
                max_ids -= ids
                max_bytes -= size
        return entries

    def shown(self, stored: StoredResource, renderer: Renderer) -> Json | None:
        """The representation of a resource, without memberships; None if its type is not served (any more)."""
        resource_type = self._catalogue.named(stored.resource_type)
        return renderer.projected(resource_type, stored, (), _WHOLE) if resource_type else None

    def _entry(self, row: FeedRow, present: _Present, renderer: Renderer) -> Json:
        stored = present.resources.get((row.resource_type, row.id))
        entry: Json = {"number": row.number, "time": row.time, "change": str(row.change)}
        entry |= {"type": row.resource_type, "id": row.id}
        if row.change is FeedChange.DELETED:
            if stored is None:
                return entry | {"was": _former(present.notes.get(row.number, ""))}
            entry["change"] = str(FeedChange.UPDATED)  # an import has brought it back
        entry["version"] = entity_tag(stored.version) if stored else None
        if row.change is not FeedChange.MEMBERS:
            entry["attributes"] = names_of(row, self._catalogue.named(row.resource_type))
            entry["resource"] = self.shown(stored, renderer) if stored else None
            if stored and entry["resource"] is None:
                entry = _omitted(entry)
        named = (*row.joined, *row.left)
        if named or row.change is FeedChange.MEMBERS:
            there = {member for member in named if stored and (row.id, member) in present.edges}
            entry["joined"] = [member for member in named if member in there]
            entry["left"] = [member for member in named if member not in there]
        return entry

    async def _present(self, tenant: str, rows: Sequence[FeedRow]) -> _Present:
        """The resources of these rows, those of their memberships that there are, and the notes of deletions."""
        gone = [row for row in rows if row.change is FeedChange.DELETED]
        resources, edges, notes = await asyncio.gather(
            self._resources(tenant, rows), self._edges(tenant, rows), self._storage.notes(tenant, gone)
        )
        return _Present(resources, edges, {row.number: note for row, note in zip(gone, notes, strict=True)})

    async def _resources(self, tenant: str, rows: Sequence[FeedRow]) -> dict[tuple[str, str], StoredResource]:
        by_type = _by_first((row.resource_type, row.id) for row in rows)
        found = await asyncio.gather(*(self._storage.read(tenant, name, ids) for name, ids in by_type.items()))
        return {(item.resource_type, item.id): item for some in found for item in some if item is not None}

    async def _edges(self, tenant: str, rows: Sequence[FeedRow]) -> set[tuple[str, str]]:
        """The memberships that there are, of those that the rows name. One with a member that is gone is none."""
        by_group = _by_first((row.id, member) for row in rows for member in (*row.joined, *row.left))
        found = await asyncio.gather(*(self._storage.present(tenant, id_, ids) for id_, ids in by_group.items()))
        edges: list[Membership] = [edge for some in found for edge in some]
        by_type = _by_first((edge.member_type, edge.member_id) for edge in edges)
        names = list(by_type)
        there = await asyncio.gather(*(self._storage.existing(tenant, name, by_type[name]) for name in names))
        exist = {(name, id_) for name, some in zip(names, there, strict=True) for id_ in some}
        return {(edge.group_id, edge.member_id) for edge in edges if (edge.member_type, edge.member_id) in exist}


def names_of(row: FeedRow, resource_type: ResourceType | None) -> list[str]:
    """The names of what was changed; not those of a type or an extension that the tenant has not (any more)."""
    if resource_type is None:
        return []
    hidden = tuple(f"{urn}:" for urn in resource_type.hidden)
    return [name for name in row.attributes if not name.startswith(hidden)]


def size_of(value: Json) -> int:
    """The bytes of this object as JSON."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))


def _omitted(entry: Json) -> Json:
    return {name: value for name, value in entry.items() if name != "resource"} | {"omitted": True}


def _former(note: str) -> Json:
    before = json.loads(note).get("before", {}) if note else {}
    return {name: before[name] for name in _FORMER if name in before}


def _by_first(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The second texts by the first one, each once."""
    found: dict[str, dict[str, None]] = {}
    for first, second in pairs:
        found.setdefault(first, {})[second] = None
    return {first: list(seconds) for first, seconds in found.items()}
