"""Tenants and their credentials, and the registry port: what a store of them must be able to do.

The credential names the tenant. A `pointer` is the text that finds the credential of a request: the SHA-256 of a
token, a client id, or an Entra tenant with an audience. No secret itself is stored.
"""

from collections.abc import AsyncIterator, Container, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

MAX_CREDENTIALS = 40
"""Most credentials of one tenant, revoked and expired ones included: all its registry rows fit one transaction."""


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
    """GET and searches."""
    WRITE = "write"
    """Everything."""

    def allows(self, needed: "Access") -> bool:
        """Whether a request that needs this access is answered."""
        return self is Access.WRITE or needed is Access.READ

    def at_most(self, other: "Access") -> "Access":
        """The lower one of the two."""
        return self if other.allows(self) else other


class TenantState(StrEnum):
    """Whether a tenant's requests are answered: only those of an active one."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETING = "deleting"


@dataclass(frozen=True, slots=True)
class Credential:
    """One credential of a tenant. Instants are UTC text of fixed width. An empty one means never.

    `sha256` is that of the token or secret. `client_id` goes with secrets and federations. `entra_tenant`, `subject`,
    `audience` and `application` pin Entra's tokens. `reusable` lets an assertion be used more than once. Without
    `networks` (CIDR, one space between two) it may come from anywhere. `last_source` is the newest address of its use.
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

    def fault(self, now: str) -> str:
        """Why the credential is not good at this instant, as the end of a sentence. Empty when it is good."""
        if self.revoked:
            return f"was revoked on {self.revoked[:10]}"
        if self.expires and now >= self.expires:
            return f"expired on {self.expires[:10]}"
        return ""


@dataclass(frozen=True, slots=True)
class Tenant:
    """One customer. `since` is when its state began. `etag` is the registry's own name for the state that was read."""

    id: str
    display_name: str
    created: str
    state: TenantState = TenantState.ACTIVE
    since: str = ""
    credentials: tuple[Credential, ...] = ()
    etag: str = ""

    def credential(self, credential_id: str) -> Credential | None:
        """Its credential of this id."""
        return next((item for item in self.credentials if item.id == credential_id), None)

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


class RegistryError(Exception):
    """A change of the registry that cannot be made. The text says why."""


class Taken(RegistryError):
    """A tenant with this id, or a credential with this pointer, exists already."""


class Gone(RegistryError):
    """The tenant or the credential to change is not there."""


class Overtaken(RegistryError):
    """The tenant has changed since it was read."""


class TenantSource(Protocol):
    """What the endpoint needs. Every method raises StorageBusy when the registry does not answer."""

    async def find(self, pointer: str) -> str | None:
        """The id of the tenant whose credential has this pointer."""

    async def pointers(self) -> Container[str]:
        """All pointers that `find` finds now."""

    async def load(self, tenant_id: str) -> Tenant | None:
        """The tenant with all its credentials."""

    async def used(self, tenant_id: str, credential_id: str, day: str, source: str) -> None:
        """The credential was last used on this day, from this address. Raises Gone."""


class Registry(TenantSource, Protocol):
    """What the administration needs in addition. Every change happens completely or not at all."""

    def tenants(self) -> AsyncIterator[Tenant]:
        """All tenants with their credentials, ordered by id."""

    async def create(self, tenant: Tenant) -> None:
        """The tenant is registered, without credentials. Raises Taken."""

    async def change(self, tenant: Tenant) -> None:
        """Stores display name, state and since, if the tenant is still as it was read. Raises Overtaken, Gone."""

    async def add(self, tenant: Tenant, credential: Credential, *, pointer_exists: bool) -> None:
        """The tenant has one more credential. Raises Taken (its pointer is another's), Overtaken, Gone."""

    async def put(self, tenant_id: str, credential: Credential) -> None:
        """An existing credential is now as given. Its pointer stays. Raises Gone."""

    async def remove(self, tenant_id: str, credential: Credential, *, keep_pointer: bool) -> None:
        """The credential is forgotten. Raises Gone."""

    def erase(self, tenant_id: str) -> AsyncIterator[int]:
        """The tenant's whole directory is removed in parts. Yields the number of rows of each part."""

    async def forget(self, tenant: Tenant) -> None:
        """The tenant, its credentials and their pointers are removed, if the tenant is still as it was read."""


def pointers(credentials: Sequence[Credential]) -> list[str]:
    """The pointers of these credentials, each once."""
    return list(dict.fromkeys(item.pointer for item in credentials))
