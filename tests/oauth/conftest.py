"""The service of many tenants, and the authority that it trusts: new for every test."""

from collections.abc import AsyncIterator

import pytest

from scim_core import composition
from scim_core.access.credential_plans import Issued
from scim_core.registry import CredentialKind
from tests.feed.stand_in import StandIn
from tests.tenancy import Misbehaving, Service, settings


@pytest.fixture
async def entra() -> AsyncIterator[Misbehaving]:
    authority = Misbehaving()
    await authority.start()
    yield authority
    await authority.stop()


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """A feed that the test moves by hand, for services that are built after it."""
    feed = StandIn()
    monkeypatch.setattr(composition, "Feed", lambda *_: feed)
    return feed


@pytest.fixture
def service(entra: Misbehaving) -> Service:
    return Service(settings(entra.url))


@pytest.fixture
async def contoso(service: Service) -> Issued:
    """A tenant with a static token."""
    return await service.tenant("Contoso")


@pytest.fixture
async def client(service: Service) -> Issued:
    """A tenant with a client and its secret."""
    return await service.tenant("Fabrikam", CredentialKind.SECRET)
