"""What hooks ask of the storage: see HookStorage. Each change of a row demands the state that was read."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from itertools import batched

from scim_core.model import Column
from scim_core.storage.hook_port import DeadBatch, DueTenant, Hook, HookCursor, HookStreams, Stream
from scim_core.storage.port import StorageBusy, VersionConflict
from scim_core.storage.tables import doorbell, keys
from scim_core.storage.tables.errors import RowFailure
from scim_core.storage.tables.hook_rows import (
    cursor_written,
    dead_written,
    hook_written,
    to_cursor,
    to_dead,
    to_hook,
)
from scim_core.storage.tables.keys import SWEEP
from scim_core.storage.tables.reading import read_range
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Rows
from scim_core.storage.tables.service_limits import TRANSACTION_OPERATIONS

MAX_ATTEMPTS = 5
"""How often a tenant is marked again while others mark it."""


class TableHooks:
    """The part of the storage port that hooks need: see TableStorage, which is the whole port."""

    rows: Rows

    async def hooks(self) -> list[Hook]:
        """See HookStorage.hooks."""
        return [to_hook(row) for row in await read_range(self.rows, SWEEP, keys.hooks())]

    async def save_hook(self, hook: Hook) -> None:
        """See HookStorage.save_hook."""
        async with _unchanged():
            await self.rows.transact(SWEEP, [hook_written(hook)])

    async def remove_hook(self, hook: Hook, tenants: Sequence[str]) -> None:
        """See HookStorage.remove_hook."""
        with suppress(RowFailure):  # it is gone already
            await self.rows.transact(SWEEP, [_deletion(keys.hook(hook.id))])
        for tenant in tenants:  # after the hook: without a cursor it would begin with the first entry again
            await self._remove(tenant, keys.of_hook(hook.id))

    async def hook_cursor(self, tenant: str, hook_id: str, stream: Stream) -> HookCursor | None:
        """See HookStorage.hook_cursor."""
        row = await self.rows.get(tenant, keys.hook_cursor(hook_id, stream))
        return to_cursor(row) if row else None

    async def save_hook_cursor(
        self, tenant: str, hook_id: str, stream: Stream, cursor: HookCursor, dead: DeadBatch | None = None
    ) -> HookCursor:
        """See HookStorage.save_hook_cursor."""
        more = [dead_written(hook_id, dead)] if dead else []
        async with _unchanged():
            etag, *_ = await self.rows.transact(tenant, [cursor_written(hook_id, stream, cursor), *more])
        return replace(cursor, etag=etag)

    async def end_replay(self, tenant: str, hook_id: str, cursor: HookCursor) -> None:
        """See HookStorage.end_replay."""
        for dead in await self.dead_batches(tenant, hook_id):
            if dead.epoch != cursor.epoch or (cursor.start <= dead.first and dead.last <= cursor.end):
                with suppress(RowFailure):  # another process was quicker
                    key = keys.dead_batch(hook_id, dead.epoch, dead.first)
                    await self.rows.transact(tenant, [_deletion(key)])
        async with _unchanged():
            key = keys.hook_cursor(hook_id, Stream.REPLAY)
            await self.rows.transact(tenant, [_deletion(key, cursor.etag)])

    async def dead_batches(self, tenant: str, hook_id: str) -> list[DeadBatch]:
        """See HookStorage.dead_batches."""
        return [to_dead(row.properties) for row in await read_range(self.rows, tenant, keys.dead_batches(hook_id))]

    async def hook_streams(self, tenant: str) -> HookStreams:
        """See HookStorage.hook_streams."""
        cursors, dead = dict[tuple[str, Stream], HookCursor](), dict[str, list[DeadBatch]]()
        for row in await read_range(self.rows, tenant, keys.of_kind("hook")):
            _, hook_id, stream, *_ = row.properties["RowKey"].split(":")
            if stream in set(Stream):
                cursors[hook_id, Stream(stream)] = to_cursor(row)
            else:
                dead.setdefault(hook_id, []).append(to_dead(row.properties))
        return HookStreams(cursors, dead)

    async def tenants_to_deliver(self) -> list[str]:
        """See HookStorage.tenants_to_deliver."""
        waiting = [tenant for tenant, *_ in await doorbell.waiting(self.rows)]
        due = [row.properties["tenant"] for row in await read_range(self.rows, SWEEP, keys.due_tenants())]
        return list(dict.fromkeys([*due, *waiting]))

    async def mark_due(self, tenant: str, now: str) -> DueTenant:
        """See HookStorage.mark_due."""
        properties = dict[str, Column](tenant=tenant, id="", lastModified=now)
        marking = RowOperation(Verb.UPSERT, Role.FEED, keys.due(tenant), properties)
        for _ in range(MAX_ATTEMPTS):
            with suppress(VersionConflict):  # another process marks the same tenant at this moment
                [etag] = await self.rows.transact(SWEEP, [marking])
                return DueTenant(tenant, etag)
        raise StorageBusy("Others are marking the tenant.")

    async def clear_due(self, due: DueTenant) -> None:
        """See HookStorage.clear_due."""
        with suppress(RowFailure, VersionConflict):  # another process has marked it
            await self.rows.transact(SWEEP, [_deletion(keys.due(due.tenant), due.etag)])

    async def _remove(self, tenant: str, key_range: keys.KeyRange) -> None:
        found = await read_range(self.rows, tenant, key_range, select="RowKey")
        for some in batched(found, TRANSACTION_OPERATIONS, strict=False):
            await self.rows.transact(tenant, [_deletion(row.properties["RowKey"]) for row in some])


def _deletion(key: str, etag: str = "") -> RowOperation:
    return RowOperation(Verb.DELETE, Role.FEED, key, etag=etag)


@asynccontextmanager
async def _unchanged() -> AsyncIterator[None]:
    """Raises VersionConflict where another process was quicker."""
    try:
        yield
    except RowFailure as failure:
        raise VersionConflict from failure
