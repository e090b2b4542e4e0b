"""The two service providers that answer the same requests: ours on memory, and scim2-server on its own memory."""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Protocol
from urllib.parse import unquote, urlencode

from scim2_models import (
    Bulk,
    EnterpriseUser,
    ETag,
    Filter,
    Group,
    Pagination,
    Patch,
    Resource,
    ResourceType,
    SCIMException,
    ScimProvider,
    ServiceProviderConfig,
    Sort,
    User,
)
from scim2_server.handler import ScimHandler
from scim2_server.memory import InMemoryStorage
from scim2_server.requests import ScimRequest as TheirRequest
from scim2_server.service import ScimService

from scim_core import ScimRequest, Settings, build
from scim_core.protocol.limits import DEFAULT_COUNT, MAX_BULK_BYTES, MAX_BULK_OPERATIONS, MAX_COUNT
from tests.memory_rows import memory_storage
from tests.scim import UNLIMITED

HOST = "https://scim.example.com"
PATH = "/scim/v2"
TOKEN = "a token of this test alone"


@dataclass(frozen=True)
class Request:
    """One request: `path` is relative to the SCIM base and not encoded, header names are lower case."""

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    """What a side answered. Header names are lower case; `document` is None where there was no body."""

    status: int
    headers: dict[str, str]
    document: Any


class Side(Protocol):
    """A service provider with a directory."""

    def empty(self) -> None:
        """Nothing is in the directory."""

    async def send(self, request: Request) -> Answer:
        """The answer to this request."""


def ticking() -> Callable[[], datetime]:
    """A clock that is a second further with each look at it: later resources come later in a list on both sides."""
    seconds = itertools.count()
    return lambda: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=next(seconds))


class Ours:
    """This service provider."""

    def __init__(self) -> None:
        environment = {
            "SCIM_TOKEN_SHA256": sha256(TOKEN.encode()).hexdigest(),
            "SCIM_STORAGE_CONNECTION": "UseDevelopmentStorage=true",
            **UNLIMITED,
        }
        self._storage = _Storage()
        self._endpoint = build(Settings.from_environment(environment), storage=self._storage, clock=ticking())

    def empty(self) -> None:
        """See Side.empty."""
        self._storage.current = memory_storage()

    async def send(self, request: Request) -> Answer:
        """See Side.send."""
        response = await self._endpoint.handle(
            ScimRequest(
                method=request.method,
                path=unquote(PATH + request.path),
                query=urlencode(request.query),
                headers={"authorization": f"Bearer {TOKEN}", **request.headers},
                body=request.body,
                base_url=HOST,
            )
        )
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, headers, json.loads(response.body) if response.body else None)


class _Storage:
    """A storage that is exchanged for a new one below the endpoint, which takes a while to build."""

    def __init__(self) -> None:
        self.current = memory_storage()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.current, name)


class Theirs:
    """scim2-server with the models of RFC 7643, announcing what we announce."""

    def __init__(self) -> None:
        models = (User, EnterpriseUser, Group)
        types = [ResourceType.from_resource(User[EnterpriseUser]), ResourceType.from_resource(Group)]
        self._service = ScimService(ScimProvider(models, types, _config()))
        self.empty()

    def empty(self) -> None:
        """See Side.empty."""
        self._handler = ScimHandler(self._service, _NumberedStorage(ticking()))

    async def send(self, request: Request) -> Answer:
        """See Side.send."""
        theirs = TheirRequest(request.method, HOST + PATH, request.path, request.query, request.headers, request.body)
        try:
            response = self._handler.handle(theirs)
        except SCIMException as error:
            response = self._service.error_response(error)
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(int(response.status), headers, json.loads(json.dumps(response.body)))


def _config() -> ServiceProviderConfig:
    return ServiceProviderConfig(
        patch=Patch(supported=True),
        bulk=Bulk(supported=True, max_operations=MAX_BULK_OPERATIONS, max_payload_size=MAX_BULK_BYTES),
        filter=Filter(supported=True, max_results=MAX_COUNT),
        sort=Sort(supported=True),
        etag=ETag(supported=True),
        pagination=Pagination(cursor=False, index=True, default_page_size=DEFAULT_COUNT, max_page_size=MAX_COUNT),
    )


class _NumberedStorage(InMemoryStorage):
    """Ids in the order of creation, as ours are: their storage lists resources in the order of the ids.

    Users are active when they are created: theirs leaves to its user what a provider determines (ADR 0038).
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__(clock)
        self._numbers = itertools.count(1)

    def generate_id(self, resource_type: ResourceType, resource: Resource[Any]) -> str:  # noqa: ARG002
        if isinstance(resource, User) and resource.active is None:
            resource.active = True
        return f"00000000-0000-7000-8000-{next(self._numbers):012}"
