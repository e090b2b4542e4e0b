"""The service of many tenants over a feed that tests move by hand."""

import pytest

from scim_core import composition
from tests.feed.stand_in import StandIn
from tests.scim import UNLIMITED
from tests.tenancy import Service, settings


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    feed = StandIn()
    monkeypatch.setattr(composition, "Feed", lambda *_: feed)
    return feed


@pytest.fixture
def service(stand_in: StandIn) -> Service:  # noqa: ARG001 -- it is in place before the service is built
    return Service(settings(**UNLIMITED))
