"""The resources of one deployment, as Azure has them. Each is asked for once."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from scim_core.admin.doctor.findings import CannotTell
from scim_core.admin.doctor.management import Management
from scim_core.model import Json

SITES = "2025-03-01"
SUBSCRIPTIONS = "2022-12-01"
STORAGE = "2025-06-01"
VAULTS = "2025-05-01"
COMPONENTS = "2020-02-02"
WORKSPACES = "2025-02-01"
"""Versions of the management API, as the Bicep files use them."""

SERVICE = ("azd-service-name", "api")
"""The tag by which azd and the doctor find the function app in its resource group."""


@dataclass
class Deployment:
    """A resource group with one function app of ours. Every method raises CannotTell."""

    management: Management
    subscription: str
    group: str
    _known: dict[str, Any] = field(default_factory=dict)

    @property
    def scope(self) -> str:
        """The id of the resource group."""
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"

    async def site(self) -> Json:
        """The function app."""
        return await self._once("site", self._site)

    async def settings(self) -> dict[str, str]:
        """The application settings. References to the vault are as they were written: no secret is in them."""
        return await self._once("settings", self._settings)

    async def identity(self) -> Json:
        """The app's identity: `principalId` and `clientId`."""
        site, wanted = await self.site(), (await self.settings()).get("SCIM_STORAGE_IDENTITY_CLIENT_ID")
        found: list[Json] = list((site.get("identity") or {}).get("userAssignedIdentities", {}).values())
        for item in found:
            if item.get("clientId") == wanted:
                return item
        raise CannotTell(
            "The function app does not have the identity that SCIM_STORAGE_IDENTITY_CLIENT_ID names.",
            "Deploy the infrastructure again: it gives the app its identity.",
        )

    async def account(self, setting: str) -> Json | None:
        """The storage account whose address is in this setting; None if the setting is empty or names none of ours."""
        name = host(await self.settings(), setting).partition(".")[0]
        if not name:
            return None
        accounts = await self._once("accounts", self._accounts)
        return next((item for item in accounts if item["name"] == name), None)

    async def component(self) -> Json:
        """The Application Insights resource that the app writes to."""
        return await self._once("component", self._component)

    async def workspace(self) -> str:
        """The id by which the Log Analytics workspace of the app is asked."""
        return await self._once("workspace", self._workspace)

    async def _once[T](self, name: str, read: Callable[[], Awaitable[T]]) -> T:
        if name not in self._known:
            self._known[name] = await read()
        known: T = self._known[name]
        return known

    async def _site(self) -> Json:
        path = f"{self.scope}/providers/Microsoft.Web/sites"
        found = await self.management.items(path, SITES)
        tag, value = SERVICE
        ours = [item for item in found if (item.get("tags") or {}).get(tag) == value]
        if len(ours) == 1:
            return await self.management.get(str(ours[0]["id"]), SITES)
        raise CannotTell(
            f"The resource group {self.group} has {len(ours)} function apps with the tag {tag}={value}, not one.",
            "Give the resource group that the outputs of the deployment name: AZURE_RESOURCE_GROUP.",
        )

    async def _settings(self) -> dict[str, str]:
        site = await self.site()
        answer = await self.management.post(f"{site['id']}/config/appsettings/list", SITES)
        return {name: str(value) for name, value in (answer.get("properties") or {}).items()}

    async def _accounts(self) -> list[Json]:
        path = f"/subscriptions/{self.subscription}/providers/Microsoft.Storage/storageAccounts"
        return await self.management.items(path, STORAGE)

    async def _component(self) -> Json:
        connection = (await self.settings()).get("APPLICATIONINSIGHTS_CONNECTION_STRING", "")
        path = f"/subscriptions/{self.subscription}/providers/Microsoft.Insights/components"
        for item in await self.management.items(path, COMPONENTS):
            if connection and item["properties"].get("ConnectionString") == connection:
                return item
        raise CannotTell(
            "No Application Insights resource has the connection string of the app: its logs go elsewhere, or nowhere.",
            "Deploy the infrastructure again: it sets APPLICATIONINSIGHTS_CONNECTION_STRING.",
        )

    async def _workspace(self) -> str:
        component = await self.component()
        workspace = await self.management.get(str(component["properties"]["WorkspaceResourceId"]), WORKSPACES)
        return str(workspace["properties"]["customerId"])


async def chosen_subscription(management: Management, given: str) -> str:
    """The given subscription, or the only one that you see. Raises CannotTell."""
    if given:
        return given
    found = await management.items("/subscriptions", SUBSCRIPTIONS)
    seen = [str(item["subscriptionId"]) for item in found if item.get("state") == "Enabled"]
    if len(seen) == 1:
        return seen[0]
    raise CannotTell(f"You see {len(seen)} subscriptions.", "Say which: --subscription, or AZURE_SUBSCRIPTION_ID.")


def host(settings: dict[str, str], setting: str) -> str:
    """The host of the URL in this setting. Empty if there is none."""
    return urlsplit(settings.get(setting, "")).hostname or ""
