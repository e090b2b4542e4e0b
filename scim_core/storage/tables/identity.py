"""The identity of this process in Azure: what the platform gives the app, or your own login."""

import os

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError

from scim_core.storage.port import StorageError


def identity(client_id: str | None) -> AsyncTokenCredential:
    """The platform's identity with this client id, or the one that you signed in with. Nothing is sent yet."""
    # Imported here because it takes 200 ms: a start with a connection string does without it.
    from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential  # noqa: PLC0415

    # Not a setting: the platform sets this variable where it provides an identity.
    if "IDENTITY_ENDPOINT" in os.environ:  # noqa: TID251
        return ManagedIdentityCredential(client_id=client_id)
    return DefaultAzureCredential(managed_identity_client_id=client_id)


class Tokens:
    """Access tokens of the identity, for other services than storage. They are kept until shortly before they end."""

    def __init__(self, client_id: str | None) -> None:
        self._client_id = client_id
        self._credential: AsyncTokenCredential | None = None

    async def token(self, scope: str) -> str:
        """A token for this scope. Raises StorageError when the identity gets none."""
        self._credential = self._credential or identity(self._client_id)
        try:
            return (await self._credential.get_token(scope)).token
        except (AzureError, OSError) as error:
            raise StorageError(f"the app's identity gets no token for {scope} ({type(error).__name__})") from None

    async def aclose(self) -> None:
        """Connections are released. A process that serves until its end does not need it."""
        if self._credential is not None:
            await self._credential.close()
