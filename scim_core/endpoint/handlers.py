"""The handlers of the route table: parameters in, representation out, with status, ETag and Location."""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

from scim2_models import (
    ForbiddenException,
    NotImplementedException,
    PreconditionFailedException,
)

from scim_core.counted_log import CountedLog
from scim_core.endpoint.error_responses import MEDIA_TYPE
from scim_core.endpoint.routes import Target
from scim_core.messages import ScimResponse
from scim_core.model import Json, StoredResource
from scim_core.protocol.discovery import Discovery
from scim_core.protocol.preconditions import Preconditions
from scim_core.protocol.representation import Projection, Renderer, entity_tag, shows_memberships
from scim_core.protocol.schemas import Catalogue, ResourceType
from scim_core.protocol.search_parameters import (
    body_fields,
    projection,
    query_fields,
    search_parameters,
)
from scim_core.protocol.strict_json import parse_json
from scim_core.service.address import Address, Outcome
from scim_core.service.listing import Listing
from scim_core.service.search import Found, Search
from scim_core.service.service_provider import ServiceProvider
from scim_core.storage.port import Storage, StorageError, Swept

LIST_URN = "urn:ietf:params:scim:api:messages:2.0:ListResponse"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Call:
    """One authenticated request, with the parts that every handler needs."""

    target: Target
    tenant: str
    headers: Mapping[str, str]
    query: str
    body: bytes
    renderer: Renderer

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

    @property
    def payload(self) -> Any:
        """The body as JSON. Raises InvalidSyntaxException."""
        return parse_json(self.body)

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


class Handlers:
    """Runs the handler of a route. Each name in the route table is a method here."""

    def __init__(
        self,
        catalogue: Catalogue,
        provider: ServiceProvider,
        search: Search,
        storage: Storage,
        *,
        version: str,
        counted: CountedLog,
    ) -> None:
        self._catalogue = catalogue
        self._provider = provider
        self._listing = Listing(search)
        self._storage = storage
        self._discovery = Discovery(catalogue)
        self._version = version
        self._counted = counted

    async def run(self, call: Call) -> ScimResponse:
        """The answer to the call. Raises what its handler raises."""
        handler: Callable[[Call], Awaitable[ScimResponse]] = getattr(self, call.target.handler)
        return await handler(call)

    async def sweep(self) -> Swept:
        """Large changes that were left unfinished are finished. A timer asks for this."""
        return await self._provider.sweep()

    async def create(self, call: Call) -> ScimResponse:
        """POST to a resource type's endpoint (RFC 7644 section 3.3)."""
        projection = call.projection
        outcome = await self._provider.create(call.tenant, call.resource_type, call.payload)
        location = call.renderer.location(call.resource_type.name, outcome.stored.id)
        return _resource(201, call, outcome, projection, Location=location)

    async def get(self, call: Call) -> ScimResponse:
        """GET of one resource (RFC 7644 section 3.4.1); 304 when the client already has this version."""
        outcome = await self._provider.get(call.address, memberships=call.shows_memberships)
        if not call.conditions.matches(outcome.stored.version):
            raise PreconditionFailedException(detail="The resource has another version than the one If-Match names.")
        if call.conditions.unchanged(outcome.stored.version):
            return ScimResponse(304, {"ETag": entity_tag(outcome.stored.version)})
        return _resource(200, call, outcome, call.projection)

    async def replace(self, call: Call) -> ScimResponse:
        """PUT (RFC 7644 section 3.5.1)."""
        projection = call.projection
        outcome = await self._provider.replace(
            call.address, call.payload, call.conditions, memberships=call.shows_memberships
        )
        return _resource(200, call, outcome, projection)

    async def patch(self, call: Call) -> ScimResponse:
        """PATCH (RFC 7644 section 3.5.2): 200 with the resource. A group gets 204, unless the request names attributes.

        A group can have many members, and clients do not want them back (Entra documents 204).
        """
        is_group = call.resource_type.has_members
        chosen = call.projection.parameters is not None
        outcome = await self._provider.patch(
            call.address, call.payload, call.conditions, memberships=call.shows_memberships and not is_group
        )
        if not is_group:
            return _resource(200, call, outcome, call.projection)
        if not chosen:
            return ScimResponse(204, {"ETag": entity_tag(outcome.stored.version)}, effect=outcome.effect)
        changed = await self._provider.get(call.address, memberships=call.shows_memberships)
        return _resource(200, call, replace(changed, effect=outcome.effect), call.projection)

    async def delete(self, call: Call) -> ScimResponse:
        """DELETE (RFC 7644 section 3.6)."""
        effect = await self._provider.delete(call.address, call.conditions)
        return ScimResponse(204, effect=effect)

    async def search(self, call: Call) -> ScimResponse:
        """GET of a resource type's endpoint (RFC 7644 section 3.4.2)."""
        return await self._list(call, [call.resource_type], call.fields)

    async def search_with_body(self, call: Call) -> ScimResponse:
        """POST to /.search below a resource type's endpoint (RFC 7644 section 3.4.3)."""
        return await self._list(call, [call.resource_type], body_fields(call.payload))

    async def search_all(self, call: Call) -> ScimResponse:
        """POST to /.search of the endpoint itself: all resource types (RFC 7644 sections 3.4.2.1 and 3.4.3)."""
        return await self._list(call, list(self._catalogue), body_fields(call.payload))

    async def service_provider_config(self, call: Call) -> ScimResponse:
        """GET /ServiceProviderConfig."""
        _refuse_filter(call)
        return _json(200, self._discovery.service_provider_config(call.renderer.base_url))

    async def resource_types(self, call: Call) -> ScimResponse:
        """GET /ResourceTypes."""
        return _discovered(call, self._discovery.resource_types(call.renderer.base_url))

    async def resource_type(self, call: Call) -> ScimResponse:
        """GET /ResourceTypes/{name}."""
        return _json(200, self._discovery.resource_type(call.target.id, call.renderer.base_url))

    async def schemas(self, call: Call) -> ScimResponse:
        """GET /Schemas."""
        return _discovered(call, self._discovery.schemas(call.renderer.base_url))

    async def schema(self, call: Call) -> ScimResponse:
        """GET /Schemas/{urn}."""
        return _json(200, self._discovery.schema(call.target.id, call.renderer.base_url))

    async def me(self, _: Call) -> ScimResponse:
        """/Me (RFC 7644 section 3.11). It is not supported: a provisioning credential is not a user."""
        raise NotImplementedException(detail="/Me is not supported: the credential does not belong to a user.")

    async def bulk(self, _: Call) -> ScimResponse:
        """/Bulk (RFC 7644 section 3.7). ServiceProviderConfig says that it is not supported."""
        raise NotImplementedException(detail="/Bulk is not supported; ServiceProviderConfig says so.")

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
        parameters = search_parameters(resource_types, fields)
        found = await self._listing.page(call.tenant, resource_types, parameters, call.renderer)
        resources = [self._rendered(call, item, found, parameters.projection) for item in found.resources]
        return _list_response(found.total_results, parameters.start_index, resources)

    def _rendered(self, call: Call, stored: StoredResource, found: Found, chosen: Projection) -> Json:
        memberships = found.memberships.get(stored.id, ())
        return call.renderer.projected(self._type_of(stored), stored, memberships, chosen)

    def _type_of(self, stored: StoredResource) -> ResourceType:
        found = self._catalogue.named(stored.resource_type)
        assert found is not None  # noqa: S101 -- only declared types are stored
        return found


def _unanswered(error: StorageError, count: int, _: str) -> None:
    log.warning("the storage does not answer", exc_info=error, extra={"count": count})


def _discovered(call: Call, resources: list[Json]) -> ScimResponse:
    """A discovery list. Paging, sorting and projection are ignored (RFC 7644 section 4)."""
    _refuse_filter(call)
    return _list_response(len(resources), 1, resources)


def _refuse_filter(call: Call) -> None:
    """Raises ForbiddenException for a filter: an unfiltered answer looks like a filtered one (RFC 7644 section 4)."""
    if "filter" in call.fields:
        raise ForbiddenException(detail="Discovery endpoints cannot be filtered.")


def _list_response(total_results: int, start_index: int, resources: Sequence[Json]) -> ScimResponse:
    return _json(
        200,
        {
            "schemas": [LIST_URN],
            "totalResults": total_results,
            "startIndex": start_index,
            "itemsPerPage": len(resources),
            "Resources": resources,
        },
    )


def _resource(status: int, call: Call, outcome: Outcome, chosen: Projection, **headers: str) -> ScimResponse:
    body = call.renderer.projected(call.resource_type, outcome.stored, outcome.memberships, chosen)
    answer = _json(status, body, ETag=entity_tag(outcome.stored.version), **headers)
    return replace(answer, effect=outcome.effect)


def _json(status: int, body: Any, **headers: str) -> ScimResponse:
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return ScimResponse(status, {"Content-Type": MEDIA_TYPE, **headers}, content)
