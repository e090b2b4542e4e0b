"""A key for access tokens that a setting holds: a private JSON Web Key (RFC 7517)."""

import json
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from jwt.algorithms import ECAlgorithm
from jwt.utils import base64url_decode

from scim_core.access.oauth.thumbprints import encoded, thumbprint
from scim_core.settings import SettingsError

MIN_RSA_BITS = 2048
"""Shortest RSA key (RFC 7518 section 3.3)."""

_WHAT_IT_MUST_BE = (
    "SCIM_SIGNING_KEY must hold a private JSON Web Key, as JSON on one line or in base64url: an elliptic curve key of "
    "P-256, or an RSA key of at least 2048 bits. `python -m scim_core.admin signing-key` makes one. The same goes for "
    "SCIM_SIGNING_KEY_OTHER."
)


class LocalKey:
    """A key whose private part this process holds."""

    def __init__(self, text: str) -> None:
        """Raises SettingsError for a text that is no usable key. The error does not repeat the text."""
        self.key_id, self._private = _private_key(text)
        self._public = _public_key(self._private)

    async def sign(self, claims: dict[str, Any], token_type: str) -> str:
        """The claims as a signed JWT of this `typ`, which names the key in its header (RFC 7515 section 4.1.4)."""
        headers = {"typ": token_type, "kid": self.key_id}
        return jwt.encode(claims, self._private, algorithm=self._private.algorithm_name, headers=headers)

    async def public(self, key_id: str) -> jwt.PyJWK | None:
        """The public key, if this is its id."""
        return self._public if key_id == self.key_id else None


def new_signing_key() -> str:
    """A private key in the form of SCIM_SIGNING_KEY: base64url, which no file and no shell has to quote."""
    members = ECAlgorithm.to_jwk(generate_private_key(SECP256R1()), as_dict=True)
    kept = {name: members[name] for name in ("kty", "crv", "x", "y", "d")}
    return encoded(json.dumps(kept, separators=(",", ":")).encode())


def _private_key(text: str) -> tuple[str, jwt.PyJWK]:
    try:
        members = json.loads(text if text.lstrip().startswith("{") else base64url_decode(text.strip()))
        key_id = thumbprint(members)
        key = jwt.PyJWK({name: value for name, value in members.items() if name != "alg"})
    except (ValueError, TypeError, LookupError, jwt.PyJWTError):
        raise SettingsError(_WHAT_IT_MUST_BE) from None
    if not _strong(key.key):
        raise SettingsError(_WHAT_IT_MUST_BE)
    return key_id, key


def _strong(key: Any) -> bool:
    match key:
        case EllipticCurvePrivateKey():
            return isinstance(key.curve, SECP256R1)
        case RSAPrivateKey():
            return key.key_size >= MIN_RSA_BITS
    return False


def _public_key(key: jwt.PyJWK) -> jwt.PyJWK:
    return jwt.PyJWK(key.Algorithm.to_jwk(key.key.public_key(), as_dict=True), algorithm=key.algorithm_name)
