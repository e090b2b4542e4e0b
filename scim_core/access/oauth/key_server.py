"""Fetches a JSON Web Key Set over HTTP and trusts its server little: RFC 7517, RFC 8725 section 3.10."""

import asyncio
import json
from typing import Any

import aiohttp

FETCH_SECONDS = 5
"""Longest time of a whole fetch. Entra's key server answers within tenths of a second."""

MAX_KEY_SET_BYTES = 256 * 1024
"""Largest key set. Entra's has eight keys, in 12 KB."""


class KeyServerError(Exception):
    """The key server gave no key set. The text says why. It repeats no content from the server."""


async def fetch_key_set(url: str) -> Any:
    """The JSON document at this URL. No redirect is followed. Raises KeyServerError."""
    timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS)
    try:
        # Fetches are hours apart. A new session for each one keeps no connection open and is tied to no event loop.
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.get(url, allow_redirects=False, headers={"Accept": "application/json"}) as response,
        ):
            return _document(await _body(response))
    except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, OSError) as error:
        raise KeyServerError(f"the key server did not answer ({type(error).__name__})") from None


async def _body(response: aiohttp.ClientResponse) -> bytes:
    if response.status != 200:  # noqa: PLR2004
        raise KeyServerError(f"the key server answered {response.status}")
    if "json" not in response.content_type:
        raise KeyServerError("the key server answered with something that is not JSON")
    body = bytearray()
    async for chunk in response.content.iter_chunked(16 * 1024):
        body += chunk
        if len(body) > MAX_KEY_SET_BYTES:
            raise KeyServerError(f"the key server answered with more than {MAX_KEY_SET_BYTES} bytes")
    return bytes(body)


def _document(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise KeyServerError("the key server answered with something that is not JSON") from None
