"""The roles that an owner makes: the pipeline makes what is deployed, and can do nothing else."""

import pytest

from infra.checks import pipeline
from infra.checks.deployed import Deployed
from tests.infra.foretold import GONE, SNAPSHOTS, deployed, finds, put

KINDS = {item["type"] for item in SNAPSHOTS["everything"].resources}


def role(name: str, path: str, value: object) -> Deployed:
    """The pipeline's snapshot with another value in the permissions of a role."""
    found = deployed("pipeline")
    [item] = [
        item for item in found.of("Microsoft.Authorization/roleDefinitions") if name in item["properties"]["roleName"]
    ]
    put(item, path, value)
    return found


def given(path: str, value: object) -> Deployed:
    """The pipeline's snapshot with another value in the assignment that has a condition."""
    found = deployed("pipeline")
    [item] = [item for item in found.of("Microsoft.Authorization/roleAssignments") if "condition" in item["properties"]]
    put(item, path, value)
    return found


def test_the_pipeline_can_make_every_resource_and_delete_none() -> None:
    assert len(KINDS) > 20
    assert list(pipeline.enough(SNAPSHOTS["pipeline"], KINDS)) == []


@pytest.mark.parametrize(
    ("actions", "value", "said"),
    [
        ("notActions", [], "may delete Microsoft.Web/sites"),
        ("notActions", [], "Microsoft.KeyVault/vaults/secrets/write"),
        ("actions", ["Microsoft.Storage/storageAccounts/*"], "Microsoft.Web/sites/write"),
        ("actions", ["Microsoft.Storage/storageAccounts/*"], "may not Microsoft.Network/privateDnsZones/join/action"),
    ],
)
def test_a_pipeline_that_cannot_deploy_or_can_delete_is_found(actions: str, value: list[str], said: str) -> None:
    found = list(pipeline.enough(role("provisioner", f"properties.permissions.0.{actions}", value), KINDS))

    assert any(said in text for text in found)


def test_a_type_that_the_pipeline_cannot_make_is_found() -> None:
    assert list(pipeline.enough(SNAPSHOTS["pipeline"], {"Microsoft.Cdn/profiles"})) != []


@pytest.mark.parametrize("name", pipeline.DATA)
def test_a_role_that_does_more_with_data_is_found(name: str) -> None:
    wider = role(name, "properties.permissions.0.dataActions", ["Microsoft.Storage/*/read"])
    other = role(name, "properties.roleName", "SCIM helper (x)")

    assert finds(pipeline.data, wider, f"{name} may do")
    assert finds(pipeline.data, other, "SCIM helper is not in both")


@pytest.mark.parametrize("action", pipeline.FORBIDDEN)
def test_a_pipeline_that_may_do_what_is_forbidden_is_found(action: str) -> None:
    wider = role("provisioner", "properties.permissions.0", {"actions": [action.lower()], "notActions": []})

    assert finds(pipeline.forbidden, wider, f"SCIM provisioner may {action}")


@pytest.mark.parametrize(
    "action", ["Microsoft.Resources/tags/write", "Microsoft.Web/sites/read", "Microsoft.Resources/*"]
)
def test_a_deployer_that_does_more_than_start_deployments_is_found(action: str) -> None:
    wider = role("deployer", "properties.permissions.0.actions", [action])

    assert finds(pipeline.forbidden, wider, f"SCIM deployer may {action}")


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("properties.condition", GONE, "other roles than those"),
        ("properties.condition", "((!(ActionMatches{'x'})) OR (true))", "is not about assigning roles"),
        ("properties.condition", "… AND [a]", "names nobody"),
        ("properties.conditionVersion", "1.0", "has no version"),
    ],
)
def test_a_condition_that_lets_other_roles_through_is_found(path: str, value: object, said: str) -> None:
    assert finds(pipeline.condition, given(path, value), said)


def test_a_role_giver_that_takes_roles_away_is_found() -> None:
    wider = role("role giver", "properties.permissions.0.actions", ["Microsoft.Authorization/roleAssignments/*"])

    assert finds(pipeline.condition, wider, "does more than assign roles")


def test_each_role_in_the_condition_counts() -> None:
    condition = next(
        item["properties"]["condition"]
        for item in SNAPSHOTS["pipeline"].of("Microsoft.Authorization/roleAssignments")
        if "condition" in item["properties"]
    )
    owner = condition.replace("{b7e6dc6d", "{8e3af657-a8ff-443c-a75c-2fe8c4bcb635, b7e6dc6d")

    assert finds(pipeline.condition, given("properties.condition", owner), "other roles than those")
