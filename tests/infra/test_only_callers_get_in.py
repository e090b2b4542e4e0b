"""Who can reach the app and what it calls, as the parameters say: everybody, Entra, or a gateway."""

from typing import Any

import pytest

from infra.checks import networks
from tests.infra.foretold import GONE, SNAPSHOTS, altered, deployed, finds, resource, without

RULES = "properties.siteConfig.ipSecurityRestrictions"
SITE = "Web/sites"
PROXIES = "properties.SCIM_TRUSTED_PROXIES"
OFFICE = {"name": "office", "action": "Allow", "ipAddress": "203.0.113.7/32"}


def rules(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = resource(deployed(name), SITE)["properties"]["siteConfig"]["ipSecurityRestrictions"]
    return found


def test_everybody_entra_or_the_gateway_gets_in() -> None:
    assert rules("dev") == rules("prod") == []
    assert [rule["ipAddress"] for rule in rules("choices")] == ["AzureActiveDirectory"]
    assert [rule["headers"] for rule in rules("everything")] == [
        {"x-azure-fdid": ["00000000-0000-4000-8000-00000000fd1d"]}
    ]


@pytest.mark.parametrize(
    ("name", "kind", "path", "value", "said"),
    [
        ("dev", SITE, RULES, rules("choices"), "what no rule names is allowed"),
        (
            "choices",
            SITE,
            "properties.siteConfig.ipSecurityRestrictionsDefaultAction",
            "Allow",
            "no rule names is allowed",
        ),
        ("choices", SITE, f"{RULES}.0.ipAddress", "Internet", "a way in for others"),
        ("choices", SITE, f"{RULES}.0.action", "Deny", "does not allow what it names"),
        ("everything", SITE, f"{RULES}.0.headers", GONE, "a way in for others"),
        ("everything", SITE, f"{RULES}.0.headers", {"x-azure-fdid": [""]}, "a way in for others"),
        ("everything", SITE, RULES, rules("everything") + rules("choices"), "a way in for others"),
        ("everything", SITE, RULES, rules("choices"), "2 proxies are trusted, and 0 gateways"),
        ("dev", "Web/sites/config", PROXIES, "2", "2 proxies are trusted, and 0 gateways"),
        ("everything", "Web/sites/config", PROXIES, "1", "1 proxies are trusted, and 1 gateways"),
    ],
)
def test_another_way_in_is_found(name: str, kind: str, path: str, value: object, said: str) -> None:
    """Who reaches the app without the gateway chooses the source of each request by X-Forwarded-For."""
    assert finds(networks.callers, altered(name, kind, path, value), said)


@pytest.mark.parametrize("rule", [OFFICE, {"name": "subnet", "action": "Allow", "vnetSubnetResourceId": "/subnets/a"}])
def test_a_gateway_may_be_a_subnet_or_a_range(rule: dict[str, str]) -> None:
    assert list(networks.callers(altered("everything", SITE, RULES, [rule]))) == []


@pytest.mark.parametrize(
    ("name", "kind", "path", "value", "said"),
    [
        ("everything", "Storage/storageAccounts", "properties.publicNetworkAccess", "Enabled", "some are open"),
        ("dev", "KeyVault/vaults", "properties.publicNetworkAccess", GONE, "some are open"),
        ("everything", "KeyVault/vaults", "properties.networkAcls.defaultAction", "Allow", "do not fit"),
        ("everything", SITE, "properties.virtualNetworkSubnetId", None, "not in the network"),
        (
            "everything",
            "Network/privateEndpoints#vault",
            "properties.privateLinkServiceConnections.0.properties.groupIds",
            ["blob"],
            "it is closed and has no endpoint",
        ),
    ],
)
def test_what_is_half_private_is_found(name: str, kind: str, path: str, value: object, said: str) -> None:
    assert finds(networks.stores, altered(name, kind, path, value), said)


@pytest.mark.parametrize(
    "part", ["host-blob", "host-queue", "host-table", "data-table", "data-queue", "backup-blob", "vault", "site"]
)
def test_an_endpoint_or_a_name_that_is_missing_is_found(part: str) -> None:
    endpoint = without("everything", f"Network/privateEndpoints#{part}")
    name = without("everything", f"Network/privateEndpoints/privateDnsZoneGroups#{part}")

    assert finds(networks.stores, endpoint, "it is closed and has no endpoint")
    assert finds(networks.stores, name, "has no name in a private zone")


@pytest.mark.parametrize(
    ("kind", "path", "value", "said"),
    [
        (SITE, "properties.siteConfig.cors", {"allowedOrigins": ["*"]}, "is allowed by a star"),
        ("#endpoints", "0.properties.sourceAddressPrefix", "*", "more is allowed"),
        ("#endpoints", "0.properties.sourceAddressPrefix", "Internet", "more is allowed"),
        ("#endpoints", "0.properties.destinationPortRange", "*", "more is allowed"),
        ("#endpoints", "1", GONE, "no security rule refuses the rest"),
        ("#endpoints", "1.properties.access", "Allow", "more is allowed"),
    ],
)
def test_what_is_allowed_by_a_star_is_found(kind: str, path: str, value: object, said: str) -> None:
    if kind.startswith("#"):
        kind, path = f"Network/networkSecurityGroups{kind}", f"properties.securityRules.{path}"

    assert finds(networks.stars, altered("everything", kind, path, value), said)


def test_only_everything_is_private() -> None:
    assert {name for name, found in SNAPSHOTS.items() if found.of("Microsoft.Network/privateEndpoints")} == {
        "everything"
    }


def test_the_availability_test_gets_in_with_entra_and_never_past_a_gateway() -> None:
    tag = {"name": "test", "action": "Allow", "tag": "ServiceTag", "ipAddress": "ApplicationInsightsAvailability"}
    rules = deployed("everything")
    resource(rules, SITE)["properties"]["siteConfig"]["ipSecurityRestrictions"].append(tag)

    assert list(networks.callers(SNAPSHOTS["second"])) == []
    assert finds(networks.callers, rules, "there is a way in for others")
