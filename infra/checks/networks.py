"""Who can reach the app, and what the app reaches."""

from collections.abc import Iterator
from typing import Any

from infra.checks.deployed import Deployed, Resource, at, texts

ENTRA = {"AzureActiveDirectory", "ApplicationInsightsAvailability"}
"""The service tags from which requests come with restrictToEntra: Entra's, and that of the availability test."""

_STORES = ("Microsoft.Storage/storageAccounts", "Microsoft.KeyVault/vaults")
_PARTS = {
    "sthost": {"blob", "queue", "table"},
    "stscim": {"table"},
    "stback": {"blob"},
    "kv-sci": {"vault"},
    "func-s": {"sites"},
}
"""By the first letters of a name: the services of a resource that have endpoints in a network."""


def callers(deployed: Deployed) -> Iterator[str]:
    """Everybody reaches the app, or Entra alone, or the gateway alone. A gateway that is trusted is the only way in.

    Whoever reached the app without it would choose the source of each request by X-Forwarded-For.
    """
    proxies = int(deployed.settings.get("SCIM_TRUSTED_PROXIES", "0"))
    for site in deployed.of("Microsoft.Web/sites"):
        closed = at(site, "properties.siteConfig.ipSecurityRestrictionsDefaultAction") == "Deny"
        rules = at(site, "properties.siteConfig.ipSecurityRestrictions") or []
        gateways = [rule for rule in rules if _is_gateway(rule)]
        entra = [rule for rule in rules if rule.get("tag") == "ServiceTag" and rule.get("ipAddress") in ENTRA]
        if closed != bool(rules):
            yield f"{site['name']}: what no rule names is allowed, or nothing is"
        if len(gateways) + len(entra) != len(rules) or (gateways and entra):
            yield f"{site['name']}: there is a way in for others than Entra or the gateway"
        if any(rule["action"] != "Allow" for rule in rules):
            yield f"{site['name']}: a rule does not allow what it names"
        if (proxies > 1) != bool(gateways):
            yield f"{site['name']}: {proxies} proxies are trusted, and {len(gateways)} gateways are the only way in"


def stores(deployed: Deployed) -> Iterator[str]:
    """Either all accounts and the vault are open to callers with a role, or all are closed and have an endpoint."""
    found = deployed.of(*_STORES)
    modes = {at(item, "properties.publicNetworkAccess") for item in found}
    if len(modes) != 1 or not modes <= {"Enabled", "Disabled"}:
        yield f"some are closed to the Internet, and some are open: {sorted(map(str, modes))}"
    connected = {
        (at(connection, "properties.privateLinkServiceId"), part)
        for item in deployed.of("Microsoft.Network/privateEndpoints")
        for connection in at(item, "properties.privateLinkServiceConnections")
        for part in at(connection, "properties.groupIds")
    }
    for item in found:
        private = at(item, "properties.publicNetworkAccess") == "Disabled"
        if at(item, "properties.networkAcls.defaultAction") != ("Deny" if private else "Allow"):
            yield f"{item['name']}: its rules do not fit its publicNetworkAccess"
    for item in [*found, *deployed.of("Microsoft.Web/sites")]:
        private = at(item, "properties.publicNetworkAccess") == "Disabled"
        parts = {part for id_, part in connected if id_ == item["id"]}
        if parts != (_services(deployed, item) if private else set()):
            yield f"{item['name']}: it is closed and has no endpoint, or is open and has one"
    groups = len(deployed.of("Microsoft.Network/privateEndpoints/privateDnsZoneGroups"))
    if groups != len(deployed.of("Microsoft.Network/privateEndpoints")):
        yield "an endpoint has no name in a private zone"
    for site in deployed.of("Microsoft.Web/sites"):
        if bool(at(site, "properties.virtualNetworkSubnetId")) != ("Disabled" in modes):
            yield f"{site['name']}: it is not in the network of what it calls"


def _services(deployed: Deployed, item: Resource) -> set[str]:
    """The services of a resource that are called. The directory's account has queues only if hooks ring in one."""
    queues = deployed.of("Microsoft.Storage/storageAccounts/queueServices")
    has_queue = any(queue["name"].startswith(f"{item['name']}/") for queue in queues)
    return _PARTS.get(item["name"][:6], set()) | ({"queue"} if has_queue else set())


def stars(deployed: Deployed) -> Iterator[str]:
    """Nothing is allowed by a star: the only ones are in security rules: what is refused, and ports of callers."""
    groups = deployed.of("Microsoft.Network/networkSecurityGroups")
    for item in deployed.resources:
        if "*" in texts(item) and item not in groups:
            yield f"{item['name']}: something is allowed by a star"
    for rule in (rule for item in groups for rule in at(item, "properties.securityRules") or []):
        given: dict[str, Any] = rule["properties"]
        starred = {key for key, value in given.items() if value == "*"}
        if given["access"] == "Allow" and (
            starred != {"sourcePortRange"} or given["sourceAddressPrefix"] != "VirtualNetwork"
        ):
            yield f"{rule['name']}: more is allowed than calls from the network"
    if groups and not any(
        _refuses_the_rest(rule) for item in groups for rule in at(item, "properties.securityRules") or []
    ):
        yield "no security rule refuses the rest"


def _is_gateway(rule: Resource) -> bool:
    # All profiles of Front Door share the tag: the header names ours.
    if rule.get("ipAddress") == "AzureFrontDoor.Backend":
        return all(at(rule, "headers.x-azure-fdid") or [""])
    return bool(rule.get("vnetSubnetResourceId")) or (rule.get("tag") is None and "/" in rule.get("ipAddress", ""))


def _refuses_the_rest(rule: Resource) -> bool:
    given = rule["properties"]
    parts = ("protocol", "sourceAddressPrefix", "sourcePortRange", "destinationAddressPrefix", "destinationPortRange")
    return given["access"] == "Deny" and given["direction"] == "Inbound" and all(given[part] == "*" for part in parts)
