"""Queues of Azure Storage: one call, which puts a message. Its REST interface is used as it is (ADR 0069)."""

import base64
import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.utils import format_datetime
from hashlib import sha256
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

import aiohttp

from scim_core.clock import Clock
from scim_core.settings import StorageSettings
from scim_core.storage.port import StorageError
from scim_core.storage.tables.identity import Tokens

API_VERSION = "2021-12-02"
"""The version of the service's interface: one that Azurite knows, too."""

SCOPE = "https://storage.azure.com/.default"
"""What a token for queues must be for."""

_DEVELOPMENT = {
    "accountname": "devstoreaccount1",
    "accountkey": "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
    "queueendpoint": "http://127.0.0.1:10001/devstoreaccount1",
}
"""What UseDevelopmentStorage=true stands for. The key is in Microsoft's documentation, and opens Azurite alone."""

type QueueToken = Callable[[str], Awaitable[str]]
"""An access token for a scope. Raises StorageError."""


@dataclass(frozen=True, slots=True)
class QueueAccount:
    """Where queues are: an URL without a slash at the end. With a `key` calls are signed; else they have a token."""

    url: str
    name: str = ""
    key: bytes | None = None


def queue_account(settings: StorageSettings, url: str | None) -> QueueAccount | None:
    """The account of this URL, or of the connection string. None: neither names one."""
    if url:
        return QueueAccount(url)
    told = _parts(settings.storage_connection or "")
    if "queueendpoint" not in told or "accountkey" not in told:
        return None
    return QueueAccount(told["queueendpoint"].rstrip("/"), told["accountname"], base64.b64decode(told["accountkey"]))


def queues_of(settings: StorageSettings, url: str | None, clock: Clock) -> "Queues | None":
    """The queues of this account, or of that of the connection string; None if there is neither. Nothing is sent."""
    account = queue_account(settings, url)
    return Queues(account, Tokens(settings.storage_identity_client_id).token, clock) if account else None


class Queues:
    """The queues of one account. No connection is kept: a doorbell rings now and then."""

    def __init__(self, account: QueueAccount, token: QueueToken, clock: Clock) -> None:
        self._account = account
        self._token = token
        self._clock = clock

    async def put(self, queue: str, content: bytes) -> int:
        """The status with which the queue of this name answered to one more message. Raises StorageError."""
        url = f"{self._account.url}/{queue}/messages"
        message = f"<QueueMessage><MessageText>{escape(content.decode())}</MessageText></QueueMessage>".encode()
        headers = {
            "Content-Type": "application/xml",
            "x-ms-date": format_datetime(self._clock(), usegmt=True),
            "x-ms-version": API_VERSION,
        }
        headers["Authorization"] = await self._authorization(url, headers, len(message))
        try:
            async with (
                aiohttp.ClientSession(trust_env=False, cookie_jar=aiohttp.DummyCookieJar()) as session,
                session.post(url, data=message, headers=headers, allow_redirects=False) as response,
            ):
                return response.status
        except (aiohttp.ClientError, OSError) as error:
            raise StorageError(f"the queues did not answer, {type(error).__name__}") from None

    async def _authorization(self, url: str, headers: Mapping[str, str], length: int) -> str:
        if self._account.key is None:
            return f"Bearer {await self._token(SCOPE)}"
        of_storage = [f"{name}:{headers[name]}" for name in ("x-ms-date", "x-ms-version")]
        fixed = ["POST", "", "", str(length), "", headers["Content-Type"], *[""] * 6]
        text = "\n".join([*fixed, *of_storage, f"/{self._account.name}{urlsplit(url).path}"])
        signature = base64.b64encode(hmac.digest(self._account.key, text.encode(), sha256)).decode()
        return f"SharedKey {self._account.name}:{signature}"


def _parts(connection: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in connection.split(";") if part.strip()]
    told = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return _DEVELOPMENT if told.get("usedevelopmentstorage", "").lower() == "true" else told
