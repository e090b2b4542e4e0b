"""What must not be lost, and what only a stage for tests may do."""

import re
from collections.abc import Iterator

from infra.checks.deployed import Deployed, at

_ACCOUNTS = "Microsoft.Storage/storageAccounts"
_CONTAINERS = {"sthost": ["package"], "stscim": [], "stback": ["exports"]}


def vault(deployed: Deployed) -> Iterator[str]:
    """In prod a deleted vault is kept for 90 days. In dev its name must be free again: 7 days, and it can be purged.

    Azure refuses `false` as a purge protection: it must be left out.
    """
    wanted = (90, True) if deployed.stage == "prod" else (7, None)
    for item in deployed.of("Microsoft.KeyVault/vaults"):
        found = tuple(at(item, f"properties.{name}") for name in ("softDeleteRetentionInDays", "enablePurgeProtection"))
        if found != wanted:
            yield f"{item['name']}: in {deployed.stage}, days and purge protection must be {wanted}, and are {found}"


def backups(deployed: Deployed) -> Iterator[str]:
    """Each directory in prod has backups. None can be changed for some days, and each is deleted later."""
    policies = deployed.of(f"{_ACCOUNTS}/blobServices/containers/immutabilityPolicies")
    days = [at(item, "properties.immutabilityPeriodSinceCreationInDays") for item in policies]
    if deployed.stage == "prod" and deployed.of(f"{_ACCOUNTS}/tableServices/tables") and not days:
        yield "prod has no backups that nobody can change"
    for item in deployed.of(f"{_ACCOUNTS}/managementPolicies"):
        for rule in at(item, "properties.policy.rules"):
            after = at(rule, "definition.actions.baseBlob.delete.daysAfterCreationGreaterThan")
            if any(not 0 < kept < after for kept in days):
                yield f"{item['name']}: what cannot be changed for {days} days is deleted after {after}"


def locks(deployed: Deployed) -> Iterator[str]:
    """Where there are locks, all of these have one: the directory, the backups, the vault."""
    locked = [item["id"].partition("/providers/Microsoft.Authorization/")[0] for item in _locks(deployed)]
    for item in deployed.of(_ACCOUNTS, "Microsoft.KeyVault/vaults") if locked else []:
        if (item["id"] in locked) == item["name"].startswith("sthost"):
            yield f"{item['name']}: it is not locked and the others are, or it holds nothing that must be kept"


def accounts(deployed: Deployed) -> Iterator[str]:
    """The host, the directory and the backups have an account each, if they are here. Names are as Azure takes them."""
    found = {item["name"][:6]: item["name"] for item in deployed.of(_ACCOUNTS)}
    if not {"sthost"} <= found.keys() <= {"sthost", "stscim", "stback"}:
        yield f"the accounts are {sorted(found)}"
    for name in found.values():
        if not re.fullmatch("[a-z0-9]{3,24}", name):
            yield f"{name} is no name for a storage account"
    containers = [item["name"].split("/") for item in deployed.of(f"{_ACCOUNTS}/blobServices/containers")]
    for kind, name in found.items():
        if [parts[2] for parts in containers if parts[0] == name] != _CONTAINERS.get(kind):
            yield f"{name}: its containers are not {_CONTAINERS.get(kind)}"
    for item in deployed.of(f"{_ACCOUNTS}/tableServices/tables"):
        if not item["name"].startswith("stscim"):
            yield f"{item['name']} is a table outside the directory's account"


def for_tests(deployed: Deployed) -> Iterator[str]:
    """Entra's own tokens, which anybody of a customer's Entra may get, are accepted in no prod."""
    if deployed.stage == "prod" and deployed.settings.get("SCIM_ENTRA_TOKENS"):
        yield "prod accepts Entra's own tokens"


def tags(deployed: Deployed) -> Iterator[str]:
    """By tags azd finds what belongs to an environment, and the app to deploy to."""
    [group] = deployed.of("Microsoft.Resources/resourceGroups")
    for item in deployed.resources:
        if "location" in item and (at(item, "tags.azd-env-name") or "") != at(group, "tags.azd-env-name"):
            yield f"{item['name']} has no tag azd-env-name"
    for item in deployed.of("Microsoft.Web/sites"):
        if at(item, "tags.azd-service-name") != "api":
            yield f"{item['name']} is not azd's service api"


def _locks(deployed: Deployed) -> list[dict[str, str]]:
    return deployed.of("Microsoft.Authorization/locks")
