"""The table that the app needs, and the alerts that wake a person."""

from scim_core.admin.doctor.deployment import STORAGE, Deployment
from scim_core.admin.doctor.findings import CannotTell, Examined, Trouble
from scim_core.admin.doctor.management import Missing
from scim_core.model import Json

QUERY_RULES = "2026-03-01"
METRIC_RULES = "2026-01-01"
ACTION_GROUPS = "2023-01-01"
"""Versions of the management API, as the Bicep files use them."""

PREFIX = "scim-"
"""How the names of our alerts begin."""

_DEPLOY = "Deploy the infrastructure again."


async def tables(deployment: Deployment) -> Examined:
    """Whether the tables exist, and the network lets the app get to them."""
    settings, account = await deployment.settings(), await deployment.account("SCIM_STORAGE_ACCOUNT_URL")
    if account is None:
        raise CannotTell("You see no storage account of the name in SCIM_STORAGE_ACCOUNT_URL.", _DEPLOY)
    names = [settings.get("SCIM_TABLE_NAME") or "scim", settings.get("SCIM_REGISTRY_TABLE_NAME")]
    troubles = []
    for name in filter(None, names):
        path = f"{account['id']}/tableServices/default/tables/{name}"
        if await deployment.management.found(path, STORAGE) is None:
            said = f"The storage account {account['name']} has no table {name}."
            troubles.append(Trouble(said, "Check the parameters tableName and registryTableName, and deploy again."))
    troubles += _closed(account["properties"], (await deployment.site())["properties"], str(account["name"]))
    return troubles or f"{account['name']} has the table, and its network is open to the app"


def _closed(account: Json, site: Json, name: str) -> list[Trouble]:
    """What keeps the app from the account, as far as the network of both says it."""
    acls = account.get("networkAcls") or {}
    if account.get("publicNetworkAccess") != "Disabled" and acls.get("defaultAction") != "Deny":
        return []
    troubles = []
    if not site.get("virtualNetworkSubnetId"):
        said = f"{name} is closed to the Internet, and the function app is in no network."
        troubles.append(Trouble(said, "Deploy with privateNetworking=true, or open the account."))
    connections = [item["properties"] for item in account.get("privateEndpointConnections") or ()]
    states = [(item.get("privateLinkServiceConnectionState") or {}).get("status") for item in connections]
    if "Approved" not in states:
        said = f"{name} is closed to the Internet, and has no private endpoint that is approved."
        troubles.append(Trouble(said, "Approve the endpoint under Networking of the account, or deploy again."))
    return troubles


async def alerts(deployment: Deployment) -> Examined:
    """Whether our alerts are there, each of them is on, and somebody is told."""
    insights = f"{deployment.scope}/providers/Microsoft.Insights"
    over_logs = await deployment.management.items(f"{insights}/scheduledQueryRules", QUERY_RULES)
    over_metrics = await deployment.management.items(f"{insights}/metricAlerts", METRIC_RULES)
    rules = [item for item in (*over_logs, *over_metrics) if str(item["name"]).startswith(PREFIX)]
    troubles = [
        Trouble(f"There is no alert over {what}.", _DEPLOY)
        for what, found in (("logs", over_logs), ("metrics", over_metrics))
        if not any(item in found for item in rules)
    ]
    for item in rules:
        if item["properties"].get("enabled") is not True:
            do = f"Turn it on (Monitor > Alert rules), or deploy again: {item['name']}."
            troubles.append(Trouble(f"The alert {item['name']} is turned off.", do))
        if not _groups(item):
            troubles.append(Trouble(f"The alert {item['name']} tells nobody.", _DEPLOY))
    for group in sorted({group.lower() for item in rules for group in _groups(item)}):
        troubles += await _deaf(deployment, group)
    return troubles or f"{len(rules)} alerts are on, and somebody is told"


def _groups(rule: Json) -> list[str]:
    """The ids of the action groups: log alerts and metric alerts name them in two ways."""
    actions = rule["properties"].get("actions") or {}
    if isinstance(actions, dict):
        return [str(group) for group in actions.get("actionGroups") or ()]
    return [str(action["actionGroupId"]) for action in actions if action.get("actionGroupId")]


async def _deaf(deployment: Deployment, group: str) -> list[Trouble]:
    """Why this action group tells nobody."""
    name = group.rpartition("/")[2]
    try:
        properties = (await deployment.management.get(group, ACTION_GROUPS))["properties"]
    except Missing:
        return [Trouble(f"The alerts name the action group {name}, which does not exist.", _DEPLOY)]
    if properties.get("enabled") is not True:
        return [Trouble(f"The action group {name} is turned off.", "Turn it on: Monitor > Alerts > Action groups.")]
    if not any(value for key, value in properties.items() if key.endswith("Receivers")):
        return [Trouble(f"The action group {name} has no receiver.", "Deploy with alertEmail.")]
    return []
