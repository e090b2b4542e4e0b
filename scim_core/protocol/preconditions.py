"""Conditional requests: If-Match and If-None-Match against a resource's version (RFC 7644 section 3.14, RFC 9110)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from scim2_models import PreconditionFailedException

_ENTITY_TAG = re.compile(r'(?:W/)?"([^"]*)"')


@dataclass(frozen=True, slots=True)
class Preconditions:
    """The versions that a client names in If-Match and If-None-Match. None: it sent no such header. *: any version."""

    match: frozenset[str] | None = None
    none_match: frozenset[str] | None = None

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> "Preconditions":
        """The conditions of a request. Tags compare weakly, because SCIM's are weak in the RFC's own example."""
        return cls(match=_versions(headers.get("if-match")), none_match=_versions(headers.get("if-none-match")))

    def matches(self, version: str) -> bool:
        """Whether If-Match, if there is one, names this version."""
        return _holds(self.match, version, absent=True)

    def require(self, version: str) -> None:
        """A resource of this version may be changed: If-Match names it, and If-None-Match does not.

        Raises PreconditionFailedException otherwise.
        """
        if not self.matches(version):
            raise PreconditionFailedException(
                detail="The resource has changed: its version is no longer the one that If-Match names. Read it again."
            )
        if self.unchanged(version):
            raise PreconditionFailedException(
                detail="If-None-Match names the version that the resource has, and * names any. Send If-Match instead, "
                "or no condition."
            )

    def unchanged(self, version: str) -> bool:
        """Whether If-None-Match names this version. A GET is then answered with 304."""
        return _holds(self.none_match, version, absent=False)


def _holds(versions: frozenset[str] | None, version: str, *, absent: bool) -> bool:
    if versions is None:
        return absent
    return "*" in versions or version in versions


def _versions(header: str | None) -> frozenset[str] | None:
    if header is None or not header.strip():
        return None
    return frozenset({"*"}) if header.strip() == "*" else frozenset(_ENTITY_TAG.findall(header) or [header.strip()])
