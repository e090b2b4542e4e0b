"""What a new credential is, and what becomes of those of a tenant or of the deployment by one command of the operator.

`command` is the first word of that command, as the audit trail has it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from scim_core.access.audit_trail import Deed
from scim_core.access.networks import canonical
from scim_core.access.no_return import Planned, ending
from scim_core.access.oauth.entra import APPLICATION, CUSTOM_APPLICATIONS
from scim_core.access.token_format import digest, new_identifier, new_secret, new_token
from scim_core.clock import instant_text
from scim_core.ids import UUID
from scim_core.registry import (
    MAX_CREDENTIAL_ROWS,
    MAX_CREDENTIALS,
    Access,
    Credential,
    CredentialKind,
    Gone,
    RegistryError,
    Tenant,
    TenantState,
    pointers,
)
from scim_core.setup_link import starting

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

MAX_KEEP_DAYS = 90
"""Longest time that a rotated credential stays good."""

MAX_NAME_CHARACTERS = 80
"""Longest display name or label: it fits on one line."""

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


type Made = tuple[Credential, str]
"""A new credential and its secret."""


def require_possible(wanted: Wanted, now: datetime) -> None:
    """Raises Refused, NetworkError for a credential that no tenant can have."""
    _made(_checked(wanted), now)


def creation(tenant: Tenant, command: str, wanted: Wanted, now: datetime) -> tuple[Planned, Made]:
    """The tenant with one more credential. Raises Refused."""
    new, secret = _added(tenant, wanted, now)
    created = Deed("credential created", f"{command} create {wanted.kind}", tenant.id, None, new)
    return (tenant.with_credentials(new), [created]), (new, secret)


def rotation(
    tenant: Tenant, command: str, old: Credential, changes: Wanted, *, keep: timedelta, now: datetime
) -> tuple[Planned, Made]:
    """The tenant with a new credential for an old one, which stays good for `keep`. Raises Refused."""
    new, secret = _added(tenant, _successor(old, changes, instant_text(now)), now)
    until = instant_text(now + keep)
    ended = replace(old, expires=min(until, old.expires or until))
    created = Deed("credential created", f"{command} create {old.kind}", tenant.id, None, new)
    rotated = Deed("credential rotated", f"{command} rotate {old.kind}", tenant.id, old, ended)
    return (tenant.with_credentials(ended, new), [created, rotated]), (new, secret)


def limitation(
    tenant: Tenant, command: str, old: Credential, access: Access | None, networks: Sequence[str] | None
) -> Planned:
    """The tenant, whose credential has this access and these networks. None keeps what is there.

    Raises Refused, NetworkError.
    """
    if access is None and networks is None:
        raise Refused("Say what to change: the access, the networks, or both.")
    allowed = old.networks if networks is None else canonical(networks)
    new = replace(old, access=access or old.access, networks=allowed)
    deed = Deed("credential changed", f"{command} change {old.kind}", tenant.id, old, new)
    return tenant.with_credentials(new), [deed]


def revocation(tenant: Tenant, command: str, old: Credential, now: datetime) -> Planned:
    """The tenant, whose credential is revoked."""
    revoked = replace(old, revoked=old.revoked or instant_text(now))
    deed = Deed("credential revoked", f"{command} revoke {old.kind}", tenant.id, old, revoked)
    return tenant.with_credentials(revoked), [deed]


def removal(tenant: Tenant, command: str, old: Credential) -> Planned:
    """The tenant without this credential."""
    deed = Deed("credential removed", f"{command} remove {old.kind}", tenant.id, old, None)
    return tenant.without_credential(old.id), [deed]


def credential_of(tenant: Tenant, credential_id: str, command: str) -> Credential:
    """The tenant's credential of this id. Raises Gone."""
    found = tenant.credential(credential_id)
    if found is None:
        raise Gone(f"There is no credential {credential_id!r} of {tenant.id}; `{command} list` shows them.")
    return found


def line(text: str, what: str) -> str:
    """The text as one line. Raises Refused for one that is none, or is too long; `what` begins the sentence."""
    text = text.strip()
    if not text or len(text) > MAX_NAME_CHARACTERS or not text.isprintable():
        raise Refused(f"{what} must be one line of at most {MAX_NAME_CHARACTERS} characters.")
    return text


def _added(tenant: Tenant, wanted: Wanted, now: datetime) -> Made:
    """A credential that the tenant can have in addition. Raises Refused."""
    if tenant.state is TenantState.DELETING:
        raise Refused(ending(tenant))
    credential, secret = _made(_checked(wanted), now)
    rows = len(tenant.credentials) + len(pointers(tenant.with_credentials(credential).credentials)) + 1
    if len(tenant.credentials) >= MAX_CREDENTIALS or rows > MAX_CREDENTIAL_ROWS:
        raise Refused(f"There can be {MAX_CREDENTIALS} credentials. Remove the revoked and the expired ones.")
    if wanted.client_id and credential.pointer not in pointers(tenant.credentials):
        raise Refused(
            f"The tenant {tenant.id} has no client {wanted.client_id!r}. Leave the id out to make a new client."
        )
    return credential, secret


def _made(wanted: Wanted, now: datetime) -> Made:
    secret = {CredentialKind.TOKEN: new_token, CredentialKind.SECRET: new_secret}.get(wanted.kind, str)()
    days = DEFAULT_DAYS[wanted.kind] if wanted.days is None else wanted.days
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
        token_start=starting(secret) if wanted.kind is CredentialKind.TOKEN else "",
    ), secret


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
    label = line(wanted.label, "The label") if wanted.label else ""
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
