"""Azure's management API and its logs, with the token of whoever runs the command. Reads only."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import aiohttp

from scim_core.admin.doctor.findings import CannotTell
from scim_core.model import Json
from scim_core.storage.port import StorageError

CALL_SECONDS = 30
"""Longest time of one call. Azure answers within some seconds. A query of logs may take longer than a list."""

MAX_ANSWER_BYTES = 16 * 1024 * 1024
"""Largest answer that is read."""

MAX_PAGES = 20
"""Pages of a list that are read. A page has hundreds of items, and a deployment has some dozens."""

type TokenFor = Callable[[str], Awaitable[str]]
"""An access token for a scope. Raises StorageError when there is none."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """The addresses of one of Azure's clouds. A token for each is asked for, and sent nowhere else."""

    management: str
    logs: str


CLOUDS = {
    "AzureCloud": Cloud("https://management.azure.com", "https://api.loganalytics.io"),
    "AzureUSGovernment": Cloud("https://management.usgovcloudapi.net", "https://api.loganalytics.us"),
    "AzureChinaCloud": Cloud("https://management.chinacloudapi.cn", "https://api.loganalytics.azure.cn"),
}
"""By the names that `az cloud list` has."""


class Management:
    """Calls to one cloud. A path is the id of a resource, or what follows it. Each call names its API version."""

    def __init__(self, cloud: Cloud, token: TokenFor) -> None:
        self._cloud = cloud
        self._token = token

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
        self._session = aiohttp.ClientSession(timeout=timeout, trust_env=True, cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, path: str, version: str) -> Json:
        """The resource. Raises CannotTell."""
        return await self._call("GET", self._url(path, version), self._cloud.management)

    async def found(self, path: str, version: str) -> Json | None:
        """The resource; None when there is none. Raises CannotTell."""
        try:
            return await self.get(path, version)
        except Missing:
            return None

    async def post(self, path: str, version: str) -> Json:
        """What an action of a resource answers that only reads. Raises CannotTell."""
        return await self._call("POST", self._url(path, version), self._cloud.management)

    async def items(self, path: str, version: str, **query: str) -> list[Json]:
        """All items of a list. Raises CannotTell."""
        url, found = self._url(path, version, query), []
        for _ in range(MAX_PAGES):
            page = await self._call("GET", url, self._cloud.management)
            found += [item for item in page.get("value", ()) if isinstance(item, dict)]
            url = page.get("nextLink") or ""
            if not url:
                return found
            if urlsplit(url)[:2] != urlsplit(self._cloud.management)[:2]:
                raise CannotTell("Azure's list goes on at another host. The token is not sent there.", _AGAIN)
        raise CannotTell(f"A list of Azure has more than {MAX_PAGES} pages.", _AGAIN)

    async def rows(self, workspace: str, query: str) -> list[Json]:
        """The rows that a query of this Log Analytics workspace finds, by its columns. Raises CannotTell."""
        url = f"{self._cloud.logs}/v1/workspaces/{workspace}/query"
        answer = await self._call("POST", url, self._cloud.logs, {"query": query})
        try:
            [table, *_] = answer["tables"]
            names = [column["name"] for column in table["columns"]]
            return [dict(zip(names, row, strict=True)) for row in table["rows"]]
        except (KeyError, TypeError, ValueError):
            raise CannotTell("The answer of Log Analytics has no table.", _AGAIN) from None

    def _url(self, path: str, version: str, query: Mapping[str, str] | None = None) -> str:
        return f"{self._cloud.management}{path}?{urlencode({'api-version': version, **(query or {})})}"

    async def _call(self, method: str, url: str, audience: str, sent: Json | None = None) -> Json:
        try:
            token = await self._token(f"{audience}/.default")
        except StorageError:
            raise CannotTell(f"You have no token for {audience}.", _SIGN_IN) from None
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        try:
            async with self._session.request(
                method, url, headers=headers, json=sent, allow_redirects=False
            ) as response:
                status, body = response.status, await _body(response)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            said = f"{audience} did not answer ({type(error).__name__})."
            raise CannotTell(said, "Check the way to it from here: proxy, firewall, DNS.") from None
        document = _document(body)
        if status == 404:  # noqa: PLR2004
            raise Missing(_said(status, url, document), "Check the names of the resource group and the subscription.")
        if status != 200:  # noqa: PLR2004
            raise CannotTell(_said(status, url, document), _remedy(status))
        if not isinstance(document, dict):
            raise CannotTell(f"{audience} answered with something that is no JSON object.", _AGAIN)
        return document


class Missing(CannotTell):
    """Azure knows no such resource."""


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise CannotTell(f"Azure answered with more than {MAX_ANSWER_BYTES} bytes.", _AGAIN)
    return bytes(body)


def _document(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _said(status: int, url: str, document: Any) -> str:
    """The status, what was asked, and the message of the error (error.message, as the management API has it)."""
    error = document.get("error") if isinstance(document, dict) else None
    message = str(error.get("message") or error.get("code") or "")[:500] if isinstance(error, dict) else ""
    return f"Azure answered {status} to {urlsplit(url).path}. {message}".rstrip()


def _remedy(status: int) -> str:
    match status:
        case 401:
            return _SIGN_IN
        case 403:
            return (
                "You need the role Reader on the resource group, Website Contributor on the function app (it lists the "
                "settings), and Log Analytics Reader on the workspace."
            )
    return _AGAIN


_SIGN_IN = "Sign in: az login, with the account and the tenant that the deployment belongs to."
_AGAIN = "Run the command again. If it stays so, look at Azure's status."
