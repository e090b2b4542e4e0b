"""The deployment's one master secret, and the keys that are derived from it: one for each purpose (RFC 5869)."""

MASTER_KEY_BYTES = 32
"""Length of the secret, and of each key: as many bytes as SHA-256 makes."""


class MasterKey:
    """Holds the secret, and shows it nowhere. Who has one of its keys can tell neither the secret nor another key."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def derived(self, purpose: str) -> bytes:
        """The key of 32 bytes for this purpose, always the same one. Name the purpose with the key's version."""
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 -- a cold start derives no key
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415 -- as above

        return HKDF(SHA256(), MASTER_KEY_BYTES, salt=None, info=purpose.encode()).derive(self._secret)
