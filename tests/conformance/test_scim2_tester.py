"""scim2-tester's checks against the running endpoint: the schemas it serves, used in every way they allow."""

from collections.abc import AsyncIterator, Iterator

import aiohttp
import httpx
import pytest
from scim2_tester import CheckResult, Status, check_server, get_all_available_tags

from devhost.play_entra import KINDS, Entra, onboarded
from tests.conformance.scim_client import ScimClient
from tests.running import RunningEndpoint, clean_environment, running_authority, running_tenants

CREDENTIALS = ("single", *KINDS)


@pytest.fixture(scope="module")
async def bearers(endpoint: RunningEndpoint) -> AsyncIterator[dict[str, tuple[str, str]]]:
    """Where to go with which bearer token, by kind of credential: the single tenant, and one tenant for each other."""
    with (
        running_authority() as authority,
        running_tenants("--quiet", SCIM_ENTRA_AUTHORITY=authority.url) as tenants,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in clean_environment().items():
            patch.setenv(name, value)
        patch.setenv("SCIM_STORAGE_CONNECTION", tenants.azurite.connection_string)
        found = {"single": (endpoint.base_url, endpoint.token)}
        async with aiohttp.ClientSession() as http:
            for kind in KINDS:
                customer = await onboarded(kind, tenants.app.url)
                found[kind] = (customer.scim_url, await Entra(http, customer, authority, quiet=True).bearer())
        yield found


@pytest.fixture(scope="module", params=CREDENTIALS)
def results(request: pytest.FixtureRequest, bearers: dict[str, tuple[str, str]]) -> Iterator[list[CheckResult]]:
    base_url, bearer = bearers[request.param]
    headers = {"Authorization": f"Bearer {bearer}"}
    with httpx.Client(base_url=base_url, headers=headers, trust_env=False) as http:
        yield check_server(ScimClient(http))


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
