"""The endpoint on storage in memory, with a clock of its own, and a client of it. New for every test."""

import gc
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest

from devhost.azurite import Azurite
from scim_core.feed import attempts, kicks
from scim_core.settings import StorageSettings
from scim_core.storage.tables import TableStorage, table_storage
from tests.built_models import built_once
from tests.lost_records import lost_records
from tests.memory_rows import memory_storage
from tests.running import RunningEndpoint, running_endpoint
from tests.scim import Client, Clock, endpoint_over
from tests.tables import new_table

pytest_plugins = ["tests.starting", "tests.browser"]

# They are other ones each time. CI draws more of them, and HYPOTHESIS_EXAMPLES=5000 searches longer than every run can.
hypothesis.settings.register_profile(
    "ours",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],  # a busy machine is no fault
    max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", "40" if "CI" in os.environ else "12")),
    derandomize="CI" in os.environ,
    database=None,
)
hypothesis.settings.load_profile("ours")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """The tests themselves, half a million objects, stay to the end: no search for garbage looks at them again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _one_catalogue() -> Iterator[None]:
    with built_once():
        yield


@pytest.fixture(scope="session", autouse=True)
def _what_comes_soon_comes_at_once() -> Iterator[None]:
    """A relay, and the notes of attempts, wait a tenth of a second for more. Here each test would wait for them."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (attempts, kicks):
            patch.setattr(module, "PAUSE_SECONDS", 0.001)
        yield


@pytest.fixture(autouse=True)
def _no_log_record_is_lost() -> Iterator[None]:
    """The host drops what is logged after the answer of a request, or from a thread. So nothing of ours is."""
    with lost_records() as lost:
        yield
    assert lost == []


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """One for the whole run, in memory. Each user has a table of its own: tests/tables.py."""
    with Azurite.start() as running:
        yield running


@pytest.fixture(scope="session")
def endpoint(azurite: Azurite) -> Iterator[RunningEndpoint]:
    """The endpoint over HTTP, in a process of its own: one for the whole run, whose single tenant many tests share."""
    with running_endpoint(azurite) as running:
        yield running


@pytest.fixture
async def azurite_storage(azurite: Azurite) -> AsyncIterator[TableStorage]:
    """A storage over a table that nobody has used."""
    storage = table_storage(StorageSettings.from_environment(new_table(azurite)))
    yield storage
    await storage.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def storage(request: pytest.FixtureRequest) -> TableStorage:
    """An empty storage in this process, or over Azurite where a test says so: see contract/builders.also_on_azurite."""
    if getattr(request, "param", "memory") == "memory":
        return memory_storage()
    found: TableStorage = request.getfixturevalue("azurite_storage")
    return found


@pytest.fixture
def client(storage: TableStorage, clock: Clock) -> Client:
    return Client(endpoint_over(storage, clock))


@pytest.fixture
def schema_directory(tmp_path: Path) -> Path:
    """An empty folder for a deployment's own schemas and resource types."""
    (tmp_path / "schemas").mkdir()
    (tmp_path / "resource-types").mkdir()
    return tmp_path
