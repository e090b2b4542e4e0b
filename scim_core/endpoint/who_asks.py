"""What follows from the credential of a request apart from access: its use is noted, and it says what there is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from scim_core.access.authenticator import Authenticator
from scim_core.access.principal import TENANT_PARAMETER, Principal
from scim_core.access.tenant_cache import TenantCache
from scim_core.chosen_schemas import AS_BY_DEFAULT, ChosenSchemas
from scim_core.messages import Caller, HttpError
from scim_core.protocol.search_parameters import query_fields

SERVER_ERROR = 500
"""From this status on, it is not the credential that is refused."""


class WhoAsks:
    """Looks at credentials. Without `tenants`, the use of a credential is not recorded."""

    def __init__(self, authenticator: Authenticator, tenants: TenantCache | None) -> None:
        self._authenticator = authenticator
        self._tenants = tenants

    async def choice(self, caller: Caller, query: str) -> ChosenSchemas:
        """The resource types and extensions of the tenant whose credential came with a request that needs none.

        Without a good credential, and for an application that names no tenant, these are what is on by default.
        Raises HttpError, StorageBusy while nobody knows whose credential it is.
        """
        if not caller.headers.get("authorization"):
            return AS_BY_DEFAULT
        try:
            principal = await self._authenticator.authenticate(caller)
            async with self.noted(principal):
                named = query_fields(query).get(TENANT_PARAMETER, "")
                if principal.application and named:
                    principal = await self._authenticator.in_tenant(principal, named)
        except HttpError as refused:
            if refused.status >= SERVER_ERROR:
                raise
            return AS_BY_DEFAULT
        return principal.schemas

    @asynccontextmanager
    async def noted(self, principal: Principal) -> AsyncIterator[None]:
        """While the block runs, the use of the credential is recorded: also of one that the block refuses."""
        if principal.use is None or self._tenants is None:
            yield
            return
        noting = asyncio.create_task(self._tenants.note(principal.use))
        try:
            yield
        except (
            asyncio.CancelledError
        ):  # the time of the request is over, and a registry that is slow gets no more of it
            noting.cancel()
            await asyncio.wait([noting])
            raise
        finally:
            if not noting.cancelled():
                await noting
