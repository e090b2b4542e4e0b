"""POST /Bulk (RFC 7644 section 3.7): reads a bulk, and finds out which of its operations have to do with each other.

Each operation becomes the Call that a request by itself would be. `bulk_run` runs them in the order of the plan.
"""

from collections.abc import Collection
from dataclasses import replace
from functools import partial

from scim2_models import InvalidSyntaxException, InvalidValueException, SCIMException

from scim_core.clock import Timer
from scim_core.endpoint.bulk_freed import Held, with_freed
from scim_core.endpoint.bulk_operation import Prepared, place_of
from scim_core.endpoint.bulk_run import Answered, BulkRun
from scim_core.endpoint.error_responses import MEDIA_TYPE
from scim_core.endpoint.handlers import Call, Handlers, Sent
from scim_core.endpoint.rendering import encoded
from scim_core.endpoint.routes import CHANGES, Target, match
from scim_core.messages import BASE_PATH, HttpError, ScimResponse
from scim_core.protocol.bulk_plan import NOTHING, Described, created, plan
from scim_core.protocol.bulk_references import bulk_ids, ids_in, in_path, reference_units
from scim_core.protocol.bulk_request import BulkOperation, reading_bulk
from scim_core.protocol.costs import json_units
from scim_core.protocol.limits import RequestTooLarge
from scim_core.protocol.schemas import Catalogue
from scim_core.protocol.strict_json import Body
from scim_core.protocol.written_values import VALUES_OF_A_UNIT, unique_values

BULK_RESPONSE_URN = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"

OPERATIONS = "its operations"
"""What work with the bulk itself is for."""


class Bulk:
    """Answers POST /Bulk with the handlers of single requests."""

    def __init__(self, catalogue: Catalogue, handlers: Handlers, held: Held, timer: Timer) -> None:
        self._catalogue = catalogue
        self._held = held
        self._handlers = handlers
        self._timer = timer

    async def run(self, call: Call, began: float, answered: Answered) -> ScimResponse:
        """The BulkResponse. `began` is when its request did, by the timer.

        Nothing was changed if it raises: as reading_bulk, as Work.spend, or StorageBusy.
        Few bulks of a tenant run at a time: each holds a large body.
        """
        await call.work.expect_much()
        request = await call.read(reading_bulk(call.body))
        operations = [self._prepared(call, item) for item in request.operations]
        ids = {item.named.lower() for item in operations}
        described = [await _described(item, number, ids) for number, item in enumerate(operations)]
        described = await with_freed(operations, described, self._held)
        run = BulkRun(operations, self._handlers, answered, self._timer, began)
        results = await run.run(plan(described), request.fail_on_errors)
        await call.work.conclude(json_units(results))
        body = {"schemas": [BULK_RESPONSE_URN], "Operations": results}
        return ScimResponse(200, {"Content-Type": MEDIA_TYPE}, encoded(body))

    def _prepared(self, call: Call, operation: BulkOperation) -> Prepared:
        """The operation with its target, or with the reason why it is refused."""
        path = "/".join(filter(None, operation.path.split("/")))
        place = place_of(self._catalogue, call.renderer.base_url, path)
        try:
            if operation.refusal is not None:
                raise operation.refusal
            target = _target(self._catalogue, operation.method, path)
        except (SCIMException, HttpError) as error:
            return Prepared(operation, call, place, error)
        headers = {"if-match": operation.version} if operation.version else {}
        sent = Sent(replace(call.origin, method=operation.method))
        single = replace(call, target=target, headers=headers, query="", body=b"", sent=sent)
        return Prepared(operation, single, place)


def _target(catalogue: Catalogue, method: str, path: str) -> Target:
    target = match(catalogue, method, f"{BASE_PATH}/{path}")
    if target.handler == "bulk":
        raise InvalidValueException(detail="A bulk cannot hold another bulk.")
    if target.handler not in CHANGES:
        raise InvalidValueException(detail="The path of an operation must name a resource type, or a resource.")
    return target


async def _described(prepared: Prepared, number: int, ids: Collection[str]) -> Described:
    """What the operation has to do with others, whose ids in paths are `ids`. One with too large data is refused.

    Raises InvalidSyntaxException if its data is no clean JSON.
    """
    creates = prepared.operation.bulk_id if prepared.operation.method == "POST" else ""
    if prepared.refusal is not None:
        return Described(creates)
    try:
        body = await _read(prepared)
    except InvalidSyntaxException as error:
        raise InvalidSyntaxException(detail=f"The data of operation {number + 1}: {error.detail}") from error
    except RequestTooLarge as error:
        prepared.refusal = error
        return Described(creates)
    resource_type, work = prepared.call.resource_type, prepared.call.work
    text = "" if body is None else prepared.data
    prepared.refers_to, named = await work.run(reference_units(text), OPERATIONS, partial(_references, text, ids))
    changes = set(NOTHING)
    if own := in_path(prepared.named):
        prepared.refers_to = (*prepared.refers_to, own)
        changes.add(created(own))
    elif prepared.named:
        changes.add(prepared.named.lower())
    written = NOTHING
    if body is not None:
        units = 1 + body.nodes // VALUES_OF_A_UNIT
        written = await work.run(units, OPERATIONS, partial(unique_values, resource_type, body.value))
        prepared.written = written
    return Described(
        creates=creates,
        refers_to=prepared.refers_to,
        changes=frozenset(changes | written),
        names=named,
        frees=resource_type.name if body is None else "",
        takes=resource_type.name if written else "",
    )


async def _read(prepared: Prepared) -> Body | None:
    """The data as the handler will read it, apart from references; None for a DELETE."""
    if prepared.operation.method == "DELETE":
        return None
    sent = replace(prepared.call, body=prepared.data.encode())
    return await sent.read_body(sent.form)


def _references(text: str, ids: Collection[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    return tuple(bulk_ids(text)), frozenset(found for found in ids_in(text) if found in ids)
