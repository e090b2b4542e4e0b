"""The id of a key, which is made of its public part alone (RFC 7638)."""

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

_PUBLIC = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n")}
"""The public members from which a key's thumbprint is made, in their order (RFC 7638 section 3.2)."""


def thumbprint(members: Mapping[str, Any]) -> str:
    """The thumbprint of a JSON Web Key: 43 characters. Raises LookupError for a key of another kind."""
    public = {name: members[name] for name in _PUBLIC[members["kty"]]}
    return encoded(hashlib.sha256(json.dumps(public, separators=(",", ":")).encode()).digest())


def encoded(content: bytes) -> str:
    """The bytes in base64url without padding (RFC 7515 section 2)."""
    return urlsafe_b64encode(content).rstrip(b"=").decode()
