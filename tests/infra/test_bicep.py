"""What must hold of the infrastructure, read off its files."""

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from tree_sitter import Node

from infra.checks.bicep import Declaration, Source, literal, properties, text, walk
from tests.infra.conftest import FILES, INFRA

# Names the place to send telemetry to; with DisableLocalAuth the key in it opens nothing.
TELEMETRY = "APPLICATIONINSIGHTS_CONNECTION_STRING: applicationInsightsConnectionString"
NEVER_ON_FLEX = {
    *(
        "FUNCTIONS_WORKER_RUNTIME",
        "FUNCTIONS_WORKER_RUNTIME_VERSION",
        "FUNCTIONS_EXTENSION_VERSION",
        "AzureWebJobsStorage",
    ),
    *("WEBSITE_RUN_FROM_PACKAGE", "SCM_DO_BUILD_DURING_DEPLOYMENT", "ENABLE_ORYX_BUILD", "WEBSITE_TIME_ZONE"),
    *("WEBSITE_CONTENTAZUREFILECONNECTIONSTRING", "WEBSITE_CONTENTSHARE", "WEBSITE_CONTENTOVERVNET"),
    *("PYTHON_ISOLATE_WORKER_DEPENDENCIES", "WEBSITE_VNET_ROUTE_ALL", "AzureWebJobsDashboard"),
}
FLEX_REFUSES = {
    "ftpsState",
    "linuxFxVersion",
    "alwaysOn",
    "pythonVersion",
    "functionAppScaleLimit",
    "vnetRouteAllEnabled",
}


def resources(sources: dict[str, Source], kind: str) -> list[Declaration]:
    """All resources of a type that the files make, wherever they are."""
    found = [item for source in sources.values() for item in source.of_kind("resource").values()]
    return [item for item in found if item.target.partition("@")[0] == kind and not item.existing]


def at(item: Declaration, *path: str) -> Node:
    """The node at this path of properties."""
    node = item.body[path[0]]
    for name in path[1:]:
        node = properties(node)[name]
    return node


def value(item: Declaration, *path: str) -> str:
    """What is written at this path, a string without its quotes."""
    node = at(item, *path)
    return text(node) if (found := literal(node)) is None else found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_key_and_no_connection_string_is_anywhere(path: Path) -> None:
    content = path.read_text().replace(TELEMETRY, "")

    assert not re.search(
        r"listKeys|listAccountSas|listServiceSas|AccountKey|SharedAccess|primaryKey|InstrumentationKey", content
    )
    lines = [line for line in content.splitlines() if re.search("connection_?string", line, re.IGNORECASE)]
    assert all(re.search("applicationInsights", line, re.IGNORECASE) for line in lines), lines


def test_telemetry_is_sent_with_the_identity(sources: dict[str, Source]) -> None:
    [component] = resources(sources, "Microsoft.Insights/components")
    [workspace] = resources(sources, "Microsoft.OperationalInsights/workspaces")
    [settings] = resources(sources, "Microsoft.Web/sites/config")

    assert value(component, "properties", "DisableLocalAuth") == "true"
    assert value(component, "properties", "WorkspaceResourceId") == "workspace.id"
    assert value(workspace, "properties", "features", "disableLocalAuth") == "true"
    assert "Authorization=AAD" in value(settings, "properties", "APPLICATIONINSIGHTS_AUTHENTICATION_STRING")


def test_nothing_is_permitted_by_a_star(sources: dict[str, Source]) -> None:
    """The only stars are the ports and addresses of the rule that refuses the rest, and ports that calls come from."""
    for name, source in sources.items():
        stars = [item for item in walk(source.root, skip=("decorators",)) if literal(item) == "*"]
        assert not stars or name == "network"
    [rules] = [
        item for item in resources(sources, "Microsoft.Network/networkSecurityGroups") if "properties" in item.body
    ]
    for rule in at(rules, "properties", "securityRules").named_children:
        given = properties(properties(rule)["properties"])
        if literal(given["access"]) == "Allow":
            starred = {key for key, node in given.items() if literal(node) == "*"}
            assert starred == {"sourcePortRange"}


def test_every_role_assignment_is_scoped_least_and_says_whose_it_is(sources: dict[str, Source]) -> None:
    assignments = resources({"access": sources["access"]}, "Microsoft.Authorization/roleAssignments")
    scopes: dict[str, tuple[str, str]] = {}
    for item in assignments:
        assert item.body.keys() >= {"name", "scope", "properties"}
        assert text(item.body["scope"]) not in ("resourceGroup()", "subscription()", "tenant()")
        assert value(item, "properties", "principalType") in ("ServicePrincipal", "operatorPrincipalType")
        role = re.search(r"(?:roles\.)?(\w+)\)$", text(at(item, "properties", "roleDefinitionId")))
        assert role is not None
        assert text(item.body["name"]).startswith("guid(")
        assert text(item.body["name"]).endswith(f"{role[1]})")
        scopes[item.name] = (text(item.body["scope"]), role[1])
    assert scopes == {
        "hostBlobs": ("hostAccount", "storageBlobDataOwner"),
        "directory": ("table", "storageTableDataContributor"),
        "registry": ("registryTable", "ofRegistry"),
        "backups": ("backupContainer", "ofBackups"),
        "secrets": ("vault", "keyVaultSecretsUser"),
        "signatures": ("key", "ofKey"),
        "telemetry": ("applicationInsights", "monitoringMetricsPublisher"),
        "operator": ("dataAccount", "storageTableDataContributor"),
        "operatorBackups": ("backupContainer", "storageBlobDataReader"),
    }


def permissions(item: Declaration) -> dict[str, list[str]]:
    """What a role's definition allows and takes away."""
    [found] = at(item, "properties", "permissions").named_children
    return {name: [literal(node) or "" for node in values.named_children] for name, values in properties(found).items()}


def definitions(sources: dict[str, Source]) -> dict[str, dict[str, list[str]]]:
    found = resources(sources, "Microsoft.Authorization/roleDefinitions")
    return {item.name: permissions(item) for item in found}


def test_roles_of_our_own_allow_what_the_app_does_and_nothing_else(sources: dict[str, Source]) -> None:
    tables = "Microsoft.Storage/storageAccounts/tableServices/tables/entities"
    wanted = {
        "backupWriter": ["Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write"],
        "registryUser": [f"{tables}/read", f"{tables}/update/action"],
        "keySigner": ["Microsoft.KeyVault/vaults/keys/read", "Microsoft.KeyVault/vaults/keys/sign/action"],
    }
    found = definitions(sources)

    assert {name: found[name]["dataActions"] for name in wanted} == wanted
    assert all(found[name]["actions"] == [] for name in wanted)
    assert found.keys() == {*wanted, "deployer", "provisioner", "roleGiver"}


def test_the_app_gets_these_roles_where_they_were_made(sources: dict[str, Source]) -> None:
    chosen = {name: text(item.value) for name, item in sources["access"].of_kind("var").items()}
    made = {item.name: value(item, "name") for item in resources(sources, "Microsoft.Authorization/roleDefinitions")}

    for variable, role, otherwise in (
        ("ofBackups", "backupWriter", "storageBlobDataContributor"),
        ("ofRegistry", "registryUser", "storageTableDataContributor"),
        ("ofKey", "keySigner", "keyVaultCryptoUser"),
    ):
        assert chosen[variable] == f"customRoles ? guid(resourceGroup().id, '{role}') : roles.{otherwise}"
        assert made[role] == f"guid(scope, '{role}')"
    assert text(sources["custom-roles"].of_kind("var")["scope"].value) == "resourceGroup().id"


def allows(role: dict[str, list[str]], action: str) -> bool:
    """Whether a role allows this action: patterns do not look at the case."""
    given, taken = (
        any(fnmatchcase(action.lower(), pattern.lower()) for pattern in role[name])
        for name in ("actions", "notActions")
    )
    return given and not taken


def test_the_pipeline_may_make_every_resource_and_delete_none(sources: dict[str, Source]) -> None:
    provisioner = definitions(sources)["provisioner"]
    made = {
        item.target.partition("@")[0]
        for name, source in sources.items()
        if name not in ("pipeline", "custom-roles")
        for item in source.of_kind("resource").values()
        if not item.existing
    } - {"Microsoft.Authorization/roleAssignments", "Microsoft.Resources/resourceGroups"}
    # The pipeline gives no secrets: people put them into the vault.
    secrets = {"Microsoft.KeyVault/vaults/secrets"}

    assert len(made) > 20
    for kind in made:
        assert allows(provisioner, f"{kind}/read") is (kind not in secrets), kind
        assert allows(provisioner, f"{kind}/write") is (kind not in secrets), kind
        assert not allows(provisioner, f"{kind}/delete"), kind
    assert allows(provisioner, "Microsoft.Resources/subscriptions/resourceGroups/write")
    for kind in ("virtualNetworks/subnets", "privateDnsZones", "networkSecurityGroups"):
        assert allows(provisioner, f"Microsoft.Network/{kind}/join/action")
    assert allows(provisioner, "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action")


@pytest.mark.parametrize(
    "action",
    [
        "Microsoft.Storage/storageAccounts/listKeys/action",
        "Microsoft.Storage/storageAccounts/regenerateKey/action",
        "Microsoft.Storage/storageAccounts/listAccountSas/action",
        "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies/lock/action",
        "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies/delete",
        "Microsoft.KeyVault/vaults/secrets/write",
        "Microsoft.KeyVault/vaults/accessPolicies/write",
        "Microsoft.Web/sites/host/listkeys/action",
        "Microsoft.Web/sites/publishxml/action",
        "Microsoft.Authorization/roleAssignments/write",
        "Microsoft.Authorization/roleAssignments/delete",
        "Microsoft.Authorization/roleDefinitions/write",
        "Microsoft.Authorization/locks/delete",
        "Microsoft.Resources/subscriptions/resourceGroups/delete",
        "Microsoft.Compute/virtualMachines/write",
    ],
)
def test_the_pipeline_may_not(sources: dict[str, Source], action: str) -> None:
    found = definitions(sources)

    assert not allows(found["provisioner"], action)
    assert not allows(found["deployer"], action)
    assert all(found[name]["dataActions"] == [] for name in ("provisioner", "deployer", "roleGiver"))


def test_on_the_subscription_the_pipeline_only_starts_deployments(sources: dict[str, Source]) -> None:
    allowed = definitions(sources)["deployer"]["actions"]

    assert all(action.startswith("Microsoft.Resources/") and "*" not in action for action in allowed)
    writes = {action for action in allowed if not action.endswith("/read")}
    assert {action.split("/")[1] for action in writes} == {"deployments"}


def test_the_pipeline_gives_only_the_roles_that_the_deployment_assigns(sources: dict[str, Source]) -> None:
    listed = sources["custom-roles"].of_kind("var")["assignableIds"].value
    roles = {text(node) for node in listed.named_children}
    [assignment] = [
        item for item in resources(sources, "Microsoft.Authorization/roleAssignments") if item.name == "givesRoles"
    ]

    custom = {f"guid(scope, '{name}')" for name in ("backupWriter", "registryUser", "keySigner")}
    assert roles == {f"builtIn.{name}" for name in json.loads((INFRA / "roles.json").read_text())} | custom
    assert definitions(sources)["roleGiver"]["actions"] == [
        "Microsoft.Authorization/roleAssignments/read",
        "Microsoft.Authorization/roleAssignments/write",
    ]
    assert value(assignment, "properties", "conditionVersion") == "2.0"
    condition = text(at(assignment, "properties", "condition"))
    assert "!(ActionMatches{\\'Microsoft.Authorization/roleAssignments/write\\'})" in condition
    assert "${onlyThese}${toThem}" in condition
    assert "RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {${assignable}}" in text(
        sources["custom-roles"].of_kind("var")["onlyThese"].value
    )


def test_the_signing_key_never_leaves_the_vault(sources: dict[str, Source]) -> None:
    [key] = resources(sources, "Microsoft.KeyVault/vaults/keys")

    assert (value(key, "properties", "kty"), value(key, "properties", "curveName")) == ("EC", "P-256")
    assert value(key, "properties", "attributes", "exportable") == "false"
    assert [literal(node) for node in at(key, "properties", "keyOps").named_children] == ["sign", "verify"]


def test_every_storage_account_is_without_keys_and_without_public_blobs(sources: dict[str, Source]) -> None:
    accounts = resources(sources, "Microsoft.Storage/storageAccounts")

    assert accounts
    for item in accounts:
        assert value(item, "properties", "allowSharedKeyAccess") == "false"
        assert value(item, "properties", "allowBlobPublicAccess") == "false"
        assert value(item, "properties", "defaultToOAuthAuthentication") == "true"
        assert value(item, "properties", "allowCrossTenantReplication") == "false"
        assert value(item, "properties", "isLocalUserEnabled") == "false"
        assert value(item, "properties", "supportsHttpsTrafficOnly") == "true"
        assert value(item, "properties", "minimumTlsVersion") == "TLS1_2"
        assert value(item, "properties", "publicNetworkAccess") == "publicNetworkAccess"
        assert "'Deny'" in value(item, "properties", "networkAcls", "defaultAction")
    for item in resources(sources, "Microsoft.Storage/storageAccounts/blobServices/containers"):
        assert value(item, "properties", "publicAccess") == "None"


def test_host_directory_and_backup_are_accounts_of_their_own(sources: dict[str, Source]) -> None:
    modules = sources["main"].of_kind("module")
    names = {name: value(modules[name], "params", "name") for name in ("hostStorage", "dataStorage", "backupStorage")}

    assert len(set(names.values())) == 3
    # Storage accounts take 24 characters, of which uniqueString gives 13.
    assert all(len(re.sub(r"\$\{token\}", "x" * 13, name).strip("'")) <= 24 for name in names.values())


def test_what_is_private_is_so_everywhere(sources: dict[str, Source]) -> None:
    main = sources["main"]
    assert text(main.of_kind("var")["publicNetworkAccess"].value) == "privateNetworking ? 'Disabled' : 'Enabled'"
    [vault] = resources(sources, "Microsoft.KeyVault/vaults")
    assert value(vault, "properties", "publicNetworkAccess") == "publicNetworkAccess"
    for name in ("hostStorage", "dataStorage", "backupStorage", "vault"):
        assert value(main.of_kind("module")[name], "params", "publicNetworkAccess") == "publicNetworkAccess"
    endpoints = sources["private-endpoints"].of_kind("module").values()
    reached = {value(item, "params", "resourceId") for item in endpoints if item.target == "private-endpoint.bicep"}
    assert reached == {"hostAccountId", "dataAccountId", "backupAccountId", "vaultId"}


def test_the_vault_keeps_what_is_deleted_and_knows_roles_only(sources: dict[str, Source]) -> None:
    [vault] = resources(sources, "Microsoft.KeyVault/vaults")

    # Azure refuses false. In dev the name must be free again after azd down.
    assert value(vault, "properties", "enablePurgeProtection") == "purgeProtection ? true : null"
    assert value(vault, "properties", "softDeleteRetentionInDays") == "purgeProtection ? 90 : 7"
    assert value(sources["main"].of_kind("module")["vault"], "params", "purgeProtection") == "stage == 'prod'"
    assert value(vault, "properties", "createMode") == "recover ? 'recover' : 'default'"
    assert value(vault, "properties", "enableRbacAuthorization") == "true"
    assert value(vault, "properties", "enableSoftDelete") == "true"
    assert "accessPolicies" not in properties(vault.body["properties"])


def test_secrets_are_secure_parameters_wherever_they_pass(sources: dict[str, Source]) -> None:
    secret = re.compile(
        r"^((feedT|t)okenSha256|(other)?signingKey|backupKey|masterKey)$|password|secret(?!Uri)", re.IGNORECASE
    )
    found = set()
    for source in sources.values():
        for item in source.of_kind("param").values():
            if secret.search(item.name) and not item.name.startswith("use"):
                found.add(item.name)
                assert "secure" in item.decorators, f"{source.path.name}: {item.name}"
        assert not any(secret.search(name) for name in source.of_kind("output"))
        for item in source.of_kind("param").values():
            if "secure" in item.decorators:
                assert text(item.value) == "''", "a secret has no default of ours"
    assert found == {"tokenSha256", "signingKey", "otherSigningKey", "backupKey", "masterKey", "feedTokenSha256"}


def test_secrets_reach_the_app_by_reference(sources: dict[str, Source]) -> None:
    [settings] = resources(sources, "Microsoft.Web/sites/config")
    [site] = resources(sources, "Microsoft.Web/sites")

    variables = sources["function-app"].of_kind("var")
    references = {name: text(item.value) for name, item in variables.items()}
    assert "'@Microsoft.KeyVault(SecretUri=" in value(settings, "properties", "SCIM_TOKEN_SHA256")
    # A key in the vault has a URL, which is no secret.
    assert value(settings, "properties", "SCIM_SIGNING_KEY") == "empty(signingKeyUrl) ? signingKey : signingKeyUrl"
    assert value(settings, "properties", "SCIM_SIGNING_KEY_OTHER") == (
        "empty(otherSigningKeyUrl) ? otherKey : otherSigningKeyUrl"
    )
    for name, uri in (("signingKey", "signingKeySecretUri"), ("otherKey", "otherSigningKeySecretUri")):
        assert references[name] == f"empty({uri}) ? '' : '@Microsoft.KeyVault(SecretUri=${{{uri}}})'"
    assert value(site, "properties", "keyVaultReferenceIdentity") == "identityId"


def test_the_app_is_as_flex_consumption_wants_it(sources: dict[str, Source]) -> None:
    [site] = resources(sources, "Microsoft.Web/sites")
    [plan] = resources(sources, "Microsoft.Web/serverfarms")
    [settings] = resources(sources, "Microsoft.Web/sites/config")
    config = ("properties", "functionAppConfig")

    assert (value(plan, "sku", "name"), value(plan, "sku", "tier")) == ("FC1", "FlexConsumption")
    assert value(plan, "properties", "reserved") == "true"
    assert (value(site, *config, "runtime", "name"), value(site, *config, "runtime", "version")) == ("python", "3.13")
    assert value(site, *config, "siteUpdateStrategy", "type") == "RollingUpdate"
    scale = (*config, "scaleAndConcurrency")
    assert value(site, *scale, "triggers", "http", "perInstanceConcurrency") == "perInstanceConcurrency"
    assert value(site, *scale, "instanceMemoryMB") == "instanceMemoryMB"
    assert value(site, *scale, "maximumInstanceCount") == "maximumInstanceCount"
    assert "alwaysReadyInstances" in value(site, *scale, "alwaysReady")
    assert value(site, *config, "deployment", "storage", "authentication", "type") == "UserAssignedIdentity"
    names = {literal(node) for node in walk(site.node) if node.type == "string"} | properties(
        settings.body["properties"]
    ).keys()
    assert NEVER_ON_FLEX & names == set()
    assert FLEX_REFUSES & properties(at(site, "properties", "siteConfig")).keys() == set()


def test_the_host_reaches_its_storage_with_the_identity(sources: dict[str, Source]) -> None:
    [settings] = resources(sources, "Microsoft.Web/sites/config")
    host = {name for name in properties(settings.body["properties"]) if name.startswith("AzureWebJobsStorage")}

    assert host == {f"AzureWebJobsStorage__{name}" for name in ("blobServiceUri", "credential", "clientId")}
    assert value(settings, "properties", "AzureWebJobsStorage__credential") == "managedidentity"


def test_entra_can_connect_and_passwords_cannot_publish(sources: dict[str, Source]) -> None:
    """entra.md, transport: TLS 1.2 is the only version Entra accepts, so that 1.3 as a minimum would shut it out."""
    [site] = resources(sources, "Microsoft.Web/sites")
    policies = resources(sources, "Microsoft.Web/sites/basicPublishingCredentialsPolicies")

    assert value(site, "properties", "siteConfig", "minTlsVersion") == "1.2"
    assert "minTlsCipherSuite" not in properties(at(site, "properties", "siteConfig"))
    assert value(site, "properties", "httpsOnly") == "true"
    assert {value(item, "name"): value(item, "properties", "allow") for item in policies} == {
        "ftp": "false",
        "scm": "false",
    }


def test_only_entra_gets_in_where_that_is_asked_for(sources: dict[str, Source]) -> None:
    [site] = resources(sources, "Microsoft.Web/sites")
    rule = sources["function-app"].of_kind("var")["entraOnly"].value

    assert (
        value(site, "properties", "siteConfig", "ipSecurityRestrictionsDefaultAction")
        == "ingress == 'everybody' ? 'Allow' : 'Deny'"
    )
    assert value(site, "properties", "siteConfig", "ipSecurityRestrictions") == "callers[ingress]"
    callers = properties(sources["function-app"].of_kind("var")["callers"].value)
    assert {name: text(node) for name, node in callers.items()} == {
        "everybody": "[]",
        "entra": "entraOnly",
        "gateway": "gatewayOnly",
    }
    given = properties(rule.named_children[0])
    assert (literal(given["tag"]), literal(given["ipAddress"])) == ("ServiceTag", "AzureActiveDirectory")


def test_with_a_gateway_only_the_gateway_gets_in(sources: dict[str, Source]) -> None:
    """Who reaches the app without it would choose the source of each request by X-Forwarded-For."""
    app, main = sources["function-app"], sources["main"]
    rules = {
        name: properties(app.of_kind("var")[name].value.named_children[0])
        for name in ("frontDoor", "gatewaySubnet", "gatewayAddresses")
    }
    front_door = rules["frontDoor"]
    assert (literal(front_door["tag"]), literal(front_door["ipAddress"])) == ("ServiceTag", "AzureFrontDoor.Backend")
    assert text(front_door["headers"]) == "{ 'x-azure-fdid': [gatewayFrontDoorId] }", "other profiles share the tag"
    assert text(rules["gatewaySubnet"]["vnetSubnetResourceId"]) == "gatewaySubnetId"
    assert text(rules["gatewayAddresses"]["ipAddress"]) == "gatewayAddressRange"
    listed = re.findall(r"by\w+", text(app.of_kind("var")["gatewayOnly"].value))
    joined = " ".join(text(app.of_kind("var")[name].value) for name in listed)
    assert all(f"? [] : {name}" in joined for name in rules)
    # Bicep has no assertion: the module allows three words, and a wrong combination passes a sentence instead.
    variables = main.of_kind("var")
    assert text(variables["gatewayIsClear"].value) == (
        "(trustedProxies > 1) == namesGateway && !(namesGateway && restrictToEntra)"
    )
    assert text(variables["ingress"].value) == "gatewayIsClear ? (namesGateway ? 'gateway' : withoutGateway) : unclear"
    assert value(main.of_kind("module")["app"], "params", "ingress") == "any(ingress)"
    assert "@allowed(['everybody', 'entra', 'gateway'])\nparam ingress string" in text(app.root)


def test_entras_own_tokens_are_off_in_prod(sources: dict[str, Source]) -> None:
    assert text(sources["main"].of_kind("param")["entraTokens"].value) == "stage == 'dev' ? 'allow' : ''"


def test_backups_cannot_be_changed_for_days_and_end_later(sources: dict[str, Source]) -> None:
    [policy] = resources(sources, "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies")
    [lifecycle] = resources(sources, "Microsoft.Storage/storageAccounts/managementPolicies")

    assert value(policy, "properties", "immutabilityPeriodSinceCreationInDays") == "immutableDays"
    assert "max(retentionDays, immutableDays + 1)" in text(lifecycle.node)


def test_prod_is_locked_where_the_pipeline_can(sources: dict[str, Source]) -> None:
    """Contributor cannot write locks: a deployment with Azure's own roles would fail."""
    variables = {name: text(item.value) for name, item in sources["main"].of_kind("var").items()}

    assert variables["locksByThemselves"] == "stage == 'prod' && customRoles"
    assert variables["hasLocks"] == "locks == 'auto' ? locksByThemselves : locks == 'yes'"
    assert re.search(r"module deleteLocks 'modules/locks.bicep' = if \(hasLocks\)", text(sources["main"].root))
    locks = resources(sources, "Microsoft.Authorization/locks")
    assert {text(item.body["scope"]) for item in locks} == {"dataAccount", "backupAccount", "vault"}
    assert {value(item, "properties", "level") for item in locks} == {"CanNotDelete"}


def test_only_a_person_in_dev_becomes_the_operator_by_deploying(sources: dict[str, Source]) -> None:
    main = sources["main"]
    given = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]

    assert text(main.of_kind("var")["deployerOperates"].value) == (
        "empty(operatorPrincipalId) && stage == 'dev' && deployerPrincipalType == 'User'"
    )
    access = main.of_kind("module")["access"]
    assert value(access, "params", "operatorPrincipalId") == (
        "deployerOperates ? deployerPrincipalId : operatorPrincipalId"
    )
    assert value(access, "params", "operatorPrincipalType") == (
        "deployerOperates ? deployerPrincipalType : operatorPrincipalType"
    )
    assert given["deployerPrincipalId"]["value"] == "${AZURE_PRINCIPAL_ID=}"
    assert given["deployerPrincipalType"]["value"] == "${AZURE_PRINCIPAL_TYPE=User}"


def test_a_budget_says_when_it_began(sources: dict[str, Source]) -> None:
    """Azure refuses another start than the first one, and a default would move each month."""
    start = sources["budget"].of_kind("param")["budgetStart"]

    assert "minLength" in start.decorators
    assert not start.has_default
    assert "utcNow" not in text(sources["main"].root)
    assert "monthlyBudget" not in (INFRA / "prod.bicepparam").read_text()


def test_a_locked_policy_is_left_alone(sources: dict[str, Source]) -> None:
    [policy] = resources(sources, "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies")

    assert "if (immutableDays > 0 && !policyLocked)" in text(policy.node)
    backup = sources["main"].of_kind("module")["backupStorage"]
    assert value(backup, "params", "policyLocked") == "backupPolicyLocked"


def test_queries_of_alerts_need_no_table_yet(sources: dict[str, Source]) -> None:
    rules = resources(sources, "Microsoft.Insights/scheduledQueryRules")

    assert rules
    for rule in rules:
        assert "skipQueryValidation: true" in text(rule.node)


def test_every_alert_tells_somebody(sources: dict[str, Source]) -> None:
    rules = resources(sources, "Microsoft.Insights/scheduledQueryRules") + resources(
        sources, "Microsoft.Insights/metricAlerts"
    )

    assert len(rules) == 4
    for item in rules:
        assert "people.id" in value(item, "properties", "actions")
    alerts = sources["alerts"].of_kind("var")["logAlerts"].value
    names = {literal(properties(item)["name"]) for item in alerts.named_children if item.type == "object"}
    assert names == {
        "server-errors",
        "not-serving",
        "latency",
        "authentication-failures",
        "rate-limited",
        "sweep-backlog",
        "logs-stopped",
    }


def test_every_alert_is_explained(sources: dict[str, Source]) -> None:
    page = (INFRA.parent / "docs" / "operate.md").read_text()
    alerts = sources["alerts"].of_kind("var")["logAlerts"].value
    names = [literal(properties(item)["name"]) for item in alerts.named_children if item.type == "object"]

    for name in (*names, "backup-missing", "storage-throttling", "storage-availability"):
        assert f"`{name}`" in page


def test_everything_that_takes_tags_has_azds(sources: dict[str, Source]) -> None:
    tagless = ("Microsoft.Authorization", "Microsoft.Insights/diagnosticSettings", "Microsoft.Consumption")
    children = re.compile(
        r"/(blobServices|tableServices|secrets|keys|managementPolicies|config|basicPublishing|privateDnsZoneGroups)"
    )
    for source in sources.values():
        for item in source.of_kind("resource").values():
            if not item.existing and not item.target.startswith(tagless) and not children.search(item.target):
                assert "tags" in item.body, f"{source.path.name}: {item.name}"
    assert "'azd-env-name': environmentName" in text(sources["main"].of_kind("var")["tags"].value)
    assert "'azd-service-name': 'api'" in text(sources["function-app"].root)


def test_outputs_are_what_azd_and_entra_need(sources: dict[str, Source]) -> None:
    outputs = sources["main"].of_kind("output")

    assert outputs.keys() >= {
        "AZURE_LOCATION",
        "AZURE_TENANT_ID",
        "AZURE_RESOURCE_GROUP",
        "SERVICE_API_NAME",
        "TENANT_URL",
    }
    assert "/scim/v2" in text(outputs["TENANT_URL"].value)


def test_every_parameter_is_described(sources: dict[str, Source]) -> None:
    for item in sources["main"].of_kind("param").values():
        assert "description" in item.decorators, item.name


def test_no_module_comes_from_a_registry(sources: dict[str, Source]) -> None:
    for source in sources.values():
        for item in source.of_kind("module").values():
            assert (source.path.parent / item.target).is_file()


def test_the_workbook_is_one() -> None:
    workbook = json.loads((INFRA / "workbook.json").read_text())

    assert workbook["version"] == "Notebook/1.0"
    queries = [item["content"]["query"] for item in workbook["items"] if item["type"] == 3]
    assert queries
    assert any("by tenant" in query for query in queries)


SNAPSHOTS = {path.name.partition(".")[0]: json.loads(path.read_text()) for path in (INFRA / "snapshots").glob("*.json")}
"""What would be deployed, as the real compiler foretells it. `make check-infra` compares them with the files."""


def foretold(name: str, kind: str) -> list[dict[str, Any]]:
    """The resources of a type that a snapshot has."""
    return [item for item in SNAPSHOTS[name]["predictedResources"] if item["type"] == kind]


def test_snapshots_are_of_dev_prod_and_everything() -> None:
    assert SNAPSHOTS.keys() == {"dev", "prod", "everything"}
    counts = [len(SNAPSHOTS[name]["predictedResources"]) for name in ("dev", "prod", "everything")]
    assert counts == sorted(set(counts))
    assert all(item["diagnostics"] == [] for item in SNAPSHOTS.values())


def test_every_type_that_the_files_have_is_in_the_snapshot_of_everything(sources: dict[str, Source]) -> None:
    written = {
        item.target.partition("@")[0]
        for name, source in sources.items()
        if name not in ("pipeline", "custom-roles")
        for item in source.of_kind("resource").values()
        if not item.existing
    }

    assert {item["type"] for item in SNAPSHOTS["everything"]["predictedResources"]} == written


def test_dev_is_the_least_and_prod_is_protected() -> None:
    [dev], [prod] = (foretold(name, "Microsoft.KeyVault/vaults") for name in ("dev", "prod"))

    assert dev["properties"]["softDeleteRetentionInDays"] == 7
    assert dev["properties"]["enablePurgeProtection"] is None
    assert prod["properties"]["softDeleteRetentionInDays"] == 90
    assert prod["properties"]["enablePurgeProtection"] is True
    assert foretold("dev", "Microsoft.Authorization/locks") == foretold("prod", "Microsoft.Authorization/locks") == []
    assert len(foretold("everything", "Microsoft.Authorization/locks")) == 3


@pytest.mark.parametrize("name", sorted(SNAPSHOTS))
def test_every_account_that_would_be_made_is_closed(name: str) -> None:
    accounts = foretold(name, "Microsoft.Storage/storageAccounts")

    assert len(accounts) == (2 if name == "dev" else 3)
    for account in accounts:
        given = account["properties"]
        assert (given["allowSharedKeyAccess"], given["allowBlobPublicAccess"]) == (False, False)
        assert (given["minimumTlsVersion"], given["supportsHttpsTrafficOnly"]) == ("TLS1_2", True)
        assert given["publicNetworkAccess"] == ("Disabled" if name == "everything" else "Enabled")


@pytest.mark.parametrize("name", sorted(SNAPSHOTS))
def test_roles_that_would_be_given_are_on_one_resource_each(name: str) -> None:
    for item in foretold(name, "Microsoft.Authorization/roleAssignments"):
        assert "/providers/Microsoft." in json.dumps(item).partition("/providers/Microsoft.Authorization")[0]
