"""The connection to Table Storage: its credential, its transport, and how long it may take."""

import base64
import json
from dataclasses import dataclass

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline.transport import AioHttpTransport
from azure.data.tables.aio import TableClient

from scim_core.settings import StorageSettings
from scim_core.storage.tables.errors import translated
from scim_core.storage.tables.identity import identity
from scim_core.version import __version__

CALL_SECONDS = 10
"""Longest time of one call with its repetitions. Three such calls end well before a client gives up, after 60 s."""

CONNECT_SECONDS = 2
"""Longest time of one attempt to connect."""

READ_SECONDS = 5
"""Longest silence of the service within one attempt. It usually answers in milliseconds. A second attempt has time."""

RETRIES = 3
"""Repetitions of an attempt that failed."""

BACKOFF_SECONDS = 0.2
"""The first repetition comes at once. The second one waits 2 times this, the third one 4 times."""

USER_AGENT = f"scim/{__version__}"
"""How the service names itself to the storage. The SDK's own name has that of the platform in it: to learn that, Python
starts a process, while the first request waits."""

_STORAGE_SCOPE = "https://storage.azure.com/.default"
_NAMING = ("upn", "unique_name", "appid", "oid", "tid")
"""Claims that name who is signed in: a person, or an application; then its object and its tenant in Entra."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A client of one table and what it was opened with. It belongs to the event loop of its first call."""

    table: TableClient
    transport: AioHttpTransport
    credential: AsyncTokenCredential | None = None

    async def close(self) -> None:
        """No socket is left open."""
        await self.table.close()
        if self.credential is not None:
            await self.credential.close()


def connect(settings: StorageSettings) -> Connection:
    """A connection to the settings' table; nothing is sent yet."""
    # 40 % of the processor time of a call went into looking for proxies and .netrc. The transport's own limit of 100
    # connections is twice what one operation uses side by side.
    transport = AioHttpTransport(use_env_settings=False, connection_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS)
    options = {
        "transport": transport,
        "retry_total": RETRIES,
        "retry_backoff_factor": BACKOFF_SECONDS,
        "base_user_agent": USER_AGENT,
    }
    if settings.storage_connection:
        table = TableClient.from_connection_string(settings.storage_connection, settings.table_name, **options)
        return Connection(table, transport)
    credential = identity(settings.storage_identity_client_id)
    url = settings.storage_account_url or ""
    return Connection(TableClient(url, settings.table_name, credential=credential, **options), transport, credential)


async def signed_in(settings: StorageSettings) -> str:
    """Who is signed in to Azure, as the token for the storage says: name, object id and tenant. Raises StorageBusy.

    A connection string names nobody. It is then said that there is one.
    """
    connection = connect(settings)
    try:
        if connection.credential is None:
            return "connection string"
        with translated():
            token = await connection.credential.get_token(_STORAGE_SCOPE)
    finally:
        await connection.close()
    return named_identity(token.token)


def named_identity(token: str) -> str:
    """The identity that an access token of Entra names. The token is the caller's own, so no signature is checked."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        found = {name: str(claims[name]) for name in _NAMING if claims.get(name)}
    except (IndexError, ValueError, AttributeError, TypeError):
        found = {}
    return " ".join(f"{name}={value}" for name, value in found.items()) or "an identity that its token does not name"
