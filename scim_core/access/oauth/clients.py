"""Authenticates the clients of the token endpoint: by one of their secrets, or by an assertion of Entra."""

from dataclasses import dataclass

from scim_core.access.auth_failures import Failure
from scim_core.access.oauth.answers import OAuthError
from scim_core.access.oauth.entra import EntraTokens
from scim_core.access.oauth.token_request import TokenRequest
from scim_core.access.oauth.verification import TokenRefused, read
from scim_core.access.tenant_cache import TenantCache, refusal
from scim_core.access.token_format import MAX_SECRET_CHARACTERS, Form, form, matching
from scim_core.clock import Clock, instant_text
from scim_core.registry import Credential, CredentialKind, Tenant, client_pointer

_WRONG = "The client id or the client secret is wrong."
"""Said of an unknown client and of a wrong secret alike."""

_WRONG_ASSERTION = "The client id is wrong, or the client assertion is not one that was registered for it."
_MISTYPED = "The client secret is mistyped: characters of it are missing, added or wrong. Copy it again."


@dataclass(frozen=True, slots=True)
class Client:
    """A client that has proved itself, and the credential it did so with."""

    tenant: Tenant
    credential: Credential


class Clients:
    """The clients of all tenants."""

    def __init__(self, tenants: TenantCache, entra: EntraTokens, clock: Clock) -> None:
        self._tenants = tenants
        self._entra = entra
        self._clock = clock

    async def authenticate(self, request: TokenRequest, source: str) -> Client:
        """The client of the request.

        Raises OAuthError: 401 invalid_client, 403 unauthorized_client for a suspended tenant. Raises HttpError 429 and
        StorageBusy.
        """
        kind = CredentialKind.FEDERATION if request.assertion else CredentialKind.SECRET
        if kind is CredentialKind.SECRET and form(request.secret) is Form.MISTYPED:
            raise _denied(_MISTYPED, kind, "mistyped")
        tenant = await self._tenants.holder(client_pointer(request.client_id), source)
        candidates = tenant.of_client(request.client_id, kind) if tenant else []
        if kind is CredentialKind.FEDERATION:
            credential = await self._by_assertion(request.assertion, tenant, candidates)
        else:
            credential = _by_secret(request.secret, tenant, candidates)
        assert tenant is not None  # noqa: S101 -- one without candidates was refused
        self._check(tenant, credential)
        return Client(tenant, credential)

    async def _by_assertion(self, assertion: str, tenant: Tenant | None, candidates: list[Credential]) -> Credential:
        """The federation that the assertion fits: the one of its Entra tenant and subject. Raises OAuthError."""
        try:
            said = read(assertion)
        except TokenRefused as refused:
            raise _denied(f"The client assertion {refused}.", CredentialKind.FEDERATION, str(refused)) from None
        named = [
            item
            for item in candidates
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

    def _check(self, tenant: Tenant, credential: Credential) -> None:
        fault = credential.fault(instant_text(self._clock()))
        if fault:
            detail = f"The client secret {fault}; ask the operator of this service for a new one."
            raise _denied(detail, credential.kind, fault, tenant, credential.label)
        sentence = refusal(tenant)
        if sentence:
            reason = f"the tenant is {tenant.state}"
            failure = Failure(credential.kind, reason, tenant.id, credential.label, credential_is_good=True)
            raise OAuthError(403, "unauthorized_client", sentence, failure)


def _by_secret(secret: str, tenant: Tenant | None, candidates: list[Credential]) -> Credential:
    """The credential whose secret this is. Unknown clients cost the same comparisons. Raises OAuthError."""
    places = matching(secret[:MAX_SECRET_CHARACTERS], [item.sha256 for item in candidates])
    if not places or len(secret) > MAX_SECRET_CHARACTERS:
        reason = "the secret is wrong" if candidates else "the client is unknown"
        raise _denied(_WRONG, CredentialKind.SECRET, reason, tenant if candidates else None)
    return candidates[places[0]]


def _denied(
    description: str, method: CredentialKind, reason: str, tenant: Tenant | None = None, label: str = ""
) -> OAuthError:
    failure = Failure(method, reason, tenant.id if tenant else "", label)
    return OAuthError(401, "invalid_client", description, failure)
