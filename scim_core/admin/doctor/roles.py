"""Whether the app's identity may do what it has to: by the permissions of its roles, whatever the roles are called."""

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from scim_core.admin.doctor.app import is_reference
from scim_core.admin.doctor.deployment import VAULTS, Deployment, host
from scim_core.admin.doctor.findings import Examined, Trouble
from scim_core.model import Json

AUTHORIZATION = "2022-04-01"
"""The version of the management API for roles, as the Bicep files use it."""

_BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
_QUEUES_SETTING = "SCIM_QUEUE_ACCOUNT_URL"
_RING = "Microsoft.Storage/storageAccounts/queueServices/queues/messages/add/action"
_ENTITIES = "Microsoft.Storage/storageAccounts/tableServices/tables/entities"


@dataclass(frozen=True, slots=True)
class Need:
    """What the app does with a resource, and the role that our Bicep files give for it."""

    resource: str
    actions: tuple[str, ...]
    role: str


@dataclass(frozen=True, slots=True)
class Assignment:
    """An assignment of a role: the scope, and the role's permissions."""

    scope: str
    permissions: tuple[Json, ...]

    def allows(self, resource: str, action: str) -> bool:
        """Whether the action on data of this resource is allowed. Scopes and actions have no letter case."""
        if not f"{resource}/".lower().startswith(f"{self.scope.rstrip('/')}/".lower()):
            return False
        return any(
            _fits(action, item.get("dataActions")) and not _fits(action, item.get("notDataActions"))
            for item in self.permissions
        )


def _fits(action: str, patterns: list[str] | None) -> bool:
    return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns or ())


async def roles(deployment: Deployment) -> Examined:
    """Whether the identity of the app has every permission that it needs, and everything is there that it is for."""
    needs, troubles = await _needs(deployment)
    scopes = {deployment.scope, *(need.resource for need in needs if not _within(need.resource, deployment.scope))}
    grants = [grant for scope in sorted(scopes) for grant in await _grants(deployment, scope)]
    troubles += await _of_queues(deployment)
    for need in needs:
        lacking = [action for action in need.actions if not any(item.allows(need.resource, action) for item in grants)]
        if lacking:
            troubles.append(
                Trouble(
                    f"The app's identity lacks {', '.join(lacking)} on {need.resource}.",
                    f"Give it the role {need.role} there: deploy the infrastructure again, as somebody who may assign "
                    "roles. A new role takes effect within some minutes.",
                )
            )
    return troubles or f"{len(needs)} resources are open to the app's identity"


async def _needs(deployment: Deployment) -> tuple[list[Need], list[Trouble]]:
    settings = await deployment.settings()
    table = settings.get("SCIM_TABLE_NAME") or "scim"
    registry = settings.get("SCIM_REGISTRY_TABLE_NAME")
    container = urlsplit(settings.get("SCIM_BACKUP_CONTAINER_URL", "")).path.strip("/")
    of_rows = tuple(f"{_ENTITIES}/{name}" for name in ("read", "add/action", "update/action", "delete"))
    wanted = [
        ("AzureWebJobsStorage__blobServiceUri", "", _all(_BLOBS, "read", "write", "delete"), "Storage Blob Data Owner"),
        (
            "SCIM_STORAGE_ACCOUNT_URL",
            f"/tableServices/default/tables/{table}",
            of_rows,
            "Storage Table Data Contributor",
        ),
    ]
    of_host = "AzureWebJobsStorage__tableServiceUri"
    if settings.get(of_host):
        wanted.append((of_host, "", of_rows, "Storage Table Data Contributor"))
    if registry:
        path = f"/tableServices/default/tables/{registry}"
        used = _all(_ENTITIES, "read", "update/action")
        wanted.append(("SCIM_STORAGE_ACCOUNT_URL", path, used, "Storage Table Data Contributor"))
    if container:
        path = f"/blobServices/default/containers/{container}"
        wanted.append(("SCIM_BACKUP_CONTAINER_URL", path, _all(_BLOBS, "write"), "Storage Blob Data Contributor"))
    needs, troubles = [], []
    for setting, path, actions, role in wanted:
        account = await deployment.account(setting)
        if account is None:
            said = f"{setting} names no storage account of this subscription that you can see."
            troubles.append(
                Trouble(said, "Deploy the infrastructure again, or choose the subscription of the account.")
            )
        else:
            needs.append(Need(f"{account['id']}{path}", actions, role))
    component = await deployment.component()
    needs.append(Need(str(component["id"]), ("Microsoft.Insights/Telemetry/Write",), "Monitoring Metrics Publisher"))
    more, lacking = await _of_vaults(deployment, settings)
    return [*needs, *more], [*troubles, *lacking]


async def _of_queues(deployment: Deployment) -> list[Trouble]:
    """Whether the app may ring in some queue of the account that the settings name, if they name one."""
    if not (await deployment.settings()).get(_QUEUES_SETTING):
        return []
    account = await deployment.account(_QUEUES_SETTING)
    if account is None:
        said = f"{_QUEUES_SETTING} names no storage account of this subscription that you can see."
        return [Trouble(said, "Deploy the infrastructure again, or choose the subscription of the account.")]
    whole = str(account["id"])
    for grant in await _grants(deployment, whole):
        if grant.allows(grant.scope if _within(grant.scope, whole) else whole, _RING):
            return []
    return [
        Trouble(
            f"The app's identity lacks {_RING} on every queue of {whole}.",
            "Give it the role Storage Queue Data Message Sender on the queue: deploy the infrastructure again, with "
            "doorbellQueueName, as somebody who may assign roles.",
        )
    ]


async def _of_vaults(deployment: Deployment, settings: dict[str, str]) -> tuple[list[Need], list[Trouble]]:
    """What is needed of the vaults that the settings name."""
    wanted = list(_in_vaults(settings))
    if not wanted:
        return [], []
    path = f"/subscriptions/{deployment.subscription}/providers/Microsoft.KeyVault/vaults"
    vaults = await deployment.management.items(path, VAULTS)
    by_host = {urlsplit(str(item["properties"].get("vaultUri"))).hostname: str(item["id"]) for item in vaults}
    needs = {Need(f"{by_host[name]}{path}", actions, role) for name, path, actions, role in wanted if by_host.get(name)}
    troubles = [
        Trouble(
            f"There is no vault {name} in this subscription that you can see.",
            "Deploy the infrastructure again. If the vault was deleted, recover it: the parameter recoverVault.",
        )
        for name in sorted({name for name, *_ in wanted if not by_host.get(name)})
    ]
    return sorted(needs, key=lambda need: need.resource), troubles


def _in_vaults(settings: dict[str, str]) -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    """Host of the vault, path in it, actions, role: for each reference to a secret and each URL of a key."""
    for name, value in settings.items():
        if is_reference(value) and "SecretUri=" in value:
            secret = urlsplit(value.partition("SecretUri=")[2].rstrip(") ")).hostname or ""
            yield secret, "", ("Microsoft.KeyVault/vaults/secrets/getSecret/action",), "Key Vault Secrets User"
        elif name in ("SCIM_SIGNING_KEY", "SCIM_SIGNING_KEY_OTHER") and host(settings, name):
            actions = ["read", *(["sign/action"] if name == "SCIM_SIGNING_KEY" else [])]
            path = urlsplit(value).path
            yield host(settings, name), path, _all("Microsoft.KeyVault/vaults/keys", *actions), "Key Vault Crypto User"


async def _grants(deployment: Deployment, scope: str) -> list[Assignment]:
    """The assignments of the app's identity at, above and below this scope."""
    principal = (await deployment.identity())["principalId"]
    ask = deployment.management
    path = f"{scope}/providers/Microsoft.Authorization/roleAssignments"
    grants = []
    for item in await ask.items(path, AUTHORIZATION, **{"$filter": f"principalId eq '{principal}'"}):
        definition = await ask.get(str(item["properties"]["roleDefinitionId"]), AUTHORIZATION)
        permissions = definition["properties"].get("permissions") or ()
        grants.append(Assignment(str(item["properties"]["scope"]), tuple(permissions)))
    return grants


def _all(kind: str, *actions: str) -> tuple[str, ...]:
    return tuple(f"{kind}/{action}" for action in actions)


def _within(resource: str, scope: str) -> bool:
    return f"{resource}/".lower().startswith(f"{scope}/".lower())
