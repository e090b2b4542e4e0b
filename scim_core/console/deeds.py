"""All that the console can change. An operator does it, by a form of a page, and the audit trail says who."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from scim_core.access.administration import Administration, id_of
from scim_core.access.audit_trail import AuditTrail
from scim_core.access.credential_plans import Issued, Wanted
from scim_core.access.setup_plans import DEFAULT_LINK_DAYS, url_of
from scim_core.audit_records import Actor
from scim_core.clock import Clock, instant_text
from scim_core.console.visitors import Visitor
from scim_core.feed.hooks.states import NoReplay, begin_replay, replay_of_dead, require_idle
from scim_core.feed.mass_changes import free_until
from scim_core.ids import uuid7
from scim_core.messages import HttpError, Origin
from scim_core.protocol.schemas import Catalogue
from scim_core.registry import DEFAULT_TENANT, Credential, CredentialKind, Registry, RegistryError, Tenant, TenantState
from scim_core.service.losses import UNDO, Chosen
from scim_core.service.undo import Undo
from scim_core.service.undo_results import Portion, Undone
from scim_core.storage.hook_port import Hook, HookStorage
from scim_core.storage.port import StorageBusy, StorageError

BY = "console undo"
"""What the log names as the credential of what an undo has put back. The customer reads it, so it names no operator."""

UNDONE_AT_ONCE = 500
"""Resources that one press of the button puts back. Ten go side by side, with some six calls each: that takes seconds,
and a minute if the storage is slow. So the answer comes long before UNDO_SECONDS.
"""

GROUPS_AT_ONCE = 500
"""Groups whose memberships one press looks at. They go one after the other, with some four calls each: that
takes half a minute.
"""

UNDO_SECONDS = 180
"""Longest time of one press. Then the answer says so, and what is done stays. App Service waits for 230 s."""

_PRESS_AGAIN = "What was put back until now stays. Go back and press the button again."


class Deeds:
    """What a visitor does. Each deed has a correlation id of its own. Every method may raise StorageBusy, Overtaken.

    `base_url` is the service's address, which setup links begin with; None if this console does not know it.
    """

    def __init__(
        self,
        storage: HookStorage,
        registry: Registry,
        catalogue: Catalogue,
        clock: Clock,
        pause: Callable[[float], Awaitable[None]],
        *,
        base_url: str | None,
    ) -> None:
        self._base_url = base_url
        self._storage = storage
        self._registry = registry
        self._catalogue = catalogue
        self._clock = clock
        self._pause = pause

    async def revoke(self, visitor: Visitor, tenant: Tenant, credential_id: str) -> Credential:
        """The credential is good no longer, everywhere within a minute. Raises Gone."""
        return await self._administration(visitor).revoke(tenant.id, credential_id)

    async def replay_dead(self, visitor: Visitor, tenant: Tenant, hook: Hook) -> int:
        """What the hook's receiver has not taken is sent again. Returns the number of entries. Raises HttpError 409."""
        try:
            there = await require_idle(self._storage, hook, tenant.id)
            wanted = await replay_of_dead(self._storage, hook, tenant.id)
        except NoReplay as error:
            raise HttpError(409, str(error)) from None
        async with self._trail(visitor).recorded("hooks replay", "hooks replay", tenant.id):
            now = instant_text(self._clock())
            await begin_replay(self._storage, hook, tenant.id, wanted, there=there, now=now)
        return wanted.end - wanted.number

    async def release(self, visitor: Visitor, tenant: Tenant) -> None:
        """Deactivations and deletions go on, and nothing is held for some hours. Raises HttpError 409."""
        _require_directory(tenant)
        async with self._trail(visitor).recorded("release", "tenants release", tenant.id):
            await self._storage.release(tenant.id, free_until(self._clock))

    async def switch_hold(self, visitor: Visitor, tenant: Tenant, *, hold: bool) -> None:
        """After a mass change, further deactivations and deletions are held, or not. Raises HttpError 409, Gone."""
        require_registered(tenant)
        await self._administration(visitor).change_tenant(tenant.id, hold=hold)

    async def look(self, tenant: Tenant, chosen: Chosen) -> Undone:
        """What an undo would do. What waits for the relay is relayed, and deletions under way are applied before.

        Raises HttpError 409.
        """
        _require_directory(tenant)
        return await self._undo(uuid7(self._clock())).look(tenant.id, chosen)

    async def undo(self, visitor: Visitor, tenant: Tenant, chosen: Chosen, after: str) -> Undone:
        """A portion of what can be put back is. `after` is what the press before has told.

        Raises HttpError 409, and 503 or 504 if it was interrupted.
        """
        _require_directory(tenant)
        portion, request_id = Portion(UNDONE_AT_ONCE, GROUPS_AT_ONCE, after), uuid7(self._clock())
        try:
            async with self._trail(visitor, request_id).recorded(UNDO, UNDO, tenant.id), asyncio.timeout(UNDO_SECONDS):
                return await self._undo(request_id).run(tenant.id, chosen, portion=portion)
        except StorageBusy:
            raise HttpError(503, f"The storage is busy, or others change the same people. {_PRESS_AGAIN}") from None
        except TimeoutError:
            raise HttpError(504, _PRESS_AGAIN) from None

    async def link_setup(self, visitor: Visitor, tenant: Tenant, days: int) -> tuple[Tenant, str]:
        """The tenant, and the only text that has its new setup link. Raises HttpError 409, Gone, Refused."""
        base_url = self.require_linkable(tenant)
        linked, secret = await self._administration(visitor).link_setup(tenant.id, days)
        return linked, url_of(base_url, linked.id, secret)

    async def end_setup(self, visitor: Visitor, tenant: Tenant) -> None:
        """The setup link and the page that it opened are good no longer. Raises Gone."""
        await self._administration(visitor).revoke_setup(tenant.id)

    async def create_customer(self, visitor: Visitor, name: str, tenant_id: str) -> tuple[Issued, str]:
        """A new customer with a token, and the text that has its setup link. Raises HttpError 409, Refused, Taken.

        Its directory is empty: nobody gets one that was there.
        """
        base_url = self.require_address()
        administration = self._administration(visitor)
        await self._require_nothing_there(id_of(name, tenant_id))
        tenant = await administration.create_tenant(name, tenant_id)
        try:
            issued = await administration.create_credential(tenant.id, Wanted(CredentialKind.TOKEN))
            linked, secret = await administration.link_setup(tenant.id, DEFAULT_LINK_DAYS)
        except (RegistryError, StorageError) as error:
            cause = str(error) if isinstance(error, RegistryError) else "The storage is busy."
            raise HttpError(
                409,
                f"{cause} The customer {tenant.id} is created, but not all that belongs to it. "
                "`admin credentials create` makes a token, and the customer's page makes a setup link.",
            ) from None
        return replace(issued, tenant=linked), url_of(base_url, linked.id, secret)

    def require_linkable(self, tenant: Tenant) -> str:
        """The service's address, if a setup link of this customer can be made. Raises HttpError 409."""
        require_registered(tenant)
        _require_directory(tenant)
        return self.require_address()

    def require_address(self) -> str:
        """The service's address. Raises HttpError 409 if it is not known: before a secret is made."""
        if not self._base_url:
            raise HttpError(409, "This console does not know the service's address: SCIM_PUBLIC_BASE_URL is not set.")
        return self._base_url

    async def _require_nothing_there(self, tenant_id: str) -> None:
        """A customer of this id begins with an empty directory, or is in the registry. Raises HttpError 409."""
        if await self._registry.load(tenant_id) is not None:
            return  # the registry says no
        is_of_the_settings = tenant_id == DEFAULT_TENANT
        if is_of_the_settings or await self._storage.has_rows(tenant_id):
            whose = "that of the tenant of the settings" if is_of_the_settings else "there already"
            raise HttpError(
                409, f"The directory {tenant_id} is {whose}. A new customer must not get it: choose another id."
            )

    def _undo(self, request_id: str) -> Undo:
        origin = Origin(method=UNDO, credential=BY, request_id=request_id)
        return Undo(self._storage, self._catalogue, origin, clock=self._clock, new_id=lambda: uuid7(self._clock()))

    def _administration(self, visitor: Visitor) -> Administration:
        return Administration(self._registry, self._trail(visitor), clock=self._clock, pause=self._pause)

    def _trail(self, visitor: Visitor, correlation_id: str = "") -> AuditTrail:
        async def who() -> Actor:
            return visitor.actor

        return AuditTrail(self._registry, who, clock=self._clock, correlation_id=correlation_id or uuid7(self._clock()))


def require_registered(tenant: Tenant) -> None:
    """Raises HttpError 409 for the tenant of the settings, as long as it is not in the registry."""
    if not tenant.created:
        raise HttpError(
            409, "Only the settings know this customer: it is not registered. So this cannot be changed here."
        )


def _require_directory(tenant: Tenant) -> None:
    """Raises HttpError 409 for a customer whose directory is erased, or is about to be."""
    if tenant.deleted or tenant.state is TenantState.DELETING:
        raise HttpError(409, "This customer was deleted, or is being deleted.")
