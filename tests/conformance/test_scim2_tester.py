"""scim2-tester's checks against the running endpoint: the schemas it serves, used in every way they allow.

One kind of credential is enough for them. That each kind opens the same endpoint is for other tests to show: over HTTP
tests/worker/test_tenants.py, in this process all recorded exchanges of tests/clients.
"""

import pytest
from scim2_tester import CheckResult, get_all_available_tags

from tests.conformance.suites import PAGE, of_scim2_tester, scim2_tester_results, surprises
from tests.running import RunningEndpoint


@pytest.fixture(scope="module")
def results(endpoint: RunningEndpoint) -> list[CheckResult]:
    return scim2_tester_results(endpoint.base_url, endpoint.token)


def test_every_check_succeeds(results: list[CheckResult]) -> None:
    assert surprises(of_scim2_tester(results)) == ""


def test_the_page_says_how_many_checks_succeeded(results: list[CheckResult]) -> None:
    assert of_scim2_tester(results).row in PAGE.read_text(encoding="utf-8")


def test_every_kind_of_check_was_made(results: list[CheckResult]) -> None:
    assert set(get_all_available_tags()) - {tag for result in results for tag in result.tags} == set()


def test_every_resource_type_was_checked(results: list[CheckResult]) -> None:
    assert {result.resource_type for result in results} == {None, "User", "Group"}
