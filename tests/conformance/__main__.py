"""`make conformance`: runs the suites against a new endpoint and prints the rows of docs/interoperability.md."""

import sys

from devhost.azurite import Azurite
from tests.conformance.suites import of_scim2_tester, scim2_cli, scim2_tester_results, scim_sanity, surprises
from tests.running import running_endpoint


def main() -> int:
    """The exit code: 1 if a check did not pass that should, or the other way round."""
    with Azurite.start() as azurite, running_endpoint(azurite) as endpoint:
        where = (endpoint.base_url, endpoint.token)
        outcomes = [of_scim2_tester(scim2_tester_results(*where)), scim_sanity(*where), scim2_cli(*where)]
    print("| Suite | Checks | Passed |")
    for outcome in outcomes:
        print(outcome.row)
        for name, said in outcome.others.items():
            print(f"    {name}: {said}")
    wrong = [f"{outcome.suite}: {surprises(outcome)}" for outcome in outcomes if surprises(outcome)]
    print(*wrong, sep="\n", file=sys.stderr, end="")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
