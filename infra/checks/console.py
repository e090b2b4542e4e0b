"""The hosted console: nobody sees it without a sign-in, and it may do no more than it shows."""

from collections.abc import Iterator

from infra.checks.deployed import Deployed, at
from infra.checks.roles import grants

_TABLES = "Microsoft.Storage/storageAccounts/stscim/tableServices/default/tables"
_OWN = {
    "Microsoft.Storage/storageAccounts/stcons": {"Storage Blob Data Owner", "Storage Table Data Contributor"},
    "Microsoft.Insights/components/appi-scim-": {"Monitoring Metrics Publisher"},
}
READS, WRITES = "Storage Table Data Reader", "Storage Table Data Contributor"
IDENTITY_IN_PLACE_OF_A_SECRET = "OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID"  # noqa: S105 -- the name of a setting


def access(deployed: Deployed) -> Iterator[str]:
    """Its one identity has the roles of its own account, and reads the tables. It writes where changes are allowed."""
    tables = READS if not deployed.settings.get("SCIM_CONSOLE_CHANGES") else WRITES
    needed = _OWN | {f"{_TABLES}/{name}": {tables} for name in ("scim", "scimregistry")}
    for whose, place, role in grants(deployed):
        if whose != "app" or role not in needed.get(place, ()):
            yield f"the console does not need the role {role} on {place}"
    [principal] = deployed.of("Microsoft.ManagedIdentity/userAssignedIdentities")
    for site in deployed.of("Microsoft.Web/sites"):
        if list(at(site, "identity.userAssignedIdentities") or ()) != [principal["id"]]:
            yield f"{site['name']}: its identity is not {principal['name']} alone"


def signed_in(deployed: Deployed) -> Iterator[str]:
    """It is the console alone, everybody must sign in, and platform and app mean the same application and tenant."""
    settings = deployed.settings
    if settings.get("SCIM_APP") != "console":
        yield "SCIM_APP does not say that it is the console"
    found = [item for item in deployed.of("Microsoft.Web/sites/config") if item["name"].endswith("/authsettingsV2")]
    if not found:
        yield "nobody has to sign in"
        return
    wanted = {
        "platform.enabled": True,
        "globalValidation.requireAuthentication": True,
        "globalValidation.unauthenticatedClientAction": "RedirectToLoginPage",
        "globalValidation.excludedPaths": None,
        "httpSettings.requireHttps": True,
        "login.tokenStore.enabled": True,
        "identityProviders.azureActiveDirectory.enabled": True,
        "identityProviders.azureActiveDirectory.registration.clientId": settings.get("SCIM_CONSOLE_CLIENT_ID"),
        "identityProviders.azureActiveDirectory.registration.clientSecretSettingName": IDENTITY_IN_PLACE_OF_A_SECRET,
    }
    for path, value in wanted.items():
        if (is_now := at(found[0], f"properties.{path}")) != value:
            yield f"the sign-in: {path} must be {value!r}, and is {is_now!r}"
    issuer = at(found[0], "properties.identityProviders.azureActiveDirectory.registration.openIdIssuer") or ""
    parts = (settings.get("SCIM_ENTRA_AUTHORITY", "").strip("[]"), settings.get("SCIM_CONSOLE_ENTRA_TENANT", ""))
    if not all(part and part in issuer for part in parts):
        yield "the sign-in: registration.openIdIssuer is not the tenant of the settings"


def callers(deployed: Deployed) -> Iterator[str]:
    """Whom no rule names is refused, once there is a rule."""
    for site in deployed.of("Microsoft.Web/sites"):
        rules = at(site, "properties.siteConfig.ipSecurityRestrictions") or []
        closed = at(site, "properties.siteConfig.ipSecurityRestrictionsDefaultAction") == "Deny"
        if closed != bool(rules) or any(rule["action"] != "Allow" for rule in rules):
            yield f"{site['name']}: what no rule names is allowed, or nothing is"
