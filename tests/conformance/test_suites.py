"""Other projects' suites and clients against the running endpoint: what does not pass is known, and the page says why.

scim2-tester has a file of its own. One kind of credential is enough, as there.
"""

import pytest

from devhost.azurite import Azurite
from tests.conformance.suites import ANSWERS_204, KNOWN, PAGE, Outcome, scim2_cli, scim_sanity, surprises
from tests.running import RunningEndpoint, running_endpoint


@pytest.fixture(scope="module", params=[scim_sanity, scim2_cli], ids=["scim-sanity", "scim2-cli"])
def outcome(request: pytest.FixtureRequest, endpoint: RunningEndpoint) -> Outcome:
    found: Outcome = request.param(endpoint.base_url, endpoint.token)
    return found


def test_every_check_passes_or_is_known(outcome: Outcome) -> None:
    assert surprises(outcome) == ""


def test_the_page_says_how_many_checks_passed(outcome: Outcome) -> None:
    assert outcome.row in PAGE.read_text(encoding="utf-8")


def test_where_a_group_patch_answers_the_whole_group_scim_sanity_is_content_with_it(azurite: Azurite) -> None:
    with running_endpoint(azurite, SCIM_GROUP_PATCH_ANSWER="200") as endpoint:
        outcome = scim_sanity(endpoint.base_url, endpoint.token)
    assert set(outcome.others) == {name for name, why in KNOWN["scim-sanity"].items() if why != ANSWERS_204}
    assert f"passes {outcome.passed} of its {outcome.checks} checks" in " ".join(
        PAGE.read_text(encoding="utf-8").split()
    )
