"""The registry port: a partition of its own, whose key no tenant can have, in the directory's table or in another.

tenant:{id}:                  a tenant
tenant:{id}:{credential id}   one of its credentials; with the row above, one range read
pointer:{...}                 the tenant's id, under the text that finds a credential: an insert, so nobody else has it;
                              of a federation also under its workload identity
audit:{number}                a record of an administrative change; audit.end: notes the last one (audit_chain.py)
setup:{end}:{id}              the tenant whose setup link ends then (setup_rows.py)
registry.move:                the registry is on its way to another table, or there (registry_marker.py)
"""

from collections.abc import AsyncIterator, Container, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from itertools import batched

from scim_core.audit_records import AuditEntry, NumberedRecord, Position
from scim_core.registry import MAX_OPEN_LINKS, Gone, Moved, Overtaken, Taken, Tenant, pointers
from scim_core.setup_link import OpenLink, SetupLink
from scim_core.storage.port import StorageBusy, VersionConflict
from scim_core.storage.tables import audit_chain, keys, setup_rows
from scim_core.storage.tables.errors import RowChanged, RowExists, RowMissing
from scim_core.storage.tables.keys import REGISTRY, SWEEP, KeyRange
from scim_core.storage.tables.reading import read_range
from scim_core.storage.tables.registry_marker import require_here
from scim_core.storage.tables.registry_rows import alteration, amendment, opening, to_credential, to_tenant
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Rows, read_pages
from scim_core.storage.tables.service_limits import TRANSACTION_OPERATIONS

MAX_ATTEMPTS = 5
"""How often one part of an erasure is planned again because another erasure has removed rows of it, and how often a
credential's use is noted again because the credential has changed in between."""

_ROW_KEY = "PartitionKey,RowKey"


@dataclass(frozen=True, slots=True)
class _Pointers:
    """The keys of the pointers' rows: a long pointer is cut in its key."""

    row_keys: frozenset[str]

    def __contains__(self, pointer: object) -> bool:
        return isinstance(pointer, str) and keys.pointer(pointer) in self.row_keys


class TableRegistry:
    """All of the registry port. It belongs to the event loop that uses it first; `close` it there."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    async def find(self, pointer: str) -> str | None:
        """See TenantSource.find."""
        row = await self.rows.get(REGISTRY, keys.pointer(pointer))
        return row.properties["tenant"] if row else None

    async def pointers(self) -> Container[str]:
        """See TenantSource.pointers."""
        pages = read_pages(self.rows, REGISTRY, keys.of_kind("pointer"), select=_ROW_KEY)
        return _Pointers(frozenset([row.properties["RowKey"] async for rows in pages for row in rows]))

    async def load(self, tenant_id: str) -> Tenant | None:
        """See TenantSource.load."""
        found = [tenant async for tenant in self._read(keys.registered(tenant_id))]
        return found[0] if found else None

    async def used(self, tenant_id: str, credential_id: str, time: str, source: str) -> None:
        """See TenantSource.used."""
        for _ in range(MAX_ATTEMPTS):
            row = await self.rows.get(REGISTRY, keys.credential(tenant_id, credential_id))
            if row is None:
                raise Gone("The credential is not registered (any more).")
            before = to_credential(row)
            if before.last_used > time:
                return
            operations = amendment(tenant_id, before, replace(before, last_used=time, last_source=source))
            if not operations:
                return
            with suppress(Overtaken):
                await self._transact(operations)
                return
        raise StorageBusy("Others are changing the same credential.")

    async def open_links(self, now: str) -> list[OpenLink]:
        """See SetupSource.open_links."""
        found = await read_range(self.rows, REGISTRY, setup_rows.open_after(now), limit=MAX_OPEN_LINKS)
        return [setup_rows.to_open_link(row) for row in found]

    async def exchanged(self, tenant: Tenant, link: SetupLink) -> None:
        """See SetupSource.exchanged."""
        await self._transact([opening(tenant, link)])

    async def tenants(self) -> AsyncIterator[Tenant]:
        """See Registry.tenants."""
        async for tenant in self._read(KeyRange("tenant:", "tenant;")):
            yield tenant

    async def alter(self, before: Tenant | None, after: Tenant | None, entries: Sequence[AuditEntry]) -> None:
        """See Registry.alter."""
        if before is None:
            await self._require_restored()
        await self._recorded([await self._claimed(item) for item in alteration(before, after)], entries)

    async def erase(self, tenant_id: str) -> AsyncIterator[int]:
        """See Registry.erase."""
        # It is repeated until nothing is found, because a sweep may be applying a large change. Its steps demand the
        # row of that change, and fail once the row is gone. The sweep's entry of the change goes last.
        of_sweep = [keys.sweep_entries_of(tenant_id), *keys.doorbells_of(tenant_id)]
        for partition, key_range in ((tenant_id, keys.everything()), *((SWEEP, some) for some in of_sweep)):
            while found := await self._first_rows(partition, key_range):
                for part in batched(found, TRANSACTION_OPERATIONS, strict=False):
                    yield await self._delete(partition, part)

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        """See Registry.append."""
        await self._require_restored()
        await self._recorded([], entries)

    async def audit_end(self) -> Position:
        """See Registry.audit_end."""
        return await audit_chain.noted_end(self.rows)

    async def audit_records(self) -> AsyncIterator[NumberedRecord]:
        """See Registry.audit_records."""
        async for record in audit_chain.records(self.rows):
            yield record

    async def close(self) -> None:
        """Connections are released."""
        await self.rows.close()

    async def _read(self, key_range: KeyRange) -> AsyncIterator[Tenant]:
        """The tenants of a range. A credential whose tenant's row is not there belongs to none."""
        tenant: Tenant | None = None
        async for rows in read_pages(self.rows, REGISTRY, key_range):
            for row in rows:
                if "kind" not in row.properties:
                    if tenant is not None:
                        yield tenant
                    tenant = to_tenant(row)
                elif tenant is not None and row.properties["RowKey"].startswith(keys.tenant(tenant.id)):
                    tenant = replace(tenant, credentials=(*tenant.credentials, to_credential(row)))
        if tenant is not None:
            yield tenant

    async def _require_restored(self) -> None:
        """Raises Moved while the registry is restored from a file: its audit records have these numbers, too."""
        if await self.rows.get(REGISTRY, keys.bookmark("import"), select="RowKey"):
            raise Moved("The registry is being restored from a file. Finish that import first: run it again.")

    async def _claimed(self, operation: RowOperation) -> RowOperation:
        """The insert of a pointer takes over a row that no credential needs any more. All else stays as it is.

        A command of version 0.2 leaves the pointer of a federation's identity behind. Nobody could have it otherwise.
        """
        if operation.verb is not Verb.INSERT or keys.kind_of(operation.key) != "pointer":
            return operation
        row = await self.rows.get(REGISTRY, operation.key)
        if row is None:
            return operation
        holder = await self.load(str(row.properties["tenant"]))
        held = pointers(holder.credentials) if holder else []
        return (
            operation
            if operation.key in map(keys.pointer, held)
            else replace(operation, verb=Verb.MERGE, etag=row.etag)
        )

    async def _first_rows(self, partition: str, key_range: KeyRange) -> list[str]:
        async with aclosing(read_pages(self.rows, partition, key_range, select=_ROW_KEY)) as pages:
            async for rows in pages:
                if rows:  # an answer may be empty although more follow
                    return [row.properties["RowKey"] for row in rows]
        return []

    async def _delete(self, partition: str, row_keys: Sequence[str]) -> int:
        """These rows are gone. Returns how many of them this call removed: others may remove them at the same time."""
        left = list(row_keys)
        for _ in range(MAX_ATTEMPTS):
            try:
                await self.rows.transact(partition, [RowOperation(Verb.DELETE, Role.OTHER, key) for key in left])
            except (RowMissing, VersionConflict):
                low, high = left[0], f"{left[-1]}!"
                there = set(await self._first_rows(partition, KeyRange(low, high)))
                left = [key for key in left if key in there]
                if not left:
                    return 0
            else:
                return len(left)
        raise StorageBusy("Others are removing the same rows.")

    async def _recorded(self, operations: Sequence[RowOperation], entries: Sequence[AuditEntry]) -> None:
        """The operations happen, and their records follow the last one of the audit chain; or nothing happens."""
        records = await audit_chain.following(self.rows, entries)
        await require_here(self.rows)
        try:
            await self._transact([*operations, *records])
        except (Taken, Gone, Overtaken):
            # A transaction whose answer was lost is sent again. Its own record shows that it has happened.
            if not await audit_chain.has(self.rows, records[0]):
                raise

    async def _transact(self, operations: Sequence[RowOperation]) -> None:
        try:
            await self.rows.transact(REGISTRY, operations)
        except RowExists as failure:
            if keys.is_audit_record(failure.operation.key):
                raise _overtaken() from None
            raise Taken("The id, or the text that identifies the credential, is in use.") from None
        except RowMissing as failure:
            if (failure.operation.verb, keys.kind_of(failure.operation.key)) == (Verb.MERGE, "pointer"):
                raise _overtaken() from None
            raise Gone("The tenant or the credential is not registered (any more).") from None
        except (RowChanged, VersionConflict):
            raise _overtaken() from None


def _overtaken() -> Overtaken:
    return Overtaken("Others are changing the registry at the same time; look again.")
