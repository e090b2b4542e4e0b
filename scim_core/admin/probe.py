"""HTTP as a provisioning client sees it: an answer, or a sentence that says why there is none."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import SplitResult, urlsplit

import aiohttp

ANSWER_SECONDS = 30
"""Longest wait for an answer. Entra gives up after 60 seconds. A service that needs over 30 is sometimes too late."""

MAX_ANSWER_BYTES = 4 * 1024 * 1024
"""Largest answer that is read."""


class WrongAnswer(Exception):
    """What is wrong and what to do, in one or two sentences. They hold no credential."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Header names are lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def document(self) -> Any:
        """The body as JSON; None when it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def detail(self) -> str:
        """The text of a SCIM or OAuth error. Empty when there is no text to read."""
        document = self.document
        if not isinstance(document, dict):
            return ""
        return str(document.get("detail") or document.get("error_description") or document.get("error") or "")[:500]


class Probe:
    """Sends requests with one connection pool. Follows no redirect, for Entra does not."""

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        self._session = aiohttp.ClientSession(timeout=timeout, trust_env=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def send(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        """The answer. Raises WrongAnswer when there is none, or when it is a redirect."""
        host = split(url).netloc
        try:
            async with self._session.request(
                method, url, headers=headers, data=body, allow_redirects=False
            ) as response:
                content = await response.content.read(MAX_ANSWER_BYTES)
                found = {name.lower(): value for name, value in response.headers.items()}
                answer = Answer(response.status, found, content)
        except aiohttp.InvalidURL:
            raise WrongAnswer(_NO_URL) from None
        except aiohttp.ClientConnectorDNSError:
            raise WrongAnswer(f"There is no host {host}. Check the Tenant URL for typing errors.") from None
        except aiohttp.ClientSSLError:
            raise WrongAnswer(
                f"The certificate of {host} is not trusted here. Entra will not trust it either."
            ) from None
        except TimeoutError:
            raise WrongAnswer(f"{host} did not answer within {ANSWER_SECONDS} seconds.") from None
        except (aiohttp.ClientError, OSError) as error:
            raise WrongAnswer(f"Nothing answers at {host} ({type(error).__name__}): does the service run?") from None
        if 300 <= answer.status < 400:  # noqa: PLR2004 -- redirects
            where = split(answer.headers.get("location", ""))
            raise WrongAnswer(
                f"{host} redirects to {where.scheme}://{where.netloc}{where.path}, and Entra follows no redirect. "
                "Enter the address that answers without one."
            )
        return answer


def split(url: str) -> SplitResult:
    """The parts of a URL. Raises WrongAnswer when it is none."""
    try:
        return urlsplit(url)
    except ValueError:
        raise WrongAnswer(_NO_URL) from None


def explain(answer: Answer, what: str) -> WrongAnswer:  # noqa: PLR0911 -- a table of cases
    """What an unexpected answer means. `what` is what was tried."""
    said = f" It says: {answer.detail}" if answer.detail else ""
    match answer.status:
        case 401:
            return WrongAnswer(f"The credential was refused (401).{said}")
        case 403:
            return WrongAnswer(f"The credential is known, but it may not be used (403).{said}" if said else _FORBIDDEN)
        case 404:
            return WrongAnswer(f"There is nothing at this address (404): a Tenant URL ends with /scim/v2.{said}")
        case 429:
            wait = answer.headers.get("retry-after", "some")
            return WrongAnswer(f"Too many requests (429): wait {wait} seconds and try again.{said}")
    if answer.status >= 500:  # noqa: PLR2004 -- the server's errors
        return WrongAnswer(f"The service failed ({answer.status}) when asked to {what}.{said}")
    if "html" in answer.headers.get("content-type", ""):
        return WrongAnswer(
            f"The answer is a web page ({answer.status}) and not SCIM: is this the address of a SCIM endpoint?"
        )
    return WrongAnswer(f"The service answered {answer.status} when asked to {what}.{said}")


_NO_URL = "This is no URL: it must look like https://scim.example.com/scim/v2."
_FORBIDDEN = "Access is forbidden (403), but not by the SCIM endpoint: is a firewall or gateway in front of it?"
