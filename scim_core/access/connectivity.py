"""What to paste into which field of Entra's Connectivity page, for each kind of credential (docs/connect-entra.md)."""

from scim_core.access.credential_plans import Issued
from scim_core.access.oauth.access_tokens import SCOPES
from scim_core.access.oauth.metadata import TOKEN_PATH
from scim_core.messages import BASE_PATH, FEED_PATH
from scim_core.registry import Access, Credential, CredentialKind

METHODS = {
    CredentialKind.TOKEN: "Bearer authentication",
    CredentialKind.SECRET: "OAuth 2.0 client credentials grant",
    CredentialKind.FEDERATION: "Workload Identity Federation",
    CredentialKind.ENTRA: "Bearer authentication",
}
"""What to choose as the authentication method."""


def fields(credential: Credential, secret: str, base_url: str) -> dict[str, str]:
    """The fields of the page, in its order, with the value of each. `base_url` is the service's.

    `secret` is what stands for the token or the client secret.
    """
    tenant_url = {"Tenant URL": f"{base_url}{BASE_PATH}"}
    token_endpoint = f"{base_url}{TOKEN_PATH}"
    client_id = credential.client_id
    match credential.kind:
        case CredentialKind.TOKEN:
            return tenant_url | {"Secret Token": secret}
        case CredentialKind.SECRET:
            return tenant_url | {
                "OAuth token endpoint": token_endpoint,
                "Client ID": client_id,
                "Client secret": secret,
                "How credentials are sent": "Header (Body and Both work as well)",
                "OAuth 2.0 scopes": SCOPES[credential.access],
            }
        case CredentialKind.FEDERATION:
            return {"Client ID": client_id, "Token URL": token_endpoint, "SCIM URL": tenant_url["Tenant URL"]}
        case CredentialKind.ENTRA:
            return tenant_url | {"Secret Token": "(leave it blank)"}


def text(issued: Issued, base_url: str) -> str:
    """The same as lines for people, with what they must know about the secret."""
    rows = {"Authentication method": METHODS[issued.credential.kind]} | fields(
        issued.credential, issued.secret, base_url
    )
    width = max(len(name) for name in rows)
    lines = [f"  {name:{width}}  {value}" for name, value in rows.items()]
    return "\n".join(["Paste into Entra, Provisioning > Connectivity:", "", *lines, "", *_notes(issued)])


def _notes(issued: Issued) -> list[str]:
    notes = []
    if issued.secret:
        notes.append("This secret is shown only now. Hand it over in confidence.")
    if issued.credential.expires:
        notes.append(f"It expires on {issued.credential.expires[:10]}.")
    if issued.credential.access is Access.READ:
        notes.append("It may only read: Entra's Test Connection succeeds, and provisioning does not.")
    if issued.credential.access is Access.FEED:
        notes.append(f"It opens the feed of changes only, at {FEED_PATH}: it is for a program of yours, not for Entra.")
    if issued.credential.networks:
        notes.append(f"It can be used from {issued.credential.networks.replace(' ', ', ')} only.")
    if issued.credential.kind is CredentialKind.ENTRA:
        notes.append("For testing only: such a token names the Entra tenant that sent it, but not the application.")
        notes.append("It opens the service only where SCIM_ENTRA_TOKENS is set to allow.")
    return notes
