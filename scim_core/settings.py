"""What an operator sets: read once from the environment, checked, and then passed on as a value."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_SWEEP_SCHEDULE = "0 */5 * * * *"
"""Every five minutes, in the six fields of the Functions host: what a process left unfinished waits no longer."""

DEFAULT_BACKUP_SCHEDULE = "0 15 2 * * *"
"""Every night: a backup costs a read of the whole directory."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_TABLE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{2,62}")


class SettingsError(ValueError):
    """A setting is missing or contradicts another; the text names it and says what to do."""


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """Where the directory is: all that a command-line tool needs to know of a deployment."""

    table_name: str
    storage_connection: str | None
    storage_account_url: str | None
    storage_identity_client_id: str | None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "StorageSettings":
        """The settings of this environment. Raises SettingsError, naming the setting, when one is unusable."""
        connection = environment.get("SCIM_STORAGE_CONNECTION", "").rstrip("; ") or None
        account_url = environment.get("SCIM_STORAGE_ACCOUNT_URL") or None
        if bool(connection) == bool(account_url):
            raise SettingsError(
                "Set exactly one of SCIM_STORAGE_ACCOUNT_URL (https://<account>.table.core.windows.net, read with the "
                "function app's identity) and SCIM_STORAGE_CONNECTION (a connection string, for Azurite)."
            )
        table_name = environment.get("SCIM_TABLE_NAME") or "scim"
        if not _TABLE_NAME.fullmatch(table_name):
            raise SettingsError("SCIM_TABLE_NAME must be 3 to 63 letters and digits that start with a letter.")
        return cls(
            table_name=table_name,
            storage_connection=connection,
            storage_account_url=account_url,
            storage_identity_client_id=environment.get("SCIM_STORAGE_IDENTITY_CLIENT_ID") or None,
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one deployment. Docs: local.settings.sample.json lists every one."""

    storage: StorageSettings
    token_sha256: tuple[str, ...]
    public_base_url: str | None
    schema_directory: Path | None
    sweep_schedule: str = DEFAULT_SWEEP_SCHEDULE
    backup_container_url: str | None = None
    backup_schedule: str = DEFAULT_BACKUP_SCHEDULE

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """The settings of this environment. Raises SettingsError, naming the setting, when one is unusable."""
        directory = environment.get("SCIM_SCHEMA_DIRECTORY")
        storage = StorageSettings.from_environment(environment)
        backup_url = _container_url(environment.get("SCIM_BACKUP_CONTAINER_URL", ""))
        if backup_url and not storage.storage_account_url:
            raise SettingsError(
                "SCIM_BACKUP_CONTAINER_URL needs SCIM_STORAGE_ACCOUNT_URL: both are reached with the app's identity."
            )
        return cls(
            storage=storage,
            token_sha256=_token_hashes(environment.get("SCIM_TOKEN_SHA256", "")),
            public_base_url=_base_url(environment.get("SCIM_PUBLIC_BASE_URL", "")),
            schema_directory=Path(directory) if directory else None,
            sweep_schedule=_schedule(environment, "SCIM_SWEEP_SCHEDULE", DEFAULT_SWEEP_SCHEDULE),
            backup_container_url=backup_url,
            backup_schedule=_schedule(environment, "SCIM_BACKUP_SCHEDULE", DEFAULT_BACKUP_SCHEDULE),
        )


def _token_hashes(text: str) -> tuple[str, ...]:
    hashes = tuple(part.strip().lower() for part in text.split(",") if part.strip())
    if not hashes:
        raise SettingsError(
            "SCIM_TOKEN_SHA256 is not set: without it no client could be authenticated. Set it to the SHA-256 "
            "(64 hex digits) of the bearer token; two, separated by a comma, while a token is being rotated."
        )
    if not all(_SHA256.fullmatch(item) for item in hashes):
        raise SettingsError("SCIM_TOKEN_SHA256 must hold SHA-256 values of 64 hex digits, separated by commas.")
    return hashes


def _schedule(environment: Mapping[str, str], name: str, default: str) -> str:
    text = (environment.get(name) or default).strip()
    if not re.fullmatch(r"[0-9A-Za-z*/,-]+( +[0-9A-Za-z*/,-]+){5}", text):
        raise SettingsError(f"{name} must be an NCRONTAB expression of six fields, seconds first, such as {default}.")
    return text


def _container_url(text: str) -> str | None:
    if not text:
        return None
    if not re.fullmatch(r"https://[A-Za-z0-9.:-]+(/[A-Za-z0-9-]+){1,2}", text):
        raise SettingsError(
            "SCIM_BACKUP_CONTAINER_URL must look like https://<account>.blob.core.windows.net/<container>, without a "
            "signature: it is reached with the function app's identity."
        )
    return text


def _base_url(text: str) -> str | None:
    if not text:
        return None
    if not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?", text):
        raise SettingsError("SCIM_PUBLIC_BASE_URL must look like https://scim.example.com, without query or fragment.")
    return text.rstrip("/")
