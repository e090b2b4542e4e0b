"""One operation of a bulk: what is known of it before it runs, and its result in the BulkResponse."""

import json
from dataclasses import dataclass
from typing import Any

from scim_core.endpoint.handlers import Call
from scim_core.endpoint.routes import CHANGES, Target
from scim_core.ids import is_id
from scim_core.messages import ScimResponse
from scim_core.model import Json
from scim_core.protocol.bulk_request import BulkOperation

FIRST_ERROR = 400
"""The lowest status that is an error."""


@dataclass(slots=True)
class Prepared:
    """An operation, and the call that it is, without its body.

    Of one that is refused before it has a target, it is the call of the bulk. `refers_to` are the bulkIds in its path
    and its data.
    """

    operation: BulkOperation
    call: Call
    refusal: Exception | None = None
    refers_to: tuple[str, ...] = ()

    @property
    def target(self) -> Target | None:
        """What the operation is about; None if it is refused before that is known."""
        return self.call.target if self.call.target.handler in CHANGES else None

    @property
    def named(self) -> str:
        """The id in its path, or the reference there; empty if there is none."""
        return self.target.id if self.target is not None else ""

    @property
    def data(self) -> str:
        """The body of the request that the operation is. A bare array in a PATCH is its Operations (erratum 5050)."""
        data = self.operation.data
        return f'{{"Operations":{data}}}' if self.operation.method == "PATCH" and data.startswith("[") else data

    def location(self, resource_id: str) -> str | None:
        """Where the resource with this id is; None if there is no such place."""
        if self.target is None or not is_id(resource_id):
            return None
        return self.call.renderer.location(self.call.resource_type.name, resource_id)

    def result(self, response: ScimResponse, resource_id: str) -> Json:
        """The operation's element of the answer (RFC 7644 section 3.7): status and, for an error, its body."""
        operation, failed = self.operation, response.status >= FIRST_ERROR
        shown: dict[str, Any] = {
            "method": operation.method,
            "bulkId": operation.bulk_id,
            "version": response.headers.get("ETag"),
            "location": self.location(resource_id),
            "status": str(response.status),
            "response": json.loads(response.body) if failed else None,
        }
        return {name: value for name, value in shown.items() if value}
