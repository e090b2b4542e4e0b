"""The link by which a customer's administrator opens the setup page of a tenant once. A tenant has one at most.

No secret itself is stored. A restore brings no link back: exports leave them out.
"""

from dataclasses import dataclass, fields

STARTING_CHARACTERS = 8
"""Characters of a token that the registry keeps. All of ours start with `scim_`, so three of them are random: they tell
whose token was cut or mistyped, and leave 238 bits to guess."""

PREFIX = "setup_"
"""What the names of its fields begin with in the row of the tenant."""


@dataclass(frozen=True, slots=True)
class SetupLink:
    """A setup link, or none if `sha256` is empty. Instants are UTC text of fixed width. An empty one means not yet.

    `sha256` is that of the secret in the link. `session` is that of the secret in the cookie which the link was
    exchanged for. `made_by` is the operator as the audit trail names one.
    """

    sha256: str = ""
    created: str = ""
    expires: str = ""
    made_by: str = ""
    opened: str = ""
    session: str = ""
    revoked: str = ""

    def is_open(self, now: str) -> bool:
        """Whether the link, or the session that it was exchanged for, is good at this instant."""
        return bool(self.sha256) and not self.revoked and now < self.expires

    def values(self) -> dict[str, str]:
        """Its fields, by the names that they have in the row of the tenant."""
        return {f"{PREFIX}{item.name}": getattr(self, item.name) for item in fields(self)}


NO_LINK = SetupLink()


@dataclass(frozen=True, slots=True)
class OpenLink:
    """A link that is open until `expires`, and how the tokens of its tenant start."""

    tenant: str
    expires: str
    starts: tuple[str, ...]


def starting(token: str) -> str:
    """How the token starts, as far as the registry keeps it."""
    return token[:STARTING_CHARACTERS]
