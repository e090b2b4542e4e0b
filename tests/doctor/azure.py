"""A stand-in for Azure's management API and for Log Analytics: it answers as Microsoft's reference says.

Each resource is a dictionary that a test can change. The reference is learn.microsoft.com/rest/api: App Service,
Storage, Key Vault, Monitor, Authorization and Log Analytics.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

from scim_core.admin.doctor.management import Cloud

SUBSCRIPTION = "11111111-2222-4333-8444-555555555555"
GROUP = "rg-scim-prod"
SCOPE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
PRINCIPAL, CLIENT = "aaaaaaaa-0000-4000-8000-000000000001", "aaaaaaaa-0000-4000-8000-000000000002"
WORKSPACE_ID = "bbbbbbbb-0000-4000-8000-000000000001"
CONNECTION = "InstrumentationKey=cccccccc;IngestionEndpoint=https://westeurope-1.in.applicationinsights.azure.com/"

SITE = f"{SCOPE}/providers/Microsoft.Web/sites/func-scim-x"
IDENTITY = f"{SCOPE}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-scim-x"
ACCOUNTS = f"{SCOPE}/providers/Microsoft.Storage/storageAccounts"
VAULT = f"{SCOPE}/providers/Microsoft.KeyVault/vaults/kv-scim-x"
COMPONENT = f"{SCOPE}/providers/Microsoft.Insights/components/appi-scim-x"
WORKSPACE = f"{SCOPE}/providers/Microsoft.OperationalInsights/workspaces/log-scim-x"
PEOPLE = f"{SCOPE}/providers/Microsoft.Insights/actionGroups/ag-scim-x"
QUEUE = f"{ACCOUNTS}/stscimx/queueServices/default/queues/scim-doorbells"
TABLE = f"{ACCOUNTS}/stscimx/tableServices/default/tables/scim"
EXPORTS = f"{ACCOUNTS}/stbackx/blobServices/default/containers/exports"
KEY = f"{VAULT}/keys/scim-signing-key"

ROLES: dict[str, list[str]] = {
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": ["Microsoft.Storage/storageAccounts/blobServices/containers/blobs/*"],
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": [
        f"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/{name}"
        for name in ("delete", "read", "write", "move/action", "add/action")
    ],
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": [
        f"Microsoft.Storage/storageAccounts/tableServices/tables/entities/{name}"
        for name in ("read", "write", "delete", "add/action", "update/action")
    ],
    "4633458b-17de-408a-b874-0445c86b69e6": [
        "Microsoft.KeyVault/vaults/secrets/getSecret/action",
        "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
    ],
    "12338af0-0e69-4776-bea7-57ae8d297424": [
        f"Microsoft.KeyVault/vaults/keys/{name}" for name in ("read", "update/action", "sign/action", "verify/action")
    ],
    "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a": [
        "Microsoft.Storage/storageAccounts/queueServices/queues/messages/add/action"
    ],
    "3913510d-42f4-4e42-8a64-420c390055eb": ["Microsoft.Insights/Metrics/Write", "Microsoft.Insights/Telemetry/Write"],
}
"""Azure's own roles that the deployment gives, with their data actions."""

OWNER, BLOBS, ROWS, SECRETS, CRYPTO, RINGS, METRICS = ROLES

VERSION = re.compile(r"20\d\d-\d\d-\d\d(-preview)?")


def definition_id(role: str) -> str:
    return f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{role}"


def resource(path: str, properties: Any, **more: Any) -> dict[str, Any]:
    """A resource in the form that all of them have."""
    return {"id": path, "name": path.rpartition("/")[2], "properties": properties, **more}


def _account(name: str, kind: str) -> dict[str, Any]:
    properties = {
        "primaryEndpoints": {kind: f"https://{name}.{kind}.core.windows.net/"},
        "publicNetworkAccess": "Enabled",
        "networkAcls": {"defaultAction": "Allow"},
        "privateEndpointConnections": [],
    }
    return resource(f"{ACCOUNTS}/{name}", properties)


def _rule(kind: str, name: str, actions: Any) -> dict[str, Any]:
    properties = {"enabled": True, "severity": 1, "actions": actions}
    return resource(f"{SCOPE}/providers/Microsoft.Insights/{kind}/{name}", properties)


@dataclass
class Azure:
    """One deployment in which all is well. `cloud` has the addresses of this stand-in."""

    url: str
    site: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    references: dict[str, str] = field(default_factory=dict)
    functions: dict[str, dict[str, Any]] = field(default_factory=dict)
    accounts: list[dict[str, Any]] = field(default_factory=list)
    vaults: list[dict[str, Any]] = field(default_factory=list)
    components: list[dict[str, Any]] = field(default_factory=list)
    tables: set[str] = field(default_factory=lambda: {TABLE})
    assignments: list[tuple[str, str]] = field(default_factory=list)
    roles: dict[str, list[str]] = field(default_factory=lambda: dict(ROLES))
    query_rules: list[dict[str, Any]] = field(default_factory=list)
    metric_rules: list[dict[str, Any]] = field(default_factory=list)
    people: dict[str, Any] | None = None
    timers: list[list[Any]] = field(default_factory=list)
    refusals: list[list[Any]] = field(default_factory=list)
    gone: list[list[Any]] = field(default_factory=list)
    hooks: list[list[Any]] = field(default_factory=list)
    subscriptions: list[str] = field(default_factory=lambda: [SUBSCRIPTION])
    denied: dict[str, int] = field(default_factory=dict)
    page: int = 100
    calls: list[str] = field(default_factory=list)
    cloud: Cloud = field(default_factory=lambda: Cloud("", ""))
    _runners: list[web.AppRunner] = field(default_factory=list)

    def __post_init__(self) -> None:
        reference = "@Microsoft.KeyVault(SecretUri=https://kv-scim-x.vault.azure.net/secrets/{})".format
        identity = {IDENTITY: {"principalId": PRINCIPAL, "clientId": CLIENT}}
        properties = {
            "state": "Running",
            "enabled": True,
            "httpsOnly": True,
            "defaultHostName": "func-scim-x.example.net",
        }
        self.site = resource(
            SITE,
            properties,
            kind="functionapp,linux",
            tags={"azd-service-name": "api"},
            identity={"type": "UserAssigned", "userAssignedIdentities": identity},
        )
        self.settings = {
            "APPLICATIONINSIGHTS_CONNECTION_STRING": CONNECTION,
            "AzureWebJobsStorage__blobServiceUri": "https://sthostx.blob.core.windows.net/",
            "SCIM_STORAGE_ACCOUNT_URL": "https://stscimx.table.core.windows.net/",
            "SCIM_STORAGE_IDENTITY_CLIENT_ID": CLIENT,
            "SCIM_TABLE_NAME": "scim",
            "SCIM_TENANTS": "one",
            "SCIM_TOKEN_SHA256": reference("scim-token-sha256"),
            "SCIM_BACKUP_CONTAINER_URL": "https://stbackx.blob.core.windows.net/exports",
            "SCIM_BACKUP_KEY": reference("scim-backup-key"),
            "SCIM_PUBLIC_BASE_URL": self.url,
        }
        self.references = {"SCIM_TOKEN_SHA256": "Resolved", "SCIM_BACKUP_KEY": "Resolved"}
        self.functions = {name: {} for name in ("users", "groups", "sweep", "backup", "zz_fallback")}
        self.accounts = [_account("sthostx", "blob"), _account("stscimx", "table"), _account("stbackx", "blob")]
        self.vaults = [resource(VAULT, {"vaultUri": "https://kv-scim-x.vault.azure.net/"})]
        self.components = [
            resource(COMPONENT, {"ConnectionString": CONNECTION, "WorkspaceResourceId": WORKSPACE, "AppId": "x"})
        ]
        self.assignments = [
            (OWNER, f"{ACCOUNTS}/sthostx"),
            (ROWS, TABLE),
            (BLOBS, EXPORTS),
            (SECRETS, VAULT),
            (METRICS, COMPONENT),
        ]
        self.query_rules = [
            _rule("scheduledQueryRules", "scim-server-errors", {"actionGroups": [PEOPLE]}),
            _rule("scheduledQueryRules", "scim-not-serving", {"actionGroups": [PEOPLE]}),
        ]
        self.metric_rules = [_rule("metricAlerts", "scim-storage-availability", [{"actionGroupId": PEOPLE}])]
        receivers = [{"name": "operators", "emailAddress": "ops@example.com", "status": "Enabled"}]
        self.people = resource(PEOPLE, {"enabled": True, "emailReceivers": receivers, "smsReceivers": []})

    async def start(self) -> Self:
        """It listens: the management API and Log Analytics on ports of their own."""
        addresses = []
        for handler in (self._management, self._logs):
            application = web.Application()
            application.router.add_route("*", "/{path:.*}", handler)
            runner = web.AppRunner(application)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self._runners.append(runner)
            addresses.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
        self.cloud = Cloud(*addresses)
        return self

    async def stop(self) -> None:
        for runner in self._runners:
            await runner.cleanup()

    async def token(self, scope: str) -> str:
        """What the operator's login gives."""
        return f"for {scope}"

    def grants(self) -> list[dict[str, Any]]:
        """The assignments of roles to the app's identity."""
        return [
            resource(
                f"{scope}/providers/Microsoft.Authorization/roleAssignments/{number}",
                {"roleDefinitionId": definition_id(role), "principalId": PRINCIPAL, "scope": scope},
            )
            for number, (role, scope) in enumerate(self.assignments)
        ]

    def _lists(self) -> dict[str, Callable[[], list[Any]]]:
        whole = f"/subscriptions/{SUBSCRIPTION}/providers"
        insights = f"{SCOPE}/providers/Microsoft.Insights"
        return {
            "/subscriptions": lambda: [
                {"id": f"/subscriptions/{item}", "subscriptionId": item, "state": "Enabled"}
                for item in self.subscriptions
            ],
            f"{SCOPE}/providers/Microsoft.Web/sites": lambda: [self.site],
            f"{SITE}/config/configreferences/appsettings": lambda: [
                resource(f"{SITE}/config/configreferences/appsettings/{name}", {"source": "KeyVault", "status": status})
                for name, status in self.references.items()
            ],
            f"{SITE}/functions": lambda: [
                resource(f"{SITE}/functions/{name}", {"name": name, "isDisabled": False, **more})
                | {"name": f"func-scim-x/{name}"}
                for name, more in self.functions.items()
            ],
            f"{whole}/Microsoft.Storage/storageAccounts": lambda: self.accounts,
            f"{whole}/Microsoft.KeyVault/vaults": lambda: self.vaults,
            f"{whole}/Microsoft.Insights/components": lambda: self.components,
            f"{insights}/scheduledQueryRules": lambda: self.query_rules,
            f"{insights}/metricAlerts": lambda: self.metric_rules,
        }

    def _single(self, method: str, path: str) -> Any:
        """The resource at this path, or what its action answers."""
        if (method, path) == ("POST", f"{SITE}/config/appsettings/list"):
            return {"id": f"{SITE}/config/appsettings", "name": "appsettings", "properties": self.settings}
        known = {SITE: self.site, WORKSPACE: resource(WORKSPACE, {"customerId": WORKSPACE_ID})}
        known |= {table: resource(table, {"tableName": table.rpartition("/")[2]}) for table in self.tables}
        known |= {
            definition_id(role): resource(definition_id(role), {"permissions": [{"dataActions": actions}]})
            for role, actions in self.roles.items()
        }
        if self.people is not None:
            known[PEOPLE] = self.people
        by_name = {name.lower(): item for name, item in known.items()}  # ids have no letter case
        return by_name.get(path.lower()) if method == "GET" else None

    async def _management(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        self.calls.append(f"{request.method} {path}")
        if request.headers.get("Authorization") != f"Bearer for {self.cloud.management}/.default":
            return _error(401, "AuthenticationFailed", "Authentication failed.")
        if not VERSION.fullmatch(request.query.get("api-version", "")):
            return _error(
                400, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required."
            )
        for part, status in self.denied.items():
            if part in path:
                return _error(status, "AuthorizationFailed", "The client 'ann@example.com' may not do this.")
        listed = self._lists().get(path)
        if path.endswith("/providers/Microsoft.Authorization/roleAssignments"):
            scope = path.removesuffix("/providers/Microsoft.Authorization/roleAssignments")
            assert request.query["$filter"] == f"principalId eq '{PRINCIPAL}'"
            listed = lambda: [item for item in self.grants() if _meet(item["properties"]["scope"], scope)]  # noqa: E731
        if listed is not None and request.method == "GET":
            return self._paged(request, listed())
        found = self._single(request.method, path)
        if found is None:
            return _error(404, "ResourceNotFound", f"The Resource '{path}' was not found.")
        return web.json_response(found)

    def _paged(self, request: web.Request, items: list[Any]) -> web.StreamResponse:
        start = int(request.query.get("$skiptoken", "0"))
        answer: dict[str, Any] = {"value": items[start : start + self.page]}
        if start + self.page < len(items):
            rest = request.rel_url.update_query({"$skiptoken": str(start + self.page)})
            answer["nextLink"] = f"{self.cloud.management}{rest}"
        return web.json_response(answer)

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer for {self.cloud.logs}/.default":
            return _error(401, "InvalidTokenError", "The provided authentication is not valid for this resource")
        if request.path != f"/v1/workspaces/{WORKSPACE_ID}/query":
            return _error(404, "PathNotFoundError", "The requested path does not exist")
        query = json.loads(await request.read())["query"]
        self.calls.append(query)
        assert 'AppRoleName =~ "func-scim-x"' in query
        for word, names, rows in (
            ("maxif", ("Name", "earliest", "succeeded", "failed"), self.timers),
            ("does not serve", ("Message",), self.refusals),
            ("dcount", ("tenant", "gone"), self.gone),
            ('"hooks: "', ("Message",), self.hooks),
        ):
            if word in query:
                columns = [{"name": name, "type": "string"} for name in names]
                return web.json_response({"tables": [{"name": "PrimaryResult", "columns": columns, "rows": rows}]})
        raise AssertionError(query)


def _meet(assigned: str, asked: str) -> bool:
    """Whether one scope is in the other: at, above and below."""
    return f"{assigned}/".startswith(f"{asked}/") or f"{asked}/".startswith(f"{assigned}/")


def _error(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"error": {"code": code, "message": message}}, status=status)
