"""The SCIM client that scim2-tester drives, over HTTP."""

from typing import Any

import httpx
from scim2_client import BaseSyncSCIMClient


class ScimClient(BaseSyncSCIMClient):
    """Sends its requests with an HTTP client whose base URL is that of the SCIM endpoint."""

    def __init__(self, http: httpx.Client) -> None:
        super().__init__()
        self._http = http

    def request(self, method: str, url: str, **kwargs: Any) -> httpx.Response:
        """The endpoint's answer; `kwargs` are httpx's."""
        return self._http.request(method, url, **kwargs)
