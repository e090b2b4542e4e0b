"""Signed JSON Web Tokens. One function verifies them, and states every option (RFC 7519, RFC 8725)."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NewType

if TYPE_CHECKING:
    import jwt
    from jwt.types import Options

VerifiedClaims = NewType("VerifiedClaims", dict[str, Any])
"""The claims of a token whose signature, times, issuer and audience have been verified."""

CLOCK_SKEW_SECONDS = 60
"""How far an issuer's clock may differ from ours. Clocks of virtual machines differ by a second, others by more."""

MAX_KEY_ID_CHARACTERS = 200
"""Longest key id that is looked up. Entra's and ours have at most 43 characters."""

MAX_INSTANT = 2**53
"""Later than every real instant. Python's JSON reads NaN and Infinity as numbers, and comparisons with NaN fail."""

_REQUIRED = ("iss", "aud", "iat", "nbf", "exp")


class TokenRefused(Exception):
    """The token is not good. The text ends a sentence for an administrator. It repeats no part of the token."""


@dataclass(frozen=True, slots=True)
class Unverified:
    """What a token says before it is verified. Use it only to choose the key that verifies the token."""

    algorithm: str
    key_id: str
    type: str
    claims: dict[str, Any]

    def text(self, claim: str) -> str:
        """The claim if it is a string, else an empty string."""
        value = self.claims.get(claim)
        return value if isinstance(value, str) else ""


def looks_like_jwt(token: str) -> bool:
    """Whether the text has the three parts of a signed JWT."""
    return token.count(".") == 2 and token.startswith("ey")  # noqa: PLR2004


def read(token: str) -> Unverified:
    """What the token says, unverified. Raises TokenRefused when it is no JWT, is not signed or names no key."""
    import jwt  # noqa: PLC0415 -- without a registry no process needs it

    try:
        header = jwt.get_unverified_header(token)
        claims = jwt.decode(token, options=_options(verify_signature=False, require=[]))
    except (jwt.InvalidTokenError, UnicodeEncodeError):
        raise TokenRefused("is no JSON Web Token") from None
    key_id = header.get("kid")
    if not isinstance(key_id, str) or not 0 < len(key_id) <= MAX_KEY_ID_CHARACTERS:
        raise TokenRefused("does not say which key signed it (kid)")
    return Unverified(str(header.get("alg", "")), key_id, str(header.get("typ", "")), claims)


def verified(
    token: str,
    key: "jwt.PyJWK",
    *,
    algorithm: str,
    issuer: str,
    audiences: Collection[str],
    required: Collection[str],
    now: datetime,
) -> VerifiedClaims:
    """The claims of a token that this key signed with this algorithm, for one of the audiences, and valid now.

    The claims iss, aud, iat, nbf and exp must be there. So must the `required` ones, as text. Raises TokenRefused.
    """
    import jwt  # noqa: PLC0415 -- as above

    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            issuer=issuer,
            options=_options(verify_signature=True, require=[*_REQUIRED, *required]),
        )
    except jwt.MissingRequiredClaimError as error:
        raise TokenRefused(f"lacks the claim {error.claim}") from None
    except jwt.InvalidAlgorithmError:
        raise TokenRefused(f"is not signed with {algorithm}") from None
    except jwt.InvalidIssuerError:
        raise TokenRefused("comes from another issuer (iss)") from None
    except jwt.PyJWTError:
        raise TokenRefused("has a signature that does not fit") from None
    _check_audience(claims["aud"], audiences)
    _check_times(claims, now.timestamp())
    for claim in required:
        if not isinstance(claims[claim], str) or not claims[claim]:
            raise TokenRefused(f"has a claim {claim} that is no text")
    return VerifiedClaims(claims)


def _options(*, verify_signature: bool, require: list[str]) -> "Options":
    return {
        "verify_signature": verify_signature,
        "require": require,
        "verify_iss": verify_signature,
        # _check_times checks these three: PyJWT reads the machine's clock, and our clock is an argument.
        "verify_exp": False,
        "verify_nbf": False,
        "verify_iat": False,
        # _check_audience checks it: PyJWT's strict mode takes one audience only, its lax mode accepts lists.
        "verify_aud": False,
        "strict_aud": False,
        # Each caller compares the subject itself. A caller that needs jti requires it as text.
        "verify_sub": verify_signature,
        "verify_jti": verify_signature,
        "enforce_minimum_key_length": True,
    }


def _check_audience(audience: Any, audiences: Collection[str]) -> None:
    if not isinstance(audience, str) or audience not in audiences:
        raise TokenRefused("is meant for another audience (aud)")


def _check_times(claims: dict[str, Any], now: float) -> None:
    for claim in ("iat", "nbf", "exp"):
        value = claims[claim]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < MAX_INSTANT:
            raise TokenRefused(f"has a claim {claim} that is no instant")
    if now >= claims["exp"] + CLOCK_SKEW_SECONDS:
        raise TokenRefused("has expired")
    if max(claims["nbf"], claims["iat"]) > now + CLOCK_SKEW_SECONDS:
        raise TokenRefused("is not valid yet")
