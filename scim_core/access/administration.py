"""What an operator does with tenants and credentials. Every change is in the audit trail; every secret is shown once.

Each change is planned from what was read. If the registry has changed in between, it is read and planned again.
"""

import re
import unicodedata
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from scim_core.access import credential_plans as plans
from scim_core.access import setup_plans
from scim_core.access.audit_trail import Alteration, AuditTrail, Deed
from scim_core.access.credential_plans import Issued, Made, Refused, Wanted, line
from scim_core.access.no_return import Planned, ending, remains, reopened, require_free, require_unused
from scim_core.access.tenant_plans import altered, choosing, doomed, renamed
from scim_core.access.token_format import new_setup_secret
from scim_core.chosen_schemas import ChosenSchemas
from scim_core.clock import Clock, instant_text
from scim_core.registry import (
    APPLICATIONS,
    TENANT_ID,
    Access,
    Credential,
    Gone,
    GroupPatchAnswer,
    Registry,
    Tenant,
    TenantState,
)

COMMAND = "credentials"
"""The operator's command for the credentials of a tenant."""

DRAIN_SECONDS = 100
"""A tenant's requests can run on for this long after the tenant is refused. Every instance knows of the refusal after
60 s at most, and a request takes 40 s at most."""


class Administration:
    """The operations on a registry. `trail` records what the command that runs has changed."""

    def __init__(
        self, registry: Registry, trail: AuditTrail, *, clock: Clock, pause: Callable[[float], Awaitable[None]]
    ) -> None:
        self._registry = registry
        self._trail = trail
        self._clock = clock
        self._pause = pause

    async def tenants(self) -> list[Tenant]:
        """All tenants, ordered by id."""
        found = [tenant async for tenant in self._registry.tenants() if tenant.id != APPLICATIONS]
        return sorted(found, key=lambda tenant: tenant.id)

    async def tenant(self, tenant_id: str) -> Tenant:
        """The tenant. Raises Gone."""
        found = await self._registry.load(tenant_id)
        if found is None or found.id == APPLICATIONS:
            raise Gone(f"There is no tenant {tenant_id!r}; `tenants list` shows all of them.")
        return found

    async def create_tenant(self, display_name: str, tenant_id: str = "", *, reopen: bool = False) -> Tenant:
        """A tenant without credentials. Without a `tenant_id`, the name becomes its id. Raises Refused, Taken.

        Once `default` is deleted, it needs `reopen`: the settings' token opens it then. Else raises NotReopened.
        """
        name = line(display_name, "The display name")
        tenant_id = id_of(name, tenant_id)
        now = self._now()
        created = Tenant(tenant_id, name, now, TenantState.ACTIVE, now)
        there = await self._registry.load(tenant_id)
        require_free(tenant_id, there, reopen=reopen)
        if there is not None:
            return await self._change(tenant_id, lambda tenant: reopened(tenant, created, agreed=reopen))

        async def attempt() -> Alteration[Tenant]:
            return None, created, [Deed("tenant created", "tenants create", tenant_id, None, created)]

        await self._trail.alter(attempt)
        return await self.tenant(tenant_id)

    async def rename(self, tenant_id: str, display_name: str) -> Tenant:
        """The tenant has another display name; its id stays. Raises Gone, Overtaken."""
        name = line(display_name, "The display name")
        return await self._change(tenant_id, lambda tenant: renamed(tenant, name))

    async def change_tenant(
        self, tenant_id: str, answer: GroupPatchAnswer | None = None, *, hold: bool | None = None
    ) -> Tenant:
        """A PATCH of the tenant's groups is answered like this, and after a mass change it is held or not.

        It holds everywhere within a minute. None keeps what is there. Raises Gone, Overtaken.
        """
        return await self._change(tenant_id, lambda tenant: altered(tenant, answer, hold=hold))

    async def link_setup(self, tenant_id: str, days: int) -> tuple[Tenant, str]:
        """The tenant with a new setup link, and the secret of it. Raises Gone, Refused, Overtaken."""
        made_by, secret = (await self._trail.actor()).identity, new_setup_secret()

        def plan(tenant: Tenant) -> Planned:
            return setup_plans.linked(tenant, secret, days, made_by=made_by, now=self._clock())

        return await self._change(tenant_id, plan), secret

    async def revoke_setup(self, tenant_id: str) -> Tenant:
        """The tenant's setup link, and the session that it was exchanged for, are good no longer. Raises Gone."""
        return await self._change(tenant_id, lambda tenant: setup_plans.unlinked(tenant, self._clock()))

    async def choose_schemas(
        self, tenant_id: str, method: str, plan: Callable[[ChosenSchemas], ChosenSchemas]
    ) -> Tenant:
        """The tenant has what the plan makes of its choice, everywhere within a minute. `method` is the command.

        Raises Gone, Refused, Overtaken.
        """
        return await self._change(tenant_id, lambda tenant: choosing(tenant, plan(tenant.schemas), method))

    async def suspend(self, tenant_id: str) -> Tenant:
        """The tenant's requests are answered 403, everywhere within a minute. Raises Gone, Refused, Overtaken."""
        return await self._set_state(tenant_id, TenantState.SUSPENDED, "tenant suspended", "tenants suspend")

    async def resume(self, tenant_id: str) -> Tenant:
        """The tenant's requests are answered again. Raises Gone, Refused, Overtaken."""
        return await self._set_state(tenant_id, TenantState.ACTIVE, "tenant resumed", "tenants resume")

    async def delete(self, tenant_id: str, progress: Callable[[str], None]) -> int:
        """The tenant, its credentials and its whole directory are gone. Returns the number of rows removed.

        The tenant is refused first and forgotten last. So the next deletion can finish one that was interrupted.
        Raises Gone, Overtaken.
        """
        tenant = await self.tenant(tenant_id)
        if tenant.deleted:
            raise Gone(f"The tenant {tenant_id} was deleted on {tenant.deleted[:10]}.")
        if tenant.state is not TenantState.DELETING:
            tenant = await self._change(tenant_id, lambda tenant: doomed(tenant, self._now()))
        await self._drain(tenant, progress)
        rows = 0
        async for removed in self._registry.erase(tenant_id):
            rows += removed
            progress(f"{rows} rows removed")
            await self._still_deleting(tenant)
        await self._forget(tenant)
        return rows

    def require_possible(self, wanted: Wanted) -> None:
        """Raises Refused, NetworkError for a credential that no tenant can have."""
        plans.require_possible(wanted, self._clock())

    async def create_credential(self, tenant_id: str, wanted: Wanted) -> Issued:
        """The tenant has one more way in. Raises Gone, Refused, Taken, Overtaken."""
        made: list[Made] = []

        def plan(tenant: Tenant) -> Planned:
            planned, new = plans.creation(tenant, COMMAND, wanted, self._clock())
            made.append(new)  # a plan that is made again makes another one: the last one is stored
            return planned

        return Issued(await self._change(tenant_id, plan), *made[-1])

    async def rotate(self, tenant_id: str, credential_id: str, keep: timedelta, changes: Wanted) -> Issued:
        """A new credential replaces the old one, which stays good for `keep`. Raises Gone, Refused, Taken, Overtaken.

        A kind with a secret gets a new secret. For a kind that pins Entra's tokens, `changes` holds the new values.
        """
        made: list[Made] = []

        def plan(tenant: Tenant) -> Planned:
            old = plans.credential_of(tenant, credential_id, COMMAND)
            planned, new = plans.rotation(tenant, COMMAND, old, changes, keep=keep, now=self._clock())
            made.append(new)
            return planned

        return Issued(await self._change(tenant_id, plan), *made[-1])

    async def change_credential(
        self, tenant_id: str, credential_id: str, *, access: Access | None, networks: Sequence[str] | None
    ) -> Credential:
        """The credential has this access and these networks, everywhere within a minute. None keeps what is there.

        Its access tokens follow: none allows more than the credential. Raises Gone, Refused, NetworkError.
        """

        def plan(tenant: Tenant) -> Planned:
            old = plans.credential_of(tenant, credential_id, COMMAND)
            return plans.limitation(tenant, COMMAND, old, access, networks)

        return plans.credential_of(await self._change(tenant_id, plan), credential_id, COMMAND)

    async def revoke(self, tenant_id: str, credential_id: str) -> Credential:
        """The credential, and every access token issued for it, is good no longer. Raises Gone, Overtaken."""

        def plan(tenant: Tenant) -> Planned:
            old = plans.credential_of(tenant, credential_id, COMMAND)
            return plans.revocation(tenant, COMMAND, old, self._clock())

        return plans.credential_of(await self._change(tenant_id, plan), credential_id, COMMAND)

    async def remove(self, tenant_id: str, credential_id: str) -> None:
        """The credential is revoked and forgotten. Raises Gone, Overtaken."""

        def plan(tenant: Tenant) -> Planned:
            return plans.removal(tenant, COMMAND, plans.credential_of(tenant, credential_id, COMMAND))

        await self._change(tenant_id, plan)

    async def credential(self, tenant_id: str, credential_id: str) -> Credential:
        """The credential. Raises Gone."""
        return plans.credential_of(await self.tenant(tenant_id), credential_id, COMMAND)

    async def _set_state(self, tenant_id: str, state: TenantState, event: str, method: str) -> Tenant:
        def plan(tenant: Tenant) -> Planned:
            if tenant.state is TenantState.DELETING:
                raise Refused(ending(tenant) + ("" if tenant.deleted else " `tenants delete` finishes that."))
            changed = tenant if tenant.state is state else replace(tenant, state=state, since=self._now())
            return changed, [Deed(event, method, tenant_id, tenant, changed)]

        return await self._change(tenant_id, plan)

    async def _forget(self, tenant: Tenant) -> None:
        async def attempt() -> Alteration[Tenant | None]:
            there = await self._still_deleting(tenant)
            left = remains(there, self._now())
            return there, left, [Deed("tenant deleted", "tenants delete", tenant.id, there, left)]

        await self._trail.alter(attempt)

    async def _still_deleting(self, tenant: Tenant) -> Tenant:
        """The tenant as it is now. Raises Gone when another deletion has ended, also if the id is in use again."""
        there = await self.tenant(tenant.id)
        if (there.state, there.created) != (TenantState.DELETING, tenant.created):
            raise Gone(f"Someone else has deleted the tenant {tenant.id}, and it was created again.")
        return there

    async def _change(self, tenant_id: str, plan: Callable[[Tenant], tuple[Tenant, Sequence[Deed]]]) -> Tenant:
        """The tenant after the change that is planned from what is there. Raises Gone, Taken, Overtaken."""

        async def attempt() -> Alteration[Tenant]:
            before = await self.tenant(tenant_id)
            after, deeds = plan(before)
            await require_unused(self._registry, before, after)
            return before, after, deeds

        return await self._trail.alter(attempt)

    async def _drain(self, tenant: Tenant, progress: Callable[[str], None]) -> None:
        """Returns when no request changes the directory any more. By then every instance knows of the refusal."""
        refused = datetime.fromisoformat(tenant.since)
        left = DRAIN_SECONDS - (self._clock() - refused).total_seconds()
        if left > 0:
            progress(f"waiting {left:.0f} seconds for the tenant's last requests to end")
            await self._pause(left)

    def _now(self) -> str:
        return instant_text(self._clock())


def id_of(name: str, tenant_id: str = "") -> str:
    """The id of a new tenant: this one, or what the name gives. Raises Refused for one that no tenant can have."""
    tenant_id = tenant_id or _slug(line(name, "The display name"))
    if not TENANT_ID.fullmatch(tenant_id):
        raise Refused("A tenant id has up to 48 lower-case letters and digits, and single hyphens between them.")
    return tenant_id


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:48].rstrip("-")
    if not slug:
        raise Refused("This name gives no id. Choose one with --id.")
    return slug
