"""The routes outside SCIM: the token endpoint (RFC 6749 section 4.4) and the metadata that points to it."""

import json
from dataclasses import dataclass

from scim_core.access.auth_failures import Failure, FailureWatch
from scim_core.access.oauth import answers, metadata
from scim_core.access.oauth.access_tokens import SCOPES, AccessTokens, grantable
from scim_core.access.oauth.answers import OAuthError
from scim_core.access.oauth.clients import Client, Clients
from scim_core.access.oauth.token_request import read_token_request
from scim_core.access.principal import Principal
from scim_core.access.rate_limits import TOKEN_REQUESTS, RateLimit
from scim_core.access.tenant_cache import TenantCache
from scim_core.clock import Clock, Timer, instant_text
from scim_core.messages import BASE_PATH, Caller, HttpError, ScimRequest, ScimResponse
from scim_core.model import Json

_NO_TOKENS = "This deployment issues no access tokens: it has one customer, who sends the Secret Token itself."
_TOO_MANY_TOKENS = "This customer asks for more access tokens than its limit. Use a token for as long as it lives."


@dataclass(frozen=True, slots=True)
class Issuing:
    """What is needed to issue access tokens. A single-tenant deployment does without."""

    tenants: TenantCache
    clients: Clients
    access_tokens: AccessTokens
    clock: Clock


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """An answer of the token endpoint, and who got the token, or who failed to authenticate and what was said."""

    response: ScimResponse
    principal: Principal | None = None
    failure: Failure | None = None
    sentence: str = ""


class OAuthEndpoint:
    """Answers the routes outside SCIM, except /health."""

    def __init__(self, issuing: Issuing | None, watch: FailureWatch, timer: Timer) -> None:
        self._issuing = issuing
        self._watch = watch
        self._tokens = RateLimit(*TOKEN_REQUESTS, timer)

    async def token(self, request: ScimRequest, caller: Caller) -> TokenAnswer:
        """The answer to a token request. Its errors follow RFC 6749 section 5.2.

        Raises HttpError 429 for a tenant with too many tokens and a source with too many failures, 503 for a signing
        key that cannot be reached; StorageBusy.
        """
        try:
            return await self._token(request, caller)
        except OAuthError as error:
            answer = self._refused(error, caller)
            return TokenAnswer(answer, failure=error.failure, sentence=error.description)

    def authorization_server(self) -> ScimResponse:
        """RFC 8414 metadata. Raises HttpError 404 for a deployment that issues no access tokens."""
        if self._issuing is None:
            raise HttpError(404, _NO_TOKENS)
        return _json(metadata.authorization_server(self._issuing.access_tokens.issuer))

    def protected_resource(self, caller: Caller) -> ScimResponse:
        """RFC 9728 metadata."""
        return _json(metadata.protected_resource(caller.base_url, BASE_PATH, issues_tokens=self._issuing is not None))

    async def _token(self, request: ScimRequest, caller: Caller) -> TokenAnswer:
        if self._issuing is None:
            raise OAuthError(404, "invalid_request", _NO_TOKENS)
        if request.method.upper() != "POST":
            raise OAuthError(405, "invalid_request", "The token endpoint takes POST only.")
        asked = read_token_request(request.headers, request.body)
        client = await self._issuing.clients.authenticate(asked, caller)
        tenant, label = client.tenant.id, client.credential.label
        self._watch.require_permit(self._tokens, tenant, label, caller, _TOO_MANY_TOKENS)
        await self._note(self._issuing, client, caller)
        access = grantable(asked.accesses, client.credential.access)
        if access is None:
            usual = SCOPES[client.credential.access]
            raise OAuthError(400, "invalid_scope", f"This client can have the scope {usual}. Ask for it, or for none.")
        token = await self._issuing.access_tokens.issue(tenant, client.credential, access)
        body = {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": self._issuing.access_tokens.seconds,
            "scope": SCOPES[access],
        }
        watched = client.tenant.setup.is_open(instant_text(self._issuing.clock()))
        return TokenAnswer(answers.success(body), Principal(tenant, "token", label, watched=watched))

    async def _note(self, issuing: Issuing, client: Client, caller: Caller) -> None:
        use = issuing.tenants.use_to_note(client.tenant, client.credential, issuing.clock(), caller.address)
        if use:
            await issuing.tenants.note(use)

    def _refused(self, error: OAuthError, caller: Caller) -> ScimResponse:
        if error.failure is not None:
            held_up = self._watch.failed(error.failure, caller, error.description)
            if held_up:
                raise held_up
        allow = {"Allow": "POST"} if error.status == 405 else {}  # noqa: PLR2004
        return answers.failure(error, **allow)


def _json(body: Json) -> ScimResponse:
    return ScimResponse(200, {"Content-Type": "application/json"}, json.dumps(body).encode())
