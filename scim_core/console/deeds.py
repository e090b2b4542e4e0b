"""All that the console can change. An operator does it, by a form of a page, and the audit trail says who."""

from collections.abc import Awaitable, Callable

from scim_core.access.administration import Administration
from scim_core.access.audit_trail import AuditTrail
from scim_core.audit_records import Actor
from scim_core.clock import Clock, instant_text
from scim_core.console.visitors import Visitor
from scim_core.feed.hooks.states import NoReplay, begin_replay, replay_of_dead, require_idle
from scim_core.ids import uuid7
from scim_core.messages import HttpError
from scim_core.registry import Credential, Registry, Tenant
from scim_core.storage.hook_port import Hook, HookStorage


class Deeds:
    """What a visitor does. Each deed has a correlation id of its own. Every method may raise StorageBusy, Overtaken."""

    def __init__(
        self, storage: HookStorage, registry: Registry, clock: Clock, pause: Callable[[float], Awaitable[None]]
    ) -> None:
        self._storage = storage
        self._registry = registry
        self._clock = clock
        self._pause = pause

    async def revoke(self, visitor: Visitor, tenant: Tenant, credential_id: str) -> Credential:
        """The credential is good no longer, everywhere within a minute. Raises Gone."""
        administration = Administration(self._registry, self._trail(visitor), clock=self._clock, pause=self._pause)
        return await administration.revoke(tenant.id, credential_id)

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

    def _trail(self, visitor: Visitor) -> AuditTrail:
        async def who() -> Actor:
            return visitor.actor

        return AuditTrail(self._registry, who, clock=self._clock, correlation_id=uuid7(self._clock()))
