"""No secret is written down, and the app uses its identity in place of keys."""

import pytest

from infra.checks import secrecy
from tests.infra.foretold import GONE, SNAPSHOTS, altered, deployed, finds, without

SETTINGS = "Web/sites/config"


@pytest.mark.parametrize(
    "value",
    [
        "[listKeys('id', '2025-06-01').keys[0].value]",
        "DefaultEndpointsProtocol=https;AccountKey=abc",
        "https://stscim.table.core.windows.net/?sv=2022&sig=abc",
        "-----BEGIN EC PRIVATE KEY-----",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ],
)
def test_a_secret_that_is_written_down_is_found(value: str) -> None:
    assert finds(secrecy.written, altered("dev", SETTINGS, "properties.SCIM_SCHEMA_DIRECTORY", value), "written down")
    output = deployed("dev")
    output.outputs["TOKEN"] = value
    assert finds(secrecy.written, output, "written down")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SCIM_STORAGE_CONNECTION_STRING", "[reference('x').y]"),
        ("SCIM_TABLE_NAME", "[reference('x').connectionString]"),
    ],
)
def test_a_connection_string_that_is_not_of_telemetry_is_found(name: str, value: str) -> None:
    assert finds(secrecy.written, altered("dev", SETTINGS, f"properties.{name}", value), "has a connection string")


@pytest.mark.parametrize("name", secrecy.SECRETS)
def test_a_secret_that_is_no_secure_parameter_is_found(name: str) -> None:
    kind = f"KeyVault/vaults/secrets#/{name}"

    assert finds(secrecy.parameters, altered("dev", kind, "properties.value", "abc"), f"{name} is no secure")
    assert finds(
        secrecy.parameters, altered("dev", kind, "condition", GONE), f"{name} is no secure parameter, or is over"
    )
    assert finds(secrecy.parameters, altered("dev", kind, "name", "vault/other"), "other is not in both")
    assert finds(secrecy.parameters, without("dev", kind), f"{name} is not in both")


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("dev", "SCIM_TOKEN_SHA256"),
        ("choices", "SCIM_SIGNING_KEY"),
        ("choices", "SCIM_SIGNING_KEY_OTHER"),
        ("everything", "SCIM_SIGNING_KEY"),
        ("everything", "SCIM_SIGNING_KEY_OTHER"),
        ("everything", "SCIM_BACKUP_KEY"),
        ("everything", "SCIM_MASTER_KEY"),
        ("everything", "SCIM_FEED_TOKEN_SHA256"),
    ],
)
def test_a_setting_with_a_secret_and_no_reference_is_found(name: str, setting: str) -> None:
    """By default the value is a reference: to a secret, or to a key, which has a URL that is no secret."""
    assert "/vaults/" in SNAPSHOTS[name].settings[setting]
    assert finds(secrecy.references, altered(name, SETTINGS, f"properties.{setting}", "abc"), f"{setting} has a value")


def test_references_that_the_identity_does_not_open_are_found() -> None:
    for value in ("SystemAssigned", GONE):
        assert finds(
            secrecy.references,
            altered("dev", "Web/sites", "properties.keyVaultReferenceIdentity", value),
            "not resolved",
        )


@pytest.mark.parametrize(
    ("kind", "path", "value", "said"),
    [
        ("Web/sites", "identity.userAssignedIdentities", {"/other": {}}, "its identity is not"),
        (SETTINGS, "properties.AzureWebJobsStorage__clientId", GONE, "AzureWebJobsStorage__clientId does not name"),
        (SETTINGS, "properties.APPLICATIONINSIGHTS_AUTHENTICATION_STRING", GONE, "not sent with the identity"),
        ("Insights/components", "properties.WorkspaceResourceId", "/other", "does not go to"),
    ],
)
def test_an_app_without_its_identity_is_found(kind: str, path: str, value: object, said: str) -> None:
    assert finds(secrecy.identity, altered("dev", kind, path, value), said)
