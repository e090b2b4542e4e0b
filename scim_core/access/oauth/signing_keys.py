"""The keys for access tokens. The first one signs, and all of them verify."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from scim_core.access.oauth.vault import VaultCall
from scim_core.clock import Clock, Timer

if TYPE_CHECKING:
    import jwt


class SigningKey(Protocol):
    """A key that a setting holds, or that the setting names in a vault. Raises HttpError 503 if the vault is silent."""

    async def sign(self, claims: dict[str, Any], token_type: str) -> str:
        """The claims as a signed JWT of this `typ`."""

    async def public(self, key_id: str) -> "jwt.PyJWK | None":
        """The public key of this id. None if the id is not of this key."""


class SigningKeys:
    """A key that signs, and a second one for verification: the previous key or the next one."""

    def __init__(self, keys: Sequence[SigningKey], compared: Sequence[SigningKey]) -> None:
        """The first of the `keys` signs. `compared` are all of them, in the order in which a key id is looked for."""
        self._signing = keys[0]
        self._all = compared

    async def sign(self, claims: dict[str, Any], token_type: str) -> str:
        """See SigningKey.sign, by the first key."""
        return await self._signing.sign(claims, token_type)

    async def public(self, key_id: str) -> "jwt.PyJWK | None":
        """See SigningKey.public, of any of the keys."""
        for key in self._all:
            found = await key.public(key_id)
            if found is not None:
                return found
        return None


def signing_keys(texts: Sequence[str], call: VaultCall, clock: Clock, timer: Timer) -> SigningKeys:
    """The keys that these settings hold or name. Nothing is fetched yet. Raises SettingsError for an unusable text."""
    from scim_core.access.oauth.local_key import LocalKey  # noqa: PLC0415 -- only a registry needs them, and PyJWT
    from scim_core.access.oauth.vault_key import VaultKey  # noqa: PLC0415

    keys: list[SigningKey] = [
        VaultKey(text, call, clock, timer) if text.startswith("https://") else LocalKey(text) for text in texts
    ]
    # A key of a setting is compared first: it costs no call.
    return SigningKeys(keys, sorted(keys, key=lambda key: isinstance(key, VaultKey)))
