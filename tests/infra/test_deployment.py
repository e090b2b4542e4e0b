"""What would be deployed, read off the snapshots: names, networks, keys, regions, tests from outside."""

import json
import re
from typing import Any

import pytest

from scim_core import ScimRequest
from scim_core.storage.tables import TableStorage
from tests.infra.foretold import (
    SNAPSHOTS,
    STAGES,
    foretold,
    queries,
    the,
    workbook,
    workbook_queries,
)
from tests.running import ROOT
from tests.scim import Clock, endpoint_over

ALL = STAGES
TESTED = ["everything", "prod", "second"]
SENDER = "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a"
TABLES = "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3"
"""Storage Table Data Contributor."""

OPERATE = {f"operate/{page.stem}" for page in (ROOT / "docs" / "operate").glob("*.md")}
PAGES = {name: (ROOT / "docs" / f"{name}.md").read_text() for name in ("deploy", "settings", *sorted(OPERATE))}


def account(name: str, begins: str) -> dict[str, Any]:
    """The storage account whose name begins so."""
    found = foretold(name, "Microsoft.Storage/storageAccounts")
    [item] = [item for item in found if item["name"].startswith(begins)]
    return item


def site(name: str) -> dict[str, Any]:
    found: dict[str, Any] = the(name, "Microsoft.Web/sites")["properties"]
    return found


# The host's own account


@pytest.mark.parametrize("name", ALL)
def test_the_host_finds_its_account_by_name_and_by_every_uri(name: str) -> None:
    """By the URIs alone it sometimes finds none at its start: issues 11787, 11782 and 11636 of azure-functions-host."""
    given = SNAPSHOTS[name].settings
    host = account(name, "sthost")

    assert given["AzureWebJobsStorage__accountName"] == host["name"]
    for service in ("blob", "queue", "table"):
        uri = given[f"AzureWebJobsStorage__{service}ServiceUri"]
        assert host["id"] in uri
        assert uri.endswith(f".primaryEndpoints.{service}]")
    assert given["AzureWebJobsStorage__credential"] == "managedidentity"
    assert "AzureWebJobsStorage" not in given, "a connection string would hold a key"


@pytest.mark.parametrize("name", ALL)
def test_the_host_may_use_the_tables_of_its_own_account_and_no_queues(name: str) -> None:
    host = account(name, "sthost")["id"]
    given = {
        item["properties"]["roleDefinitionId"].rpartition("/")[2]
        for item in foretold(name, "Microsoft.Authorization/roleAssignments")
        if item["id"].startswith(f"[extensionResourceId('{host}', ")
    }

    assert given == {"b7e6dc6d-f1e8-4753-8033-0f276bb0955b", TABLES}


def test_in_a_network_every_service_that_is_called_has_an_endpoint_and_a_zone() -> None:
    endpoints = {
        (item["name"], item["properties"]["privateLinkServiceConnections"][0]["properties"]["groupIds"][0])
        for item in foretold("everything", "Microsoft.Network/privateEndpoints")
    }
    zones = [item["name"] for item in foretold("everything", "Microsoft.Network/privateDnsZones")]

    assert endpoints == {
        *(("pep-host-blob", "blob"), ("pep-host-queue", "queue"), ("pep-host-table", "table")),
        *(("pep-data-table", "table"), ("pep-data-queue", "queue"), ("pep-backup-blob", "blob")),
        *(("pep-vault", "vault"), ("pep-site", "sites")),
    }
    for part in ("privatelink.blob.", "privatelink.queue.", "privatelink.table.", "vaultcore.", ".azurewebsites.net"):
        assert sum(part in zone for zone in zones) == 1, part
    assert len(zones) == 5


# Doorbells


@pytest.mark.parametrize("name", ALL)
def test_a_queue_of_doorbells_is_there_only_if_it_is_asked_for(name: str) -> None:
    """A second region that is attached rings in the queue of the first one, and makes none."""
    queues = [item["name"] for item in foretold(name, "Microsoft.Storage/storageAccounts/queueServices/queues")]
    senders = [
        item["id"]
        for item in foretold(name, "Microsoft.Authorization/roleAssignments")
        if item["properties"]["roleDefinitionId"].endswith(SENDER)
    ]
    rings = name in ("everything", "second")
    assert [queue.rpartition("/")[2] for queue in queues] == (["scim-doorbells"] if name == "everything" else [])
    assert len(senders) == int(rings)
    assert all("queueServices" in sender and "scim-doorbells" in sender for sender in senders)
    assert bool(SNAPSHOTS[name].settings["SCIM_QUEUE_ACCOUNT_URL"]) is rings


# Zones and updates


def test_storage_is_zone_redundant_where_the_region_has_zones() -> None:
    def redundancy(name: str) -> dict[str, str]:
        found = foretold(name, "Microsoft.Storage/storageAccounts")
        return {item["name"][:6]: item["sku"]["name"] for item in found}

    assert redundancy("dev") == {"sthost": "Standard_LRS", "stscim": "Standard_LRS"}
    assert set(redundancy("prod").values()) == {"Standard_ZRS"}
    assert redundancy("everything")["sthost"] == "Standard_ZRS"
    # North Central US has no zones.
    assert redundancy("second") == {"sthost": "Standard_LRS"}


def test_the_lists_of_regions_have_a_source_a_date_and_the_command() -> None:
    main = (ROOT / "infra" / "main.bicep").read_text()
    for name, source in (("regionsWithZones", "MicrosoftDocs/azure-docs"), ("flexRegionsWithZones", "azure-skills")):
        comment, _, rest = main.partition(f"var {name} = [")
        said = comment.rpartition("\nvar ")[2].rpartition("]\n")[2] or comment[-500:]
        assert source in said
        assert re.search(r"\b20\d\d\b", said)
        regions = re.findall(r"'(\w+)'", rest.partition("]")[0])
        assert len(regions) == len(set(regions)) >= 15
        assert all(re.fullmatch(r"[a-z0-9]+", region) for region in regions)
    assert main.count("list-flexconsumption-locations --zone-redundant=true") == 2


def test_how_instances_are_replaced_can_be_chosen_and_is_said_to_be_a_preview() -> None:
    kinds = {name: site(name)["functionAppConfig"]["siteUpdateStrategy"]["type"] for name in ALL}

    assert kinds == dict.fromkeys(ALL, "RollingUpdate") | {"everything": "Recreate"}
    assert "`updateStrategy`" in PAGES["deploy"]
    assert "preview" in PAGES["deploy"]
    assert "two instances always ready" in PAGES["deploy"]


# Asked from outside


async def test_the_availability_test_asks_health_and_looks_for_what_it_says_when_its_tables_answer(
    storage: TableStorage, clock: Clock
) -> None:
    answer = await endpoint_over(storage, clock).handle(ScimRequest("GET", "/health"))
    for name in TESTED:
        test = the(name, "Microsoft.Insights/webtests")["properties"]
        rules = test["ValidationRules"]
        assert test["Kind"] == "standard"
        assert re.match(r"https://scim\.example\.com/health$|\[format\('\{0\}/health', ", test["Request"]["RequestUrl"])
        assert rules["ExpectedHttpStatusCode"] == answer.status
        assert rules["ContentValidation"]["ContentMatch"].encode() in answer.body
        assert rules["ContentValidation"]["PassIfTextFound"] is True
        assert len({place["Id"] for place in test["Locations"]}) == 5


def test_dev_has_no_test_and_no_alert_for_silence() -> None:
    assert foretold("dev", "Microsoft.Insights/webtests") == []
    assert "scim-no-requests" not in queries("dev")


@pytest.mark.parametrize("name", TESTED)
def test_the_test_belongs_to_its_component_and_has_an_alert(name: str) -> None:
    test = the(name, "Microsoft.Insights/webtests")
    component = the(name, "Microsoft.Insights/components")["id"]
    [alert] = [
        item for item in foretold(name, "Microsoft.Insights/metricAlerts") if item["name"] == "scim-availability"
    ]
    criteria = alert["properties"]["criteria"]

    assert test["tags"][f"hidden-link:{component}"] == "Resource"
    assert criteria["odata.type"] == "Microsoft.Azure.Monitor.WebtestLocationAvailabilityCriteria"
    assert (criteria["webTestId"], criteria["componentId"]) == (test["id"], component)
    assert criteria["failedLocationCount"] == 3
    # Every place has asked within the window.
    assert alert["properties"]["windowSize"] == f"PT{test['properties']['Frequency'] // 60}M"
    assert alert["properties"]["actions"]


def test_the_test_goes_to_the_name_that_clients_use() -> None:
    """By a gateway and a private endpoint, it cannot come to the app itself."""
    asked = the("everything", "Microsoft.Insights/webtests")["properties"]["Request"]["RequestUrl"]

    assert asked == "https://scim.example.com/health"
    tags = [rule["ipAddress"] for rule in site("everything")["siteConfig"]["ipSecurityRestrictions"]]
    assert "ApplicationInsightsAvailability" not in tags


def test_where_only_entra_gets_in_the_test_gets_in_too() -> None:
    config = site("second")["siteConfig"]

    assert config["ipSecurityRestrictionsDefaultAction"] == "Deny"
    assert {rule["ipAddress"] for rule in config["ipSecurityRestrictions"]} == {
        *("AzureActiveDirectory", "ApplicationInsightsAvailability")
    }
    assert {rule["tag"] for rule in config["ipSecurityRestrictions"]} == {"ServiceTag"}
    assert len({rule["priority"] for rule in config["ipSecurityRestrictions"]}) == 2


@pytest.mark.parametrize("name", TESTED)
def test_no_requests_at_all_raise_an_alert(name: str) -> None:
    """A count without a group is one row, also of nothing. So an app without functions cannot silence it."""
    query = queries(name)["scim-no-requests"]

    assert query.endswith("| summarize answered = count() | project measured = iff(answered == 0, 1, 0)")
    assert " by " not in query
    assert '"health"' not in query, "the test's own requests count"


# Whose records


@pytest.mark.parametrize("name", ALL)
def test_every_query_over_requests_and_traces_names_the_cloud_role(name: str) -> None:
    """Another app can write to the same workspace."""
    role = the(name, "Microsoft.Web/sites")["name"]
    for query in (*queries(name).values(), *workbook_queries(name).values()):
        asked = re.findall(r"(?:AppRequests|AppTraces) \| where AppRoleName =~ [\"']([\w-]+)[\"']", query)
        assert asked == [role] * len(re.findall(r"AppRequests|AppTraces", query)), query


def test_every_query_of_the_pages_names_the_cloud_role() -> None:
    for name, page in PAGES.items():
        for query in re.findall(r"(?:AppRequests|AppTraces)\s+\\?\|.{60}", page, re.DOTALL):
            assert re.match(r'\w+\s+\\?\| where AppRoleName == "<app>"', query), f"{name}: {query}"


@pytest.mark.parametrize("name", ALL)
def test_the_workbook_opens_on_the_workspace(name: str) -> None:
    found = workbook(name)

    assert found["fallbackResourceIds"] == [the(name, "Microsoft.OperationalInsights/workspaces")["id"]]
    assert not re.search(r"\{(app|workspace)\}", json.dumps(found))
    titles = [item["content"].get("title") for item in found["items"]]
    assert "Storage: calls by account" in titles


# The site


@pytest.mark.parametrize("name", ALL)
def test_nobody_gets_a_shell(name: str) -> None:
    assert site(name)["sshEnabled"] is False


def test_the_host_name_of_an_app_that_is_there_stays() -> None:
    scopes = {name: site(name)["autoGeneratedDomainNameLabelScope"] for name in ALL}

    assert scopes == dict.fromkeys(ALL) | {"everything": "NoReuse"}


def test_with_a_network_everything_goes_out_through_it() -> None:
    for name in ALL:
        routed = site(name)["outboundVnetRouting"]
        assert routed == ({"allTraffic": True} if name == "everything" else None)


def test_with_a_private_way_in_there_is_no_other() -> None:
    assert site("everything")["publicNetworkAccess"] == "Disabled"
    assert {site(name)["publicNetworkAccess"] for name in ALL if name != "everything"} == {"Enabled"}
    [endpoint] = [
        item for item in foretold("everything", "Microsoft.Network/privateEndpoints") if item["name"] == "pep-site"
    ]
    [connection] = endpoint["properties"]["privateLinkServiceConnections"]
    assert connection["properties"]["privateLinkServiceId"] == the("everything", "Microsoft.Web/sites")["id"]


# Keys of the customer


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_a_new_account_is_made_so_that_its_tables_can_have_a_customers_key(name: str) -> None:
    given = account(name, "stscim")["properties"]["encryption"]

    assert given["services"]["table"] == {"enabled": True, "keyType": "Account"}
    assert given["keySource"] == "Microsoft.Storage"


@pytest.mark.parametrize("begins", ["stscim", "stback"])
def test_a_customers_key_encrypts_directory_and_backups(begins: str) -> None:
    item = account("everything", begins)
    given = item["properties"]["encryption"]
    identity = given["identity"]["userAssignedIdentity"]

    assert given["keySource"] == "Microsoft.Keyvault"
    assert given["keyvaultproperties"] == {"keyvaulturi": "https://kv-keys.vault.azure.net", "keyname": "scim-data"}
    assert item["identity"] == {"type": "UserAssigned", "userAssignedIdentities": {identity: {}}}
    assert {part["keyType"] for part in given["services"].values()} == {"Account"}


def test_what_cannot_be_changed_is_not_said_of_the_other_accounts() -> None:
    for name in ALL:
        assert account(name, "sthost")["properties"]["encryption"] is None
    assert account("prod", "stback")["properties"]["encryption"] is None
    assert "SCIM_TABLE_KEY_SCOPE" in PAGES["deploy"], "accounts of version 0.2 need the other value"


# A second region


def test_a_second_region_uses_the_directory_of_the_first_and_makes_none() -> None:
    found = foretold("second", "Microsoft.Storage/storageAccounts")
    assert [item["name"][:6] for item in found] == ["sthost"]
    assert foretold("second", "Microsoft.Storage/storageAccounts/tableServices/tables") == []
    url = SNAPSHOTS["second"].settings["SCIM_STORAGE_ACCOUNT_URL"]
    assert url == "[format('https://{0}.table.{1}/', 'stscimprod', environment().suffixes.storage)]"


def test_a_second_region_gets_only_roles_in_the_first() -> None:
    theirs = "/subscriptions/00000000-0000-4000-8000-000000000009/resourceGroups/rg-scim-prod/"
    there = [
        item
        for item in SNAPSHOTS["second"].resources
        if item["id"].removeprefix("[extensionResourceId('").startswith(theirs)
    ]

    assert {item["type"] for item in there} == {"Microsoft.Authorization/roleAssignments"}
    assert {item["properties"]["roleDefinitionId"].rpartition("/")[2] for item in there} == {TABLES, SENDER}
    places = [item["id"] for item in there if item["properties"]["principalType"] == "ServicePrincipal"]
    [table, queue] = sorted(places, key=lambda place: "/queueServices/" in place)
    assert "/tableServices/default/tables/scim'" in table
    assert "/queueServices/default/queues/scim-doorbells'" in queue
    [lock] = foretold("second", "Microsoft.Authorization/locks")
    assert "Microsoft.KeyVault/vaults" in lock["id"]
    assert {item["name"] for item in foretold("second", "Microsoft.Insights/metricAlerts")} == {"scim-availability"}


def test_backups_can_be_in_another_region_under_another_name() -> None:
    here, there = account("prod", "stback"), account("everything", "stback")

    assert here["location"] == "westeurope"
    assert here["name"].removeprefix("stback") == account("prod", "stscim")["name"].removeprefix("stscim")
    assert there["location"] == "northeurope"
    assert there["name"].removeprefix("stback") != account("everything", "stscim")["name"].removeprefix("stscim")
    assert there["sku"]["name"] == "Standard_ZRS"


# What azd passes on


def test_each_choice_can_be_made_through_azd() -> None:
    given = json.loads((ROOT / "infra" / "main.parameters.json").read_text())["parameters"]
    wanted = {
        *("zones", "updateStrategy", "availabilityTest", "hostNameScope", "privateInbound", "tableKeyScope"),
        *("encryptionKeyUrl", "encryptionIdentityId", "existingDataAccountId", "backupLocation"),
    }

    assert wanted <= given.keys()
    for name in wanted:
        assert f"`{name}`" in PAGES["deploy"], name
