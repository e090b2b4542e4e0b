"""`make test-quick` runs the tests that start no process, and a test that says so starts none."""

import importlib
import subprocess
import sys

import pytest

from devhost.azurite import Azurite
from tests.running import running_endpoint
from tests.scim import Client
from tests.starting import starts_processes


def test_a_test_without_the_mark_can_start_no_process(request: pytest.FixtureRequest) -> None:
    hidden = importlib.import_module("sub" + "process")
    assert request.node.get_closest_marker("processes") is None
    with pytest.raises(AssertionError, match="does not have the mark"):
        hidden.run([sys.executable, "-c", ""], check=True)


def test_a_test_whose_code_starts_one_has_the_mark(request: pytest.FixtureRequest) -> None:
    assert request.node.get_closest_marker("processes") is not None
    assert subprocess.run([sys.executable, "-c", ""], check=True).returncode == 0


async def test_what_stays_in_this_process_has_no_mark(client: Client, request: pytest.FixtureRequest) -> None:
    assert request.node.get_closest_marker("processes") is None
    assert (await client.get("/Users")).status == 200


def test_it_is_seen_through_functions_and_classes() -> None:
    assert starts_processes(running_endpoint)
    assert starts_processes(Azurite)
    assert not starts_processes(Client)
