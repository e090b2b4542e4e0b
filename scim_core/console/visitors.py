"""Who looks at the console, what they may do, and how it is known that a form is theirs."""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from scim_core.audit_records import Actor
from scim_core.messages import HttpError, ScimRequest, ScimResponse
from scim_core.version import __version__

CONSOLE_PATH = "/console"
"""Where the console is, below the host."""

CSRF_FIELD = "csrf"
"""The field of each form that changes something."""


class VisitorRole(StrEnum):
    """What a visitor may do."""

    VIEWER = "viewer"
    """Look at everything."""
    OPERATOR = "operator"
    """Look, and change the few things that the console can change."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who has come in. `actor` is what the audit trail says of them.

    `secret` is known to the visitor's browser alone, and to whoever signed them in.
    """

    name: str
    role: VisitorRole
    actor: Actor
    secret: bytes = field(repr=False)

    def csrf(self, path: str) -> str:
        """The token that a form to this path carries: nobody else can make it."""
        return urlsafe_b64encode(hmac.digest(self.secret, f"csrf {path}".encode(), hashlib.sha256)).decode()


class Door(Protocol):
    """Says who a request comes from. `sign_in` is the path where somebody signs in again; empty if there is none."""

    @property
    def sign_in(self) -> str:
        """See above."""

    async def admit(self, request: ScimRequest) -> Visitor | ScimResponse:
        """The visitor, or an answer that brings them in. Raises HttpError for everybody else."""


def require_own_form(visitor: Visitor, request: ScimRequest, fields: Mapping[str, str]) -> None:
    """Raises HttpError 403 unless a page of the console, shown to this visitor, has sent the form."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    expected = visitor.csrf(request.path).encode()
    if site != "same-origin" or not hmac.compare_digest(fields.get(CSRF_FIELD, "").encode(), expected):
        raise HttpError(
            403, "This form is not from a page that was shown to you, or it is too old. Go back, reload it."
        )


def require_operator(visitor: Visitor) -> None:
    """Raises HttpError 403 for a visitor who may only look."""
    if visitor.role is not VisitorRole.OPERATOR:
        raise HttpError(403, "You have the role viewer: you can look at everything, and change nothing.")


def actor_of(identity: str, user: str) -> Actor:
    """What the audit trail says of somebody who uses the console of this version."""
    return Actor(identity=identity, tool=f"scim_core.console {__version__}", host="", user=user)
