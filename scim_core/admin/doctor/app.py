"""The function app, as Azure has it: whether it runs, its settings, and its functions."""

import base64

from scim_core.admin.doctor.deployment import SITES, Deployment
from scim_core.admin.doctor.findings import Examined, Trouble
from scim_core.admin.doctor.logs import WHY_NOT_SERVING
from scim_core.settings import MIN_BACKUP_KEY_BYTES, Settings, SettingsError

REFERENCE = "@microsoft.keyvault("
"""How a reference to the vault begins, in lower case."""

STAND_INS = {
    "SCIM_TOKEN_SHA256": "0" * 64,
    "SCIM_SIGNING_KEY": "a key",
    "SCIM_SIGNING_KEY_OTHER": "another key",
    "SCIM_BACKUP_KEY": base64.b64encode(bytes(MIN_BACKUP_KEY_BYTES)).decode(),
}
"""What is put in for a reference, so that the other settings can be checked. No secret is read for it."""

KEYS = ("SCIM_SIGNING_KEY", "SCIM_SIGNING_KEY_OTHER", "SCIM_BACKUP_KEY")
"""Settings that hold a secret. In a deployment they are references, or the URL of a key in the vault."""

FALLBACK = "zz_fallback"
"""The function that is there even if the settings are unusable."""

NEEDED = ("users", "sweep", FALLBACK)
"""Functions that every usable deployment has: one of the routes, the timer, the fallback."""

BACKUP = "backup"
"""The timer that is there if the settings name a container for it."""

_REFERENCES = {
    "Initialized": "Azure has not tried it yet: wait a minute, or restart the app.",
    "InvalidSyntax": "The reference is written wrong: deploy the infrastructure again.",
    "MSINotEnabled": "The app has no identity for it: deploy the infrastructure again.",
    "VaultNotFound": "There is no such vault, or its name cannot be resolved from the app's network.",
    "SecretNotFound": "The secret is not in the vault: az keyvault secret set, then restart the app.",
    "SecretVersionNotFound": "The secret has no such version: leave the version out of the reference.",
    "AccessToKeyVaultDenied": (
        "The app's identity lacks the role Key Vault Secrets User on the vault, or the vault's network is closed to it."
    ),
    "UnauthorizedClient": "The app's identity may not read the vault: give it the role Key Vault Secrets User.",
    "FetchTimedOut": "The vault did not answer in time: check the vault's network, then restart the app.",
}
"""What to do for each status that Azure gives a reference."""


async def runs(deployment: Deployment) -> Examined:
    """Whether the app is started, and takes only HTTPS."""
    site = await deployment.site()
    properties, troubles = site["properties"], []
    if properties.get("state") != "Running" or properties.get("enabled") is False:
        said = f"The function app {site['name']} is {properties.get('state') or 'disabled'}."
        troubles.append(
            Trouble(said, f"az functionapp start --resource-group {deployment.group} --name {site['name']}")
        )
    if properties.get("httpsOnly") is not True:
        troubles.append(Trouble("The function app takes HTTP without TLS.", "Deploy the infrastructure again."))
    return troubles or f"{site['name']} is running"


async def settings(deployment: Deployment) -> Examined:
    """Whether each reference to the vault is resolved, no key is written down, and the app can use the settings."""
    site, given = await deployment.site(), await deployment.settings()
    references = await deployment.management.items(f"{site['id']}/config/configreferences/appsettings", SITES)
    troubles = []
    for item in references:
        status, name = str(item["properties"].get("status")), str(item["id"]).rpartition("/")[2]
        if status != "Resolved":
            do = _REFERENCES.get(status, "The portal says why, under Environment variables.")
            troubles.append(Trouble(f"The vault reference of {name} is not resolved: {status}.", do))
    for name in KEYS:
        value = given.get(name, "")
        if value and not is_reference(value) and not value.lower().startswith("https://"):
            do = "Put it into the vault, and deploy the infrastructure again: the setting is a reference then."
            troubles.append(Trouble(f"{name} holds a secret itself: whoever may list the settings reads it.", do))
    if unusable := _unusable(given):
        do = "Correct the parameter that docs/settings.md names for it, and deploy the infrastructure again."
        troubles.append(Trouble(unusable, do))
    return troubles or f"{len(references)} vault references are resolved, and the settings are usable"


def is_reference(value: str) -> bool:
    """Whether this value of a setting is a reference to the vault."""
    return value.strip().lower().startswith(REFERENCE)


def _unusable(given: dict[str, str]) -> str:
    """Why the app refuses these settings; empty if it takes them."""
    referenced = {name for name, value in given.items() if is_reference(value)}
    known = {**given, **{name: text for name, text in STAND_INS.items() if name in referenced}}
    try:
        Settings.from_environment(known)
    except SettingsError as error:
        return str(error)
    return ""


async def functions(deployment: Deployment) -> Examined:
    """Whether the host has found the app's functions, and none of them is turned off."""
    site, given = await deployment.site(), await deployment.settings()
    listed = await deployment.management.items(f"{site['id']}/functions", SITES)
    found = {str(item["name"]).rpartition("/")[2]: item["properties"] for item in listed}
    if not found:
        return [
            Trouble(
                "Azure knows no function of the app: there is no package, or the worker could not load it.",
                "Deploy the package. If there is one, the log stream of the app says why the worker ended.",
            )
        ]
    needed = [*NEEDED, *([BACKUP] if given.get("SCIM_BACKUP_CONTAINER_URL") else [])]
    missing = [name for name in needed if name not in found]
    if missing and FALLBACK in found and "users" not in found:
        said = "Only the fallback is there: the app does not take its settings, and answers 503 to everything."
        return [Trouble(said, f"See what is said of the settings. The log names the cause: {WHY_NOT_SERVING}")]
    troubles = [
        Trouble(f"The function {name} is not there.", "Deploy the package again, and restart the app.")
        for name in missing
    ]
    for name, properties in found.items():
        if properties.get("isDisabled"):
            do = f"Remove the setting AzureWebJobs.{name}.Disabled of the function app."
            troubles.append(Trouble(f"The function {name} is turned off.", do))
    return troubles or f"{len(found)} functions"
