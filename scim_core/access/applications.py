"""What an operator does with the credentials of the whole deployment: they reach every tenant, and change nothing.

The registry keeps them as the credentials of APPLICATIONS. So all that is done with a tenant's is done with them, too:
the audit trail, exports, and restores.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from scim_core.access import credential_plans as plans
from scim_core.access.audit_trail import Alteration, AuditTrail
from scim_core.access.credential_plans import Issued, Made, Refused, Wanted
from scim_core.access.no_return import Planned
from scim_core.clock import Clock, instant_text
from scim_core.registry import APPLICATIONS, Access, Credential, CredentialKind, Registry, Taken, Tenant, TenantState

COMMAND = "apps"
"""The operator's command for them."""

KINDS = (CredentialKind.TOKEN, CredentialKind.SECRET)
"""The kinds that there are of them. Who wants no secret uses a role in Entra (ADR 0051)."""


class Applications:
    """The operations on them. `trail` records what the command that runs has changed."""

    def __init__(self, registry: Registry, trail: AuditTrail, clock: Clock) -> None:
        self._registry = registry
        self._trail = trail
        self._clock = clock

    async def credentials(self) -> tuple[Credential, ...]:
        """All of them."""
        return (await self._there() or self._none()).credentials

    async def credential(self, credential_id: str) -> Credential:
        """The one of this id. Raises Gone."""
        return plans.credential_of(await self._there() or self._none(), credential_id, COMMAND)

    async def create(self, wanted: Wanted) -> Issued:
        """There is one more, with the access `feed` unless another is wanted. Raises Refused, Taken, Overtaken."""
        if wanted.kind not in KINDS:
            raise Refused(f"An application's credential is one of these kinds: {', '.join(KINDS)}.")
        wanted = _readable(replace(wanted, access=wanted.access or Access.FEED))
        made: list[Made] = []

        def plan(them: Tenant) -> Planned:
            planned, new = plans.creation(them, COMMAND, wanted, self._clock())
            made.append(new)  # a plan that is made again makes another one: the last one is stored
            return planned

        return Issued(await self._change(plan), *made[-1])

    async def rotate(self, credential_id: str, keep: timedelta, changes: Wanted) -> Issued:
        """A new one replaces the old one, which stays good for `keep`. Raises Gone, Refused, Taken, Overtaken."""
        changes, made = _readable(changes), list[Made]()

        def plan(them: Tenant) -> Planned:
            old = plans.credential_of(them, credential_id, COMMAND)
            planned, new = plans.rotation(them, COMMAND, old, changes, keep=keep, now=self._clock())
            made.append(new)
            return planned

        return Issued(await self._change(plan), *made[-1])

    async def revoke(self, credential_id: str) -> Credential:
        """It, and every access token issued for it, is good no longer. Raises Gone, Overtaken."""

        def plan(them: Tenant) -> Planned:
            old = plans.credential_of(them, credential_id, COMMAND)
            return plans.revocation(them, COMMAND, old, self._clock())

        return plans.credential_of(await self._change(plan), credential_id, COMMAND)

    async def remove(self, credential_id: str) -> None:
        """It is revoked and forgotten. Raises Gone, Overtaken."""
        await self._change(lambda them: plans.removal(them, COMMAND, plans.credential_of(them, credential_id, COMMAND)))

    async def _change(self, plan: Callable[[Tenant], Planned]) -> Tenant:
        async def attempt() -> Alteration[Tenant]:
            before = await self._there()
            after, deeds = plan(before or self._none())
            return before, after, deeds

        try:
            return await self._trail.alter(attempt)
        except Taken:  # somebody made the first of them at the same time: secrets and ids are never taken by chance
            return await self._trail.alter(attempt)

    async def _there(self) -> Tenant | None:
        return await self._registry.load(APPLICATIONS)

    def _none(self) -> Tenant:
        """What holds them before there is one."""
        now = instant_text(self._clock())
        return Tenant(APPLICATIONS, "the applications of this deployment", now, TenantState.ACTIVE, now)


def _readable(wanted: Wanted) -> Wanted:
    """Raises Refused if it could write: what reaches every tenant changes none."""
    if wanted.access is Access.WRITE:
        raise Refused("An application's credential reaches every customer, so it has the access read or feed.")
    return wanted
