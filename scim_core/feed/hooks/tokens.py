"""Security event tokens (RFC 8417), signed with ES256, and the keys by which receivers verify them.

No key is stored. Each is derived from the deployment's master secret, the hook's id, and a number that grows with each
rotation. So the next key can be published before it signs, and a receiver that keeps the published keys for a while
meets no unknown one.
"""

from datetime import datetime
from itertools import count
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, derive_private_key
from jwt.algorithms import ECAlgorithm

from scim_core.clock import instant_text
from scim_core.master_key import MasterKey
from scim_core.model import Json
from scim_core.storage.hook_port import Hook

ALGORITHM = "ES256"
"""P-256 and SHA-256. Every library for JWTs has it, and its signature is short."""

TYPE = "secevent+jwt"
"""The `typ` that tells a security event token from other JWTs (RFC 8417 section 2.3)."""

_PUBLIC = ("kty", "crv", "x", "y")


def signed(master: MasterKey, hook: Hook, claims: Json) -> bytes:
    """The claims as a token, signed with the newest key of the hook, which the header names."""
    headers = {"typ": TYPE, "kid": _key_id(hook, hook.secret)}
    return jwt.encode(claims, _key(master, hook, hook.secret), algorithm=ALGORITHM, headers=headers).encode()


def public_keys(master: MasterKey, hook: Hook, now: datetime) -> list[dict[str, Any]]:
    """The JSON Web Keys (RFC 7517) of a hook: the one that signs, the next one, and the former one while it is good."""
    former = [hook.secret - 1] if instant_text(now) < hook.former_until else []
    return [_public(master, hook, number) for number in (hook.secret, hook.secret + 1, *former)]


def _public(master: MasterKey, hook: Hook, number: int) -> dict[str, Any]:
    members = ECAlgorithm.to_jwk(_key(master, hook, number).public_key(), as_dict=True)
    told = {name: members[name] for name in _PUBLIC}
    return told | {"use": "sig", "alg": ALGORITHM, "kid": _key_id(hook, number)}


def _key_id(hook: Hook, number: int) -> str:
    return f"{hook.id}.{number}"


def _key(master: MasterKey, hook: Hook, number: int) -> EllipticCurvePrivateKey:
    """The private key of this number. Each number of the curve is as likely as another: what is none is not taken."""
    curve = SECP256R1()
    purposes = (f"scim hook {hook.id} token key {number} attempt {attempt} v1" for attempt in count())
    values = (int.from_bytes(master.derived(purpose)) for purpose in purposes)
    return derive_private_key(next(value for value in values if 0 < value < curve.group_order), curve)
