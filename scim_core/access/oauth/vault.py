"""Calls to Azure Key Vault over its REST interface, with a token of the app's identity."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from scim_core.access.oauth.key_server import KeyServerError

CALL_SECONDS = 5
"""Longest time of one call. A vault in the same region answers within a tenth of a second."""

MAX_ANSWER_BYTES = 64 * 1024
"""Largest answer. A page of 25 versions has less than 10 KB."""

RETRY_AFTER_SECONDS = 5
"""When a client should come back, if the vault does not say it."""

MAX_RETRY_AFTER_SECONDS = 60
"""Longest pause that is passed on to a client. A vault counts its calls for 10 seconds."""

type VaultCall = Callable[[str, str, Mapping[str, str] | None], Awaitable[Any]]
"""Method, URL, JSON to send; answers JSON, or raises VaultError."""

type Token = Callable[[str], Awaitable[str]]
"""An access token for a scope, or VaultError."""


class VaultError(KeyServerError):
    """The vault did not do what it was asked. The text says why. It repeats no content from the vault."""

    def __init__(self, text: str, retry_after: int = RETRY_AFTER_SECONDS) -> None:
        self.retry_after = retry_after
        super().__init__(text)


class Vault:
    """Every vault that the app's identity has a role in."""

    def __init__(self, token: Token) -> None:
        self._token = token

    async def __call__(self, method: str, url: str, sent: Mapping[str, str] | None = None) -> Any:
        """The JSON that answers this call. No redirect is followed. Raises VaultError."""
        headers = {"Authorization": f"Bearer {await self._token(scope(url))}", "Accept": "application/json"}
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
        try:
            # A client needs one signature an hour. So no connection is kept open, and none is tied to an event loop.
            async with (
                aiohttp.ClientSession(timeout=timeout, trust_env=False, cookie_jar=aiohttp.DummyCookieJar()) as session,
                session.request(method, url, json=sent, allow_redirects=False, headers=headers) as response,
            ):
                return await _document(response)
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, OSError) as error:
            raise VaultError(f"the key vault did not answer ({type(error).__name__})") from None


def scope(url: str) -> str:
    """What a token for this vault must be for: the vault's domain, which is another one in each of Azure's clouds."""
    return f"https://{(urlsplit(url).hostname or '').partition('.')[2]}/.default"


async def _document(response: aiohttp.ClientResponse) -> Any:
    if response.status != 200:  # noqa: PLR2004
        raise VaultError(_refusal(response.status), _pause(response.headers.get("Retry-After", "")))
    body = bytearray()
    async for chunk in response.content.iter_chunked(16 * 1024):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise VaultError(f"the key vault answered with more than {MAX_ANSWER_BYTES} bytes")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise VaultError("the key vault answered with something that is not JSON") from None


def _refusal(status: int) -> str:
    match status:
        case 401 | 403:
            return (
                f"the key vault answered {status}: the app's identity lacks a role on the key that reads and signs, "
                "such as Key Vault Crypto User, or the vault's network is closed to it"
            )
        case 404:
            return "the key vault answered 404: it has no key of the name that the setting gives"
    return f"the key vault answered {status}"


def _pause(text: str) -> int:
    """The seconds of a Retry-After, within reason."""
    said = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else RETRY_AFTER_SECONDS  # noqa: PLR2004
    return min(max(said, 1), MAX_RETRY_AFTER_SECONDS)
