// The function app on Flex Consumption. Settings that Flex refuses or ignores are left out: FUNCTIONS_WORKER_RUNTIME,
// FUNCTIONS_EXTENSION_VERSION, WEBSITE_RUN_FROM_PACKAGE and the build settings, ftpsState, linuxFxVersion, alwaysOn.
param token string
@description('The app\'s name. It is the cloud role in its telemetry.')
param name string
param location string
param tags { *: string }
param identityId string
param identityClientId string
@description('Subnet of the app\'s outbound calls. Empty without private networking.')
param subnetId string
param hostAccountName string
param hostBlobEndpoint string
param hostQueueEndpoint string
param hostTableEndpoint string
param packageContainerName string
param dataTableEndpoint string
@description('Where the queues are into which hooks ring. Empty: there are none.')
param queueEndpoint string
param tableName string
@description('The registry\'s own table. Empty: it is in the directory\'s.')
param registryTableName string
@description('Where the backup writes. Empty turns it off.')
param backupContainerUrl string
param backupSchedule string
param sweepSchedule string
@description('Secret with the hash of the single tenant\'s token. Empty if tenants come from the registry.')
param tokenSecretUri string
param tenants string
@description('Secret with the key that signs access tokens. Empty with one tenant.')
param signingKeySecretUri string
@description('Secret with the previous or the next key. Empty unless a key is rotated.')
param otherSigningKeySecretUri string
@description('URL of the key in the vault that signs access tokens. Empty: the key is in a secret.')
param signingKeyUrl string
@description('URL of a key in the vault whose access tokens are accepted, too. Empty: none.')
param otherSigningKeyUrl string
@description('Secret with the key that signs backups. Empty: they are not signed.')
param backupKeySecretUri string
@description('Secret that other keys are derived from. Empty: there is none.')
param masterKeySecretUri string
@description('Secret with the hash of the token that reads the single tenant\'s feed. Empty: there is none.')
param feedTokenSecretUri string
param feedEntraTenant string
param feedEntraAudience string
param accessTokenMinutes int
param tenantRequestsPerSecond int
param groupPatchAnswer string
param telemetry string
param feedDays int
param logDays int
param deletedDays int
param massChangeUsers int
param massChangePercent int
param massChangeHold bool
@description('allow: Entra\'s own tokens are accepted. Empty: they are refused.')
param entraTokens string
param trustedProxies int
param http string
param publicBaseUrl string
param applicationInsightsConnectionString string
param workspaceId string
param siteDiagnostics bool
param instanceMemoryMB int
param maximumInstanceCount int
param alwaysReadyInstances int
param perInstanceConcurrency int
param zoneRedundant bool
@description('How instances are replaced when the app is deployed or its settings change.')
@allowed(['RollingUpdate', 'Recreate'])
param updateStrategy string
@description('For a new app only: how far its host name is unique. Empty: the name is func-scim-... without more.')
@allowed(['', 'TenantReuse', 'SubscriptionReuse', 'ResourceGroupReuse', 'NoReuse'])
param hostNameScope string
@description('Whether only the private endpoint leads in.')
param privateInbound bool
@description('Whether Application Insights tests the app itself from the Internet: it must get in.')
param testedDirectly bool
@description('Who may call.')
param ingress 'everybody' | 'entra' | 'gateway'
param gatewayFrontDoorId string
param gatewaySubnetId string
param gatewayAddressRange string

// To a larger body the host answers with an empty 500, also without a credential, and counts it as a failure. So this is
// well above what the app takes. The app itself answers 401 and 413 below it.
var largestBody = '33554432'
var signIn = environment().authentication.loginEndpoint
var onlyEntra = [
  {
    name: 'entra'
    description: 'Provisioning by Microsoft Entra ID'
    priority: 100
    action: 'Allow'
    tag: 'ServiceTag'
    ipAddress: 'AzureActiveDirectory'
  }
]

// The tag is that of everybody's tests. Who comes in by it still needs a credential.
var availabilityTest = [
  {
    name: 'availability-test'
    description: 'The availability test of Application Insights'
    priority: 110
    action: 'Allow'
    tag: 'ServiceTag'
    ipAddress: 'ApplicationInsightsAvailability'
  }
]
var entraOnly = concat(onlyEntra, testedDirectly ? availabilityTest : [])

// Whoever reaches the app without the gateway writes X-Forwarded-For, and so chooses the source of each request. So a
// gateway that is trusted is the only one that gets in. The platform compares the header with the profile's own id.
var frontDoor = [
  {
    name: 'front-door'
    description: 'Our own Azure Front Door'
    priority: 100
    action: 'Allow'
    tag: 'ServiceTag'
    ipAddress: 'AzureFrontDoor.Backend'
    headers: { 'x-azure-fdid': [gatewayFrontDoorId] }
  }
]
var gatewaySubnet = [
  {
    name: 'gateway-subnet'
    description: 'The subnet of our own gateway'
    priority: 110
    action: 'Allow'
    vnetSubnetResourceId: gatewaySubnetId
  }
]
var gatewayAddresses = [
  {
    name: 'gateway-addresses'
    description: 'The addresses of our own gateway'
    priority: 120
    action: 'Allow'
    ipAddress: gatewayAddressRange
  }
]
var byFrontDoor = empty(gatewayFrontDoorId) ? [] : frontDoor
var bySubnet = empty(gatewaySubnetId) ? [] : gatewaySubnet
var byAddress = empty(gatewayAddressRange) ? [] : gatewayAddresses
var gatewayOnly = concat(byFrontDoor, bySubnet, byAddress)
var signingKey = empty(signingKeySecretUri) ? '' : '@Microsoft.KeyVault(SecretUri=${signingKeySecretUri})'
var otherKey = empty(otherSigningKeySecretUri) ? '' : '@Microsoft.KeyVault(SecretUri=${otherSigningKeySecretUri})'
var callers = { everybody: [], entra: entraOnly, gateway: gatewayOnly }

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: 'plan-scim-${token}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true, zoneRedundant: zoneRedundant }
}

resource site 'Microsoft.Web/sites@2025-03-01' = {
  name: name
  location: location
  tags: { ...tags, 'azd-service-name': 'api' }
  kind: 'functionapp,linux'
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: privateInbound ? 'Disabled' : 'Enabled'
    sshEnabled: false
    autoGeneratedDomainNameLabelScope: empty(hostNameScope) ? null : any(hostNameScope)
    clientAffinityEnabled: false
    keyVaultReferenceIdentity: identityId
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    // Also what the platform itself fetches, such as the package and the vault's references.
    outboundVnetRouting: empty(subnetId) ? null : { allTraffic: true }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${hostBlobEndpoint}${packageContainerName}'
          authentication: { type: 'UserAssignedIdentity', userAssignedIdentityResourceId: identityId }
        }
      }
      runtime: { name: 'python', version: '3.13' }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: alwaysReadyInstances > 0 ? [{ name: 'http', instanceCount: alwaysReadyInstances }] : []
        triggers: { http: { perInstanceConcurrency: perInstanceConcurrency } }
      }
      // Flex has no slots. With RollingUpdate, instances are replaced in batches, and a request ends where it started. It is
      // a preview, which the compiler's types do not know.
      #disable-next-line BCP037
      siteUpdateStrategy: { type: updateStrategy }
    }
    siteConfig: {
      // Entra speaks only TLS 1.2, with ECDHE suites that App Service offers. A minimum of 1.3 would shut it out.
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      http20Enabled: true
      remoteDebuggingEnabled: false
      ipSecurityRestrictions: callers[ingress]
      ipSecurityRestrictionsDefaultAction: ingress == 'everybody' ? 'Allow' : 'Deny'
      scmIpSecurityRestrictionsUseMain: false
    }
  }
}

// A password for publishing is a key that never expires. So only Entra's identities can reach the package and the logs.
resource noFtp 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: site
  name: 'ftp'
  properties: { allow: false }
}

resource noBasicPublishing 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: site
  name: 'scm'
  properties: { allow: false }
}

// docs/settings.md explains each of our settings. A test checks that code, sample, this list and that page agree.
resource settings 'Microsoft.Web/sites/config@2025-03-01' = {
  parent: site
  name: 'appsettings'
  properties: {
    // The host starts before it has read all its settings, and then it finds no account by the URIs alone (issue 11787 of
    // azure-functions-host). By the name it does. The URIs serve clouds with other suffixes.
    AzureWebJobsStorage__accountName: hostAccountName
    AzureWebJobsStorage__blobServiceUri: hostBlobEndpoint
    AzureWebJobsStorage__queueServiceUri: hostQueueEndpoint
    AzureWebJobsStorage__tableServiceUri: hostTableEndpoint
    AzureWebJobsStorage__credential: 'managedidentity'
    AzureWebJobsStorage__clientId: identityClientId
    AzureWebJobsDisableHomepage: 'true'
    APPLICATIONINSIGHTS_CONNECTION_STRING: applicationInsightsConnectionString
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
    FUNCTIONS_REQUEST_BODY_SIZE_LIMIT: largestBody
    SCIM_TOKEN_SHA256: empty(tokenSecretUri) ? '' : '@Microsoft.KeyVault(SecretUri=${tokenSecretUri})'
    SCIM_TENANTS: tenants
    SCIM_SIGNING_KEY: empty(signingKeyUrl) ? signingKey : signingKeyUrl
    SCIM_SIGNING_KEY_OTHER: empty(otherSigningKeyUrl) ? otherKey : otherSigningKeyUrl
    SCIM_ACCESS_TOKEN_MINUTES: string(accessTokenMinutes)
    SCIM_ENTRA_AUTHORITY: endsWith(signIn, '/') ? take(signIn, length(signIn) - 1) : signIn
    SCIM_ENTRA_TOKENS: entraTokens
    SCIM_TENANT_REQUESTS_PER_SECOND: string(tenantRequestsPerSecond)
    SCIM_GROUP_PATCH_ANSWER: groupPatchAnswer
    SCIM_TELEMETRY: telemetry
    SCIM_TRUSTED_PROXIES: string(trustedProxies)
    SCIM_HTTP: http
    SCIM_STORAGE_ACCOUNT_URL: dataTableEndpoint
    SCIM_STORAGE_IDENTITY_CLIENT_ID: identityClientId
    SCIM_TABLE_NAME: tableName
    SCIM_REGISTRY_TABLE_NAME: registryTableName
    // It is always set. Otherwise the host name comes from the request, and a client can send the name of another host.
    SCIM_PUBLIC_BASE_URL: empty(publicBaseUrl) ? 'https://${site.properties.defaultHostName}' : publicBaseUrl
    SCIM_SCHEMA_DIRECTORY: ''
    SCIM_SWEEP_SCHEDULE: sweepSchedule
    SCIM_FEED_DAYS: string(feedDays)
    SCIM_LOG_DAYS: string(logDays)
    SCIM_DELETED_DAYS: string(deletedDays)
    SCIM_MASS_CHANGE_USERS: string(massChangeUsers)
    SCIM_MASS_CHANGE_PERCENT: string(massChangePercent)
    SCIM_MASS_CHANGE_HOLD: massChangeHold ? 'true' : ''
    SCIM_BACKUP_CONTAINER_URL: backupContainerUrl
    SCIM_BACKUP_SCHEDULE: backupSchedule
    SCIM_BACKUP_KEY: empty(backupKeySecretUri) ? '' : '@Microsoft.KeyVault(SecretUri=${backupKeySecretUri})'
    SCIM_MASTER_KEY: empty(masterKeySecretUri) ? '' : '@Microsoft.KeyVault(SecretUri=${masterKeySecretUri})'
    SCIM_FEED_TOKEN_SHA256: empty(feedTokenSecretUri) ? '' : '@Microsoft.KeyVault(SecretUri=${feedTokenSecretUri})'
    SCIM_FEED_ENTRA_TENANT: feedEntraTenant
    SCIM_FEED_ENTRA_AUDIENCE: feedEntraAudience
    SCIM_QUEUE_ACCOUNT_URL: queueEndpoint
    SCIM_INSTANCE_CONCURRENCY: string(perInstanceConcurrency)
  }
}

// The only version without preview is one of 2016.
#disable-next-line use-recent-api-versions
resource platformLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (siteDiagnostics) {
  name: 'to-workspace'
  scope: site
  properties: {
    workspaceId: workspaceId
    logs: [{ category: 'FunctionAppLogs', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

output id string = site.id
output name string = site.name
output uri string = 'https://${site.properties.defaultHostName}'
