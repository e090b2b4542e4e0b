"""Other projects' suites and clients against the running endpoint: what does not pass is known, and the page says why.

scim2-tester has a file of its own. One kind of credential is enough, as there.
"""

import pytest

from tests.conformance.suites import PAGE, Outcome, scim2_cli, scim_sanity, surprises
from tests.running import RunningEndpoint


@pytest.fixture(scope="module", params=[scim_sanity, scim2_cli], ids=["scim-sanity", "scim2-cli"])
def outcome(request: pytest.FixtureRequest, endpoint: RunningEndpoint) -> Outcome:
    found: Outcome = request.param(endpoint.base_url, endpoint.token)
    return found


def test_every_check_passes_or_is_known(outcome: Outcome) -> None:
    assert surprises(outcome) == ""


def test_the_page_says_how_many_checks_passed(outcome: Outcome) -> None:
    assert outcome.row in PAGE.read_text(encoding="utf-8")
