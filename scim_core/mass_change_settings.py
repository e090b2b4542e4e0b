"""The settings about mass changes: what is kept of who was deleted, and when an alert is raised."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

DEFAULT_DELETED_DAYS = 30
"""Days for which what was deleted can be put back: an error is seen within days, and backups go further back."""

MAX_DELETED_DAYS = 3_650
"""As long as the provisioning log can be kept."""

DEFAULT_USERS = 20
"""Users that leave within an hour in an ordinary cycle of a customer, at most."""

DEFAULT_PERCENT = 10
"""Percent of the active users that leave within an hour for a good reason, at most."""

MAX_USERS = 1_000_000
"""More than any tenant has: with it, no mass change is ever seen."""


@dataclass(frozen=True, slots=True)
class MassChangeSettings:
    """A mass change is one of more than `users`, and of more than `percent` of the active users, within an hour.

    `deleted_days` says how long a deletion can be undone; 0 keeps nothing. `hold` is for the tenant of the settings.
    """

    deleted_days: int = DEFAULT_DELETED_DAYS
    users: int = DEFAULT_USERS
    percent: int = DEFAULT_PERCENT
    hold: bool = False


USUAL = MassChangeSettings()


def mass_change_settings(
    environment: Mapping[str, str],
    number: Callable[[Mapping[str, str], str, int, int, int], int],
    flag: Callable[[Mapping[str, str], str, str], bool],
) -> MassChangeSettings:
    """The settings of this environment. `number` and `flag` read one, and raise SettingsError."""
    return MassChangeSettings(
        deleted_days=number(environment, "SCIM_DELETED_DAYS", DEFAULT_DELETED_DAYS, 0, MAX_DELETED_DAYS),
        users=number(environment, "SCIM_MASS_CHANGE_USERS", DEFAULT_USERS, 1, MAX_USERS),
        percent=number(environment, "SCIM_MASS_CHANGE_PERCENT", DEFAULT_PERCENT, 1, 100),
        hold=flag(
            environment,
            "SCIM_MASS_CHANGE_HOLD",
            "true holds further deactivations and deletions by the tokens of SCIM_TOKEN_SHA256 after a mass change, "
            "until `admin tenants release`.",
        ),
    )
