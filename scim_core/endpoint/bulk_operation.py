"""One operation of a bulk: what is known of it before it runs, and its result in the BulkResponse."""

import json
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from scim_core.endpoint.handlers import Call
from scim_core.endpoint.routes import CHANGES, Target
from scim_core.ids import is_id
from scim_core.messages import ScimResponse
from scim_core.model import Json
from scim_core.protocol.bulk_references import in_path
from scim_core.protocol.bulk_request import BulkOperation
from scim_core.protocol.schemas import Catalogue

FIRST_ERROR = 400
"""The lowest status that is an error."""

MAX_PLACE_CHARACTERS = 200
"""Longest path that a result repeats as its location. A path of ours has less than 100."""


@dataclass(slots=True)
class Prepared:
    """An operation, and the call that it is, without its body.

    Of one that is refused before it has a target, it is the call of the bulk. `place` is the URL that its path names,
    empty if it names none. `refers_to` are the bulkIds in its path and its data, `written` the
    unique values in its data.
    """

    operation: BulkOperation
    call: Call
    place: str
    refusal: Exception | None = None
    refers_to: tuple[str, ...] = ()
    written: frozenset[Hashable] = frozenset()

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
        """Where the resource with this id is, or what the path names; None if there is no such place.

        Only a POST that failed has none otherwise (RFC 7644 section 3.7).
        """
        if self.target is not None and is_id(resource_id):
            return self.call.renderer.location(self.call.resource_type.name, resource_id)
        return self.place if self.operation.method != "POST" and self.place else None

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


def place_of(catalogue: Catalogue, base_url: str, path: str) -> str:
    """The URL that the path of an operation names; empty if it is of no resource type, or refers to a bulkId."""
    first, *others = path.split("/")
    resource_type = catalogue.resource_types.get(first.lower())
    if resource_type is None or any(map(in_path, others)) or len(path) > MAX_PLACE_CHARACTERS:
        return ""
    return "/".join(
        [f"{base_url}{resource_type.endpoint}", *(quote(part, safe="", errors="replace") for part in others)]
    )
