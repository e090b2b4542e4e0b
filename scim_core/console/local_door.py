"""The door of the console on the operator's own machine: a link that works once, then a cookie of this browser."""

import hmac
from collections.abc import Collection

from scim_core.console.visitors import CONSOLE_PATH, Visitor
from scim_core.messages import HttpError, ScimRequest, ScimResponse
from scim_core.pages.answers import see_other
from scim_core.pages.forms import cookie, query_fields

ENTRY_PATH = f"{CONSOLE_PATH}/enter"
"""Where the link leads that the command prints."""

KEY_FIELD = "key"


class LocalDoor:
    """Lets in whoever has the link, once, and then the browser that used it.

    `hosts` are the names under which this server is meant: a page of another name that resolves to this machine (DNS
    rebinding) gets nothing. `cookie_name` is different for each port, because browsers keep one jar for all ports.
    """

    sign_in = ""

    def __init__(self, visitor: Visitor, *, key: str, session: str, hosts: Collection[str], cookie_name: str) -> None:
        self._visitor = visitor
        self._key = key
        self._session = session
        self._hosts = frozenset(hosts)
        self._cookie_name = cookie_name

    async def admit(self, request: ScimRequest) -> Visitor | ScimResponse:
        """See Door.admit."""
        if request.headers.get("host", "").lower() not in self._hosts:
            raise HttpError(421, "This console answers only to its own name on this machine.")
        if request.path == ENTRY_PATH and request.method == "GET":
            return self._entered(request)
        if not hmac.compare_digest(cookie(request, self._cookie_name).encode(), self._session.encode()):
            raise HttpError(
                401, "Open the link that the command printed. It works once; start the command again for another."
            )
        return self._visitor

    def _entered(self, request: ScimRequest) -> ScimResponse:
        given = query_fields(request).get(KEY_FIELD, "")
        if not self._key or not hmac.compare_digest(given.encode(), self._key.encode()):
            raise HttpError(401, "This link was used before, or is not whole. Start the command again for another.")
        self._key = ""
        kept = f"{self._cookie_name}={self._session}; Path={CONSOLE_PATH}; HttpOnly; SameSite=Strict"
        return see_other(CONSOLE_PATH, Set_Cookie=kept)
