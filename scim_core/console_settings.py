"""The settings of the hosted console: an app of the same package, which serves the console and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scim_core.ids import UUID
from scim_core.mass_change_settings import USUAL, MassChangeSettings, mass_change_settings
from scim_core.settings import (
    DEFAULT_ENTRA_AUTHORITY,
    SettingsError,
    StorageSettings,
    authority,
    base_url,
    flag,
    number,
    refuse_unresolved,
)


def serves_console(environment: Mapping[str, str]) -> bool:
    """Whether this app is the console. Then it serves no SCIM, and every other app serves no console.

    Raises SettingsError for another word.
    """
    text = environment.get("SCIM_APP", "")
    if text not in ("", "scim", "console"):
        raise SettingsError(
            "SCIM_APP must be scim (the default: the SCIM endpoint and the feed) or console (the console alone)."
        )
    return text == "console"


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """What the hosted console needs. People of `entra_tenant` sign in to the application `client_id`.

    `base_url` is the address of the service, not of the console: setup links begin with it. `mass_changes` are
    as the SCIM app has them: what the pages call a mass change.
    """

    storage: StorageSettings
    entra_authority: str
    entra_tenant: str
    client_id: str
    allows_changes: bool
    schema_directory: Path | None
    base_url: str | None = None
    mass_changes: MassChangeSettings = USUAL

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "ConsoleSettings":
        """The settings of this environment. Raises SettingsError, naming the setting, when one is unusable."""
        refuse_unresolved(environment)
        directory = environment.get("SCIM_SCHEMA_DIRECTORY")
        return cls(
            storage=StorageSettings.from_environment(environment),
            entra_authority=authority(environment.get("SCIM_ENTRA_AUTHORITY") or DEFAULT_ENTRA_AUTHORITY),
            entra_tenant=_guid(environment, "SCIM_CONSOLE_ENTRA_TENANT", "your own Entra tenant"),
            client_id=_guid(environment, "SCIM_CONSOLE_CLIENT_ID", "the application that people sign in to"),
            allows_changes=_allows_changes(environment.get("SCIM_CONSOLE_CHANGES", "")),
            schema_directory=Path(directory) if directory else None,
            base_url=base_url(environment.get("SCIM_PUBLIC_BASE_URL", ""), required=False),
            mass_changes=mass_change_settings(environment, number, flag),
        )


def _guid(environment: Mapping[str, str], name: str, what: str) -> str:
    text = environment.get(name, "").strip().lower()
    if not UUID.fullmatch(text):
        raise SettingsError(f"{name} must be the GUID of {what}: without it nobody could be let in.")
    return text


def _allows_changes(text: str) -> bool:
    if text not in ("", "allow"):
        raise SettingsError(
            "SCIM_CONSOLE_CHANGES must be allow or empty. allow lets operators change what the console can change, "
            "such as to revoke a credential; the app's identity must then be able to write. Empty: the console only "
            "shows."
        )
    return text == "allow"
