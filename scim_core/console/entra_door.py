"""The door of the hosted console: people of the operator's own Entra tenant, with an app role.

App Service signs them in, and passes on Entra's ID token in a header. Where that is turned off, anybody can send the
header. So the token itself is verified here, and no other header is believed.
"""

from urllib.parse import quote

from scim_core.access.oauth.entra import EntraTokens
from scim_core.access.oauth.verification import TokenRefused, read
from scim_core.console.visitors import CONSOLE_PATH, Visitor, VisitorRole, actor_of
from scim_core.messages import HttpError, ScimRequest

ID_TOKEN = "x-ms-token-aad-id-token"  # noqa: S105 -- the name of a header
"""The header with Entra's ID token. App Service removes it from what a client sends, if it signs people in at all."""

MAX_TOKEN_CHARACTERS = 16_384
"""Longest token that is looked at. Entra's have about two thousand characters."""

SIGN_IN = f"/.auth/login/aad?post_login_redirect_uri={quote(CONSOLE_PATH, safe='')}"
"""Where App Service signs somebody in again: an ID token is good for an hour, and its own cookie for longer."""


class EntraDoor:
    """Lets in whoever Entra names in an ID token of this tenant for this application, with one of the two roles."""

    sign_in = SIGN_IN

    def __init__(self, entra: EntraTokens, *, tenant: str, client_id: str) -> None:
        self._entra = entra
        self._tenant = tenant
        self._client_id = client_id

    async def admit(self, request: ScimRequest) -> Visitor:
        """See Door.admit."""
        token = request.headers.get(ID_TOKEN, "")
        if not 0 < len(token) <= MAX_TOKEN_CHARACTERS:
            raise HttpError(401, "Nobody is signed in.")
        try:
            claims = await self._entra.id_token(token, read(token), self._tenant, self._client_id)
        except TokenRefused as error:
            raise HttpError(401, f"The sign-in {error}.") from None
        roles = claims.get("roles")
        held = [
            role for role in (VisitorRole.OPERATOR, VisitorRole.VIEWER) if isinstance(roles, list) and role in roles
        ]
        if not held:
            raise HttpError(403, "You are signed in, but have neither role: ask for viewer or operator in Entra.")
        name = str(claims.get("preferred_username") or claims["oid"])
        actor = actor_of(f"oid={claims['oid']} tid={claims['tid']}", name)
        return Visitor(name, held[0], actor, token.encode())
