"""Who sends a request, and whether that opens what the request asks for."""

from dataclasses import dataclass
from urllib.parse import quote

from scim_core.access.oauth.access_tokens import SCOPES
from scim_core.access.tenant_cache import Use
from scim_core.chosen_schemas import AS_BY_DEFAULT, ChosenSchemas
from scim_core.messages import HttpError
from scim_core.registry import Access, GroupPatchAnswer

ACCESS_TOKEN = "access token"  # noqa: S105 -- the name of a method

TENANT_PARAMETER = "tenant"
"""The query parameter by which an application names the tenant that it asks about."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who sends a request: the tenant, its method, the name of its credential (never the secret), what it may do.

    `use` is set when it is time to note a use of the credential. `credential_id` is empty for one of the settings.
    `group_patch_answer` and `schemas` are the tenant's; with `holds`, its deactivations and deletions wait for an
    operator after a mass change. Without `access` it may do nothing. An `application` reaches every tenant; its tenant
    is APPLICATIONS until it names one. Of a tenant that is `watched`, a setup link is open.
    """

    tenant: str
    method: str
    credential: str
    access: Access | None = None
    use: Use | None = None
    credential_id: str = ""
    group_patch_answer: GroupPatchAnswer = GroupPatchAnswer.USUAL
    schemas: ChosenSchemas = AS_BY_DEFAULT
    application: bool = False
    holds: bool = False
    watched: bool = False

    @property
    def account(self) -> str:
        """Whose permits and share of computing its requests take: its tenant's. An application has its own."""
        return f":application {self.credential_id or self.credential}" if self.application else self.tenant


def require_access(principal: Principal, needed: Access, base_url: str) -> None:
    """Raises HttpError 403 when the principal may not do what needs this access (RFC 6750 section 3.1)."""
    if principal.access is not None and principal.access.allows(needed):
        return
    by_token = principal.method == ACCESS_TOKEN
    then = f", then get a new access token with the scope {SCOPES[needed]}" if by_token else ""
    raise HttpError(
        403,
        f"This {ACCESS_TOKEN if by_token else 'credential'} {_refusal(principal, needed, then)}",
        WWW_Authenticate=challenge("insufficient_scope", base_url, SCOPES[needed]),
    )


def require_application(principal: Principal, needed: Access | None) -> None:
    """Raises HttpError 403 for the credential of one tenant."""
    if not principal.application:
        raise HttpError(
            403,
            "This credential belongs to one customer. To see all of them, ask the operator of this service for an "
            f"application's credential with the access {needed}.",
        )


def _refusal(principal: Principal, needed: Access, then: str) -> str:
    """What the principal may do instead, and what to ask for, as the end of a sentence and one more."""
    if needed is Access.FEED:
        return f"does not open the feed. Ask the operator of this service for one with the access feed{then}."
    if principal.application and needed is Access.WRITE:
        return "changes nothing: it reaches every customer. To make changes, use a credential of the customer."
    if principal.access is not Access.READ:
        return f"opens no part of SCIM. Ask the operator of this service for one with the access {needed}{then}."
    return (
        "may only read: it opens GET and searches. Nothing was changed. To make changes, ask the operator of this "
        f"service to give the credential the access write{then}."
    )


def challenge(error: str, base_url: str, scope: str = "") -> str:
    """WWW-Authenticate, which names the metadata of the protected resource (RFC 6750 section 3, RFC 9728 5.1)."""
    named = {"realm": "scim", "error": error, "scope": scope, "resource_metadata": _metadata_url(base_url)}
    return f"Bearer {', '.join(f'{name}="{value}"' for name, value in named.items() if value)}"


def _metadata_url(base_url: str) -> str:
    return quote(f"{base_url}/.well-known/oauth-protected-resource/scim/v2", safe=":/[]", errors="replace")
