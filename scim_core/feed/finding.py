"""Finds the person or the group that somebody asks about: by name, mail, id, externalId, or the beginning of one.

Also those who are gone: by the name that they had.
"""

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from scim_core.ids import is_id
from scim_core.model import IndexEntry, StoredResource
from scim_core.protocol.schemas import Catalogue, ResourceType
from scim_core.storage.feed_port import FeedStorage, LogRow

MAX_FOUND = 5
"""Resources of one type that a text finds. Whoever finds as many says more of the name."""

NEWEST_ROWS = 10
"""Rows of a log that are read for the type of its resource. The last row of one that is gone tells that it was deleted,
and the type."""


@dataclass(frozen=True, slots=True)
class FoundResource:
    """A resource that a text finds. One that is gone has no `stored`."""

    resource_type: str
    id: str
    stored: StoredResource | None

    @property
    def name(self) -> str:
        """The name by which people know it; empty for one that is gone."""
        document = self.stored.document if self.stored else {}
        return str(document.get("userName") or document.get("displayName") or "")


async def find(
    storage: FeedStorage, catalogue: Catalogue, tenant: str, text: str, type_name: str
) -> list[FoundResource]:
    """The resources of this type that the text finds, at most MAX_FOUND: exactly, or else by how a value begins.

    A name with letters like ß, which have several forms, is found as a whole only.

    Raises StorageBusy.
    """
    resource_type = catalogue.named(type_name)
    if resource_type is None:
        return []
    if is_id(text):
        [stored] = await storage.read(tenant, type_name, [text])
        known = stored or await logged_type(storage, tenant, text) == type_name
        return [FoundResource(type_name, text, stored)] if known else []
    ids = await _ids(storage, tenant, resource_type, text, prefix=False)
    if not ids and not _has_several_forms(resource_type, text):
        ids = await _ids(storage, tenant, resource_type, text, prefix=True)
    present = await storage.read(tenant, type_name, ids)
    return [FoundResource(type_name, id_, item) for id_, item in zip(ids, present, strict=True)]


async def logged_type(storage: FeedStorage, tenant: str, resource_id: str) -> str:
    """The type of the resource of this id, as the log has it; empty if it does not know the id. Raises StorageBusy."""
    rows = await storage.log_of(tenant, resource_id, limit=NEWEST_ROWS)
    if len(rows) == NEWEST_ROWS and not type_in(rows):
        rows = await storage.log_of(tenant, resource_id)
    return type_in(rows)


def type_in(rows: Sequence[LogRow]) -> str:
    """The type of the resource whose log these rows are. A row of a group that it joined or left does not tell."""
    return next((row.resource_type for row in reversed(rows) if not row.of), "")


def _has_several_forms(resource_type: ResourceType, text: str) -> bool:
    """Whether version 0.2 may have stored the text under other keys: to look for all as beginnings costs too much."""
    return any(indexed.entry(text).former is not None for indexed in resource_type.indexed)


async def _ids(storage: FeedStorage, tenant: str, resource_type: ResourceType, text: str, *, prefix: bool) -> list[str]:
    """The ids by the unique name, of today or former. Only if there are none, those by other values: it saves calls."""
    entries = [indexed.entry(text) for indexed in resource_type.indexed]
    unique = [item for item in entries if item.unique]
    gone = (storage.formerly(tenant, resource_type.name, item, prefix=prefix, limit=MAX_FOUND) for item in unique)

    def present(some: Sequence[IndexEntry]) -> Iterator[Coroutine[Any, Any, list[str]]]:
        return (storage.find(tenant, resource_type.name, item, prefix=prefix, limit=MAX_FOUND) for item in some)

    found = await asyncio.gather(*present(unique), *gone)
    if not any(found):
        found = await asyncio.gather(*present([item for item in entries if not item.unique]))
    return list(dict.fromkeys(id_ for some in found for id_ in some))[:MAX_FOUND]
