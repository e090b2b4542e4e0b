"""The rows of hooks: in the partition of the sweep the hooks, and in a tenant's how far each has come.

:hook:{hook id}                               a hook; no secret
:due:{tenant}:                                there may be something to deliver: the timer looks
hook:{hook id}:events                         how far the hook has come with the tenant's feed
hook:{hook id}:replay                         the same of a replay, while there is one
hook:{hook id}:dead:{epoch}:{first number}    entries that the receiver did not take

All have `id` and `lastModified`: version 0.2 expects them of every row of a tenant that it does not know. None has
`created`, by which the sweep finds its own.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from scim_core.model import Column
from scim_core.storage.hook_port import DeadBatch, Hook, HookCursor, HookFormat, Stream
from scim_core.storage.tables import keys
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Row


def to_hook(row: Row) -> Hook:
    """The hook of a row. One that says nothing of its format sends events."""
    told = row.properties
    return Hook(
        id=told["id"],
        url=told["url"],
        tenant=told["tenant"],
        base_url=told["baseUrl"],
        since=told["lastModified"],
        secret=int(told["secret"]),
        former_until=told["formerUntil"],
        disabled=told["disabled"],
        format=HookFormat(told.get("format", HookFormat.EVENTS)),
        etag=row.etag,
    )


def hook_written(hook: Hook) -> RowOperation:
    """The hook's row is as it says, if nobody else has changed it."""
    properties: dict[str, Column] = {
        "id": hook.id,
        "url": hook.url,
        "tenant": hook.tenant,
        "baseUrl": hook.base_url,
        "lastModified": hook.since,
        "secret": str(hook.secret),
        "formerUntil": hook.former_until,
        "disabled": hook.disabled,
        "format": str(hook.format),
    }
    return _written(keys.hook(hook.id), properties, hook.etag)


def to_cursor(row: Row) -> HookCursor:
    """The cursor of a row. Fields that this row does not have yet have their usual value."""
    values = {of.name: row.properties[of.name] for of in fields(HookCursor) if of.name in row.properties}
    numbers = {name: int(values[name]) for name in _NUMBERS if name in values}
    return HookCursor(**{**values, **numbers, "etag": row.etag})


def cursor_written(hook_id: str, stream: Stream, cursor: HookCursor) -> RowOperation:
    """The cursor's row is as it says, if nobody else has changed it."""
    values = {of.name: getattr(cursor, of.name) for of in fields(cursor) if of.name != "etag"}
    texts: dict[str, Column] = {name: str(value) if name in _NUMBERS else value for name, value in values.items()}
    return _written(
        keys.hook_cursor(hook_id, stream), {"id": hook_id, "lastModified": cursor.time, **texts}, cursor.etag
    )


def to_dead(entity: Mapping[str, Any]) -> DeadBatch:
    """The dead batch of a row."""
    first, last = int(entity["first"]), int(entity["last"])
    return DeadBatch(entity["epoch"], first, last, entity["lastModified"], entity["reason"])


def dead_written(hook_id: str, dead: DeadBatch) -> RowOperation:
    """The batch counts as dead."""
    properties: dict[str, Column] = {
        "id": hook_id,
        "lastModified": dead.time,
        "epoch": dead.epoch,
        "first": str(dead.first),
        "last": str(dead.last),
        "reason": dead.reason,
    }
    return RowOperation(Verb.UPSERT, Role.FEED, keys.dead_batch(hook_id, dead.epoch, dead.first), properties)


_NUMBERS = ("number", "last", "attempts", "known", "start", "end")


def _written(key: str, properties: dict[str, Column], etag: str) -> RowOperation:
    verb = Verb.REPLACE if etag else Verb.INSERT
    return RowOperation(verb, Role.FEED, key, properties, etag)
