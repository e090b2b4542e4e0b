"""The endpoint that conformance is tested at: one for all tests, in a process of its own."""

from collections.abc import Iterator

import pytest

from tests.running import RunningEndpoint, running_endpoint


@pytest.fixture(scope="session")
def endpoint() -> Iterator[RunningEndpoint]:
    with running_endpoint() as running:
        yield running
