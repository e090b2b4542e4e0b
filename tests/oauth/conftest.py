"""The service of many tenants, and the authority that it trusts: new for every test."""

from collections.abc import AsyncIterator

import pytest

from scim_core.access.credential_plans import Issued
from scim_core.registry import CredentialKind
from tests.tenancy import Misbehaving, Service, settings


@pytest.fixture
async def entra() -> AsyncIterator[Misbehaving]:
    authority = Misbehaving()
    await authority.start()
    yield authority
    await authority.stop()


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
