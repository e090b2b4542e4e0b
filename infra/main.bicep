// Everything that the SCIM endpoint needs in Azure, in a resource group of its own. docs/deploy.md says how to deploy it.
targetScope = 'subscription'

@description('Names the deployment: azd\'s environment. Part of the names and tags of everything.')
@minLength(1)
@maxLength(40)
param environmentName string

@description('The region. Flex Consumption and Python 3.13 must be offered there: az functionapp list-flexconsumption-locations')
@metadata({ azd: { type: 'location' } })
@minLength(1)
param location string

@description('prod: zone-redundant storage, delete locks, an instance always ready. dev: the least that works.')
@allowed(['dev', 'prod'])
param stage string = 'dev'

@description('Redundancy of the directory. ZRS survives a zone, GZRS a region; RA variants would add nothing, nothing reads a second region.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GZRS'])
param dataRedundancy string = stage == 'prod' ? 'Standard_ZRS' : 'Standard_LRS'

@description('Memory of an instance, in MB. 2048 comes with one vCPU; 512 is a quarter of it and slow to start.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('Most instances that run at once: what a storm of requests can cost at most.')
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Instances that are always warm, so that the first call of a provisioning cycle does not wait for a start. With zone redundancy at least 2.')
@minValue(0)
@maxValue(20)
param alwaysReadyInstances int = stage == 'prod' ? 1 : 0

@description('Requests that an instance takes at once. Flex Consumption takes one for Python unless told otherwise; ours wait for storage and not for the processor.')
@minValue(1)
@maxValue(1000)
param perInstanceConcurrency int = 32

@description('Spread the instances over zones. Needs alwaysReadyInstances of 2 or more.')
param zoneRedundant bool = false

@description('Scheme and host that clients use, such as https://scim.example.com, where a gateway or an own domain stands in front; else empty.')
param publicBaseUrl string = ''

@description('SHA-256, 64 hex digits, of the bearer token of a deployment with one tenant; two with a comma while a token is rotated. Empty leaves the secret in the vault as it is.')
@secure()
param tokenSha256 string = ''

@description('The key that signs access tokens, as python -m scim_core.admin makes one. Empty leaves the secret in the vault as it is.')
@secure()
param signingKey string = ''

@description('While the key is rotated: the one before or the one to come. Empty leaves the secret in the vault as it is.')
@secure()
param otherSigningKey string = ''

@description('one: a single tenant, whose token tokenSha256 names. registry: tenants that python -m scim_core.admin makes; needs a signing key.')
@allowed(['one', 'registry'])
param tenants string = 'one'

@description('Accept access tokens of the other signing key, too: while the key is rotated.')
param useOtherSigningKey bool = false

@description('Minutes for which an access token holds.')
@minValue(60)
@maxValue(360)
param accessTokenMinutes int = 60

@description('Requests a second of one tenant beyond which it is asked to wait. Entra sends 25.')
@minValue(25)
param tenantRequestsPerSecond int = 250

@description('Proxies that append to X-Forwarded-For before the app: 1 is Azure\'s own front end, 2 with a gateway before it.')
@minValue(0)
@maxValue(10)
param trustedProxies int = 1

@description('When the sweep finishes changes that were interrupted: NCRONTAB, six fields. More often than hourly, else the alert sweep-backlog is raised.')
param sweepSchedule string = '0 */5 * * * *'

@description('Whether the whole directory is exported to a container of immutable blobs on a schedule: tables have no soft delete.')
param backupEnabled bool = stage == 'prod'

@description('When the backup runs: NCRONTAB, six fields, UTC.')
param backupSchedule string = '0 15 2 * * *'

@description('Days in which nobody can change or delete a backup.')
@minValue(1)
@maxValue(365)
param backupImmutableDays int = 14

@description('Days after which a backup is deleted. Must be more than backupImmutableDays.')
@minValue(2)
@maxValue(3650)
param backupRetentionDays int = 35

@description('Keep storage and vault off the Internet: a network, private endpoints, private DNS.')
param privateNetworking bool = false

@description('Take requests from Microsoft Entra ID only (service tag AzureActiveDirectory). Leave it off where Okta or others provision as well.')
param restrictToEntra bool = false

@description('Who gets alerts and the budget\'s warnings. Empty: alerts are raised and nobody is told.')
param alertEmail string = ''

@description('Most GB a day that Log Analytics takes in; beyond it logs and log alerts stop until the next day.')
@minValue(1)
@maxValue(100)
param logDailyCapGb int = stage == 'prod' ? 5 : 1

@description('Days for which logs are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = stage == 'prod' ? 90 : 30

@description('Budget of a month, in the currency of the bill. 0: none.')
@minValue(0)
param monthlyBudget int = 0

@description('First day of the month in which the budget starts, as yyyy-MM-dd: Azure does not move it later. Empty: this month, for a first deployment.')
param budgetStart string = ''

@description('Leave it alone: this month.')
param thisMonth string = utcNow('yyyy-MM-01')

@description('Share of requests, in percent, that may fail with 5xx within 15 minutes before an alert.')
@minValue(1)
@maxValue(100)
param alertServerErrorPercent int = 2

@description('p95 of the latency, in ms, over 15 minutes before an alert. Entra gives up after 60,000.')
@minValue(100)
param alertLatencyMs int = 3000

@description('Requests within 15 minutes that may be refused for their credential before an alert.')
@minValue(1)
param alertAuthenticationFailures int = 50

@description('Object id of the group or user that may read and write the directory from their own machine (export, import, administration). Empty: nobody.')
param operatorPrincipalId string = ''

@description('What operatorPrincipalId is.')
@allowed(['Group', 'User', 'ServicePrincipal'])
param operatorPrincipalType string = 'Group'

@description('Send the platform\'s logs of the function app itself to Log Analytics. Off: Flex Consumption does not offer it in every region.')
param siteDiagnostics bool = false

@description('Further tags for everything.')
param extraTags object = {}

var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = union(extraTags, { 'azd-env-name': environmentName, stage: stage })
var tableName = 'scim'
var publicNetworkAccess = privateNetworking ? 'Disabled' : 'Enabled'

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  name: 'identity'
  scope: group
  params: { name: 'id-scim-${token}', location: location, tags: tags }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: { token: token, location: location, tags: tags, dailyCapGb: logDailyCapGb, retentionDays: logRetentionDays }
}

module network 'modules/network.bicep' = if (privateNetworking) {
  name: 'network'
  scope: group
  params: { token: token, location: location, tags: tags }
}

// The host's: its locks, its keys, and the package it runs. A loss of it costs a deployment.
module hostStorage 'modules/storage-account.bicep' = {
  name: 'host-storage'
  scope: group
  params: {
    name: 'sthost${token}'
    location: location
    tags: tags
    redundancy: stage == 'prod' ? 'Standard_ZRS' : 'Standard_LRS'
    publicNetworkAccess: publicNetworkAccess
    containerName: 'package'
    workspaceId: monitoring.outputs.workspaceId
  }
}

// The directory's, and nothing else's.
module dataStorage 'modules/storage-account.bicep' = {
  name: 'data-storage'
  scope: group
  params: {
    name: 'stscim${token}'
    location: location
    tags: tags
    redundancy: dataRedundancy
    publicNetworkAccess: publicNetworkAccess
    tableName: tableName
    workspaceId: monitoring.outputs.workspaceId
  }
}

// Backups, in an account of their own: neither a mistake with the directory's account nor a stolen identity of the app takes
// them along. For some days nobody can change or delete one, then the lifecycle does.
module backupStorage 'modules/storage-account.bicep' = if (backupEnabled) {
  name: 'backup-storage'
  scope: group
  params: {
    name: 'stback${token}'
    location: location
    tags: tags
    redundancy: dataRedundancy
    publicNetworkAccess: publicNetworkAccess
    containerName: 'exports'
    immutableDays: backupImmutableDays
    retentionDays: backupRetentionDays
    workspaceId: monitoring.outputs.workspaceId
  }
}

module vault 'modules/vault.bicep' = {
  name: 'vault'
  scope: group
  params: {
    name: 'kv-scim-${token}'
    location: location
    tags: tags
    publicNetworkAccess: publicNetworkAccess
    tokenSha256: tokenSha256
    signingKey: signingKey
    otherSigningKey: otherSigningKey
    workspaceId: monitoring.outputs.workspaceId
  }
}

module access 'modules/access.bicep' = {
  name: 'access'
  scope: group
  params: {
    principalId: identity.outputs.principalId
    hostAccountName: hostStorage.outputs.name
    dataAccountName: dataStorage.outputs.name
    backupAccountName: backupEnabled ? backupStorage!.outputs.name : ''
    backupContainerName: backupEnabled ? backupStorage!.outputs.containerName : ''
    vaultName: vault.outputs.name
    applicationInsightsName: monitoring.outputs.applicationInsightsName
    operatorPrincipalId: operatorPrincipalId
    operatorPrincipalType: operatorPrincipalType
  }
}

module endpoints 'modules/private-endpoints.bicep' = if (privateNetworking) {
  name: 'private-endpoints'
  scope: group
  params: {
    location: location
    tags: tags
    subnetId: network!.outputs.endpointSubnetId
    networkId: network!.outputs.networkId
    hostAccountId: hostStorage.outputs.id
    dataAccountId: dataStorage.outputs.id
    backupAccountId: backupEnabled ? backupStorage!.outputs.id : ''
    vaultId: vault.outputs.id
  }
}

module app 'modules/function-app.bicep' = {
  name: 'function-app'
  scope: group
  params: {
    token: token
    location: location
    tags: tags
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    subnetId: privateNetworking ? network!.outputs.appSubnetId : ''
    hostBlobEndpoint: hostStorage.outputs.blobEndpoint
    packageContainerName: hostStorage.outputs.containerName
    dataTableEndpoint: dataStorage.outputs.tableEndpoint
    tableName: tableName
    backupContainerUrl: backupEnabled ? backupStorage!.outputs.containerUrl : ''
    backupSchedule: backupSchedule
    sweepSchedule: sweepSchedule
    tenants: tenants
    tokenSecretUri: tenants == 'one' ? vault.outputs.tokenSecretUri : ''
    signingKeySecretUri: tenants == 'registry' ? vault.outputs.signingKeySecretUri : ''
    otherSigningKeySecretUri: useOtherSigningKey ? vault.outputs.otherSigningKeySecretUri : ''
    accessTokenMinutes: accessTokenMinutes
    tenantRequestsPerSecond: tenantRequestsPerSecond
    trustedProxies: trustedProxies
    publicBaseUrl: publicBaseUrl
    applicationInsightsConnectionString: monitoring.outputs.applicationInsightsConnectionString
    workspaceId: monitoring.outputs.workspaceId
    siteDiagnostics: siteDiagnostics
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    alwaysReadyInstances: alwaysReadyInstances
    perInstanceConcurrency: perInstanceConcurrency
    zoneRedundant: zoneRedundant
    restrictToEntra: restrictToEntra
  }
  // A first start without its roles or its names in DNS would fail and look like a broken package.
  dependsOn: [access, endpoints]
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  scope: group
  params: {
    token: token
    location: location
    tags: tags
    email: alertEmail
    workspaceId: monitoring.outputs.workspaceId
    dataAccountId: dataStorage.outputs.id
    serverErrorPercent: alertServerErrorPercent
    latencyMs: alertLatencyMs
    authenticationFailures: alertAuthenticationFailures
    backupEnabled: backupEnabled
  }
}

module workbook 'modules/workbook.bicep' = {
  name: 'workbook'
  scope: group
  params: { location: location, tags: tags, workspaceId: monitoring.outputs.workspaceId }
}

module budget 'modules/budget.bicep' = if (monthlyBudget > 0) {
  name: 'budget'
  scope: group
  params: { amount: monthlyBudget, startDate: empty(budgetStart) ? thisMonth : budgetStart, email: alertEmail, actionGroupId: alerts.outputs.actionGroupId }
}

module locks 'modules/locks.bicep' = if (stage == 'prod') {
  name: 'locks'
  scope: group
  params: {
    dataAccountName: dataStorage.outputs.name
    backupAccountName: backupEnabled ? backupStorage!.outputs.name : ''
    vaultName: vault.outputs.name
  }
}

output AZURE_LOCATION string = location
output AZURE_TENANT_ID string = tenant().tenantId
output AZURE_RESOURCE_GROUP string = group.name
output SERVICE_API_NAME string = app.outputs.name
output SERVICE_API_URI string = app.outputs.uri
@description('What goes into Entra\'s field Tenant URL.')
output TENANT_URL string = empty(publicBaseUrl) ? '${app.outputs.uri}/scim/v2' : '${publicBaseUrl}/scim/v2'
output AZURE_KEY_VAULT_NAME string = vault.outputs.name
output SCIM_STORAGE_ACCOUNT_URL string = dataStorage.outputs.tableEndpoint
output SCIM_TABLE_NAME string = tableName
output SCIM_BACKUP_CONTAINER_URL string = backupEnabled ? backupStorage!.outputs.containerUrl : ''
