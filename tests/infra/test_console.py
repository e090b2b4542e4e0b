"""The hosted console: nobody sees it without a sign-in, and its identity may do no more than it shows."""

import pytest

from infra.checks import console, rules
from scim_core.console_settings import ConsoleSettings, serves_console
from scim_core.mass_change_settings import MassChangeSettings
from tests.infra.foretold import GONE, SNAPSHOTS, altered, deployed, finds, resource

SIGN_IN = "Web/sites/config#authsettingsV2"
AAD = "properties.identityProviders.azureActiveDirectory"


def test_what_would_be_deployed_breaks_no_rule() -> None:
    assert [text for rule in rules.OF_THE_CONSOLE for text in rule(SNAPSHOTS["console"])] == []


def test_the_app_starts_with_the_settings_that_it_gets() -> None:
    given = SNAPSHOTS["console"].settings | {
        "SCIM_ENTRA_AUTHORITY": "https://login.microsoftonline.com"
    }  # of the cloud
    settings = ConsoleSettings.from_environment(given)
    assert serves_console(given)
    assert not settings.allows_changes
    assert settings.mass_changes == MassChangeSettings()
    assert settings.storage.registry_table_name == "scimregistry"
    assert "stscimabcdefghijklm" in (settings.storage.storage_account_url or "")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("properties.platform.enabled", False),
        ("properties.globalValidation.requireAuthentication", False),
        ("properties.globalValidation.unauthenticatedClientAction", "AllowAnonymous"),
        ("properties.globalValidation.excludedPaths", ["/console"]),
        ("properties.httpSettings.requireHttps", False),
        ("properties.login.tokenStore.enabled", GONE),
        (f"{AAD}.enabled", False),
        (f"{AAD}.registration.clientId", "another"),
        (f"{AAD}.registration.openIdIssuer", "https://login.microsoftonline.com/common/v2.0"),
        (f"{AAD}.registration.clientSecretSettingName", "A_SECRET"),
    ],
)
def test_a_way_past_the_sign_in_is_found(path: str, value: object) -> None:
    assert finds(console.signed_in, altered("console", SIGN_IN, path, value), path.rpartition(".")[2])


def test_a_console_without_a_sign_in_is_found() -> None:
    found = deployed("console")
    found.resources.remove(resource(found, SIGN_IN))
    assert finds(console.signed_in, found, "nobody has to sign in")
    other = altered("console", "Web/sites/config#appsettings", "properties.SCIM_APP", "scim")
    assert finds(console.signed_in, other, "SCIM_APP")


def test_an_identity_that_writes_without_need_is_found() -> None:
    writes = deployed("console")
    for item in writes.of("Microsoft.Authorization/roleAssignments"):
        role = item["properties"]["roleDefinitionId"]
        item["properties"]["roleDefinitionId"] = role.replace(
            "76199698-9eea-4c19-bc75-cec21354c6b6", "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3"
        )
    assert finds(console.access, writes, "does not need the role Storage Table Data Contributor")
    allowed = deployed("console")
    resource(allowed, "Web/sites/config#appsettings")["properties"]["SCIM_CONSOLE_CHANGES"] = "allow"
    assert finds(console.access, allowed, "does not need the role Storage Table Data Reader")
    assert finds(console.access, altered("console", "Web/sites", "identity.userAssignedIdentities", {}), "alone")


def test_callers_that_no_rule_names_are_found() -> None:
    path = "properties.siteConfig.ipSecurityRestrictionsDefaultAction"
    assert finds(console.callers, altered("console", "Web/sites", path, "Allow"), "is allowed, or nothing is")
