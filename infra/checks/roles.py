"""Who gets which role where: each on one resource, and each the least that works."""

import re
from collections.abc import Iterator
from uuid import UUID, uuid5

from infra.checks.deployed import Deployed, Resource

ROLES = {
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": "Storage Blob Data Reader",
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
    "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a": "Storage Queue Data Message Sender",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "12338af0-0e69-4776-bea7-57ae8d297424": "Key Vault Crypto User",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
}
"""The only built-in roles that may be assigned. Each id was looked up, and no other role is needed."""

CUSTOM = ("backupWriter", "registryUser", "keySigner")
"""The roles for the app that pipeline.bicep makes."""

_STORAGE = "Microsoft.Storage/storageAccounts"
_EXPORTS = f"{_STORAGE}/stback/blobServices/default/containers/exports"
NEEDED = {
    ("app", f"{_STORAGE}/sthost"): {"Storage Blob Data Owner", "Storage Table Data Contributor"},
    ("app", f"{_STORAGE}/stscim/tableServices/default/tables/scim"): {"Storage Table Data Contributor"},
    ("app", f"{_STORAGE}/stscim/tableServices/default/tables/scimregistry"): {
        "Storage Table Data Contributor",
        "registryUser",
    },
    ("app", f"{_STORAGE}/stscim/queueServices/default/queues/scim-doorbells"): {"Storage Queue Data Message Sender"},
    ("app", _EXPORTS): {"Storage Blob Data Contributor", "backupWriter"},
    ("app", "Microsoft.KeyVault/vaults/kv-scim-"): {"Key Vault Secrets User"},
    ("app", "Microsoft.KeyVault/vaults/kv-scim-/keys/scim-signing-key"): {"Key Vault Crypto User", "keySigner"},
    ("app", "Microsoft.Insights/components/appi-scim-"): {"Monitoring Metrics Publisher"},
    # On the account: whoever restores a directory makes a new table for it.
    ("operator", f"{_STORAGE}/stscim"): {"Storage Table Data Contributor"},
    ("operator", _EXPORTS): {"Storage Blob Data Reader"},
}
"""Who needs which roles on what, or one of which. docs/deploy.md says what each is for."""

_GUIDS = UUID("11fb06fb-712d-4ddd-98c7-e71bbd588830")
_SCOPE = re.compile(r"(/subscriptions/[^']+?)(?:', '|/providers/)Microsoft\.Authorization/roleAssignments")


def guid(*parts: str) -> str:
    """The id that Azure makes of these texts by its function guid."""
    return str(uuid5(_GUIDS, "-".join(parts)))


def known(group: str) -> dict[str, str]:
    """The roles that may be assigned, by id: the built-in ones, and those made in this resource group."""
    return ROLES | {guid(group, name): name for name in CUSTOM}


def grants(deployed: Deployed) -> list[tuple[str, str, str]]:
    """Each role that is given: to whom (app or operator), on what (without the unique part of names), and its name."""
    return [
        (_whose(item), _place(scope), known(scope.partition("/providers/")[0]).get(role, role))
        for item, scope, role in _assignments(deployed)
    ]


def needed(deployed: Deployed) -> Iterator[str]:
    """No role is given that is not in NEEDED: none on more than one resource, and none of an unknown id."""
    for whose, place, role in grants(deployed):
        if role not in NEEDED.get((whose, place), ()):
            yield f"nobody needs it that the {whose} has the role {role} on {place}"


def named(deployed: Deployed) -> Iterator[str]:
    """An assignment is named after what it gives, so that none replaces another, and says whose it is."""
    for item, scope, role in _assignments(deployed):
        principal = item["properties"]["principalId"]
        expression = f"[guid('{scope}', {principal.strip('[]')}, '{role}')]"
        if item["name"] not in (expression, guid(scope, principal, role)):
            yield f"the assignment of {role} on {scope} is not named by place, principal and role"
        kinds = ("ServicePrincipal",) if _whose(item) == "app" else ("Group", "User", "ServicePrincipal")
        if item["properties"].get("principalType") not in kinds:
            yield f"the assignment of {role} on {scope} does not say whose it is (principalType)"


def _assignments(deployed: Deployed) -> Iterator[tuple[Resource, str, str]]:
    """Each assignment, the id of the resource that it is on, and the id of its role."""
    for item in deployed.of("Microsoft.Authorization/roleAssignments"):
        found = _SCOPE.search(item["id"])
        yield item, found[1] if found else item["id"], item["properties"]["roleDefinitionId"].rpartition("/")[2]


def _whose(item: Resource) -> str:
    return "app" if "userAssignedIdentities" in item["properties"]["principalId"] else "operator"


def _place(scope: str) -> str:
    return re.sub(r"/(st(?:host|scim|back)|\w+-scim-)[a-z0-9]+", r"/\1", scope.partition("/providers/")[2]) or scope
