"""Answers as bytes. Representations are made and written in pieces, so that no piece takes long (ADR 0014)."""

import json
from collections.abc import Sequence
from itertools import batched
from typing import Any

from scim_core.endpoint.error_responses import MEDIA_TYPE
from scim_core.messages import ScimResponse
from scim_core.model import Json
from scim_core.protocol.costs import full_units, json_units, projection_units, written_units
from scim_core.protocol.representation import Projection, Renderer
from scim_core.protocol.schemas import ResourceType
from scim_core.service.address import Outcome
from scim_core.work import Work

LIST_URN = "urn:ietf:params:scim:api:messages:2.0:ListResponse"

ELEMENTS_AT_ONCE = 500
"""Elements of an array that are written at once: half a millisecond for members."""

WRITTEN_AT_ONCE = 100
"""Units of a representation that is made and written in one go: a millisecond. Nearly all take one to five."""

_ENCODER = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"))


async def rendered(
    work: Work,
    renderer: Renderer,
    resource_type: ResourceType,
    outcome: Outcome,
    chosen: Projection,
    *,
    what: str | None = None,
) -> bytes:
    """The representation as JSON. It is refused as Work.run refuses `what`: None, if it answers a stored change."""
    stored, memberships = outcome.stored, outcome.memberships

    def body() -> Json:
        return renderer.projected(resource_type, stored, memberships, chosen)

    units = full_units(len(memberships))
    if chosen.parameters is not None or not resource_type.shown_as_stored:
        units += full_units(len(memberships)) + projection_units(stored.document, chosen.names)
    if len(memberships) <= ELEMENTS_AT_ONCE:
        whole = units + written_units(stored, len(memberships))
        if whole <= WRITTEN_AT_ONCE:
            return await work.run(whole, what, lambda: encoded(body()))
    return await _written(work, await work.run(units, what, body))


async def _written(work: Work, body: Json) -> bytes:
    """The object as JSON; a long array in it is written some elements at a time."""
    texts = list[str]()
    for name, value in body.items():
        texts.append(f"{',' if texts else '{'}{_text(name)}:")
        if not isinstance(value, list) or len(value) <= ELEMENTS_AT_ONCE:
            await work.conclude(json_units(value))
            texts.append(_text(value))
            continue
        for number, elements in enumerate(batched(value, ELEMENTS_AT_ONCE, strict=False)):
            await work.conclude(json_units(elements))
            texts.append(f"{',' if number else '['}{_text(elements)[1:-1]}")
        texts.append("]")
    return "".join([*texts, "}"]).encode()


def encoded(body: Any) -> bytes:
    """A small JSON value."""
    return _text(body).encode()


def json_response(status: int, body: Json) -> ScimResponse:
    """An answer with a small body."""
    return ScimResponse(status, {"Content-Type": MEDIA_TYPE}, encoded(body))


def list_response(total_results: int, start_index: int, resources: Sequence[bytes]) -> ScimResponse:
    """A ListResponse with these resources, which are JSON already (RFC 7644 section 3.4.2)."""
    head = {
        "schemas": [LIST_URN],
        "totalResults": total_results,
        "startIndex": start_index,
        "itemsPerPage": len(resources),
    }
    content = b'%b,"Resources":[%b]}' % (encoded(head)[:-1], b",".join(resources))
    return ScimResponse(200, {"Content-Type": MEDIA_TYPE}, content)


def _text(value: Any) -> str:
    return _ENCODER.encode(value)
