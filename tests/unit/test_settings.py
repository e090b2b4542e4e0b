"""Security defaults closed: with a missing or contradictory setting nothing is served, and the setting is named."""

import hashlib

import pytest

from scim_core import Settings, SettingsError
from tests.scim import Client

TOKEN = hashlib.sha256(b"a token").hexdigest()
VENDOR = "ce5f061f-abe6-4e40-9615-301f87bcb7f0"
GOOD = {"SCIM_TOKEN_SHA256": TOKEN, "SCIM_STORAGE_CONNECTION": "UseDevelopmentStorage=true;"}


def test_usable_settings_are_read() -> None:
    settings = Settings.from_environment(GOOD)

    assert settings.token_sha256 == (TOKEN,)
    assert settings.storage.storage_connection == "UseDevelopmentStorage=true"
    assert settings.storage.table_name == "scim"


def test_a_backup_is_reached_with_the_identity_that_reaches_the_tables() -> None:
    urls = {
        "SCIM_STORAGE_CONNECTION": "",
        "SCIM_STORAGE_ACCOUNT_URL": "https://x.table.core.windows.net",
        "SCIM_BACKUP_CONTAINER_URL": "https://x.blob.core.windows.net/exports",
    }

    assert Settings.from_environment(GOOD | urls).backup_container_url == urls["SCIM_BACKUP_CONTAINER_URL"]
    assert Settings.from_environment(GOOD).backup_container_url is None


def test_two_tokens_can_be_given_while_one_is_rotated() -> None:
    other = hashlib.sha256(b"another").hexdigest()

    assert Settings.from_environment(GOOD | {"SCIM_TOKEN_SHA256": f"{TOKEN}, {other.upper()}"}).token_sha256 == (
        TOKEN,
        other,
    )


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"SCIM_TOKEN_SHA256": ""}, "SCIM_TOKEN_SHA256"),
        ({"SCIM_TOKEN_SHA256": " , "}, "SCIM_TOKEN_SHA256"),
        ({"SCIM_TOKEN_SHA256": "the-token-itself"}, "SCIM_TOKEN_SHA256"),
        (
            {"SCIM_TOKEN_SHA256": "@Microsoft.KeyVault(SecretUri=the-token-itself)"},
            "vault reference of SCIM_TOKEN_SHA256",
        ),
        ({"SCIM_SIGNING_KEY_OTHER": "@Microsoft.KeyVault(SecretUri=x)"}, "vault reference of SCIM_SIGNING_KEY_OTHER"),
        ({"SCIM_HTTP": "Proxy"}, "SCIM_HTTP"),
        ({"SCIM_STORAGE_CONNECTION": ""}, "SCIM_STORAGE_ACCOUNT_URL"),
        ({"SCIM_STORAGE_ACCOUNT_URL": "https://x.table.core.windows.net"}, "exactly one"),
        ({"SCIM_TABLE_NAME": "1table"}, "SCIM_TABLE_NAME"),
        ({"SCIM_REGISTRY_TABLE_NAME": "1table"}, "SCIM_REGISTRY_TABLE_NAME"),
        ({"SCIM_REGISTRY_TABLE_NAME": "SCIM"}, "SCIM_REGISTRY_TABLE_NAME"),
        ({"SCIM_BACKUP_KEY": "c2hvcnQ="}, "SCIM_BACKUP_KEY"),
        ({"SCIM_BACKUP_KEY": "@Microsoft.KeyVault(SecretUri=https://x)"}, "SCIM_BACKUP_KEY"),
        ({"SCIM_MASTER_KEY": "the-token-itself"}, "SCIM_MASTER_KEY"),
        ({"SCIM_FEED_TOKEN_SHA256": "the-token-itself"}, "SCIM_FEED_TOKEN_SHA256"),
        ({"SCIM_FEED_TOKEN_SHA256": TOKEN.upper()}, "SCIM_FEED_TOKEN_SHA256 and SCIM_TOKEN_SHA256 name the same token"),
        ({"SCIM_FEED_ENTRA_TENANT": VENDOR}, "SCIM_FEED_ENTRA_AUDIENCE"),
        ({"SCIM_FEED_ENTRA_AUDIENCE": "api://scim"}, "SCIM_FEED_ENTRA_TENANT"),
        ({"SCIM_FEED_ENTRA_TENANT": "common", "SCIM_FEED_ENTRA_AUDIENCE": "api://scim"}, "must be the GUID"),
        ({"SCIM_FEED_ENTRA_TENANT": VENDOR, "SCIM_FEED_ENTRA_AUDIENCE": "a scim"}, "SCIM_FEED_ENTRA_AUDIENCE must"),
        ({"SCIM_INSTANCE_CONCURRENCY": "0"}, "SCIM_INSTANCE_CONCURRENCY"),
        ({"SCIM_BACKUP_SCHEDULE": "0 2 * * *"}, "SCIM_BACKUP_SCHEDULE"),
        ({"SCIM_BACKUP_CONTAINER_URL": "https://x.blob.core.windows.net/exports"}, "SCIM_STORAGE_ACCOUNT_URL"),
        ({"SCIM_BACKUP_CONTAINER_URL": "https://x.blob.core.windows.net/exports?sig=the-token-itself"}, "signature"),
        ({"SCIM_BACKUP_CONTAINER_URL": "http://x.blob.core.windows.net/exports"}, "SCIM_BACKUP_CONTAINER_URL"),
        ({"SCIM_PUBLIC_BASE_URL": "scim.example.com"}, "SCIM_PUBLIC_BASE_URL"),
        ({"SCIM_PUBLIC_BASE_URL": "https://scim.example.com?code=x"}, "SCIM_PUBLIC_BASE_URL"),
    ],
)
def test_an_unusable_setting_is_named_and_its_value_is_not_repeated(change: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment(GOOD | change)

    assert named in str(refused.value)
    assert "the-token-itself" not in str(refused.value)


async def test_an_unknown_wrong_or_malformed_credential_is_refused_alike(client: Client) -> None:
    answers = [
        await client.get("/Users", headers={"authorization": value})
        for value in (None, "", "non-token", "Bearer", "Bearer x", "Basic eDp5", f"Bearer {'x' * 100_000}")
    ]

    assert {answer.status for answer in answers} == {401}
    assert all(answer.headers["www-authenticate"].startswith("Bearer") for answer in answers)
