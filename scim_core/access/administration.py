"""What an operator does with tenants and credentials. Every change is in the audit trail; every secret is shown once.

Each change is planned from what was read. If the registry has changed in between, it is read and planned again.
"""

import re
import unicodedata
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from scim_core.access.audit_trail import Alteration, AuditTrail, Deed
from scim_core.access.networks import canonical
from scim_core.access.no_return import Planned, ending, remains, reopened, require_free, require_unused
from scim_core.access.oauth.entra import APPLICATION, CUSTOM_APPLICATIONS
from scim_core.access.tenant_plans import answering, doomed, renamed
from scim_core.access.token_format import digest, new_identifier, new_secret, new_token
from scim_core.clock import Clock, instant_text
from scim_core.ids import UUID
from scim_core.registry import (
    MAX_CREDENTIAL_ROWS,
    MAX_CREDENTIALS,
    Access,
    Credential,
    CredentialKind,
    Gone,
    GroupPatchAnswer,
    Registry,
    RegistryError,
    Tenant,
    TenantState,
    pointers,
)

DRAIN_SECONDS = 100
"""A tenant's requests can run on for this long after the tenant is refused. Every instance knows of the refusal after
60 s at most, and a request takes 40 s at most."""

DEFAULT_DAYS = {
    CredentialKind.TOKEN: 365,
    CredentialKind.SECRET: 730,
    CredentialKind.FEDERATION: 0,
    CredentialKind.ENTRA: 90,
}
"""Days until a credential of each kind expires, unless the operator says otherwise. 0 is never. Entra's gallery asks
for one to three years for client secrets. A federation has no secret to leak. Entra's own tokens are for tests."""

MAX_DAYS = 3 * 366
"""Longest life of a credential that expires."""

MAX_NAME_CHARACTERS = 80
"""Longest display name or label: it fits on one line."""

_TENANT_ID = re.compile(r"[a-z0-9](?:-?[a-z0-9]){0,47}")
_VALUE = re.compile(r"[!-~]{1,200}")


class Refused(RegistryError):
    """The operator's request cannot be met. The text says what to ask for instead."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A credential as the operator describes it. `days` until it expires: None is the kind's usual number, 0 never.

    `client_id` adds to a client that exists; `entra_tenant`, `subject`, `audience`, `application` pin Entra's tokens.
    `access` and `networks` are None for the usual ones: those of the old credential, otherwise write and anywhere.
    """

    kind: CredentialKind
    label: str = ""
    days: int | None = None
    client_id: str = ""
    entra_tenant: str = ""
    subject: str = ""
    audience: str = ""
    application: str = ""
    reusable: bool = False
    access: Access | None = None
    networks: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Issued:
    """A new credential with its secret, which is shown this one time. Kinds that pin Entra's tokens have no secret."""

    tenant: Tenant
    credential: Credential
    secret: str = field(default="", repr=False)


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
        return sorted([tenant async for tenant in self._registry.tenants()], key=lambda tenant: tenant.id)

    async def tenant(self, tenant_id: str) -> Tenant:
        """The tenant. Raises Gone."""
        found = await self._registry.load(tenant_id)
        if found is None:
            raise Gone(f"There is no tenant {tenant_id!r}; `tenants list` shows all of them.")
        return found

    async def create_tenant(self, display_name: str, tenant_id: str = "", *, reopen: bool = False) -> Tenant:
        """A tenant without credentials. Without a `tenant_id`, the name becomes its id. Raises Refused, Taken.

        Once `default` is deleted, it needs `reopen`: the settings' token opens it then. Else raises NotReopened.
        """
        name = _line(display_name, "The display name")
        tenant_id = tenant_id or _slug(name)
        if not _TENANT_ID.fullmatch(tenant_id):
            raise Refused("A tenant id has up to 48 lower-case letters and digits, and single hyphens between them.")
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
        name = _line(display_name, "The display name")
        return await self._change(tenant_id, lambda tenant: renamed(tenant, name))

    async def change_tenant(self, tenant_id: str, answer: GroupPatchAnswer) -> Tenant:
        """A PATCH of the tenant's groups is answered like this, everywhere within a minute. Raises Gone, Overtaken."""
        return await self._change(tenant_id, lambda tenant: answering(tenant, answer))

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
        self._made(_checked(wanted))

    async def create_credential(self, tenant_id: str, wanted: Wanted) -> Issued:
        """The tenant has one more way in. Raises Gone, Refused, Taken, Overtaken."""
        made: list[tuple[Credential, str]] = []

        def plan(tenant: Tenant) -> Planned:
            new = self._added(tenant, wanted, made)
            method = f"credentials create {wanted.kind}"
            return tenant.with_credentials(new), [Deed("credential created", method, tenant_id, None, new)]

        return Issued(await self._change(tenant_id, plan), *made[-1])

    async def rotate(self, tenant_id: str, credential_id: str, keep: timedelta, changes: Wanted) -> Issued:
        """A new credential replaces the old one, which stays good for `keep`. Raises Gone, Refused, Taken, Overtaken.

        A kind with a secret gets a new secret. For a kind that pins Entra's tokens, `changes` holds the new values.
        """
        until = instant_text(self._clock() + keep)
        made: list[tuple[Credential, str]] = []

        def plan(tenant: Tenant) -> Planned:
            old = _credential_of(tenant, credential_id)
            new = self._added(tenant, _successor(old, changes, self._now()), made)
            ending = replace(old, expires=min(until, old.expires or until))
            created = Deed("credential created", f"credentials create {old.kind}", tenant_id, None, new)
            rotated = Deed("credential rotated", f"credentials rotate {old.kind}", tenant_id, old, ending)
            return tenant.with_credentials(ending, new), [created, rotated]

        return Issued(await self._change(tenant_id, plan), *made[-1])

    async def change_credential(
        self, tenant_id: str, credential_id: str, *, access: Access | None, networks: Sequence[str] | None
    ) -> Credential:
        """The credential has this access and these networks, everywhere within a minute. None keeps what is there.

        Its access tokens follow: none allows more than the credential. Raises Gone, Refused, NetworkError.
        """
        if access is None and networks is None:
            raise Refused("Say what to change: the access, the networks, or both.")
        allowed = None if networks is None else canonical(networks)

        def plan(tenant: Tenant) -> Planned:
            old = _credential_of(tenant, credential_id)
            new = replace(old, access=access or old.access, networks=old.networks if allowed is None else allowed)
            deed = Deed("credential changed", f"credentials change {old.kind}", tenant_id, old, new)
            return tenant.with_credentials(new), [deed]

        return _credential_of(await self._change(tenant_id, plan), credential_id)

    async def revoke(self, tenant_id: str, credential_id: str) -> Credential:
        """The credential, and every access token issued for it, is good no longer. Raises Gone, Overtaken."""

        def plan(tenant: Tenant) -> Planned:
            old = _credential_of(tenant, credential_id)
            revoked = replace(old, revoked=old.revoked or self._now())
            deed = Deed("credential revoked", f"credentials revoke {old.kind}", tenant_id, old, revoked)
            return tenant.with_credentials(revoked), [deed]

        return _credential_of(await self._change(tenant_id, plan), credential_id)

    async def remove(self, tenant_id: str, credential_id: str) -> None:
        """The credential is revoked and forgotten. Raises Gone, Overtaken."""

        def plan(tenant: Tenant) -> Planned:
            old = _credential_of(tenant, credential_id)
            deed = Deed("credential removed", f"credentials remove {old.kind}", tenant_id, old, None)
            return tenant.without_credential(old.id), [deed]

        await self._change(tenant_id, plan)

    async def credential(self, tenant_id: str, credential_id: str) -> Credential:
        """The credential. Raises Gone."""
        return _credential_of(await self.tenant(tenant_id), credential_id)

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

    def _added(self, tenant: Tenant, wanted: Wanted, made: list[tuple[Credential, str]]) -> Credential:
        """A credential that the tenant can have in addition. With its secret it is appended to `made`. Raises Refused.

        A plan that is made again makes another one: the last one is the one that is stored.
        """
        if tenant.state is TenantState.DELETING:
            raise Refused(ending(tenant))
        credential, secret = self._made(_checked(wanted))
        rows = len(tenant.credentials) + len(pointers(tenant.with_credentials(credential).credentials)) + 1
        if len(tenant.credentials) >= MAX_CREDENTIALS or rows > MAX_CREDENTIAL_ROWS:
            raise Refused(f"A tenant can have {MAX_CREDENTIALS} credentials. Remove the revoked and the expired ones.")
        if wanted.client_id and credential.pointer not in pointers(tenant.credentials):
            raise Refused(
                f"The tenant {tenant.id} has no client {wanted.client_id!r}. Leave the id out to make a new client."
            )
        made.append((credential, secret))
        return credential

    def _made(self, wanted: Wanted) -> tuple[Credential, str]:
        secret = {CredentialKind.TOKEN: new_token, CredentialKind.SECRET: new_secret}.get(wanted.kind, str)()
        now, days = self._clock(), DEFAULT_DAYS[wanted.kind] if wanted.days is None else wanted.days
        has_client = wanted.kind in (CredentialKind.SECRET, CredentialKind.FEDERATION)
        return Credential(
            id=new_identifier(),
            kind=wanted.kind,
            label=wanted.label or f"{wanted.kind} of {now:%Y-%m-%d}",
            created=instant_text(now),
            expires=instant_text(now + timedelta(days=days)) if days else "",
            sha256=digest(secret) if secret else "",
            client_id=(wanted.client_id or f"scim-{new_identifier()}") if has_client else "",
            entra_tenant=wanted.entra_tenant,
            subject=wanted.subject,
            audience=wanted.audience,
            application=wanted.application,
            reusable=wanted.reusable,
            access=wanted.access or Access.WRITE,
            networks=canonical(wanted.networks or ()),
            exclusive=wanted.kind is CredentialKind.FEDERATION,
        ), secret

    def _now(self) -> str:
        return instant_text(self._clock())


def _credential_of(tenant: Tenant, credential_id: str) -> Credential:
    found = tenant.credential(credential_id)
    if found is None:
        raise Gone(f"The tenant {tenant.id} has no credential {credential_id!r}; `credentials list` shows them.")
    return found


def _successor(old: Credential, changes: Wanted, now: str) -> Wanted:
    """The credential that replaces the old one: like it, but for the changes. Raises Refused."""
    if old.fault(now):
        raise Refused(f"The credential {old.fault(now)}. Create another one instead.")
    pinned = ("entra_tenant", "subject", "audience", "application")
    new = {name: getattr(changes, name) for name in pinned if getattr(changes, name)}
    if old.kind in (CredentialKind.FEDERATION, CredentialKind.ENTRA) and not new:
        raise Refused("This credential has no secret to replace. Give the new value that Entra shows.")
    kept = {name: getattr(old, name) for name in pinned} | {"client_id": old.client_id, "reusable": old.reusable}
    kept |= {"access": changes.access or old.access}
    kept |= {"networks": tuple(old.networks.split()) if changes.networks is None else changes.networks}
    return Wanted(old.kind, changes.label or old.label, changes.days, **(kept | new))


def _checked(wanted: Wanted) -> Wanted:
    """The credential in its usual spelling. Raises Refused."""
    if wanted.days is not None and not 0 <= wanted.days <= MAX_DAYS:
        raise Refused(f"A credential expires after 1 to {MAX_DAYS} days. With 0 days it never expires.")
    label = _line(wanted.label, "The label") if wanted.label else ""
    usual = Wanted(wanted.kind, label, wanted.days, access=wanted.access, networks=wanted.networks)
    if wanted.kind in (CredentialKind.TOKEN, CredentialKind.SECRET):
        return replace(usual, client_id=wanted.client_id)
    tenant, audience = wanted.entra_tenant.lower(), wanted.audience
    if not UUID.fullmatch(tenant):
        raise Refused("The Entra tenant id must be a GUID, as Entra's overview page shows it.")
    if wanted.kind is CredentialKind.ENTRA:
        audience = audience or CUSTOM_APPLICATIONS
    if not _VALUE.fullmatch(audience):
        raise Refused("The audience must be what Entra shows: an application id, or api:// and an application id.")
    if wanted.kind is CredentialKind.FEDERATION:
        if not _VALUE.fullmatch(wanted.subject):
            raise Refused("The subject must be what Entra shows: an object id.")
        return replace(wanted, label=label, entra_tenant=tenant, audience=audience)
    application = wanted.application.lower() or APPLICATION
    if not UUID.fullmatch(application):
        raise Refused("The application that sends the tokens must be a GUID.")
    return replace(usual, entra_tenant=tenant, audience=audience, application=application)


def _line(text: str, what: str) -> str:
    text = text.strip()
    if not text or len(text) > MAX_NAME_CHARACTERS or not text.isprintable():
        raise Refused(f"{what} must be one line of at most {MAX_NAME_CHARACTERS} characters.")
    return text


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:48].rstrip("-")
    if not slug:
        raise Refused("This name gives no id. Choose one with --id.")
    return slug
