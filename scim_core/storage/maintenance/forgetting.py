"""Erases a person who is gone from what changes and attempts have left behind.

What stays names the id alone: rows of groups that the person was in, and entries of the feed. An id says nobody's name.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import batched

from scim_core.storage.feed_port import MAX_KEPT_CHARACTERS
from scim_core.storage.port import StorageError
from scim_core.storage.tables import keys, log_keys
from scim_core.storage.tables.entities import joined
from scim_core.storage.tables.reading import read_range
from scim_core.storage.tables.relay import relay
from scim_core.storage.tables.rows import Row, Rows
from scim_core.storage.tables.service_limits import TRANSACTION_OPERATIONS
from scim_core.storage.tables.trimming import delete_rows


class StillThere(StorageError):
    """What is to be forgotten is in the directory."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many rows of each kind were deleted."""

    log: int
    was: int
    attempts: int
    gone: int


async def forget(rows: Rows, tenant: str, resource_id: str, *, resource_type: str = "User") -> Forgotten:
    """Nothing of the tenant's log names this resource or has its values. Run it again if it was interrupted.

    Raises StillThere, StorageBusy.
    """
    if await rows.get(tenant, keys.resource(resource_type, resource_id), select="RowKey") is not None:
        raise StillThere(f"The user {resource_id} is in the directory. Delete the user first, then forget.")
    await relay(rows, tenant)  # what waits is in the log then
    log = await read_range(rows, tenant, log_keys.logged_of(resource_id))
    for its_type in {row.properties["type"] for row in log if not row.properties.get("of")}:
        if await rows.get(tenant, keys.resource(its_type, resource_id), select="RowKey") is not None:
            raise StillThere(f"{resource_id} is in the directory, as a {its_type}. Only who is deleted is forgotten.")
    names = {name for row in log for name in _names(row)}
    was = [row for row in await read_range(rows, tenant, keys.of_kind("was")) if row.properties["id"] == resource_id]
    attempts = [
        row
        for row in await read_range(rows, tenant, keys.of_kind("attempt"))
        if row.properties["id"] == resource_id or names & set(_asked(row))
    ]
    kept = await read_range(rows, tenant, keys.of_kind("gone"), select="RowKey,id")
    gone = [row for row in kept if row.properties["id"] == resource_id]
    for some in (attempts, was, gone, log):  # the log last: it has the names by which a second run finds the others
        for batch in batched(some, TRANSACTION_OPERATIONS, strict=False):
            await delete_rows(rows, tenant, batch)
    return Forgotten(len(log), len(was), len(attempts), len(gone))


def _names(row: Row) -> Iterable[str]:
    """The names, externalIds and addresses that the log has of the resource."""
    note = _note(row)
    for moment in ("before", "after"):
        values = note.get(moment, {})
        emails = values.get("emails")
        addresses = [item.get("value") for item in emails if isinstance(item, dict)] if isinstance(emails, list) else []
        yield from _compared([*(values.get(name) for name in ("userName", "externalId", "displayName")), *addresses])


def _asked(row: Row) -> Iterable[str]:
    return _compared(_note(row).get("asked", {}).values())


def _compared(values: Iterable[object]) -> Iterable[str]:
    """The texts among the values in the form in which they are compared: an attempt has what the client sent, cut."""
    texts = (value.strip()[:MAX_KEPT_CHARACTERS].casefold() for value in values if isinstance(value, str))
    return (text for text in texts if text)


def _note(row: Row) -> dict[str, dict[str, object]]:
    text = "".join(joined("n", row.properties))
    note: dict[str, dict[str, object]] = json.loads(text) if text else {}
    return note
