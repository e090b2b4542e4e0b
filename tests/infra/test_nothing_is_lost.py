"""What must be kept is kept in prod, and dev can be taken down and made again."""

import pytest

from infra.checks import kept
from tests.infra.foretold import GONE, SNAPSHOTS, altered, deployed, finds, resource, without

VAULT = "KeyVault/vaults"
POLICY = "Storage/storageAccounts/blobServices/containers/immutabilityPolicies"
LIFECYCLE = "Storage/storageAccounts/managementPolicies"
DELETED = "properties.policy.rules.0.definition.actions.baseBlob.delete.daysAfterCreationGreaterThan"
DAYS = "properties.immutabilityPeriodSinceCreationInDays"


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("prod", "properties.softDeleteRetentionInDays", 7),
        ("prod", "properties.enablePurgeProtection", GONE),
        ("dev", "properties.softDeleteRetentionInDays", 90),
        ("dev", "properties.enablePurgeProtection", False),
    ],
)
def test_a_vault_that_is_lost_or_in_the_way_is_found(name: str, path: str, value: object) -> None:
    assert finds(kept.vault, altered(name, VAULT, path, value), "days and purge protection must be")


def test_a_vault_is_recovered_only_where_that_is_asked_for() -> None:
    modes = {name: resource(deployed(name), VAULT)["properties"]["createMode"] for name in ("dev", "prod", "choices")}

    assert modes == {"dev": "default", "prod": "default", "choices": "recover"}


@pytest.mark.parametrize(("kind", "path", "value"), [(LIFECYCLE, DELETED, 14), (POLICY, DAYS, 0), (POLICY, DAYS, 40)])
def test_backups_that_can_be_changed_or_end_too_early_are_found(kind: str, path: str, value: int) -> None:
    assert finds(kept.backups, altered("prod", kind, path, value), "cannot be changed for")


def test_a_prod_whose_backups_can_be_changed_is_found() -> None:
    assert finds(kept.backups, without("prod", POLICY), "prod has no backups that nobody can change")


def test_a_policy_that_was_locked_by_hand_is_left_alone() -> None:
    """`choices` has backups, and says that their policy is locked."""
    found = {kind: SNAPSHOTS["choices"].of(f"Microsoft.{kind}") for kind in (POLICY, LIFECYCLE)}

    assert [len(items) for items in found.values()] == [0, 1]


def test_only_where_the_pipeline_can_or_an_owner_says_so_there_are_locks() -> None:
    """Contributor cannot write locks: a deployment with Azure's own roles would fail."""
    counts = {name: len(found.of("Microsoft.Authorization/locks")) for name, found in SNAPSHOTS.items()}

    assert counts == {"dev": 0, "prod": 0, "pipeline": 0, "console": 0, "choices": 3, "everything": 3, "second": 1}


def test_a_lock_that_is_missing_is_found() -> None:
    assert finds(kept.locks, without("everything", "Authorization/locks"), "it is not locked and the others are")
    host = resource(deployed("everything"), "Storage/storageAccounts#sthost")["id"]
    moved = altered("everything", "Authorization/locks", "id", f"{host}/providers/Microsoft.Authorization/locks/keep")
    assert finds(kept.locks, moved, "sthost")


@pytest.mark.parametrize(
    ("kind", "path", "value", "said"),
    [
        ("Storage/storageAccounts#stback", "name", "stother", "the accounts are"),
        ("Storage/storageAccounts#stscim", "name", "stscim-and-more-than-fits", "is no name for"),
        (
            "Storage/storageAccounts/blobServices/containers#exports",
            "name",
            "sthost/default/exports",
            "its containers are not",
        ),
        (
            "Storage/storageAccounts/tableServices/tables",
            "name",
            "sthost/default/scim",
            "outside the directory's account",
        ),
    ],
)
def test_host_directory_and_backups_in_one_account_are_found(kind: str, path: str, value: str, said: str) -> None:
    assert finds(kept.accounts, altered("prod", kind, path, value), said)


@pytest.mark.parametrize("name", ["prod", "everything"])
def test_entras_own_tokens_in_prod_are_found(name: str) -> None:
    assert SNAPSHOTS["dev"].settings["SCIM_ENTRA_TOKENS"] == "allow"
    assert finds(
        kept.for_tests, altered(name, "Web/sites/config", "properties.SCIM_ENTRA_TOKENS", "allow"), "own tokens"
    )


@pytest.mark.parametrize(
    ("kind", "path", "said"),
    [
        ("Web/sites", "tags.azd-service-name", "azd's service api"),
        ("KeyVault/vaults", "tags", "has no tag azd-env-name"),
    ],
)
def test_what_azd_does_not_find_is_found(kind: str, path: str, said: str) -> None:
    assert finds(kept.tags, altered("dev", kind, path, GONE), said)


def test_further_tags_are_on_everything() -> None:
    tags = [item["tags"] for item in SNAPSHOTS["choices"].resources if "location" in item]

    assert all(given["team"] == "identity" for given in tags)


def test_a_second_region_has_the_directory_and_the_backups_of_the_first() -> None:
    assert list(kept.accounts(SNAPSHOTS["second"])) == list(kept.backups(SNAPSHOTS["second"])) == []
