"""The endpoints that the recorded exchanges are played against."""

from collections.abc import AsyncIterator
from hashlib import sha256

import httpx
import pytest

from scim_core import build
from scim_core.settings import Settings
from tests.clients.targets import InProcess, OverHttp, Target
from tests.credentials import KINDS, target_of
from tests.memory_rows import memory_storage
from tests.running import RunningEndpoint
from tests.scim import UNLIMITED
from tests.tenancy import Misbehaving

TOKEN = "b6Xk0y6mQ8rW2nV5sJ1tZ7cL4hD9fG3p"
SECONDS = 60
"""How long Entra waits for an answer."""


def in_process() -> InProcess:
    """An endpoint of its own for each play."""
    environment = {
        "SCIM_TOKEN_SHA256": sha256(TOKEN.encode()).hexdigest(),
        "SCIM_STORAGE_CONNECTION": "UseDevelopmentStorage=true",
        **UNLIMITED,
    }
    endpoint = build(Settings.from_environment(environment), storage=memory_storage())
    return InProcess(endpoint, "http://localhost:7071/scim/v2", TOKEN)


@pytest.fixture(scope="session")
async def over_http(endpoint: RunningEndpoint) -> AsyncIterator[OverHttp]:
    """The running endpoint, whose single tenant all plays share."""
    async with httpx.AsyncClient(timeout=SECONDS, limits=httpx.Limits(max_connections=None)) as client:
        yield OverHttp(client, endpoint.base_url, endpoint.token)


@pytest.fixture(scope="session")
async def entra() -> AsyncIterator[Misbehaving]:
    """The authority whose tokens are trusted where many tenants are served."""
    authority = Misbehaving()
    await authority.start()
    yield authority
    await authority.stop()


@pytest.fixture
async def one_of_many(request: pytest.FixtureRequest, entra: Misbehaving) -> InProcess:
    """One tenant of many, in this process, by the kind of credential that the play asks for."""
    return await target_of(request.node.callspec.params["target"], entra)


@pytest.fixture
def target(request: pytest.FixtureRequest) -> Target:
    """The single tenant in this process (`core`) or over HTTP; or one of many, by a kind of credential: parts.py."""
    if request.param == "core":
        return in_process()
    there: Target = request.getfixturevalue("one_of_many" if request.param in KINDS else "over_http")
    return there
