"""The settings of the function app: each is explained, and none is of those that Flex Consumption refuses."""

import re
from collections.abc import Iterator

from infra.checks.deployed import PAGES, Deployed, at

NEVER_ON_FLEX = {
    *("FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_WORKER_RUNTIME_VERSION", "FUNCTIONS_EXTENSION_VERSION"),
    *("AzureWebJobsStorage", "AzureWebJobsDashboard", "WEBSITE_TIME_ZONE", "WEBSITE_VNET_ROUTE_ALL"),
    *("WEBSITE_RUN_FROM_PACKAGE", "SCM_DO_BUILD_DURING_DEPLOYMENT", "ENABLE_ORYX_BUILD"),
    *("WEBSITE_CONTENTAZUREFILECONNECTIONSTRING", "WEBSITE_CONTENTSHARE", "WEBSITE_CONTENTOVERVNET"),
    "PYTHON_ISOLATE_WORKER_DEPENDENCIES",
}
"""Settings that Flex Consumption refuses or ignores."""

REFUSED = {
    *("ftpsState", "linuxFxVersion", "alwaysOn", "pythonVersion", "functionAppScaleLimit", "vnetRouteAllEnabled"),
    "appSettings",
}
"""Properties of siteConfig that it refuses; and the settings, which are a resource of their own."""


def explained() -> set[str]:
    """The settings that docs/settings.md explains."""
    return set(re.findall(r"^\| `(\w+)` \|", (PAGES / "settings.md").read_text(encoding="utf-8"), re.MULTILINE))


def known(deployed: Deployed) -> Iterator[str]:
    """docs/settings.md explains each setting, and every value is a text."""
    for name in sorted(deployed.settings.keys() - explained()):
        yield f"docs/settings.md does not explain {name}"
    for name, value in deployed.settings.items():
        if not isinstance(value, str):
            yield f"{name} is no text"


def flex(deployed: Deployed) -> Iterator[str]:
    """Nothing is set that Flex Consumption refuses. Each instance takes more than one request at a time."""
    for name in sorted(deployed.settings.keys() & NEVER_ON_FLEX):
        yield f"Flex Consumption does not take the setting {name}"
    for site in deployed.of("Microsoft.Web/sites"):
        for name in sorted((at(site, "properties.siteConfig") or {}).keys() & REFUSED):
            yield f"Flex Consumption does not take {name}"
        scale = at(site, "properties.functionAppConfig.scaleAndConcurrency") or {}
        if (at(scale, "triggers.http.perInstanceConcurrency") or 1) <= 1:
            yield "an instance takes one request at a time"
        if not at(scale, "maximumInstanceCount"):
            yield "nothing limits the number of instances"
    policies = {
        item["name"].rpartition("/")[2]
        for item in deployed.of("Microsoft.Web/sites/basicPublishingCredentialsPolicies")
    }
    if policies != {"ftp", "scm"}:
        yield f"passwords for publishing are turned off for {sorted(policies)} only"
