"""Runs the operations of a bulk by its plan, side by side where they have nothing to do with each other.

Operations that refer to each other in a circle are created without these references, and linked then. If one of them
cannot be, all of them are deleted again.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial

from scim2_models import ConflictException, InvalidValueException

from scim_core.clock import Timer
from scim_core.endpoint.bulk_operation import FIRST_ERROR, Prepared
from scim_core.endpoint.error_responses import error_response
from scim_core.endpoint.handlers import Handlers, Sent
from scim_core.endpoint.in_order import run_in_order
from scim_core.endpoint.routes import WRITE, Target
from scim_core.messages import ScimResponse
from scim_core.model import Json
from scim_core.protocol.bulk_plan import BulkStep
from scim_core.protocol.bulk_references import in_path, reference_units, resolved, without
from scim_core.protocol.limits import BULK_END_SECONDS, BULK_SECONDS, BULK_SIDE_BY_SIDE, BULK_UNDO_SECONDS
from scim_core.service.service_provider import BODY
from scim_core.work import UNITS_PER_REQUEST

NOT_FOUND = 404

_IN_A_CIRCLE = "It is one of several operations that refer to each other, and all of them were undone."
_NOT_DELETED = "It could not be linked as it should be, and could not be deleted again. Delete it yourself."

CHARACTERS_TAKEN_OUT = 100
"""Characters of data in which references are looked for one by one, in a unit of work."""

type Run = Callable[[], Awaitable[ScimResponse]]
"""Runs a handler. It may raise whatever a handler raises."""

type Answered = Callable[[Prepared, Target | None, Run, float], Awaitable[ScimResponse]]
"""The answer to an operation with this target, or to its error, within so many seconds. It is logged as a request's."""


class BulkRun:
    """One bulk. `began` is when its request did by the timer."""

    def __init__(
        self, operations: Sequence[Prepared], handlers: Handlers, answered: Answered, timer: Timer, began: float
    ) -> None:
        self._operations = operations
        self._handlers = handlers
        self._answered = answered
        self._timer = timer
        self._began = began
        self._places = asyncio.Semaphore(BULK_SIDE_BY_SIDE)
        self._declared = {item.operation.bulk_id for item in operations if item.operation.method == "POST"}
        self._ids: dict[str, str] = {}
        self._results: dict[int, Json] = {}
        self._errors = 0

    async def run(self, steps: Sequence[BulkStep], fail_on_errors: int | None) -> list[Json]:
        """The results of the operations that were tried, in their order in the request.

        No more operations run at a time than may still fail. So never more of them fail than the client accepts, unless
        they refer to each other.
        """

        def places() -> int:
            left = BULK_SIDE_BY_SIDE if fail_on_errors is None else fail_on_errors - self._errors
            return min(left, BULK_SIDE_BY_SIDE)

        await run_in_order(steps, self._step, places)
        return [self._results[index] for index in sorted(self._results)]

    async def _step(self, step: BulkStep) -> None:
        operations = [(index, self._operations[index]) for index in step.operations]
        if operations and self._timer() - self._began >= BULK_SECONDS:
            detail = "The time for this bulk is over. The operation did not begin: send it again."
            for index, prepared in operations:
                self._record(index, prepared, _error(503, detail, prepared))
        elif step.circular:
            await self._circle(operations)
        elif operations:
            [(index, prepared)] = operations
            response = await self._answer(prepared, prepared.target, partial(self._performed, prepared))
            self._record(index, prepared, response)

    def _record(self, index: int, prepared: Prepared, response: ScimResponse) -> None:
        """The operation has this result. What a POST created is known to those that refer to it."""
        resource_id = prepared.named or (response.effect.resource_id if response.effect else "")
        resource_id = self._ids.get(in_path(resource_id), resource_id)
        if response.status >= FIRST_ERROR:
            self._errors += 1
        elif prepared.operation.method == "POST":
            self._ids[prepared.operation.bulk_id] = resource_id
        self._results[index] = prepared.result(response, resource_id)

    async def _answer(
        self,
        prepared: Prepared,
        target: Target | None,
        run: Run,
        until: float | None = None,
    ) -> ScimResponse:
        """The answer. The operation has until so many seconds after the beginning of the bulk, or BULK_END_SECONDS."""
        until = BULK_END_SECONDS if until is None else until
        async with self._places:
            return await self._answered(prepared, target, run, max(0, until - (self._timer() - self._began)))

    async def _performed(self, prepared: Prepared) -> ScimResponse:
        """What the operation's handler answers, once what it refers to is there."""
        if prepared.refusal is not None:
            raise prepared.refusal
        return await self._sent(prepared, prepared.call.target, prepared.data)

    async def _sent(self, prepared: Prepared, target: Target, data: str) -> ScimResponse:
        """The answer of the target's handler to this data, with ids in the place of references."""
        work = prepared.call.work
        await work.spend(UNITS_PER_REQUEST, "an operation")
        if prepared.refers_to:
            data = await work.run(reference_units(data), BODY, partial(resolved, data, self._id))
            own = in_path(target.id)
            target = replace(target, id=self._id(own)) if own else target
        return await self._handlers.run(replace(prepared.call, target=target, body=data.encode()))

    def _id(self, bulk_id: str) -> str:
        """The id of what the POST with this bulkId has created. Raises if there is none."""
        if bulk_id in self._ids:
            return self._ids[bulk_id]
        if bulk_id in self._declared:
            raise ConflictException(
                detail=f"It refers to the bulkId {bulk_id[:80]!r}, and nothing was created for that."
            )
        raise InvalidValueException(detail=f"No POST of this bulk has the bulkId {bulk_id[:80]!r}, to which it refers.")

    async def _circle(self, operations: Sequence[tuple[int, Prepared]]) -> None:
        """All of the POST are there, and linked; or none is, and each has an error."""
        names = {prepared.operation.bulk_id: index for index, prepared in operations}
        created = await asyncio.gather(
            *(self._answer(item, item.target, partial(self._unlinked, item, names)) for _, item in operations)
        )
        for (_, item), response in zip(operations, created, strict=True):
            if response.effect is not None:
                self._ids[item.operation.bulk_id] = response.effect.resource_id
        linked = created
        if all(response.status < FIRST_ERROR for response in created):
            linked = await asyncio.gather(*(self._linked(item) for _, item in operations))
        failed = next((at for at, response in enumerate(linked) if response.status >= FIRST_ERROR), None)
        if failed is not None:
            await self._undone(operations, linked, failed)
            return
        for (index, item), response, first in zip(operations, linked, created, strict=True):
            self._record(index, item, replace(response, effect=first.effect, status=first.status))

    async def _unlinked(self, prepared: Prepared, names: dict[str, int]) -> ScimResponse:
        """The resource is created without what refers to one of these bulkIds."""
        data = prepared.data
        units = 1 + len(data) // CHARACTERS_TAKEN_OUT
        text = await prepared.call.work.run(units, BODY, lambda: json.dumps(without(json.loads(data), names)))
        return await self._sent(prepared, prepared.call.target, text)

    async def _linked(self, prepared: Prepared) -> ScimResponse:
        """The resource is what its POST says, with its references: a PUT of the same body."""
        target = self._target("replace", prepared)
        return await self._answer(prepared, target, partial(self._sent, prepared, target, prepared.data))

    def _target(self, handler: str, prepared: Prepared) -> Target:
        resource_id = self._ids[prepared.operation.bulk_id]
        return Target(handler, WRITE, prepared.call.resource_type, resource_id)

    async def _undone(
        self, operations: Sequence[tuple[int, Prepared]], answers: Sequence[ScimResponse], failed: int
    ) -> None:
        """What was created for these operations is deleted. Each of them has an error, the failed ones their own."""
        gone = await asyncio.gather(*(self._deleted(item) for _, item in operations))
        cause = operations[failed][1].operation.bulk_id
        reason = json.loads(answers[failed].body).get("detail", "").rpartition(" (request ")[0]
        not_kept = _error(409, f"{_IN_A_CIRCLE} The operation {cause[:80]!r} failed: {reason}", operations[0][1])
        for (index, item), answer, deleted in zip(operations, answers, gone, strict=True):
            resource_id = self._ids.pop(item.operation.bulk_id, "")
            if deleted.status >= FIRST_ERROR:
                self._results[index] = item.result(_error(503, _NOT_DELETED, item), resource_id)
                self._errors += 1
            else:
                self._record(index, item, answer if answer.status >= FIRST_ERROR else not_kept)

    async def _deleted(self, prepared: Prepared) -> ScimResponse:
        """The answer to a DELETE of what was created for the operation; a success if there is nothing."""
        if prepared.operation.bulk_id not in self._ids:
            return ScimResponse(204)
        target = self._target("delete", prepared)
        sent = Sent(replace(prepared.call.origin, holds=False))  # nobody leaves: the bulk has just created it
        call = replace(prepared.call, target=target, headers={}, sent=sent)
        response = await self._answer(prepared, target, partial(self._handlers.run, call), BULK_UNDO_SECONDS)
        return ScimResponse(204) if response.status == NOT_FOUND else response


def _error(status: int, detail: str, prepared: Prepared) -> ScimResponse:
    """The error of an operation. It names the request that the bulk is."""
    return error_response(status, detail, request_id=prepared.call.origin.request_id)
