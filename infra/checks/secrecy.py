"""No secret is written down: it is a parameter of the deployment, or stays in the vault."""

import json
import re
from collections.abc import Iterator

from infra.checks.deployed import Deployed, at, texts

SECRETS = (
    *("scim-token-sha256", "scim-signing-key", "scim-signing-key-other", "scim-backup-key"),
    *("scim-master-key", "scim-feed-token-sha256"),
)
"""The secrets of the vault that a deployment may give a value."""

_WRITTEN = re.compile(
    r"list(Keys|AccountSas|ServiceSas)|AccountKey|SharedAccess|primaryKey|InstrumentationKey|[?&]sig=|-----BEGIN"
    r"|\b[0-9a-fA-F]{64}\b",
    re.IGNORECASE,
)
_HOLDS_SECRET = re.compile(r"SCIM_\w*(SHA256|_KEY|SECRET|PASSWORD)(_\w+)?")
_REFERENCE = re.compile(r"@Microsoft\.KeyVault\(SecretUri=|/vaults/[^']+'[^']+'[^']+'\)\.vaultUri")


def written(deployed: Deployed) -> Iterator[str]:
    """No key, signature or hash is in a text, and no output has one. Only telemetry has a connection string.

    That one names the place to send telemetry to. With DisableLocalAuth the key in it opens nothing.
    """
    for value in texts([deployed.resources, deployed.outputs]):
        if found := _WRITTEN.search(value):
            yield f"something secret is written down: {found[0][:20]}"
    for name, value in deployed.settings.items():
        if (
            re.search("connection_?string", name + value, re.IGNORECASE)
            and "Microsoft.Insights/components" not in value
        ):
            yield f"{name} has a connection string"


def parameters(deployed: Deployed) -> Iterator[str]:
    """The value of each secret is a secure parameter: the compiler leaves only those open."""
    found = {item["name"].rpartition("/")[2]: item for item in deployed.of("Microsoft.KeyVault/vaults/secrets")}
    for name in sorted(found.keys() ^ set(SECRETS)):
        yield f"the secret {name} is not in both: what is deployed, and SECRETS"
    for name, item in found.items():
        given = re.fullmatch(r"\[parameters\('(\w+)'\)\]", at(item, "properties.value") or "")
        if given is None or item.get("condition") != f"[not(empty(parameters('{given[1]}')))]":
            yield f"the secret {name} is no secure parameter, or is overwritten where none is given"


def references(deployed: Deployed) -> Iterator[str]:
    """Settings that hold a secret refer to the vault, which the app's identity opens."""
    for name, value in deployed.settings.items():
        if _HOLDS_SECRET.fullmatch(name) and value and not _REFERENCE.search(value):
            yield f"{name} has a value and no reference to the vault"
    for site in deployed.of("Microsoft.Web/sites"):
        if [at(site, "properties.keyVaultReferenceIdentity")] != list(
            at(site, "identity.userAssignedIdentities") or ()
        ):
            yield f"{site['name']}: references to the vault are not resolved by its identity"


def identity(deployed: Deployed) -> Iterator[str]:
    """The app has one identity; it sends telemetry, and reaches the host's storage, with it and with no key."""
    [principal] = deployed.of("Microsoft.ManagedIdentity/userAssignedIdentities")
    for site in deployed.of("Microsoft.Web/sites"):
        if list(at(site, "identity.userAssignedIdentities") or ()) != [principal["id"]]:
            yield f"{site['name']}: its identity is not {principal['name']} alone"
    settings = deployed.settings
    for name in ("AzureWebJobsStorage__clientId", "APPLICATIONINSIGHTS_AUTHENTICATION_STRING"):
        if principal["id"] not in settings.get(name, ""):
            yield f"{name} does not name {principal['name']}"
    if "Authorization=AAD" not in settings.get("APPLICATIONINSIGHTS_AUTHENTICATION_STRING", ""):
        yield "telemetry is not sent with the identity"
    [workspace] = deployed.of("Microsoft.OperationalInsights/workspaces")
    for item in deployed.of("Microsoft.Insights/components"):
        if at(item, "properties.WorkspaceResourceId") != workspace["id"]:
            yield f"{item['name']}: telemetry does not go to {json.dumps(workspace['name'])}"
