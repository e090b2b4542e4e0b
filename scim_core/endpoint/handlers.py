"""The handlers of the route table: parameters in, representation out, with status, ETag and Location."""

import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

from scim2_models import (
    ForbiddenException,
    NotImplementedException,
    PreconditionFailedException,
    TooManyException,
)

from scim_core.counted_log import CountedLog
from scim_core.endpoint.error_responses import MEDIA_TYPE, is_bad_request
from scim_core.endpoint.rendering import Shown, encoded, json_response, list_response, rendered, rendered_page
from scim_core.endpoint.routes import Target
from scim_core.messages import NOBODY, Origin, ScimResponse
from scim_core.model import Json, StoredResource
from scim_core.protocol.costs import read_units
from scim_core.protocol.discovery import Discovery
from scim_core.protocol.json_outline import BodyForm
from scim_core.protocol.preconditions import Preconditions
from scim_core.protocol.representation import Projection, Renderer, entity_tag, shows_memberships
from scim_core.protocol.schemas import Catalogue, ResourceType
from scim_core.protocol.search_parameters import (
    body_fields,
    parameter_units,
    projection,
    query_fields,
    search_parameters,
)
from scim_core.protocol.strict_json import Body, reading
from scim_core.registry import GroupPatchAnswer
from scim_core.service.address import Address, Outcome
from scim_core.service.list_cursors import CURSOR_SECONDS, ListCursors
from scim_core.service.listing import Listed, Listing
from scim_core.service.search import Search
from scim_core.service.search_run import Requester
from scim_core.service.service_provider import BODY, ServiceProvider
from scim_core.storage.port import Storage, StorageError, Swept
from scim_core.work import TooMuchWork, Work

log = logging.getLogger(__name__)


@dataclass
class Sent:
    """What the log of changes knows of a request: who sent it, and the body, once it is read as JSON."""

    origin: Origin = NOBODY
    value: object = None


@dataclass(frozen=True)
class Call:
    """One authenticated request, with the parts that every handler needs. `service_url` is Caller.base_url."""

    target: Target
    tenant: str
    headers: Mapping[str, str]
    query: str
    body: bytes
    service_url: str
    renderer: Renderer
    work: Work
    group_patch_answer: GroupPatchAnswer
    sent: Sent

    @property
    def origin(self) -> Origin:
        """Who changes something. NOBODY of a request that changes nothing."""
        return self.sent.origin

    @cached_property
    def fields(self) -> dict[str, str]:
        """The query parameters by lower-case name."""
        return query_fields(self.query)

    @property
    def resource_type(self) -> ResourceType:
        """The resource type of the path."""
        assert self.target.resource_type is not None  # noqa: S101 -- routes with {type} set it
        return self.target.resource_type

    @property
    def address(self) -> Address:
        """The resource that the path names. Raises NotFoundException for an id that we never give."""
        return Address(self.tenant, self.resource_type, self.target.id)

    async def read_body(self, form: BodyForm = BodyForm.NONE) -> Body:
        """The body as JSON, which may name members where the form says. Raises as `reading`, and as Work.spend."""
        members = self.resource_type.members_name if form is not BodyForm.NONE else ""
        body = await self.read(reading(self.body, form, members=members))
        self.sent.value = body.value
        return body

    async def read[T](self, steps: Generator[int, None, T]) -> T:
        """What these steps return. Their units are spent."""
        while True:
            try:
                units = next(steps)
            except StopIteration as end:
                value: T = end.value
                return value
            await self.work.spend(units, BODY)

    @property
    def form(self) -> BodyForm:
        """Where the body of a POST, PUT or PATCH names members."""
        if not self.resource_type.has_members:
            return BodyForm.NONE
        return BodyForm.PATCH if self.target.handler == "patch" else BodyForm.GROUP

    @cached_property
    def conditions(self) -> Preconditions:
        """If-Match and If-None-Match."""
        return Preconditions.from_headers(self.headers)

    @cached_property
    def projection(self) -> Projection:
        """`attributes` and `excludedAttributes` of the query string."""
        return projection([self.resource_type], self.fields)

    @property
    def shows_memberships(self) -> bool:
        """Whether the answer shows the memberships of the resource."""
        return shows_memberships(self.resource_type, self.projection)


_OF_ONE = frozenset({"create", "get", "replace", "patch"})
"""The handlers that show one resource. A search counts what its parameters take itself."""

_PROJECTION = {"attributes", "excludedattributes"}


class Handlers:
    """Runs the handler of a route. Each name in the route table is a method here."""

    def __init__(
        self,
        catalogue: Catalogue,
        provider: ServiceProvider,
        search: Search,
        storage: Storage,
        *,
        cursors: ListCursors | None,
        event_uris: Sequence[str],
        version: str,
        counted: CountedLog,
        group_patch_answer: GroupPatchAnswer,
    ) -> None:
        self._catalogue = catalogue
        self._provider = provider
        self._listing = Listing(search, cursors)
        self._storage = storage
        self._discovery = Discovery(
            catalogue, cursor_seconds=CURSOR_SECONDS if cursors else None, event_uris=event_uris
        )
        self._version = version
        self._counted = counted
        self._group_patch_answer = group_patch_answer

    async def run(self, call: Call) -> ScimResponse:
        """The answer to the call. Raises what its handler raises."""
        if call.target.handler in _OF_ONE and _PROJECTION & call.fields.keys():
            await call.work.spend(parameter_units(call.fields), "the attributes to show")
        handler: Callable[[Call], Awaitable[ScimResponse]] = getattr(self, call.target.handler)
        return await handler(call)

    async def sweep(self) -> Swept:
        """Large changes that were left unfinished are finished. A timer asks for this."""
        return await self._provider.sweep()

    async def create(self, call: Call) -> ScimResponse:
        """POST to a resource type's endpoint (RFC 7644 section 3.3)."""
        projection = call.projection
        body = await call.read_body(call.form)
        outcome = await self._provider.create(call.tenant, call.resource_type, body, call.work, call.origin)
        location = call.renderer.location(call.resource_type.name, outcome.stored.id)
        return await _resource(201, call, outcome, projection, Location=location)

    async def get(self, call: Call) -> ScimResponse:
        """GET of one resource (RFC 7644 section 3.4.1); 304 when the client already has this version."""
        async with self._of_what_there_is(call):
            outcome = await self._shown(call)
        if not call.conditions.matches(outcome.stored.version):
            raise PreconditionFailedException(detail="The resource has another version than the one If-Match names.")
        if call.conditions.unchanged(outcome.stored.version):
            return ScimResponse(304, {"ETag": entity_tag(outcome.stored.version)})
        return await _resource(200, call, outcome, call.projection)

    async def replace(self, call: Call) -> ScimResponse:
        """PUT (RFC 7644 section 3.5.1)."""
        async with self._of_what_there_is(call):
            projection = call.projection
            address, body = call.address, await call.read_body(call.form)
            outcome = await self._provider.replace(
                address,
                body,
                call.conditions,
                call.work,
                call.renderer,
                origin=call.origin,
                memberships=call.shows_memberships,
            )
        return await _resource(200, call, outcome, projection)

    async def patch(self, call: Call) -> ScimResponse:
        """PATCH (RFC 7644 section 3.5.2): 200 with the resource. A group gets 204, unless the request names attributes.

        A group can have many members, and clients do not want them back (Entra documents 204). The setting, or the
        tenant's own answer, can say that it gets 200 always.
        """
        is_group = call.resource_type.has_members
        answer = call.group_patch_answer or self._group_patch_answer
        async with self._of_what_there_is(call):
            shown = answer is GroupPatchAnswer.WHOLE_GROUP or call.projection.parameters is not None
            address, body = call.address, await call.read_body(call.form)
            memberships = call.shows_memberships and not is_group
            outcome = await self._provider.patch(
                address, body, call.conditions, call.work, call.renderer, origin=call.origin, memberships=memberships
            )
        if not is_group:
            return await _resource(200, call, outcome, call.projection)
        if not shown:
            return ScimResponse(204, {"ETag": entity_tag(outcome.stored.version)}, effect=outcome.effect)
        changed = await self._shown(call)
        return await _resource(200, call, replace(changed, effect=outcome.effect), call.projection)

    @asynccontextmanager
    async def _of_what_there_is(self, call: Call) -> AsyncIterator[None]:
        """A refusal with 400 becomes 404 if the path names no resource: Entra then creates it again.

        Without a refusal nothing more is read.
        """
        try:
            yield
        except Exception as error:
            if is_bad_request(error):
                await self._provider.read(call.address)
            raise

    async def _shown(self, call: Call) -> Outcome:
        """The resource that the path names, with the memberships that the answer shows."""
        if call.shows_memberships and call.resource_type.has_members:
            await call.work.expect_much()
        outcome = await self._provider.get(call.address, memberships=call.shows_memberships)
        await call.work.conclude(read_units(len(outcome.memberships)))
        return outcome

    async def delete(self, call: Call) -> ScimResponse:
        """DELETE (RFC 7644 section 3.6)."""
        effect = await self._provider.delete(call.address, call.conditions, call.origin)
        return ScimResponse(204, effect=effect)

    async def search(self, call: Call) -> ScimResponse:
        """GET of a resource type's endpoint (RFC 7644 section 3.4.2)."""
        return await self._list(call, [call.resource_type], call.fields)

    async def search_with_body(self, call: Call) -> ScimResponse:
        """POST to /.search below a resource type's endpoint (RFC 7644 section 3.4.3)."""
        return await self._list(call, [call.resource_type], body_fields((await call.read_body()).value))

    async def search_all(self, call: Call) -> ScimResponse:
        """POST to /.search of the endpoint itself: all resource types (RFC 7644 sections 3.4.2.1 and 3.4.3)."""
        return await self._list(call, list(self._catalogue), body_fields((await call.read_body()).value))

    async def service_provider_config(self, call: Call) -> ScimResponse:
        """GET /ServiceProviderConfig."""
        _refuse_filter(call)
        return json_response(200, self._discovery.service_provider_config(call.renderer.base_url))

    async def resource_types(self, call: Call) -> ScimResponse:
        """GET /ResourceTypes."""
        return _discovered(call, self._discovery.resource_types(call.renderer.base_url))

    async def resource_type(self, call: Call) -> ScimResponse:
        """GET /ResourceTypes/{name}."""
        return json_response(200, self._discovery.resource_type(call.target.id, call.renderer.base_url))

    async def schemas(self, call: Call) -> ScimResponse:
        """GET /Schemas."""
        return _discovered(call, self._discovery.schemas(call.renderer.base_url))

    async def schema(self, call: Call) -> ScimResponse:
        """GET /Schemas/{urn}."""
        return json_response(200, self._discovery.schema(call.target.id, call.renderer.base_url))

    async def options(self, call: Call) -> ScimResponse:
        """OPTIONS of any path: the methods that it has (RFC 9110 section 9.3.7)."""
        return ScimResponse(204, {"Allow": call.target.allowed})

    async def me(self, _: Call) -> ScimResponse:
        """/Me (RFC 7644 section 3.11). It is not supported: a provisioning credential is not a user."""
        raise NotImplementedException(detail="/Me is not supported: the credential does not belong to a user.")

    async def health(self, _: Call) -> ScimResponse:
        """Whether the service runs and its storage answers. It does not show tenants."""
        try:
            await self._storage.ping()
            answers = True
        except StorageError as error:
            self._counted.note(("the storage does not answer", str(error)), "", partial(_unanswered, error))
            answers = False
        body = {"status": "ok" if answers else "degraded", "version": self._version, "storageAnswers": answers}
        return ScimResponse(200, {"Content-Type": "application/json"}, json.dumps(body).encode())

    async def _list(
        self, call: Call, resource_types: Sequence[ResourceType], fields: Mapping[str, Any]
    ) -> ScimResponse:
        await call.work.spend(parameter_units(fields), "the parameters of the search")
        parameters = search_parameters(resource_types, fields)
        requester = Requester(call.tenant, call.renderer, call.work)
        found = await self._listing.page(requester, resource_types, parameters)
        try:
            page = (self._shown_in_list(call, item, found, parameters.projection) for item in found.resources)
            resources = await rendered_page(call.work, page, what="its answer")
        except TooMuchWork as error:
            raise TooManyException(detail=str(error)) from error
        return list_response(
            found.total,
            found.start_index,
            len(found.resources),
            resources,
            previous_cursor=found.previous_cursor,
            next_cursor=found.next_cursor,
        )

    def _shown_in_list(self, call: Call, stored: StoredResource, found: Listed, chosen: Projection) -> Shown:
        outcome = Outcome(stored, found.memberships.get(stored.id, ()))
        return Shown(call.renderer, self._type_of(stored), outcome, chosen)

    def _type_of(self, stored: StoredResource) -> ResourceType:
        found = self._catalogue.named(stored.resource_type)
        assert found is not None  # noqa: S101 -- only declared types are stored
        return found


def _unanswered(error: StorageError, count: int, _: str) -> None:
    log.warning("the storage does not answer", exc_info=error, extra={"count": count})


def _discovered(call: Call, resources: list[Json]) -> ScimResponse:
    """A discovery list. Paging, sorting and projection are ignored (RFC 7644 section 4)."""
    _refuse_filter(call)
    return list_response(len(resources), 1, len(resources), list(map(encoded, resources)))


def _refuse_filter(call: Call) -> None:
    """Raises ForbiddenException for a filter: an unfiltered answer looks like a filtered one (RFC 7644 section 4)."""
    if "filter" in call.fields:
        raise ForbiddenException(detail="Discovery endpoints cannot be filtered.")


async def _resource(status: int, call: Call, outcome: Outcome, chosen: Projection, **headers: str) -> ScimResponse:
    content = await rendered(call.work, Shown(call.renderer, call.resource_type, outcome, chosen))
    headers["ETag"] = entity_tag(outcome.stored.version)
    return ScimResponse(status, {"Content-Type": MEDIA_TYPE, **headers}, content, effect=outcome.effect)
