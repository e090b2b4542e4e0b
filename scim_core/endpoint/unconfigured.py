"""What answers where the settings or the schema files are unusable: nothing is opened, and the log says why."""

import json
import logging

from scim_core.clock import Timer
from scim_core.endpoint.error_responses import ERROR_URN
from scim_core.messages import ScimRequest, ScimResponse

LOG_SECONDS = 60
"""Shortest time between two log records of the cause. Any stranger can send requests."""

RETRY_AFTER_SECONDS = 60
"""When a client should come back: an operator has to act first."""

log = logging.getLogger(__name__)


class Unconfigured:
    """Takes the place of the endpoint. `cause` is the sentence that names the setting or the file."""

    def __init__(self, cause: str, timer: Timer) -> None:
        self._cause = cause
        self._timer = timer
        self._logged: float | None = None

    async def handle(self, request: ScimRequest) -> ScimResponse:  # noqa: ARG002 -- as Endpoint.handle
        """503, without a detail: a stranger learns nothing of the settings. The log gets the cause, once a minute.

        The host drops what is logged before the first call, so it cannot be logged when the app starts.
        """
        now = self._timer()
        if self._logged is None or now - self._logged >= LOG_SECONDS:
            self._logged = now
            log.critical("the app does not serve: %s", self._cause)
        body = json.dumps({"schemas": [ERROR_URN], "status": "503"}).encode()
        headers = {"Content-Type": "application/scim+json", "Retry-After": str(RETRY_AFTER_SECONDS)}
        return ScimResponse(503, headers, body)
