"""Values that every resource of a type must have, whatever the stage."""

from collections.abc import Iterator
from typing import Any

from infra.checks.deployed import Deployed, at

REQUIRED: dict[str, dict[str, Any]] = {
    "Microsoft.Storage/storageAccounts": {
        "properties.allowSharedKeyAccess": False,
        "properties.allowBlobPublicAccess": False,
        "properties.defaultToOAuthAuthentication": True,
        "properties.allowCrossTenantReplication": False,
        "properties.isLocalUserEnabled": False,
        "properties.supportsHttpsTrafficOnly": True,
        "properties.minimumTlsVersion": "TLS1_2",
        "properties.networkAcls.bypass": "AzureServices",
    },
    "Microsoft.Storage/storageAccounts/blobServices": {
        "properties.deleteRetentionPolicy.enabled": True,
        "properties.containerDeleteRetentionPolicy.enabled": True,
    },
    "Microsoft.Storage/storageAccounts/blobServices/containers": {"properties.publicAccess": "None"},
    "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies": {
        "properties.allowProtectedAppendWrites": False,
    },
    "Microsoft.KeyVault/vaults": {
        "properties.enableRbacAuthorization": True,
        "properties.enableSoftDelete": True,
        "properties.accessPolicies": None,
        "properties.networkAcls.bypass": "AzureServices",
    },
    "Microsoft.KeyVault/vaults/secrets": {"properties.contentType": "text/plain"},
    "Microsoft.KeyVault/vaults/keys": {
        "properties.kty": "EC",
        "properties.curveName": "P-256",
        "properties.keyOps": ["sign", "verify"],
        "properties.attributes.exportable": False,
    },
    "Microsoft.Insights/components": {
        "properties.DisableLocalAuth": True,
        "properties.IngestionMode": "LogAnalytics",
    },
    "Microsoft.OperationalInsights/workspaces": {"properties.features.disableLocalAuth": True},
    "Microsoft.Web/serverfarms": {
        "sku.name": "FC1",
        "sku.tier": "FlexConsumption",
        "properties.reserved": True,
    },
    "Microsoft.Web/sites": {
        "kind": "functionapp,linux",
        "identity.type": "UserAssigned",
        "properties.httpsOnly": True,
        "properties.sshEnabled": False,
        "properties.clientAffinityEnabled": False,
        "properties.functionAppConfig.runtime.name": "python",
        "properties.functionAppConfig.runtime.version": "3.13",
        "properties.functionAppConfig.deployment.storage.authentication.type": "UserAssignedIdentity",
        # Entra speaks only TLS 1.2, with suites of ECDHE: a higher minimum, or other suites, would shut it out.
        "properties.siteConfig.minTlsVersion": "1.2",
        "properties.siteConfig.scmMinTlsVersion": "1.2",
        "properties.siteConfig.minTlsCipherSuite": None,
        "properties.siteConfig.http20Enabled": True,
        "properties.siteConfig.remoteDebuggingEnabled": False,
        "properties.siteConfig.cors": None,
    },
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": {"properties.allow": False},
    "Microsoft.Web/sites/config": {"properties.AzureWebJobsStorage__credential": "managedidentity"},
    "Microsoft.Insights/scheduledQueryRules": {
        "properties.enabled": True,
        # A new workspace has no table yet that a query could be checked against.
        "properties.skipQueryValidation": True,
    },
    "Microsoft.Insights/metricAlerts": {"properties.enabled": True},
    "Microsoft.Insights/webtests": {"properties.Enabled": True, "properties.ValidationRules.SSLCheck": True},
    "Microsoft.Authorization/locks": {"properties.level": "CanNotDelete"},
}
"""By type, then by path. None: it must not be there. A key, a password or a weak connection needs another value."""


def values(deployed: Deployed) -> Iterator[str]:
    """Each resource of a type in REQUIRED has its values."""
    for kind, wanted in REQUIRED.items():
        for item in deployed.of(kind):
            if item["name"].endswith("/authsettingsV2"):  # a configuration that holds no settings: console.py
                continue
            for path, value in wanted.items():
                if (found := at(item, path)) != value or type(found) is not type(value):
                    yield f"{item['name']}: {path} must be {value!r}, and is {found!r}"
