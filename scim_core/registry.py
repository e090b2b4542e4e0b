"""Tenants and their credentials, and the registry port: what a store of them must be able to do.

The credential names the tenant. A `pointer` is the text that finds the credential of a request: the SHA-256 of a
token, a client id, or an Entra tenant with an audience. No secret itself is stored.
"""

import re
from collections.abc import AsyncIterator, Container, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, Protocol

from scim_core.audit_records import AuditEntry, NumberedRecord, Position
from scim_core.chosen_schemas import ChosenSchemas
from scim_core.setup_link import NO_LINK, OpenLink, SetupLink

DEFAULT_TENANT = "default"
"""The tenant of a single-tenant deployment. The tokens of the settings open it, whether it is registered or not."""

APPLICATIONS = ":applications"
"""The id under which the registry keeps the credentials of the whole deployment, as if it were a tenant. No tenant can
have this id, and no directory belongs to it."""

TENANT_ID = re.compile(r"[a-z0-9](?:-?[a-z0-9]){0,47}")
"""What the id of a tenant looks like."""

MAX_CREDENTIALS = 40
"""Most credentials of one tenant, revoked and expired ones included: all its registry rows fit one transaction."""

MAX_CREDENTIAL_ROWS = 90
"""Most rows of the credentials of one tenant and of their pointers. One transaction takes 100, and also holds the
tenant's row, those of two setup links, and audit records. Thirty federations reach it, which have three rows each."""

MAX_OPEN_LINKS = 1_000
"""Most setup links that are looked at for a token that does not fit: one answer of the registry."""


class CredentialKind(StrEnum):
    """The kinds of credentials (docs/connect-entra.md)."""

    TOKEN = "token"  # noqa: S105 -- a name
    """A static bearer token."""
    SECRET = "secret"  # noqa: S105 -- a name
    """A client secret, for OAuth client credentials (RFC 6749 section 4.4)."""
    FEDERATION = "federation"
    """A workload identity whose assertions authenticate a client (RFC 7523 section 2.2)."""
    ENTRA = "entra"
    """Entra's own token on each request. For testing."""


class Access(StrEnum):
    """What a credential may do. An access token never allows more than its credential does now."""

    READ = "read"
    """GET and searches of SCIM."""
    WRITE = "write"
    """All of SCIM."""
    FEED = "feed"
    """The feed of changes and its snapshot, and nothing of SCIM."""

    def allows(self, needed: "Access") -> bool:
        """Whether a request that needs this access is answered."""
        return self is needed or (self is Access.WRITE and needed is Access.READ)

    def shared_with(self, other: "Access") -> "Access | None":
        """What both allow. None if that is nothing: the feed is no part of SCIM."""
        return next((lower for lower, upper in ((self, other), (other, self)) if upper.allows(lower)), None)


class TenantState(StrEnum):
    """Whether a tenant's requests are answered: only those of an active one."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETING = "deleting"


class GroupPatchAnswer(StrEnum):
    """What a PATCH of a group answers (RFC 7644 section 3.5.2 allows both)."""

    USUAL = ""
    """What the setting SCIM_GROUP_PATCH_ANSWER says."""
    NO_CONTENT = "204"
    """Nothing: a group can have many members, and clients do not want them back."""
    WHOLE_GROUP = "200"
    """The whole group, for clients and suites that insist."""


@dataclass(frozen=True, slots=True)
class Credential:
    """One credential of a tenant. Instants are UTC text of fixed width. An empty one means never.

    `sha256` is that of the token or secret. `client_id` goes with secrets and federations. `entra_tenant`, `subject`,
    `audience` and `application` pin Entra's tokens. `reusable` lets an assertion be used more than once. Without
    `networks` (CIDR, one space between two) it may come from anywhere. `last_source` is the address of its last use, as
    far as uses are noted. Versions before noted the day of `last_used` alone.
    `etag` is the registry's own name for the state that was read. `exclusive` says that a pointer keeps other tenants
    from the same workload identity. Version 0.2 wrote none. `token_start` is how a token starts; versions before 0.3
    kept none.
    """

    id: str
    kind: CredentialKind
    label: str
    created: str
    expires: str = ""
    revoked: str = ""
    last_used: str = ""
    sha256: str = ""
    client_id: str = ""
    entra_tenant: str = ""
    subject: str = ""
    audience: str = ""
    application: str = ""
    reusable: bool = False
    access: Access = Access.WRITE
    networks: str = ""
    last_source: str = ""
    exclusive: bool = False
    token_start: str = ""
    etag: str = field(default="", compare=False, repr=False)

    @property
    def pointer(self) -> str:
        """The text that finds this credential's tenant."""
        match self.kind:
            case CredentialKind.TOKEN:
                return token_pointer(self.sha256)
            case CredentialKind.SECRET | CredentialKind.FEDERATION:
                return client_pointer(self.client_id)
            case CredentialKind.ENTRA:
                return entra_pointer(self.entra_tenant, self.audience)

    @property
    def identity(self) -> str:
        """The pointer of a federation's workload identity, the same for every form of its audience. Else empty.

        No request is looked up by it. It makes sure that one tenant alone has the identity.
        """
        if self.kind is not CredentialKind.FEDERATION:
            return ""
        return f"identity:{self.entra_tenant}:{self.subject}:{bare_audience(self.audience)}".lower()

    def fault(self, now: str) -> str:
        """Why the credential is not good at this instant, as the end of a sentence. Empty when it is good."""
        if self.revoked:
            return f"was revoked on {self.revoked[:10]}"
        if self.expires and now >= self.expires:
            return f"expired on {self.expires[:10]}"
        return ""


@dataclass(frozen=True, slots=True)
class Tenant:
    """One customer. `since` is when its state began. `etag` is the registry's own name for the state that was read.

    `deleted` is when its deletion ended. Only the tenant that the settings open keeps its row then. With `hold`,
    deactivations and deletions wait for an operator after a mass change. `setup` is the link to its setup page.
    `allowed_schemas` and `denied_schemas` are the texts of ChosenSchemas.
    """

    id: str
    display_name: str
    created: str
    state: TenantState = TenantState.ACTIVE
    since: str = ""
    credentials: tuple[Credential, ...] = ()
    etag: str = ""
    deleted: str = ""
    group_patch_answer: GroupPatchAnswer = GroupPatchAnswer.USUAL
    hold: bool = False
    setup: SetupLink = NO_LINK
    allowed_schemas: str = ""
    denied_schemas: str = ""

    @property
    def schemas(self) -> ChosenSchemas:
        """Which resource types and extensions it has."""
        return ChosenSchemas(self.allowed_schemas, self.denied_schemas)

    def credential(self, credential_id: str) -> Credential | None:
        """Its credential of this id."""
        return next((item for item in self.credentials if item.id == credential_id), None)

    def with_credentials(self, *credentials: Credential) -> "Tenant":
        """The tenant with these credentials in addition. One that it has under the same id gives way."""
        items = {item.id: item for item in (*self.credentials, *credentials)}
        return replace(self, credentials=tuple(items.values()))

    def without_credential(self, credential_id: str) -> "Tenant":
        """The tenant without its credential of this id."""
        return replace(self, credentials=tuple(item for item in self.credentials if item.id != credential_id))

    def of_client(self, client_id: str, kind: CredentialKind) -> list[Credential]:
        """The credentials of this kind that belong to one of its clients."""
        return [item for item in self.credentials if item.kind is kind and item.client_id == client_id]


def token_pointer(sha256: str) -> str:
    """The pointer of a static token."""
    return f"token:{sha256}"


def client_pointer(client_id: str) -> str:
    """The pointer of all credentials of a client."""
    return f"client:{client_id}"


def entra_pointer(entra_tenant: str, audience: str) -> str:
    """The pointer of Entra's own tokens. They name no application, so such a pair can belong to one tenant only."""
    return f"entra:{entra_tenant}:{audience}"


def bare_audience(audience: str) -> str:
    """The application id, from any of the forms in which Entra writes an audience."""
    return re.sub(r"^(api://)+|(/\.default)+$", "", audience)


class RegistryError(Exception):
    """A change of the registry that cannot be made. The text says why."""


class Taken(RegistryError):
    """A tenant with this id, or a credential with this pointer, exists already."""


class Gone(RegistryError):
    """The tenant or the credential to change is not there."""


class Overtaken(RegistryError):
    """The tenant has changed since it was read."""


class Unalterable(RegistryError):
    """A field that never changes was to be changed, or a revocation was to be taken back."""


class Moved(RegistryError):
    """The registry is in another table, on its way there, or not whole yet. It cannot be changed here."""


class TenantSource(Protocol):
    """What the endpoint needs. Every method raises StorageBusy when the registry does not answer."""

    async def find(self, pointer: str) -> str | None:
        """The id of the tenant whose credential has this pointer."""

    async def pointers(self) -> Container[str]:
        """All pointers that `find` finds now."""

    async def load(self, tenant_id: str) -> Tenant | None:
        """The tenant with all its credentials."""

    def tenants(self) -> AsyncIterator[Tenant]:
        """All tenants with their credentials, ordered by id."""

    async def used(self, tenant_id: str, credential_id: str, time: str, source: str) -> None:
        """The credential was last used at this instant, from this address. Raises Gone."""


class SetupSource(TenantSource, Protocol):
    """What setup links need in addition. Every method raises StorageBusy when the registry does not answer."""

    async def open_links(self, now: str) -> list[OpenLink]:
        """The links that are open at this instant, those that end first: at most MAX_OPEN_LINKS."""

    async def exchanged(self, tenant: Tenant, link: SetupLink) -> None:
        """The tenant, as it was read, has this link: it is opened. Raises Overtaken, Gone."""


class Registry(SetupSource, Protocol):
    """What the administration needs in addition. Every change happens completely or not at all, and so does its record.

    `entries` become the next records of the audit chain, in the transaction that makes the change.
    """

    async def alter(self, before: Tenant | None, after: Tenant | None, entries: Sequence[AuditEntry]) -> None:
        """The tenant and its credentials are as `after` says, if they are still as they were read as `before`.

        Without `before` the tenant is registered; without `after` it is forgotten. Only fields that differ are written.
        Raises Taken (the id, or the pointer of a new credential), Overtaken (read again), Gone, Unalterable.
        """

    def erase(self, tenant_id: str) -> AsyncIterator[int]:
        """The tenant's whole directory is removed in parts. Yields the number of rows of each part."""

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        """The audit chain has these entries, about a change that is made elsewhere. Raises Overtaken: do it again."""

    async def audit_end(self) -> Position:
        """Where the audit chain ends, as the registry has noted it: number and hash of the last record."""

    def audit_records(self) -> AsyncIterator[NumberedRecord]:
        """All records of the audit chain, in the order in which they were made."""


def pointers(credentials: Sequence[Credential]) -> list[str]:
    """The pointers of these credentials, each once."""
    identities = (item.identity for item in credentials if item.exclusive)
    return list(dict.fromkeys([*(item.pointer for item in credentials), *identities]))


_NOT_STORED = frozenset({"etag", "credentials", "setup"})
_FIXED = ("id", "kind", "pointer", "created")


def field_values(item: Tenant | Credential | None) -> dict[str, Any]:
    """What the row of a tenant or of a credential holds, by the names of the fields. Nothing for None."""
    if item is None:
        return {}
    values = {of.name: getattr(item, of.name) for of in fields(item) if of.name not in _NOT_STORED}
    return values | (item.setup.values() if isinstance(item, Tenant) and item.setup != NO_LINK else {})


def changed_fields(before: Tenant | Credential | None, after: Tenant | Credential | None) -> dict[str, Any]:
    """The fields that have another value afterwards, with this value."""
    old, new = field_values(before), field_values(after)
    emptied = dict.fromkeys(old.keys() - new.keys(), "") if after is not None else {}
    return emptied | {name: value for name, value in new.items() if name not in old or old[name] != value}


def require_alterable(before: Credential, after: Credential) -> None:
    """Raises Unalterable. A revoked credential stays revoked: the instant of its revocation never changes."""
    if before.revoked not in ("", after.revoked):
        raise Unalterable(f"The credential {before.id} is revoked. That cannot be taken back.")
    if any(getattr(before, name) != getattr(after, name) for name in _FIXED):
        raise Unalterable(f"The id, the kind, the pointer and the creation of the credential {before.id} never change.")
