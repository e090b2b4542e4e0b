"""From the Authorization header of a request to its Principal: the credential names the tenant."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace

from scim_core.access.auth_failures import Failure, FailureWatch
from scim_core.access.networks import REFUSAL, admits, elsewhere, preferred
from scim_core.access.oauth.access_tokens import AccessTokens
from scim_core.access.oauth.app_role import AppRole
from scim_core.access.oauth.entra import EntraTokens
from scim_core.access.oauth.verification import TokenRefused, Unverified, looks_like_jwt, read
from scim_core.access.principal import ACCESS_TOKEN, TENANT_PARAMETER, Principal, challenge
from scim_core.access.tenant_cache import TenantCache, refusal
from scim_core.access.token_format import Form, digest, form
from scim_core.chosen_schemas import AS_BY_DEFAULT
from scim_core.clock import Clock, instant_text
from scim_core.messages import Caller, HttpError
from scim_core.registry import (
    APPLICATIONS,
    DEFAULT_TENANT,
    TENANT_ID,
    Access,
    Credential,
    CredentialKind,
    GroupPatchAnswer,
    Tenant,
    TenantSource,
    entra_pointer,
    token_pointer,
)

MAX_TOKEN_CHARACTERS = 4096
"""Longest bearer token that is read. Ours have under a thousand characters, Entra's JWTs under three thousand."""

MAX_CLAIM_CHARACTERS = 200
"""Longest tenant id or audience of a token that is looked up. No longer one can be registered."""

STATIC = "token"

ROLE_METHOD = "entra role"
"""How the vendor's own identity comes in, for the log."""

_UNKNOWN = "The bearer token is not known here. Check the Secret Token."
_NO_ENTRA_TOKENS = (
    "The bearer token was not issued here, and this service does not accept tokens that Entra sends when the field "
    "Secret Token is blank: its setting SCIM_ENTRA_TOKENS is not allow. Ask the operator of this service for a Secret "
    "Token, or for a client id."
)
NO_TENANT = "There is no customer of this id. An id is what `tenants list` shows."
"""The answer to an application that names a tenant which is not there."""

_MISTYPED = "The bearer token is mistyped: characters of it are missing, added or wrong. Copy the Secret Token again."


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

    source: TenantSource
    tenants: TenantCache
    access_tokens: AccessTokens
    entra: EntraTokens
    clock: Clock
    allows_entra_tokens: bool


class Authenticator:
    """Authenticates requests by the tokens of the settings, by the registry, or by the vendor's own identity."""

    def __init__(
        self,
        tokens: Mapping[str, Access],
        tenancy: Tenancy | None,
        role: AppRole | None,
        watch: FailureWatch,
        *,
        holds: bool = False,
    ) -> None:
        """`tokens` are those of the settings, by their SHA-256, with what they open of the default tenant.

        With `holds`, their deactivations and deletions wait for an operator after a mass change.
        """
        self._tokens = dict(tokens)
        self._tenancy = tenancy
        self._role = role
        self._watch = watch
        self._holds = holds

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
        opened = [access for known, access in self._tokens.items() if hmac.compare_digest(own, known)]
        if opened:
            return await self._of_settings(own, opened[0])
        if form(token) is Form.MISTYPED:
            raise _denied(_MISTYPED, STATIC, "mistyped")
        if looks_like_jwt(token) and (self._tenancy or self._role):
            return await self._of_jwt(token, caller)
        if self._tenancy is None or form(token) is Form.FOREIGN:  # a look-up finds only what was issued here
            raise _denied(_UNKNOWN, STATIC, "unknown")
        return await self._of_token(self._tenancy, own, caller)

    async def in_tenant(self, application: Principal, tenant_id: str) -> Principal:
        """The application, which asks about this tenant. Without a registry there is one, which need not be named.

        Raises HttpError: 400 when no tenant is named, 404 when there is none, 403 when its requests are refused.
        Raises StorageBusy.
        """
        if self._tenancy is None:
            if tenant_id not in ("", DEFAULT_TENANT):
                raise HttpError(404, NO_TENANT)
            return replace(application, tenant=DEFAULT_TENANT)
        if not tenant_id:
            raise HttpError(400, f"Name the customer that you ask about: add ?{TENANT_PARAMETER}=<its id>.")
        tenant = await self._tenancy.tenants.tenant(tenant_id) if TENANT_ID.fullmatch(tenant_id) else None
        if tenant is None and not (tenant_id == DEFAULT_TENANT and self._tokens):
            raise HttpError(404, NO_TENANT)
        sentence = refusal(tenant) if tenant else ""
        if sentence:
            raise HttpError(403, sentence)
        return replace(application, tenant=tenant_id, schemas=tenant.schemas if tenant else AS_BY_DEFAULT)

    async def _of_settings(self, sha256: str, access: Access) -> Principal:
        """The default tenant. It can be registered, but need not be."""
        label = f"token {sha256[:8]}"
        answer, holds, watched, schemas = GroupPatchAnswer.USUAL, self._holds, False, AS_BY_DEFAULT
        if self._tenancy is not None:
            tenant = await self._tenancy.tenants.tenant(DEFAULT_TENANT)
            if tenant is not None:
                _check_state(tenant, STATIC, label)
                answer, holds, schemas = tenant.group_patch_answer, holds or tenant.hold, tenant.schemas
                watched = tenant.setup.is_open(instant_text(self._tenancy.clock()))
        return Principal(
            *(DEFAULT_TENANT, STATIC, label, access),
            group_patch_answer=answer,
            holds=holds,
            watched=watched,
            schemas=schemas,
        )

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

    async def _of_jwt(self, token: str, caller: Caller) -> Principal:
        method, tenancy = ACCESS_TOKEN, self._tenancy
        try:
            said = read(token)
            if tenancy is not None and said.text("iss") == tenancy.access_tokens.issuer:
                return await self._of_access_token(tenancy, token, said, caller)
            if self._role is not None and self._role.is_meant(said):
                method = ROLE_METHOD
                label = f"application {await self._role.holder(token, said)}"
                return Principal(APPLICATIONS, ROLE_METHOD, label, Access.FEED, application=True)
            method = CredentialKind.ENTRA
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
        access = grant.access.shared_with(credential.access)
        return _admitted(tenancy, tenant, credential, ACCESS_TOKEN, caller, access=access)

    async def _of_entra_token(self, tenancy: Tenancy | None, token: str, said: Unverified, caller: Caller) -> Principal:
        if tenancy is None:
            raise TokenRefused("was not issued here, and is not meant for this service")
        if not tenancy.allows_entra_tokens:
            reason = "SCIM_ENTRA_TOKENS is not allow: Entra's own tokens are off"
            raise _denied(_NO_ENTRA_TOKENS, CredentialKind.ENTRA, reason)
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
    return _admitted(tenancy, tenant, credential, method, caller, access=credential.access)


def _admitted(
    tenancy: Tenancy, tenant: Tenant, credential: Credential, method: str, caller: Caller, *, access: Access | None
) -> Principal:
    """The principal of a credential that is good. With `access` it may do what its token and the credential allow."""
    if not admits(credential, caller.address):
        reason = elsewhere(caller.address)
        raise Denied(403, REFUSAL, Failure(method, reason, tenant.id, credential.label))
    _check_state(tenant, method, credential.label)
    now = tenancy.clock()
    use = tenancy.tenants.use_to_note(tenant, credential, now, caller.address)
    application = tenant.id == APPLICATIONS
    if application and access is Access.WRITE:  # no command makes such a one, so somebody wrote the row by hand
        access = Access.READ
    return Principal(
        tenant.id,
        method,
        credential.label,
        access,
        use,
        credential_id=credential.id,
        group_patch_answer=tenant.group_patch_answer,
        schemas=tenant.schemas,
        application=application,
        holds=tenant.hold,
        watched=tenant.setup.is_open(instant_text(now)),
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
