"""scim2-tester and scim-sanity against an endpoint that serves further types: those of examples/schemas, which are in
files as a deployment has them, and one that has every data type and characteristic. Every check passes.
"""

import shutil
from collections.abc import Iterator

import pytest

from devhost.azurite import Azurite
from tests.conformance.suites import of_scim2_tester, scim2_tester_results, scim_sanity
from tests.everything import files
from tests.running import ROOT, RunningEndpoint, running_endpoint

TYPES = {"User", "Group", "Device", "Fleet", "Agent", "AgenticApplication", "Everything"}


@pytest.fixture(scope="module")
def further(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEndpoint]:
    """The endpoint with all these types. A PATCH of what has members answers 200, as scim-sanity wants it."""
    folder = tmp_path_factory.mktemp("types")
    shutil.copytree(ROOT / "examples" / "schemas", folder, dirs_exist_ok=True)
    files(folder, for_suites=True)
    with running_endpoint(azurite, SCIM_SCHEMA_DIRECTORY=str(folder), SCIM_GROUP_PATCH_ANSWER="200") as running:
        yield running


def test_every_check_of_scim2_tester_passes_for_every_type(further: RunningEndpoint) -> None:
    results = scim2_tester_results(further.base_url, further.token)
    assert of_scim2_tester(results).others == {}
    assert {result.resource_type for result in results} == {None, *TYPES}


def test_every_check_of_scim_sanity_passes_and_none_is_left_out(further: RunningEndpoint) -> None:
    outcome = scim_sanity(further.base_url, further.token)
    assert outcome.others == {}
