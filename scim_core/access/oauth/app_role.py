"""The vendor's own identity: a token of the vendor's Entra tenant with an app role opens the feed, without a secret.

A managed identity gets such a token for the application that this service is registered as. Who has the role is decided
in Entra, by an app role assignment.
"""

from scim_core.access.oauth.entra import EntraTokens, audiences
from scim_core.access.oauth.verification import TokenRefused, Unverified
from scim_core.settings import VendorIdentity

ROLE = "Feed.Read"
"""The value of the app role."""


class AppRole:
    """Tells who has the role. Tokens of another Entra tenant, or for another audience, are not looked at."""

    def __init__(self, identity: VendorIdentity, entra: EntraTokens) -> None:
        self._identity = identity
        self._entra = entra

    def is_meant(self, said: Unverified) -> bool:
        """Whether a token says that it comes from the vendor's Entra tenant for this service."""
        return said.text("tid") == self._identity.tenant and said.text("aud") in audiences(self._identity.audience)

    async def holder(self, token: str, said: Unverified) -> str:
        """The object id of the application or managed identity that has the role. Raises TokenRefused.

        A token by which a user acts through an application is refused, whatever roles it names.
        """
        claims = await self._entra.access_token(token, said, self._identity.tenant, self._identity.audience)
        if "scp" in claims:
            raise TokenRefused("is a user's, not an application's (scp)")
        roles = claims.get("roles")
        if not isinstance(roles, list) or ROLE not in roles:
            raise TokenRefused(f"lacks the app role {ROLE} (roles)")
        return str(claims["oid"])
