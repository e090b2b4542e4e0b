"""From the Authorization header of a request to its Principal: the credential names the tenant."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from scim_core.access.auth_failures import Failure, FailureWatch
from scim_core.access.networks import REFUSAL, admits, elsewhere, preferred
from scim_core.access.oauth.access_tokens import SCOPE, SCOPES, AccessTokens
from scim_core.access.oauth.entra import EntraTokens
from scim_core.access.oauth.verification import TokenRefused, Unverified, looks_like_jwt, read
from scim_core.access.tenant_cache import TenantCache, Use, refusal
from scim_core.access.token_format import Form, digest, form
from scim_core.clock import Clock, instant_text
from scim_core.messages import Caller, HttpError
from scim_core.registry import (
    DEFAULT_TENANT,
    Access,
    Credential,
    CredentialKind,
    GroupPatchAnswer,
    Tenant,
    entra_pointer,
    token_pointer,
)

MAX_TOKEN_CHARACTERS = 4096
"""Longest bearer token that is read. Ours have under a thousand characters, Entra's JWTs under three thousand."""

MAX_CLAIM_CHARACTERS = 200
"""Longest tenant id or audience of a token that is looked up. No longer one can be registered."""

ACCESS_TOKEN = "access token"  # noqa: S105 -- the name of a method
STATIC = "token"

_UNKNOWN = "The bearer token is not known here. Check the Secret Token."
_NO_ENTRA_TOKENS = (
    "The bearer token was not issued here, and this service does not accept tokens that Entra sends when the field "
    "Secret Token is blank: its setting SCIM_ENTRA_TOKENS is not allow. Ask the operator of this service for a Secret "
    "Token, or for a client id."
)
_MISTYPED = "The bearer token is mistyped: characters of it are missing, added or wrong. Copy the Secret Token again."


@dataclass(frozen=True, slots=True)
class Principal:
    """Who sends a request: the tenant, its method, the name of its credential (never the secret), what it may do.

    `use` is set when this is the credential's first use of the day from this address. `credential_id` is empty for one
    of the settings. `group_patch_answer` is the tenant's.
    """

    tenant: str
    method: str
    credential: str
    access: Access = Access.READ
    use: Use | None = None
    credential_id: str = ""
    group_patch_answer: GroupPatchAnswer = GroupPatchAnswer.USUAL


class Denied(HttpError):
    """An authentication that failed, with its entry for the audit log."""

    def __init__(self, status: int, detail: str, failure: Failure, error: str = "") -> None:
        self.failure = failure
        self.error = error
        super().__init__(status, detail)


@dataclass(frozen=True, slots=True)
class Tenancy:
    """What is needed to authenticate registered credentials. A single-tenant deployment does without.

    Without `allows_entra_tokens`, credentials of the kind `entra` open nothing.
    """

    tenants: TenantCache
    access_tokens: AccessTokens
    entra: EntraTokens
    clock: Clock
    allows_entra_tokens: bool


class Authenticator:
    """Authenticates requests by the tokens of the settings, which belong to the default tenant, or by the registry."""

    def __init__(self, sha256: Sequence[str], tenancy: Tenancy | None, watch: FailureWatch) -> None:
        self._sha256 = tuple(sha256)
        self._tenancy = tenancy
        self._watch = watch

    async def authenticate(self, caller: Caller) -> Principal:
        """The principal of the request (RFC 6750 section 2.1).

        Raises HttpError: 401 when the credential is not good, 403 when its tenant is suspended or the credential does
        not admit the address, 429 after too many failures, 503 while a vault does not tell a signing key. Raises
        StorageBusy when the registry does not answer.
        """
        try:
            return await self._authenticate(caller)
        except Denied as denied:
            held_up = self._watch.failed(denied.failure, caller, denied.detail)
            if held_up:
                raise held_up from None
            if denied.status != 403:  # noqa: PLR2004 -- no other credential would help there
                denied.headers["WWW-Authenticate"] = challenge(denied.error, caller.base_url)
            raise

    async def _authenticate(self, caller: Caller) -> Principal:
        token = _bearer_token(caller.headers.get("authorization", ""))
        own = digest(token)
        if any([hmac.compare_digest(own, known) for known in self._sha256]):  # noqa: C419 -- all are compared
            return await self._of_settings(own)
        if form(token) is Form.MISTYPED:
            raise _denied(_MISTYPED, STATIC, "mistyped")
        if self._tenancy is None:
            raise _denied(_UNKNOWN, STATIC, "unknown")
        if looks_like_jwt(token):
            return await self._of_jwt(self._tenancy, token, caller)
        if form(token) is Form.FOREIGN:  # a look-up finds only what was issued here
            raise _denied(_UNKNOWN, STATIC, "unknown")
        return await self._of_token(self._tenancy, own, caller)

    async def _of_settings(self, sha256: str) -> Principal:
        """The default tenant. It can be registered, but need not be."""
        label = f"token {sha256[:8]}"
        answer = GroupPatchAnswer.USUAL
        if self._tenancy is not None:
            tenant = await self._tenancy.tenants.tenant(DEFAULT_TENANT)
            if tenant is not None:
                _check_state(tenant, STATIC, label)
                answer = tenant.group_patch_answer
        return Principal(DEFAULT_TENANT, STATIC, label, Access.WRITE, group_patch_answer=answer)

    async def _of_token(self, tenancy: Tenancy, sha256: str, caller: Caller) -> Principal:
        tenant = await tenancy.tenants.holder(token_pointer(sha256), caller.source)
        found = [
            item
            for item in (tenant.credentials if tenant else ())
            if item.kind is CredentialKind.TOKEN and hmac.compare_digest(item.sha256, sha256)
        ]
        if tenant is None or not found:
            raise _denied(_UNKNOWN, STATIC, "unknown")
        return _principal(tenancy, tenant, found[0], STATIC, caller)

    async def _of_jwt(self, tenancy: Tenancy, token: str, caller: Caller) -> Principal:
        method = ACCESS_TOKEN
        try:
            said = read(token)
            if said.text("iss") == tenancy.access_tokens.issuer:
                return await self._of_access_token(tenancy, token, said, caller)
            method = CredentialKind.ENTRA
            if not tenancy.allows_entra_tokens:
                raise _denied(_NO_ENTRA_TOKENS, method, "SCIM_ENTRA_TOKENS is not allow: Entra's own tokens are off")
            return await self._of_entra_token(tenancy, token, said, caller)
        except TokenRefused as refused:
            raise _refused(str(refused), method) from None

    async def _of_access_token(self, tenancy: Tenancy, token: str, said: Unverified, caller: Caller) -> Principal:
        grant = await tenancy.access_tokens.verify(token, said)
        tenant = await tenancy.tenants.tenant(grant.tenant_id)
        credential = tenant.credential(grant.credential_id) if tenant else None
        if tenant is None or credential is None or credential.client_id != grant.client_id:
            raise _refused("was given for a credential that is not registered any more", ACCESS_TOKEN, grant.tenant_id)
        if credential.revoked:  # an expired credential gives no new token, but this one was issued in time
            _deny_fault(tenancy, tenant, credential, ACCESS_TOKEN)
        return _admitted(tenancy, tenant, credential, ACCESS_TOKEN, caller, granted=grant.access)

    async def _of_entra_token(self, tenancy: Tenancy, token: str, said: Unverified, caller: Caller) -> Principal:
        tid, audience = said.text("tid"), said.text("aud")
        if max(len(tid), len(audience)) > MAX_CLAIM_CHARACTERS:  # the cache would keep it
            raise TokenRefused("names a tenant or an audience that is too long to be one")
        tenant = await tenancy.tenants.holder(entra_pointer(tid, audience), caller.source) if tid and audience else None
        found = [
            item
            for item in (tenant.credentials if tenant else ())
            if item.kind is CredentialKind.ENTRA and (item.entra_tenant, item.audience) == (tid, audience)
        ]
        if tenant is None or not found:
            raise TokenRefused("was not issued here, and no customer accepts tokens of its issuer and audience")
        now = instant_text(tenancy.clock())
        good = preferred([item for item in found if not item.fault(now)], caller.address) or found[:1]
        # Credentials with the same pointer pin different applications. At most one of them fits the token.
        fitting = next((item for item in good if item.application == said.text("appid")), good[0])
        try:
            await tenancy.entra.request_token(token, said, fitting)
        except TokenRefused as refused:
            raise _refused(str(refused), CredentialKind.ENTRA, tenant.id, fitting.label) from None
        return _principal(tenancy, tenant, fitting, CredentialKind.ENTRA, caller)


def _principal(tenancy: Tenancy, tenant: Tenant, credential: Credential, method: str, caller: Caller) -> Principal:
    if credential.fault(instant_text(tenancy.clock())):
        _deny_fault(tenancy, tenant, credential, method)
    return _admitted(tenancy, tenant, credential, method, caller, granted=Access.WRITE)


def _admitted(
    tenancy: Tenancy, tenant: Tenant, credential: Credential, method: str, caller: Caller, *, granted: Access
) -> Principal:
    """The principal of a credential that is good. It may do what its token grants and the credential has now."""
    if not admits(credential, caller.address):
        reason = elsewhere(caller.address)
        raise Denied(403, REFUSAL, Failure(method, reason, tenant.id, credential.label))
    _check_state(tenant, method, credential.label)
    day = instant_text(tenancy.clock())[:10]
    use = tenancy.tenants.first_use(tenant, credential, day, caller.address)
    access = granted.at_most(credential.access)
    return Principal(
        tenant.id,
        method,
        credential.label,
        access,
        use,
        credential_id=credential.id,
        group_patch_answer=tenant.group_patch_answer,
    )


def _deny_fault(tenancy: Tenancy, tenant: Tenant, credential: Credential, method: str) -> None:
    fault = credential.fault(instant_text(tenancy.clock()))
    failure = Failure(method, fault, tenant.id, credential.label)
    raise Denied(
        401, f"The credential {fault}. Ask the operator of this service for a new one.", failure, "invalid_token"
    )


def _check_state(tenant: Tenant, method: str, credential: str) -> None:
    """Raises Denied 403 when the tenant's requests are refused, even with a good credential."""
    sentence = refusal(tenant)
    if sentence:
        failure = Failure(method, f"the tenant is {tenant.state}", tenant.id, credential, credential_is_good=True)
        raise Denied(403, sentence, failure)


def _bearer_token(header: str) -> str:
    """The token (RFC 6750 section 2.1). Raises Denied at once for a header that cannot hold one."""
    if not header:
        failure = Failure("none", "no Authorization header")
        raise Denied(401, "The request has no Authorization header. Send Authorization: Bearer <token>.", failure)
    if len(header) > MAX_TOKEN_CHARACTERS + len("Bearer "):
        raise Denied(401, "The Authorization header is too long for any token.", Failure("none", "too long"))
    if "," in header:  # the host joins repeated headers with a comma, and a token never holds one
        detail = "The request has two Authorization headers, or a comma in one. Send one Authorization: Bearer <token>."
        raise Denied(400, detail, Failure("none", "two Authorization headers"), "invalid_request")
    scheme, _, token = header.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        detail = "The Authorization header must be: Bearer <token>."
        raise Denied(401, detail, Failure("none", "no bearer token"))
    return token


def _denied(detail: str, method: str, reason: str) -> Denied:
    return Denied(401, detail, Failure(method, reason), "invalid_token")


def _refused(reason: str, method: str, tenant: str = "", credential: str = "") -> Denied:
    return Denied(401, f"The bearer token {reason}.", Failure(method, reason, tenant, credential), "invalid_token")


def require_access(principal: Principal, needed: Access, base_url: str) -> None:
    """Raises HttpError 403 when the principal may not do what needs this access (RFC 6750 section 3.1)."""
    if principal.access.allows(needed):
        return
    by_token = principal.method == ACCESS_TOKEN
    raise HttpError(
        403,
        f"This {ACCESS_TOKEN if by_token else 'credential'} may only read: it opens GET and searches. Nothing was "
        "changed. To make changes, ask the operator of this service to give the credential the access write"
        f"{f', then get a new access token with the scope {SCOPE}' if by_token else ''}.",
        WWW_Authenticate=challenge("insufficient_scope", base_url, SCOPES[needed]),
    )


def challenge(error: str, base_url: str, scope: str = "") -> str:
    """WWW-Authenticate, which names the metadata of the protected resource (RFC 6750 section 3, RFC 9728 5.1)."""
    named = {"realm": "scim", "error": error, "scope": scope, "resource_metadata": _metadata_url(base_url)}
    return f"Bearer {', '.join(f'{name}="{value}"' for name, value in named.items() if value)}"


def _metadata_url(base_url: str) -> str:
    return quote(f"{base_url}/.well-known/oauth-protected-resource/scim/v2", safe=":/[]", errors="replace")
