"""The OAuth metadata of the service: for the authorization server (RFC 8414), for the protected resource (RFC 9728)."""

from typing import Any

from scim_core.access.oauth.access_tokens import SCOPES
from scim_core.access.oauth.token_request import GRANT_TYPE

TOKEN_PATH = "/oauth2/token"  # noqa: S105 -- a path


def authorization_server(issuer: str) -> dict[str, Any]:
    """Authorization server metadata (RFC 8414 section 2). Without an authorization endpoint: no response type."""
    return {
        "issuer": issuer,
        "token_endpoint": f"{issuer}{TOKEN_PATH}",
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS256"],
        "grant_types_supported": [GRANT_TYPE],
        "response_types_supported": [],
        "scopes_supported": list(SCOPES.values()),
    }


def protected_resource(base_url: str, base_path: str, *, issues_tokens: bool) -> dict[str, Any]:
    """Protected resource metadata (RFC 9728 section 2): a single-tenant deployment has no authorization server."""
    servers = {"authorization_servers": [base_url], "scopes_supported": list(SCOPES.values())} if issues_tokens else {}
    return {
        "resource": f"{base_url}{base_path}",
        "resource_name": "SCIM 2.0",
        "bearer_methods_supported": ["header"],
        **servers,
    }
