"""Answers as bytes. Representations are made and written in pieces, so that no piece takes long (ADR 0014)."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Shown:
    """A resource that an answer shows, and how."""

    renderer: Renderer
    resource_type: ResourceType
    outcome: Outcome
    chosen: Projection

    def body(self) -> Json:
        """The representation."""
        return self.renderer.projected(self.resource_type, self.outcome.stored, self.outcome.memberships, self.chosen)

    @property
    def units(self) -> int:
        """Units of work to make the representation."""
        units = full_units(len(self.outcome.memberships))
        if self.chosen.parameters is None and self.resource_type.shown_as_stored:
            return units
        return 2 * units + projection_units(self.outcome.stored.document, self.chosen.names)

    @property
    def units_at_once(self) -> int | None:
        """Units of work to make and to write it in one go. None if that is too much for one."""
        if len(self.outcome.memberships) > ELEMENTS_AT_ONCE:
            return None
        units = self.units + written_units(self.outcome.stored, len(self.outcome.memberships))
        return units if units <= WRITTEN_AT_ONCE else None


async def rendered(work: Work, shown: Shown, *, what: str | None = None) -> bytes:
    """The representation as JSON. It is refused as Work.run refuses `what`: None, if it answers a stored change."""
    units = shown.units_at_once
    if units is not None:
        return await work.run(units, what, lambda: encoded(shown.body()))
    return await _written(work, await work.run(shown.units, what, shown.body))


async def rendered_page(work: Work, page: Iterable[Shown], *, what: str) -> list[bytes]:
    """The representations as JSON, in order, some of them together with commas between. Raises what Work.run raises."""
    pieces = list[bytes]()
    together, units = list[Shown](), 0

    async def write() -> None:
        if together:
            pieces.append(await work.run(units, what, lambda: encoded([item.body() for item in together])[1:-1]))
            together.clear()

    for shown in page:
        own = shown.units_at_once
        if own is None or units + own > WRITTEN_AT_ONCE:
            await write()
            units = 0
        if own is None:
            pieces.append(await rendered(work, shown, what=what))
        else:
            together.append(shown)
            units += own
    await write()
    return pieces


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


def list_response(
    total_results: int | None,
    start_index: int | None,
    number: int,
    resources: Sequence[bytes],
    *,
    previous_cursor: str | None = None,
    next_cursor: str | None = None,
) -> ScimResponse:
    """A ListResponse with this number of resources, which are JSON already (RFC 7644 section 3.4.2, RFC 9865)."""
    values = {
        "totalResults": total_results,
        "startIndex": start_index,
        "itemsPerPage": number,
        "previousCursor": previous_cursor,
        "nextCursor": next_cursor,
    }
    head = {"schemas": [LIST_URN]} | {name: value for name, value in values.items() if value is not None}
    content = b'%b,"Resources":[%b]}' % (encoded(head)[:-1], b",".join(resources))
    return ScimResponse(200, {"Content-Type": MEDIA_TYPE}, content)


def _text(value: Any) -> str:
    return _ENCODER.encode(value)
