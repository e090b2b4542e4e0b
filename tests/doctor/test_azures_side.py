"""What the doctor finds on Azure's side. Each finding names the thing, and says what to do."""

import json
from datetime import timedelta

import pytest

from scim_core.clock import instant_text
from tests.doctor.azure import (
    ACCOUNTS,
    COMPONENT,
    CRYPTO,
    EXPORTS,
    KEY,
    QUEUE,
    RINGS,
    ROLES,
    ROWS,
    SCOPE,
    TABLE,
    VAULT,
)
from tests.doctor.conftest import Doctor
from tests.infra.foretold import INFRA


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("AccessToKeyVaultDenied", "lacks the role Key Vault Secrets User"),
        ("SecretNotFound", "az keyvault secret set"),
        ("VaultNotFound", "no such vault"),
        ("Initialized", "restart the app"),
        ("OtherReasons", "The portal says why"),
    ],
)
async def test_a_reference_that_is_not_resolved(doctor: Doctor, status: str, said: str) -> None:
    doctor.azure.references["SCIM_TOKEN_SHA256"] = status
    [wrong] = await doctor.wrong("settings")
    assert f"The vault reference of SCIM_TOKEN_SHA256 is not resolved: {status}." in wrong
    assert said in wrong


async def test_a_setting_that_the_app_refuses(doctor: Doctor) -> None:
    doctor.azure.settings["SCIM_SWEEP_SCHEDULE"] = "every day"
    [wrong] = await doctor.wrong("settings")
    assert wrong.startswith("SCIM_SWEEP_SCHEDULE must be an NCRONTAB expression")
    assert "docs/settings.md" in wrong


async def test_a_key_that_is_written_into_the_settings(doctor: Doctor) -> None:
    doctor.azure.settings |= {"SCIM_TENANTS": "registry", "SCIM_SIGNING_KEY": "eyJrdHkiOiJFQyJ9"}
    [wrong] = await doctor.wrong("settings")
    assert wrong.startswith("SCIM_SIGNING_KEY holds a secret itself")
    assert "eyJrdHk" not in wrong


async def test_a_stopped_app(doctor: Doctor) -> None:
    doctor.azure.site["properties"]["state"] = "Stopped"
    [wrong] = await doctor.wrong("app")
    assert wrong.startswith(
        "The function app func-scim-x is Stopped. -> az functionapp start --resource-group rg-scim-prod"
    )


async def test_an_app_without_functions(doctor: Doctor) -> None:
    doctor.azure.functions.clear()
    [wrong] = await doctor.wrong("functions")
    assert "Azure knows no function of the app" in wrong
    assert "Deploy the package" in wrong


async def test_an_app_that_refuses_its_settings_has_only_the_fallback(doctor: Doctor) -> None:
    doctor.azure.functions = {"zz_fallback": {}}
    [wrong] = await doctor.wrong("functions")
    assert wrong.startswith("Only the fallback is there")
    assert "the app does not serve" in wrong


async def test_a_timer_that_is_missing_and_one_that_is_turned_off(doctor: Doctor) -> None:
    del doctor.azure.functions["backup"]
    doctor.azure.functions["sweep"] = {"isDisabled": True}
    missing, disabled = await doctor.wrong("functions")
    assert missing.startswith("The function backup is not there.")
    assert "The function sweep is turned off. -> Remove the setting AzureWebJobs.sweep.Disabled" in disabled


@pytest.mark.parametrize(
    ("scope", "role"),
    [
        (f"{ACCOUNTS}/sthostx", "Storage Blob Data Owner"),
        (TABLE, "Storage Table Data Contributor"),
        (EXPORTS, "Storage Blob Data Contributor"),
        (VAULT, "Key Vault Secrets User"),
        (COMPONENT, "Monitoring Metrics Publisher"),
    ],
)
async def test_a_role_that_is_missing(doctor: Doctor, scope: str, role: str) -> None:
    doctor.azure.assignments = [item for item in doctor.azure.assignments if item[1] != scope]
    [wrong] = await doctor.wrong("roles")
    assert f"on {scope}." in wrong
    assert f"Give it the role {role} there" in wrong


async def test_a_role_is_judged_by_its_permissions_and_where_it_is_given(doctor: Doctor) -> None:
    """Roles of our own are as good as Azure's. One on the account holds for its tables, in any letter case."""
    azure = doctor.azure
    azure.roles["own"] = ["Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write"]
    azure.assignments = [item for item in azure.assignments if item[1] not in (EXPORTS, TABLE)]
    azure.assignments += [("own", EXPORTS), (ROWS, f"{ACCOUNTS}/STSCIMX")]
    assert (await doctor.said())[0] == 0
    azure.roles["own"] = ["Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"]
    [wrong] = await doctor.wrong("roles")
    assert "blobs/write on" in wrong


async def test_a_role_on_another_table_does_not_count(doctor: Doctor) -> None:
    doctor.azure.assignments = [
        (role, f"{scope}2" if scope == TABLE else scope) for role, scope in doctor.azure.assignments
    ]
    [wrong] = await doctor.wrong("roles")
    assert f"on {TABLE}." in wrong


async def test_a_registry_with_its_own_table_and_a_key_in_the_vault_needs_more(doctor: Doctor) -> None:
    azure = doctor.azure
    azure.settings |= {"SCIM_TENANTS": "registry", "SCIM_REGISTRY_TABLE_NAME": "scimregistry"}
    azure.settings |= {"SCIM_SIGNING_KEY": "https://kv-scim-x.vault.azure.net/keys/scim-signing-key"}
    azure.tables.add(f"{TABLE}registry")
    first, second = await doctor.wrong("roles")
    assert f"entities/update/action on {TABLE}registry." in first
    assert f"keys/sign/action on {KEY}." in second
    azure.assignments += [(ROWS, f"{TABLE}registry"), (CRYPTO, KEY)]
    assert await doctor.wrong("roles") == []


async def test_a_host_that_is_given_tables_needs_a_role_on_them(doctor: Doctor) -> None:
    doctor.azure.settings["AzureWebJobsStorage__tableServiceUri"] = "https://sthostx.table.core.windows.net/"
    [wrong] = await doctor.wrong("roles")
    assert f"entities/delete on {ACCOUNTS}/sthostx." in wrong
    doctor.azure.assignments.append((ROWS, f"{ACCOUNTS}/sthostx"))
    assert await doctor.wrong("roles") == []


async def test_an_account_in_another_resource_group_is_looked_at_there(doctor: Doctor) -> None:
    elsewhere = f"{ACCOUNTS}/stscimx".replace("rg-scim-prod", "rg-data")
    [account] = [item for item in doctor.azure.accounts if item["name"] == "stscimx"]
    account["id"] = elsewhere
    table = f"{elsewhere}/tableServices/default/tables/scim"
    doctor.azure.tables = {table}
    doctor.azure.assignments = [(role, table if scope == TABLE else scope) for role, scope in doctor.azure.assignments]
    assert (await doctor.said())[0] == 0


async def test_a_vault_that_is_gone(doctor: Doctor) -> None:
    doctor.azure.vaults.clear()
    [wrong] = await doctor.wrong("roles")
    assert "There is no vault kv-scim-x.vault.azure.net" in wrong
    assert "recoverVault" in wrong


async def test_a_closed_account_needs_a_network_and_an_approved_endpoint(doctor: Doctor) -> None:
    [account] = [item for item in doctor.azure.accounts if item["name"] == "stscimx"]
    account["properties"]["publicNetworkAccess"] = "Disabled"
    first, second = await doctor.wrong("table")
    assert "the function app is in no network" in first
    assert "no private endpoint that is approved" in second
    doctor.azure.site["properties"]["virtualNetworkSubnetId"] = "/subscriptions/x/subnets/app"
    state = {"privateLinkServiceConnectionState": {"status": "Approved"}}
    account["properties"]["privateEndpointConnections"] = [{"properties": state}]
    assert (await doctor.said())[0] == 0


async def test_a_queue_that_the_app_may_not_ring_in(doctor: Doctor) -> None:
    doctor.azure.settings["SCIM_QUEUE_ACCOUNT_URL"] = "https://stscimx.queue.core.windows.net/"
    [wrong] = await doctor.wrong("roles")
    assert f"messages/add/action on every queue of {ACCOUNTS}/stscimx." in wrong
    assert "Storage Queue Data Message Sender" in wrong
    for place in (QUEUE, f"{ACCOUNTS}/stscimx", SCOPE):
        doctor.azure.assignments.append((RINGS, place))
        assert await doctor.wrong("roles") == []
        doctor.azure.assignments.pop()
    doctor.azure.settings["SCIM_QUEUE_ACCOUNT_URL"] = "https://another.queue.core.windows.net/"
    [wrong] = await doctor.wrong("roles")
    assert "SCIM_QUEUE_ACCOUNT_URL names no storage account" in wrong


async def test_a_hook_that_is_blocked(doctor: Doctor) -> None:
    doctor.azure.hooks = [['hooks: 3 batches taken, 1 attempts failed, 2 blocked, 0 dead {"operation": "hooks"}']]
    [wrong] = await doctor.wrong("hooks")
    assert wrong.startswith("The timer says of hooks: 3 batches taken, 1 attempts failed, 2 blocked, 0 dead. -> ")
    assert "hooks list" in wrong


async def test_a_sweep_that_stands_still(doctor: Doctor) -> None:
    now = doctor.service.clock()
    doctor.azure.timers[0][2:] = [instant_text(now - timedelta(minutes=70)), 14]
    [wrong] = await doctor.wrong("timers")
    assert wrong.startswith("The sweep has not succeeded for 1 hour; it failed 14 times in two days.")


async def test_timers_without_a_trace(doctor: Doctor) -> None:
    doctor.azure.timers.clear()
    [wrong] = await doctor.wrong("timers")
    assert "no run of the sweep" in wrong
    assert "Monitoring Metrics Publisher" in wrong


@pytest.mark.parametrize("backup", [[], [["backup", "2026-11-20T00:00:00Z", None, 2]]])
async def test_a_backup_that_has_not_succeeded(doctor: Doctor, backup: list[list[object]]) -> None:
    doctor.azure.timers[1:] = backup
    [wrong] = await doctor.wrong("timers")
    assert wrong.startswith("No backup has succeeded within two days.")


async def test_the_first_backup_of_a_new_deployment_is_not_due(doctor: Doctor) -> None:
    del doctor.azure.timers[1]
    doctor.azure.timers[0][1] = instant_text(doctor.service.clock() - timedelta(hours=3))
    code, lines = await doctor.said()
    assert (code, [line for line in lines if "timers" in line]) == (
        0,
        ["ok     timers: the sweep ran; the first backup is not due yet"],
    )


async def test_what_the_app_says_when_it_does_not_serve(doctor: Doctor) -> None:
    doctor.azure.refusals = [["the app does not serve: SCIM_TOKEN_SHA256 is not set"]]
    [wrong] = await doctor.wrong("refusals")
    assert "SCIM_TOKEN_SHA256 is not set" in wrong


async def test_clients_that_hold_ids_of_another_directory_are_known_with_the_repair(doctor: Doctor) -> None:
    doctor.azure.gone = [["contoso", 3], ["adatum", 4000]]
    [wrong] = await doctor.wrong("links of Entra")
    assert wrong.startswith("The client of the tenant adatum wanted to change 4000 resources that do not exist.")
    assert "objectConnections" in wrong
    assert "docs/operate.md" in wrong


async def test_alerts_that_are_off_that_tell_nobody_and_that_are_missing(doctor: Doctor) -> None:
    doctor.azure.query_rules[0]["properties"]["enabled"] = False
    doctor.azure.query_rules[1]["properties"]["actions"] = {}
    doctor.azure.metric_rules.clear()
    missing, off, silent = await doctor.wrong("alerts")
    assert missing.startswith("There is no alert over metrics.")
    assert off.startswith("The alert scim-server-errors is turned off.")
    assert silent.startswith("The alert scim-not-serving tells nobody.")


async def test_an_action_group_without_a_receiver(doctor: Doctor) -> None:
    assert doctor.azure.people is not None
    doctor.azure.people["properties"]["emailReceivers"] = []
    assert await doctor.wrong("alerts") == ["The action group ag-scim-x has no receiver. -> Deploy with alertEmail."]
    doctor.azure.people["properties"]["enabled"] = False
    [wrong] = await doctor.wrong("alerts")
    assert "turned off" in wrong
    doctor.azure.people = None
    [wrong] = await doctor.wrong("alerts")
    assert "does not exist" in wrong


async def test_no_secret_is_asked_for_and_none_is_told(doctor: Doctor) -> None:
    doctor.azure.settings["SOMETHING"] = "a secret of another setting"
    _, lines = await doctor.said()
    assert "a secret" not in "".join(lines)
    assert [call for call in doctor.azure.calls if "/secrets" in call or "listkeys" in call.lower()] == []


def test_the_stand_in_has_the_roles_that_the_deployment_gives_to_the_app() -> None:
    given = json.loads((INFRA / "roles.json").read_text())
    assert set(ROLES) <= set(given.values())
