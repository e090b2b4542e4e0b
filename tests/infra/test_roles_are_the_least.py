"""The app and the operators get the roles that they need, each on one resource."""

import pytest

from infra.checks import roles
from tests.infra.foretold import SNAPSHOTS, altered, deployed, finds, resource

APP = {
    ("app", "Microsoft.Storage/storageAccounts/sthost"),
    ("app", "Microsoft.Storage/storageAccounts/stscim/tableServices/default/tables/scim"),
    ("app", "Microsoft.KeyVault/vaults/kv-scim-"),
    ("app", "Microsoft.Insights/components/appi-scim-"),
}
BACKUP = "Microsoft.Storage/storageAccounts/stback/blobServices/default/containers/exports"
OPERATORS = {("operator", "Microsoft.Storage/storageAccounts/stscim"), ("operator", BACKUP)}
BELLS = "Microsoft.Storage/storageAccounts/stscim/queueServices/default/queues/scim-doorbells"
KEY = ("app", "Microsoft.KeyVault/vaults/kv-scim-/keys/scim-signing-key")


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("dev", APP),
        ("prod", APP | {("app", BACKUP)}),
        ("choices", APP | {("app", BACKUP), KEY} | OPERATORS),
        ("everything", set(roles.NEEDED)),
        # The directory is another deployment's: there the roles are given.
        ("second", APP | {("app", BELLS), ("operator", "Microsoft.Storage/storageAccounts/stscim")}),
    ],
)
def test_all_that_is_needed_is_given(name: str, given: set[tuple[str, str]]) -> None:
    found = roles.grants(SNAPSHOTS[name])

    assert {(whose, place) for whose, place, _ in found} == given
    on_the_host = {role for _, place, role in found if place.endswith("/sthost")}
    assert on_the_host == {"Storage Blob Data Owner", "Storage Table Data Contributor"}
    assert len(found) == len(given) + 1


def test_the_app_gets_narrower_roles_where_they_were_made() -> None:
    given = {name: {role for _, _, role in roles.grants(SNAPSHOTS[name])} for name in ("prod", "choices", "everything")}
    wider = {"Storage Blob Data Contributor", "Key Vault Crypto User"}

    assert given["everything"] >= set(roles.CUSTOM)
    assert not given["everything"] & wider
    assert given["choices"] >= wider
    assert not given["prod"] & set(roles.CUSTOM)


def test_only_in_dev_the_person_who_deploys_is_the_operator() -> None:
    """`everything` is of prod, and names an operator as well as a deployer."""
    principals = {
        name: {
            item["properties"]["principalId"][-3:]
            for item in SNAPSHOTS[name].of("Microsoft.Authorization/roleAssignments")
        }
        for name in ("choices", "everything")
    }

    assert "002" in principals["choices"]
    assert "001" in principals["everything"]
    assert "002" not in principals["everything"]


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        # An id that is none; a role that is known, and too much here; one on the whole group; one of somebody else.
        ("properties.roleDefinitionId", "/x/0a9a7e1e-2d11-453d-a403-e96b0029c9fe", "0a9a7e1e-2d11"),
        (
            "properties.roleDefinitionId",
            "/x/b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
            "Blob Data Owner on Microsoft.KeyVault",
        ),
        ("id", "/subscriptions/1/resourceGroups/g/providers/Microsoft.Authorization/roleAssignments/2", "on /subs"),
        ("properties.principalId", "00000000-0000-4000-8000-000000000009", "the operator has the role Key Vault"),
    ],
)
def test_a_role_that_nobody_needs_is_found(path: str, value: str, said: str) -> None:
    assert finds(roles.needed, altered("prod", "Authorization/roleAssignments#/vaults/", path, value), said)


@pytest.mark.parametrize(
    ("kind", "path", "value", "said"),
    [
        ("#/vaults/", "name", "[guid('one')]", "not named by place, principal and role"),
        ("#-", "name", "7231b9ec-275d-5156-a9ef-6af89e5718de", "not named by place, principal and role"),
        ("#/vaults/", "properties.principalType", "Group", "does not say whose it is"),
    ],
)
def test_an_assignment_that_can_replace_another_is_found(kind: str, path: str, value: str, said: str) -> None:
    found = deployed("everything")
    of_operator = kind == "#-"
    items = found.of("Microsoft.Authorization/roleAssignments")
    item = items[-1] if of_operator else resource(found, f"Authorization/roleAssignments{kind}")
    if path == "name":
        item["name"] = value
    else:
        item["properties"]["principalType"] = value

    assert finds(roles.named, found, said)


def test_guids_are_azures() -> None:
    """The second is what the compiler has worked out, with the names of everything's resource group."""
    group = "/subscriptions/00000000-0000-4000-8000-000000000000/resourceGroups/rg-scim-all"

    assert roles.guid(group, "backupWriter") == "00629be5-365b-53ec-b15c-6e836d8ee139"
