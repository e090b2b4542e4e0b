"""What azd passes on to infra/main.bicep, from its own environment or from the variables of deploy.yml."""

import json
import re
from typing import Any

import pytest

from tests.running import ROOT

DEPLOY = (ROOT / ".github" / "workflows" / "deploy.yml").read_text()
GIVEN: dict[str, str] = {
    name: item["value"]
    for name, item in json.loads((ROOT / "infra" / "main.parameters.json").read_text())["parameters"].items()
}
ALWAYS_GIVEN = {"AZURE_ENV_NAME", "AZURE_LOCATION", "SCIM_STAGE"}


def of_azd(parameter: str) -> tuple[str, str]:
    """The variable, and what azd passes on where it is not set."""
    found = re.fullmatch(r"\$\{(\w+)(?:=(.*))?\}", GIVEN[parameter])
    assert found is not None, parameter
    return found[1], found[2] or ""


@pytest.mark.parametrize("parameter", GIVEN)
def test_what_nobody_sets_is_the_same_by_the_workflow(parameter: str) -> None:
    """azd always passes a value. infra/checks/parameters.py compares it with the default of the compiled template."""
    variable, default = of_azd(parameter)

    workflow = re.search(
        rf"^      {variable}: \$\{{\{{ vars\.{variable}(?: \|\| '(.*)')? \}}\}}$", DEPLOY, re.MULTILINE
    )
    if workflow is not None and variable not in ALWAYS_GIVEN:
        assert (workflow[1] or "") == default


@pytest.mark.parametrize(
    "parameter",
    [
        "trustedProxies",
        "gatewayFrontDoorId",
        "gatewaySubnetId",
        "gatewayAddressRange",
        "zoneRedundant",
        "alwaysReadyInstances",
        "dataRedundancy",
        "useOtherSigningKey",
    ],
)
def test_an_operator_can_set_it_through_azd_and_through_the_workflow(parameter: str) -> None:
    variable, _ = of_azd(parameter)

    assert f"vars.{variable} " in DEPLOY or f"vars.{variable}}}" in DEPLOY


def test_redundancy_and_ready_instances_follow_the_stage_unless_they_are_given() -> None:
    def resources(stage: str, kind: str, beginning: str) -> list[dict[str, Any]]:
        """What infra/<stage>.bicepparam would make: prod sets neither of the two, and `everything` sets both."""
        snapshot = json.loads((ROOT / "infra" / "snapshots" / f"{stage}.snapshot.json").read_text())
        return [
            item
            for item in snapshot["predictedResources"]
            if item["type"] == kind and item["name"].startswith(beginning)
        ]

    accounts, ready = {}, {}
    for stage in ("dev", "prod", "everything"):
        [account] = resources(stage, "Microsoft.Storage/storageAccounts", "stscim")
        [site] = resources(stage, "Microsoft.Web/sites", "func-scim")
        accounts[stage] = account["sku"]["name"]
        scale = site["properties"]["functionAppConfig"]["scaleAndConcurrency"]
        ready[stage] = [group["instanceCount"] for group in scale["alwaysReady"]]

    assert ready == {"dev": [], "prod": [1], "everything": [2]}
    assert accounts == {"dev": "Standard_LRS", "prod": "Standard_ZRS", "everything": "Standard_GZRS"}


def test_no_key_passes_through_the_workflow() -> None:
    """A rotation needs `useOtherSigningKey` alone: people put the keys into the vault."""
    for parameter in ("tokenSha256", "signingKey", "otherSigningKey", "backupKey", "masterKey", "feedTokenSha256"):
        variable, default = of_azd(parameter)
        assert default == "", "an empty value leaves the secret in the vault as it is"
        assert f"{variable}:" not in DEPLOY
