"""The endpoint on storage in memory, with a clock of its own, and a client of it. New for every test."""

import functools
import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from scim_core import composition
from scim_core.protocol.schemas import load_catalogue
from scim_core.storage.memory import MemoryStorage
from tests.scim import Client, Clock, endpoint_over

pytest_plugins = ["tests.starting"]

# HYPOTHESIS_EXAMPLES=5000 searches longer than every run can.
hypothesis.settings.register_profile(
    "ours",
    deadline=None,
    max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", "60")),
    derandomize="CI" in os.environ,
    database=None,
)
hypothesis.settings.load_profile("ours")


@pytest.fixture(scope="session", autouse=True)
def _one_catalogue() -> Iterator[None]:
    """Building the models takes 20 ms and always comes to the same: once for all tests, not for each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(composition, "load_catalogue", functools.cache(load_catalogue))
        yield


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage()


@pytest.fixture
def client(storage: MemoryStorage, clock: Clock) -> Client:
    return Client(endpoint_over(storage, clock))


@pytest.fixture
def schema_directory(tmp_path: Path) -> Path:
    """An empty folder for a deployment's own schemas and resource types."""
    (tmp_path / "schemas").mkdir()
    (tmp_path / "resource-types").mkdir()
    return tmp_path
