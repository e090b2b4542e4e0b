"""The roles that an owner makes once: what the app and the pipeline may do with them, and what nobody may."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from infra.checks.deployed import Deployed, at
from infra.checks.roles import known

Permissions = dict[str, list[str]]

_TABLES = "Microsoft.Storage/storageAccounts/tableServices/tables/entities"
DATA = {
    "SCIM backup writer": ["Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write"],
    "SCIM registry user": [f"{_TABLES}/read", f"{_TABLES}/update/action"],
    "SCIM key signer": ["Microsoft.KeyVault/vaults/keys/read", "Microsoft.KeyVault/vaults/keys/sign/action"],
    "SCIM deployer": [],
    "SCIM provisioner": [],
    "SCIM role giver": [],
}
"""Every role of our own, and what it may do with data."""

FORBIDDEN = (
    "Microsoft.Storage/storageAccounts/listKeys/action",
    "Microsoft.Storage/storageAccounts/regenerateKey/action",
    "Microsoft.Storage/storageAccounts/listAccountSas/action",
    "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies/lock/action",
    "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies/delete",
    "Microsoft.KeyVault/vaults/secrets/write",
    "Microsoft.KeyVault/vaults/accessPolicies/write",
    "Microsoft.Web/sites/host/listkeys/action",
    "Microsoft.Web/sites/publishxml/action",
    "Microsoft.Authorization/roleAssignments/write",
    "Microsoft.Authorization/roleAssignments/delete",
    "Microsoft.Authorization/roleDefinitions/write",
    "Microsoft.Authorization/locks/delete",
    "Microsoft.Resources/subscriptions/resourceGroups/delete",
    "Microsoft.Compute/virtualMachines/write",
)
"""What the pipeline may not do by its roles on resources. It assigns roles by another one, which has a condition."""

_NETWORK = ("virtualNetworks/subnets", "privateDnsZones", "networkSecurityGroups")
_USES = (
    "Microsoft.Resources/subscriptions/resourceGroups/write",
    "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",
    *(f"Microsoft.Network/{kind}/join/action" for kind in _NETWORK),
)
_BY_OTHERS = {"Microsoft.Authorization/roleAssignments", "Microsoft.Resources/resourceGroups"}
_BY_PEOPLE = {"Microsoft.KeyVault/vaults/secrets"}
_GIVES = ["Microsoft.Authorization/roleAssignments/read", "Microsoft.Authorization/roleAssignments/write"]


def definitions(deployed: Deployed) -> dict[str, Permissions]:
    """What each role of our own allows and takes away, by its name."""
    return {
        at(item, "properties.roleName").partition(" (")[0]: at(item, "properties.permissions")[0]
        for item in deployed.of("Microsoft.Authorization/roleDefinitions")
    }


def allows(role: Permissions, action: str) -> bool:
    """Whether a role allows this action: patterns do not look at the case."""
    given, taken = (
        any(fnmatchcase(action.lower(), pattern.lower()) for pattern in role[name])
        for name in ("actions", "notActions")
    )
    return given and not taken


def data(deployed: Deployed) -> Iterator[str]:
    """Each role does with data what DATA says. Those of the app do nothing else, and no role is unknown."""
    found = definitions(deployed)
    for name in sorted(found.keys() ^ DATA.keys()):
        yield f"{name} is not in both: what is deployed, and DATA"
    for name, role in found.items():
        if role["dataActions"] != DATA.get(name) or (DATA.get(name) and role["actions"]):
            yield f"{name} may do {role['dataActions'] + role['actions']}"


def forbidden(deployed: Deployed) -> Iterator[str]:
    """The pipeline does nothing of FORBIDDEN. On the subscription it only starts deployments."""
    for name in ("SCIM deployer", "SCIM provisioner"):
        for action in FORBIDDEN:
            if allows(definitions(deployed)[name], action):
                yield f"{name} may {action}"
    for action in definitions(deployed)["SCIM deployer"]["actions"]:
        allowed = "Microsoft.Resources/" if action.endswith("/read") else "Microsoft.Resources/deployments/"
        if not action.startswith(allowed) or "*" in action:
            yield f"SCIM deployer may {action}"


def enough(deployed: Deployed, kinds: set[str]) -> Iterator[str]:
    """The pipeline can make every resource of these types, and delete none. People put secrets into the vault."""
    role = definitions(deployed)["SCIM provisioner"]
    for kind in sorted(kinds - _BY_OTHERS):
        for action in ("read", "write"):
            if allows(role, f"{kind}/{action}") is (kind in _BY_PEOPLE):
                yield f"SCIM provisioner: {kind}/{action}"
        if allows(role, f"{kind}/delete"):
            yield f"SCIM provisioner may delete {kind}"
    yield from (f"SCIM provisioner may not {action}" for action in _USES if not allows(role, action))


def condition(deployed: Deployed) -> Iterator[str]:
    """The pipeline gives the roles of the deployment and no other, to nobody but those that the owner names."""
    if definitions(deployed)["SCIM role giver"]["actions"] != _GIVES:
        yield "SCIM role giver does more than assign roles"
    roles = {
        item["id"]: at(item, "properties.roleName") for item in deployed.of("Microsoft.Authorization/roleDefinitions")
    }
    giver = next(id_ for id_, name in roles.items() if name.startswith("SCIM role giver"))
    group = giver.partition("/providers/")[0]
    for item in deployed.of("Microsoft.Authorization/roleAssignments"):
        if item["properties"]["roleDefinitionId"] == giver:
            said = item["properties"].get("condition", "")
            listed = dict(re.findall(r"roleAssignments:(\w+)\] ForAnyOfAnyValues:GuidEquals \{([^}]*)\}", said))
            if set(listed.get("RoleDefinitionId", "").split(", ")) != known(group).keys():
                yield "the condition names other roles than those that are assigned"
            if " AND " not in said or not listed.get("PrincipalId"):
                yield "the condition names nobody to whom roles are given"
            if not said.startswith("((!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'})) OR ("):
                yield "the condition is not about assigning roles"
            if item["properties"].get("conditionVersion") != "2.0":
                yield "the condition has no version"
