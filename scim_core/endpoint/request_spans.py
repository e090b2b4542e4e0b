"""What the span of a request says: which operation it was, of whose directory, and the status of the answer."""

from scim_core.access.principal import Principal
from scim_core.endpoint.routes import Target
from scim_core.messages import ScimRequest, ScimResponse
from scim_core.traces import Span

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
"""The methods that the function app takes. The log and spans name no other."""


def method_of(request: ScimRequest) -> str:
    """The method, or `other`: the text of a client gets into no log."""
    method = request.method.upper()
    return method if method in METHODS else "other"


def describe(
    span: Span, request: ScimRequest, principal: Principal | None, target: Target | None, response: ScimResponse
) -> None:
    """The span says what this request was. Paths, queries and details hold identities, so none of them is in it."""
    method, operation = method_of(request), target.handler if target else "unknown"
    span.rename(f"{method} {operation}")
    span.note("http.request.method", method)
    span.note("http.response.status_code", response.status)
    span.note("scim.operation", operation)
    if target and target.resource_type:
        span.note("scim.resource_type", target.resource_type.name)
    if principal and principal.tenant:
        span.note("scim.tenant", principal.tenant)
    if response.status >= 500:  # noqa: PLR2004
        span.failed(f"{response.status}")
