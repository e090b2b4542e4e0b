"""What an operator does with tenants and credentials. Every change is in the audit log; every secret is shown once."""

import logging
import re
import unicodedata
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from scim_core.access.audit import AuditEvent
from scim_core.access.networks import canonical
from scim_core.access.oauth.entra import APPLICATION, CUSTOM_APPLICATIONS
from scim_core.access.token_format import digest, new_identifier, new_secret, new_token
from scim_core.clock import Clock, instant_text
from scim_core.ids import UUID
from scim_core.registry import (
    MAX_CREDENTIALS,
    Access,
    Credential,
    CredentialKind,
    Gone,
    Registry,
    RegistryError,
    Tenant,
    TenantState,
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
    """The operations on a registry. `correlation_id` is the one of the command that runs."""

    def __init__(
        self, registry: Registry, *, clock: Clock, pause: Callable[[float], Awaitable[None]], correlation_id: str
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._pause = pause
        self._correlation_id = correlation_id

    async def tenants(self) -> list[Tenant]:
        """All tenants, ordered by id."""
        return sorted([tenant async for tenant in self._registry.tenants()], key=lambda tenant: tenant.id)

    async def tenant(self, tenant_id: str) -> Tenant:
        """The tenant. Raises Gone."""
        found = await self._registry.load(tenant_id)
        if found is None:
            raise Gone(f"There is no tenant {tenant_id!r}; `tenants list` shows all of them.")
        return found

    async def create_tenant(self, display_name: str, tenant_id: str = "") -> Tenant:
        """A tenant without credentials. Without a `tenant_id`, the name becomes its id. Raises Refused, Taken."""
        name = _line(display_name, "The display name")
        tenant_id = tenant_id or _slug(name)
        if not _TENANT_ID.fullmatch(tenant_id):
            raise Refused("A tenant id has up to 48 lower-case letters and digits, and single hyphens between them.")
        now = self._now()
        await self._registry.create(Tenant(tenant_id, name, now, TenantState.ACTIVE, now))
        self._audit("tenant created", "tenants create", tenant_id)
        return await self.tenant(tenant_id)

    async def rename(self, tenant_id: str, display_name: str) -> Tenant:
        """The tenant has another display name; its id stays. Raises Gone, Overtaken."""
        tenant = await self.tenant(tenant_id)
        await self._registry.change(replace(tenant, display_name=_line(display_name, "The display name")))
        self._audit("tenant renamed", "tenants rename", tenant_id)
        return await self.tenant(tenant_id)

    async def suspend(self, tenant_id: str) -> Tenant:
        """The tenant's requests are answered 403, everywhere within a minute. Raises Gone, Refused, Overtaken."""
        return await self._set_state(tenant_id, TenantState.SUSPENDED, "tenant suspended", "tenants suspend")

    async def resume(self, tenant_id: str) -> Tenant:
        """The tenant's requests are answered again. Raises Gone, Refused, Overtaken."""
        return await self._set_state(tenant_id, TenantState.ACTIVE, "tenant resumed", "tenants resume")

    async def delete(self, tenant_id: str, progress: Callable[[str], None]) -> int:
        """The tenant, its credentials and its whole directory are gone. Returns the number of rows removed.

        The tenant is refused first and forgotten last. So the next deletion can finish one that was interrupted.
        """
        tenant = await self.tenant(tenant_id)
        if tenant.state is not TenantState.DELETING:
            # A tenant that was suspended long ago has no requests under way any more.
            since = tenant.since if tenant.state is TenantState.SUSPENDED else self._now()
            await self._registry.change(replace(tenant, state=TenantState.DELETING, since=since))
            self._audit("tenant deletion began", "tenants delete", tenant_id)
            tenant = await self.tenant(tenant_id)
        await self._drain(tenant, progress)
        rows = 0
        async for removed in self._registry.erase(tenant_id):
            rows += removed
            progress(f"{rows} rows removed")
        await self._registry.forget(await self.tenant(tenant_id))
        self._audit("tenant deleted", "tenants delete", tenant_id)
        return rows

    async def create_credential(self, tenant_id: str, wanted: Wanted) -> Issued:
        """The tenant has one more way in. Raises Gone, Refused, Taken, Overtaken."""
        tenant = await self.tenant(tenant_id)
        if tenant.state is TenantState.DELETING:
            raise Refused(f"The tenant {tenant_id} is being deleted.")
        if len(tenant.credentials) >= MAX_CREDENTIALS:
            raise Refused(f"A tenant can have {MAX_CREDENTIALS} credentials. Remove the revoked and the expired ones.")
        credential, secret = self._made(_checked(wanted))
        exists = any(item.pointer == credential.pointer for item in tenant.credentials)
        if wanted.client_id and not exists:
            raise Refused(
                f"The tenant {tenant_id} has no client {wanted.client_id!r}. Leave the id out to make a new client."
            )
        await self._registry.add(tenant, credential, pointer_exists=exists)
        self._audit("credential created", f"credentials create {wanted.kind}", tenant_id, credential.label)
        return Issued(await self.tenant(tenant_id), credential, secret)

    async def rotate(self, tenant_id: str, credential_id: str, keep: timedelta, changes: Wanted) -> Issued:
        """A new credential replaces the old one, which stays good for `keep`. Raises Gone, Refused, Taken, Overtaken.

        A kind with a secret gets a new secret. For a kind that pins Entra's tokens, `changes` holds the new values.
        """
        old = await self.credential(tenant_id, credential_id)
        if old.fault(self._now()):
            raise Refused(f"The credential {old.fault(self._now())}. Create another one instead.")
        pinned = ("entra_tenant", "subject", "audience", "application")
        new = {name: getattr(changes, name) for name in pinned if getattr(changes, name)}
        if old.kind in (CredentialKind.FEDERATION, CredentialKind.ENTRA) and not new:
            raise Refused("This credential has no secret to replace. Give the new value that Entra shows.")
        kept = {name: getattr(old, name) for name in pinned} | {"client_id": old.client_id, "reusable": old.reusable}
        kept |= {"access": changes.access or old.access}
        kept |= {"networks": tuple(old.networks.split()) if changes.networks is None else changes.networks}
        wanted = Wanted(old.kind, changes.label or old.label, changes.days, **(kept | new))
        issued = await self.create_credential(tenant_id, wanted)
        until = instant_text(self._clock() + keep)
        await self._registry.put(tenant_id, replace(old, expires=min(until, old.expires or until)))
        self._audit("credential rotated", f"credentials rotate {old.kind}", tenant_id, old.label)
        return issued

    async def change_credential(
        self, tenant_id: str, credential_id: str, *, access: Access | None, networks: Sequence[str] | None
    ) -> Credential:
        """The credential has this access and these networks, everywhere within a minute. None keeps what is there.

        Its access tokens follow: none allows more than the credential. Raises Gone, Refused, NetworkError.
        """
        if access is None and networks is None:
            raise Refused("Say what to change: the access, the networks, or both.")
        old = await self.credential(tenant_id, credential_id)
        allowed = old.networks if networks is None else canonical(networks)
        changed = replace(old, access=access or old.access, networks=allowed)
        await self._registry.put(tenant_id, changed)
        self._audit("credential changed", f"credentials change {old.kind}", tenant_id, old.label)
        return changed

    async def revoke(self, tenant_id: str, credential_id: str) -> Credential:
        """The credential, and every access token issued for it, is good no longer. Raises Gone."""
        credential = await self.credential(tenant_id, credential_id)
        revoked = replace(credential, revoked=credential.revoked or self._now())
        await self._registry.put(tenant_id, revoked)
        self._audit("credential revoked", f"credentials revoke {credential.kind}", tenant_id, credential.label)
        return revoked

    async def remove(self, tenant_id: str, credential_id: str) -> None:
        """The credential is revoked and forgotten. Raises Gone."""
        tenant = await self.tenant(tenant_id)
        credential = await self.credential(tenant_id, credential_id)
        others = [item for item in tenant.credentials if item.id != credential_id]
        keep = any(item.pointer == credential.pointer for item in others)
        await self._registry.remove(tenant_id, credential, keep_pointer=keep)
        self._audit("credential removed", f"credentials remove {credential.kind}", tenant_id, credential.label)

    async def credential(self, tenant_id: str, credential_id: str) -> Credential:
        """The credential. Raises Gone."""
        found = (await self.tenant(tenant_id)).credential(credential_id)
        if found is None:
            raise Gone(f"The tenant {tenant_id} has no credential {credential_id!r}; `credentials list` shows them.")
        return found

    async def _set_state(self, tenant_id: str, state: TenantState, event: str, method: str) -> Tenant:
        tenant = await self.tenant(tenant_id)
        if tenant.state is TenantState.DELETING:
            raise Refused(f"The tenant {tenant_id} is being deleted; `tenants delete` finishes that.")
        if tenant.state is not state:
            await self._registry.change(replace(tenant, state=state, since=self._now()))
        self._audit(event, method, tenant_id)
        return await self.tenant(tenant_id)

    async def _drain(self, tenant: Tenant, progress: Callable[[str], None]) -> None:
        """Returns when no request changes the directory any more. By then every instance knows of the refusal."""
        refused = datetime.fromisoformat(tenant.since)
        left = DRAIN_SECONDS - (self._clock() - refused).total_seconds()
        if left > 0:
            progress(f"waiting {left:.0f} seconds for the tenant's last requests to end")
            await self._pause(left)

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
        ), secret

    def _now(self) -> str:
        return instant_text(self._clock())

    def _audit(self, event: str, method: str, tenant: str, credential: str = "") -> None:
        AuditEvent(event, method, self._correlation_id, tenant, credential).record(logging.INFO)


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
