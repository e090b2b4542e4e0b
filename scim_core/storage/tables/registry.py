"""The registry port in the directory's table: a partition of its own, whose key no tenant can have.

tenant:{id}:                  a tenant
tenant:{id}:{credential id}   one of its credentials; with the row above, one range read
pointer:{...}                 the tenant's id, under the text that finds a credential: an insert, so nobody else has it
"""

from collections.abc import AsyncIterator, Container, Sequence
from dataclasses import dataclass, fields, replace
from itertools import batched
from typing import Any

from scim_core.model import Column
from scim_core.registry import Access, Credential, CredentialKind, Gone, Overtaken, Taken, Tenant, TenantState, pointers
from scim_core.storage.port import StorageBusy, VersionConflict
from scim_core.storage.tables import keys
from scim_core.storage.tables.errors import RowChanged, RowExists, RowMissing
from scim_core.storage.tables.keys import REGISTRY, SWEEP, KeyRange
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Row, Rows, read_pages
from scim_core.storage.tables.service_limits import TRANSACTION_OPERATIONS

MAX_ATTEMPTS = 5
"""How often one part of an erasure is planned again because another erasure has removed rows of it."""

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

    async def used(self, tenant_id: str, credential_id: str, day: str, source: str) -> None:
        """See TenantSource.used."""
        properties: dict[str, Column] = {"last_used": day, "last_source": source}
        await self._transact([_merge(keys.credential(tenant_id, credential_id), properties)])

    async def tenants(self) -> AsyncIterator[Tenant]:
        """See Registry.tenants."""
        async for tenant in self._read(KeyRange("tenant:", "tenant;")):
            yield tenant

    async def create(self, tenant: Tenant) -> None:
        """See Registry.create."""
        properties: dict[str, Column] = {"id": tenant.id, "created": tenant.created, **_state(tenant)}
        await self._transact([_operation(Verb.INSERT, keys.tenant(tenant.id), properties)])

    async def change(self, tenant: Tenant) -> None:
        """See Registry.change."""
        await self._transact([_merge(keys.tenant(tenant.id), _state(tenant), tenant.etag)])

    async def add(self, tenant: Tenant, credential: Credential, *, pointer_exists: bool) -> None:
        """See Registry.add."""
        pointer = _operation(Verb.INSERT, keys.pointer(credential.pointer), {"tenant": tenant.id})
        await self._transact(
            [
                _merge(keys.tenant(tenant.id), {"credentialAdded": credential.created}, tenant.etag),
                _operation(Verb.INSERT, keys.credential(tenant.id, credential.id), _properties(credential)),
                *([] if pointer_exists else [pointer]),
            ]
        )

    async def put(self, tenant_id: str, credential: Credential) -> None:
        """See Registry.put."""
        await self._transact([_merge(keys.credential(tenant_id, credential.id), _properties(credential))])

    async def remove(self, tenant_id: str, credential: Credential, *, keep_pointer: bool) -> None:
        """See Registry.remove."""
        rows = [keys.credential(tenant_id, credential.id)]
        rows += [] if keep_pointer else [keys.pointer(credential.pointer)]
        await self._transact([_operation(Verb.DELETE, key) for key in rows])

    async def erase(self, tenant_id: str) -> AsyncIterator[int]:
        """See Registry.erase."""
        # It is repeated until nothing is found, because a sweep may be applying a large change. Its steps demand the
        # row of that change, and fail once the row is gone. The sweep's entry of the change goes last.
        for partition, key_range in ((tenant_id, keys.everything()), (SWEEP, keys.sweep_entries_of(tenant_id))):
            while found := await self._first_rows(partition, key_range):
                for part in batched(found, TRANSACTION_OPERATIONS, strict=False):
                    yield await self._delete(partition, part)

    async def forget(self, tenant: Tenant) -> None:
        """See Registry.forget."""
        await self._transact(
            [
                _operation(Verb.DELETE, keys.tenant(tenant.id), etag=tenant.etag),
                *(_operation(Verb.DELETE, keys.credential(tenant.id, item.id)) for item in tenant.credentials),
                *(_operation(Verb.DELETE, keys.pointer(pointer)) for pointer in pointers(tenant.credentials)),
            ]
        )

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
                    tenant = _tenant(row)
                elif tenant is not None and row.properties["RowKey"].startswith(keys.tenant(tenant.id)):
                    tenant = replace(tenant, credentials=(*tenant.credentials, _credential(row)))
        if tenant is not None:
            yield tenant

    async def _first_rows(self, partition: str, key_range: KeyRange) -> list[str]:
        async for rows in read_pages(self.rows, partition, key_range, select=_ROW_KEY):
            if rows:  # an answer may be empty although more follow
                return [row.properties["RowKey"] for row in rows]
        return []

    async def _delete(self, partition: str, row_keys: Sequence[str]) -> int:
        """These rows are gone. Returns how many of them this call removed: others may remove them at the same time."""
        left = list(row_keys)
        for _ in range(MAX_ATTEMPTS):
            try:
                await self.rows.transact(partition, [_operation(Verb.DELETE, key) for key in left])
            except (RowMissing, VersionConflict):
                low, high = left[0], f"{left[-1]}!"
                there = set(await self._first_rows(partition, KeyRange(low, high)))
                left = [key for key in left if key in there]
                if not left:
                    return 0
            else:
                return len(left)
        raise StorageBusy("Others are removing the same rows.")

    async def _transact(self, operations: Sequence[RowOperation]) -> None:
        try:
            await self.rows.transact(REGISTRY, operations)
        except RowExists:
            raise Taken("The id, or the text that identifies the credential, is in use.") from None
        except RowMissing:
            raise Gone("The tenant or the credential is not registered (any more).") from None
        except (RowChanged, VersionConflict):
            raise Overtaken("Someone else has changed the tenant at the same time; look again.") from None


def _operation(verb: Verb, key: str, properties: dict[str, Column] | None = None, etag: str = "") -> RowOperation:
    return RowOperation(verb, Role.OTHER, key, properties or {}, etag)


def _merge(key: str, properties: dict[str, Column], etag: str = "") -> RowOperation:
    return _operation(Verb.MERGE, key, properties, etag)


def _state(tenant: Tenant) -> dict[str, Column]:
    return {"displayName": tenant.display_name, "state": str(tenant.state), "since": tenant.since}


def _tenant(row: Row) -> Tenant:
    found: dict[str, Any] = row.properties
    return Tenant(
        id=found["id"],
        display_name=found["displayName"],
        created=found["created"],
        state=TenantState(found["state"]),
        since=found["since"],
        etag=row.etag,
    )


def _properties(credential: Credential) -> dict[str, Column]:
    return {item.name: _column(getattr(credential, item.name)) for item in fields(Credential)}


def _column(value: str | bool) -> Column:
    return value if isinstance(value, bool) else str(value)


def _credential(row: Row) -> Credential:
    named = {item.name: row.properties[item.name] for item in fields(Credential) if item.name in row.properties}
    # Rows of version 0.2 have no access: they may write. A value of a later version allows no more than reading.
    access = Access.WRITE if named.get("access", Access.WRITE) == Access.WRITE else Access.READ
    return Credential(**named | {"kind": CredentialKind(named["kind"]), "access": access})
