"""Authenticates the clients of the token endpoint: by one of their secrets, or by an assertion of Entra."""

from dataclasses import dataclass

from scim_core.access.auth_failures import Failure
from scim_core.access.networks import REFUSAL, admits, elsewhere, preferred
from scim_core.access.oauth.answers import OAuthError
from scim_core.access.oauth.entra import EntraTokens
from scim_core.access.oauth.token_request import TokenRequest
from scim_core.access.oauth.verification import TokenRefused, read
from scim_core.access.tenant_cache import TenantCache, refusal
from scim_core.access.token_format import MAX_SECRET_CHARACTERS, Form, form, matching
from scim_core.clock import Clock, instant_text
from scim_core.messages import Caller
from scim_core.registry import Credential, CredentialKind, Tenant, client_pointer

_WRONG = "The client id or the client secret is wrong."
"""The same text for an unknown client and for a wrong secret, so that nobody learns which one it is."""

_WRONG_ASSERTION = "The client id is wrong, or the client assertion is not one that was registered for it."
_MISTYPED = "The client secret is mistyped: characters of it are missing, added or wrong. Copy it again."


@dataclass(frozen=True, slots=True)
class Client:
    """A client that is authenticated, and the credential that it used."""

    tenant: Tenant
    credential: Credential


class Clients:
    """The clients of all tenants."""

    def __init__(self, tenants: TenantCache, entra: EntraTokens, clock: Clock) -> None:
        self._tenants = tenants
        self._entra = entra
        self._clock = clock

    async def authenticate(self, request: TokenRequest, caller: Caller) -> Client:
        """The client of the request.

        Raises OAuthError: 401 invalid_client, 403 unauthorized_client for a suspended tenant or an address that the
        credential does not admit. Raises StorageBusy.
        """
        kind = CredentialKind.FEDERATION if request.assertion else CredentialKind.SECRET
        if kind is CredentialKind.SECRET and form(request.secret) is Form.MISTYPED:
            raise _denied(_MISTYPED, kind, "mistyped")
        tenant = await self._tenants.holder(client_pointer(request.client_id), caller.source)
        registered = preferred(tenant.of_client(request.client_id, kind) if tenant else [], caller.address)
        if kind is CredentialKind.FEDERATION:
            credential = await self._by_assertion(request.assertion, tenant, registered)
        else:
            credential = _by_secret(request.secret, tenant, registered)
        assert tenant is not None  # noqa: S101 -- an unknown client was refused above
        self._check(tenant, credential, caller.address)
        return Client(tenant, credential)

    async def _by_assertion(self, assertion: str, tenant: Tenant | None, registered: list[Credential]) -> Credential:
        """The federation with the Entra tenant and the subject of the assertion. Raises OAuthError."""
        try:
            said = read(assertion)
        except TokenRefused as refused:
            raise _denied(f"The client assertion {refused}.", CredentialKind.FEDERATION, str(refused)) from None
        named = [
            item
            for item in registered
            if (item.entra_tenant, item.subject) == (said.text("tid"), said.text("sub"))
            and not item.fault(instant_text(self._clock()))
        ]
        if not named:
            reason = "names an Entra tenant or a subject that is not registered for the client"
            raise _denied(_WRONG_ASSERTION, CredentialKind.FEDERATION, reason, tenant)
        refusals = []
        for item in named:
            try:
                await self._entra.assertion(assertion, said, item)
            except TokenRefused as refused:
                refusals.append((str(refused), item.label))
            else:
                return item
        reason, label = refusals[0]
        raise _denied(f"The client assertion {reason}.", CredentialKind.FEDERATION, reason, tenant, label)

    def _check(self, tenant: Tenant, credential: Credential, address: str) -> None:
        fault = credential.fault(instant_text(self._clock()))
        if fault:
            detail = f"The client secret {fault}. Ask the operator of this service for a new one."
            raise _denied(detail, credential.kind, fault, tenant, credential.label)
        if not admits(credential, address):
            failure = Failure(credential.kind, elsewhere(address), tenant.id, credential.label)
            raise OAuthError(403, "unauthorized_client", REFUSAL, failure)
        sentence = refusal(tenant)
        if sentence:
            reason = f"the tenant is {tenant.state}"
            failure = Failure(credential.kind, reason, tenant.id, credential.label, credential_is_good=True)
            raise OAuthError(403, "unauthorized_client", sentence, failure)


def _by_secret(secret: str, tenant: Tenant | None, registered: list[Credential]) -> Credential:
    """The credential with this secret. An unknown client takes as many comparisons. Raises OAuthError."""
    matches = matching(secret[:MAX_SECRET_CHARACTERS], [item.sha256 for item in registered])
    if not matches or len(secret) > MAX_SECRET_CHARACTERS:
        reason = "the secret is wrong" if registered else "the client is unknown"
        raise _denied(_WRONG, CredentialKind.SECRET, reason, tenant if registered else None)
    return registered[matches[0]]


def _denied(
    description: str, method: CredentialKind, reason: str, tenant: Tenant | None = None, label: str = ""
) -> OAuthError:
    failure = Failure(method, reason, tenant.id if tenant else "", label)
    return OAuthError(401, "invalid_client", description, failure)
