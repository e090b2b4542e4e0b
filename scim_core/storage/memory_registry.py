"""The registry port in dictionaries: for tests, and as the shortest statement of what it promises."""

from collections.abc import AsyncIterator
from dataclasses import replace

from scim_core.registry import Credential, Gone, Overtaken, Taken, Tenant, pointers


class MemoryRegistry:
    """All of the registry port. It knows no directory, so that `erase` finds nothing."""

    def __init__(self) -> None:
        self._tenants: dict[str, Tenant] = {}
        self._pointers: dict[str, str] = {}
        self._changes = 0

    async def find(self, pointer: str) -> str | None:
        """See TenantSource.find."""
        return self._pointers.get(pointer)

    async def load(self, tenant_id: str) -> Tenant | None:
        """See TenantSource.load."""
        return self._tenants.get(tenant_id)

    async def used(self, tenant_id: str, credential_id: str, day: str) -> None:
        """See TenantSource.used."""
        tenant = self._there(tenant_id)
        self._put(tenant, replace(self._credential(tenant, credential_id), last_used=day))

    async def tenants(self) -> AsyncIterator[Tenant]:
        """See Registry.tenants."""
        for tenant_id in sorted(self._tenants):
            yield self._tenants[tenant_id]

    async def create(self, tenant: Tenant) -> None:
        """See Registry.create."""
        if tenant.id in self._tenants:
            raise Taken(f"There is a tenant {tenant.id} already.")
        self._keep(replace(tenant, credentials=()))

    async def change(self, tenant: Tenant) -> None:
        """See Registry.change."""
        there = self._as_read(tenant)
        self._keep(replace(there, display_name=tenant.display_name, state=tenant.state, since=tenant.since))

    async def add(self, tenant: Tenant, credential: Credential, *, pointer_exists: bool) -> None:
        """See Registry.add."""
        there = self._as_read(tenant)
        if there.credential(credential.id) or (not pointer_exists and credential.pointer in self._pointers):
            raise Taken("What the credential is found by is in use.")
        self._pointers[credential.pointer] = tenant.id
        self._keep(replace(there, credentials=(*there.credentials, credential)))

    async def put(self, tenant_id: str, credential: Credential) -> None:
        """See Registry.put."""
        tenant = self._there(tenant_id)
        self._credential(tenant, credential.id)
        self._put(tenant, credential)

    async def remove(self, tenant_id: str, credential: Credential, *, keep_pointer: bool) -> None:
        """See Registry.remove."""
        tenant = self._there(tenant_id)
        self._credential(tenant, credential.id)
        if not keep_pointer:
            del self._pointers[credential.pointer]
        kept = tuple(item for item in tenant.credentials if item.id != credential.id)
        self._tenants[tenant_id] = replace(tenant, credentials=kept)

    async def erase(self, tenant_id: str) -> AsyncIterator[int]:
        """See Registry.erase."""
        self._there(tenant_id)
        yield 0

    async def forget(self, tenant: Tenant) -> None:
        """See Registry.forget."""
        for pointer in pointers(self._as_read(tenant).credentials):
            del self._pointers[pointer]
        del self._tenants[tenant.id]

    def _there(self, tenant_id: str) -> Tenant:
        if tenant_id not in self._tenants:
            raise Gone(f"There is no tenant {tenant_id}.")
        return self._tenants[tenant_id]

    def _as_read(self, tenant: Tenant) -> Tenant:
        there = self._there(tenant.id)
        if there.etag != tenant.etag:
            raise Overtaken("The tenant was changed by someone else meanwhile; look again.")
        return there

    def _credential(self, tenant: Tenant, credential_id: str) -> Credential:
        found = tenant.credential(credential_id)
        if found is None:
            raise Gone(f"The tenant {tenant.id} has no credential {credential_id}.")
        return found

    def _put(self, tenant: Tenant, credential: Credential) -> None:
        changed = tuple(credential if item.id == credential.id else item for item in tenant.credentials)
        self._tenants[tenant.id] = replace(tenant, credentials=changed)

    def _keep(self, tenant: Tenant) -> None:
        self._changes += 1
        self._tenants[tenant.id] = replace(tenant, etag=str(self._changes))
