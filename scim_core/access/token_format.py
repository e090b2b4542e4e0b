"""Static tokens and client secrets: how they are made, and what their text alone tells.

    scim_<43 characters: 256 random bits><6 characters: CRC-32>      a token; scim_secret_... is a client secret,
                                                                     scim_setup_... opens a setup page once

Digits are base62. The prefix lets secret scanners find a leak. The checksum tells a typing error from an unknown token
without a look-up. The checksum is no protection: the 256 bits are.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib
from enum import StrEnum

RANDOM_BYTES = 32
"""256 bits: nobody can guess them, so a plain SHA-256 of the token can be stored."""

TOKEN_PREFIX = "scim_"  # noqa: S105 -- the public part of every token
SECRET_PREFIX = "scim_secret_"  # noqa: S105 -- likewise

SETUP_PREFIX = "scim_setup_"
"""What the secret of a setup link begins with."""

MAX_SECRET_CHARACTERS = 200
"""Longest client secret that is read. Ours have 61 characters."""

NO_SHA256 = "0" * 64
"""What the secret of an unknown client is compared with, so that it takes the same time as a known client's."""

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM_DIGITS = 43  # 62 ** 43 > 2 ** 256
_CHECKSUM_DIGITS = 6  # 62 ** 6 > 2 ** 32
_BODY = re.compile(rf"[0-9A-Za-z]{{{_RANDOM_DIGITS + _CHECKSUM_DIGITS}}}")


class Form(StrEnum):
    """What the text of a secret tells about itself."""

    OURS = "ours"
    """It has our prefix and its checksum fits. It was issued here, or somebody computed the checksum."""
    MISTYPED = "mistyped"
    """It has our prefix, and a character of it is missing, added or wrong."""
    FOREIGN = "foreign"
    """It has another form."""


def new_token() -> str:
    """A bearer token that nobody has seen yet."""
    return _new(TOKEN_PREFIX)


def new_secret() -> str:
    """A client secret that nobody has seen yet."""
    return _new(SECRET_PREFIX)


def new_setup_secret() -> str:
    """The secret of a setup link, or of the session that it is exchanged for, that nobody has seen yet."""
    return _new(SETUP_PREFIX)


def new_identifier() -> str:
    """A short id for a client or a credential: 64 random bits. It is no secret."""
    return secrets.token_hex(8)


def form(text: str) -> Form:
    """Whether this looks like one of ours. Costs no look-up."""
    prefix = _prefix(text)
    if prefix is None:
        return Form.FOREIGN
    body = text.removeprefix(prefix)
    fits = _BODY.fullmatch(body) is not None and body[_RANDOM_DIGITS:] == _checksum(prefix, body[:_RANDOM_DIGITS])
    return Form.OURS if fits else Form.MISTYPED


def is_cut(text: str) -> bool:
    """Whether this is mistyped because characters at its end are missing."""
    prefix = _prefix(text)
    return prefix is not None and len(text) < len(prefix) + _RANDOM_DIGITS + _CHECKSUM_DIGITS


def digest(text: str) -> str:
    """The SHA-256 of a token or secret, in hexadecimal. It is stored, and the token is found by it."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def matching(text: str, known: list[str]) -> list[int]:
    """The indexes of the known values that equal the SHA-256 of the text. It always compares with all of them."""
    own = digest(text)
    matches = [hmac.compare_digest(own, item) for item in known or [NO_SHA256]]
    return [index for index, match in enumerate(matches) if match and known]


def _prefix(text: str) -> str | None:
    return next((item for item in (SECRET_PREFIX, SETUP_PREFIX, TOKEN_PREFIX) if text.startswith(item)), None)


def _new(prefix: str) -> str:
    body = _base62(int.from_bytes(secrets.token_bytes(RANDOM_BYTES)), _RANDOM_DIGITS)
    return f"{prefix}{body}{_checksum(prefix, body)}"


def _checksum(prefix: str, body: str) -> str:
    return _base62(zlib.crc32(f"{prefix}{body}".encode()), _CHECKSUM_DIGITS)


def _base62(number: int, digits: int) -> str:
    text = ""
    for _ in range(digits):
        number, digit = divmod(number, len(_DIGITS))
        text = _DIGITS[digit] + text
    return text
