"""scim2-tester's checks against the running endpoint: the schemas it serves, used in every way they allow.

One kind of credential is enough for them. That each kind opens the same endpoint is for other tests to show: over HTTP
tests/worker/test_tenants.py, in this process all recorded exchanges of tests/clients.
"""

import httpx
import pytest
from scim2_tester import CheckResult, Status, check_server, get_all_available_tags

from tests.conformance.scim_client import ScimClient
from tests.running import RunningEndpoint
from tests.worker.processes import PATIENCE_SECONDS


@pytest.fixture(scope="module")
def results(endpoint: RunningEndpoint) -> list[CheckResult]:
    headers = {"Authorization": f"Bearer {endpoint.token}"}
    with httpx.Client(base_url=endpoint.base_url, headers=headers, trust_env=False, timeout=PATIENCE_SECONDS) as http:
        return check_server(ScimClient(http))


def test_every_check_succeeds(results: list[CheckResult]) -> None:
    others = [
        f"{result.status.name} {result.title} {result.resource_type}: {result.reason}"
        for result in results
        if result.status is not Status.SUCCESS
    ]
    assert others == []


def test_every_kind_of_check_was_made(results: list[CheckResult]) -> None:
    assert set(get_all_available_tags()) - {tag for result in results for tag in result.tags} == set()


def test_every_resource_type_was_checked(results: list[CheckResult]) -> None:
    assert {result.resource_type for result in results} == {None, "User", "Group"}
