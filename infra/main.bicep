// Everything that the SCIM endpoint needs in Azure, in its own resource group. docs/deploy.md says how to deploy it.
targetScope = 'subscription'

@description('The name of the deployment (azd\'s environment). It is part of all names and tags.')
@minLength(1)
@maxLength(40)
param environmentName string

@description('The region. Flex Consumption and Python 3.13 must be offered there: az functionapp list-flexconsumption-locations')
@metadata({ azd: { type: 'location' } })
@minLength(1)
param location string

@description('prod: zone-redundant storage, delete locks, an instance that is always ready. dev: the least that works.')
@allowed(['dev', 'prod'])
param stage string = 'dev'

@description('Redundancy of the directory. ZRS survives the loss of a zone, GZRS that of a region. RA variants do not help: the app never reads a second region. Empty: Standard_ZRS in prod where the region has zones, else Standard_LRS.')
@allowed(['', 'Standard_LRS', 'Standard_ZRS', 'Standard_GZRS'])
param dataRedundancy string = ''

@description('Whether the region has availability zones. auto: as the lists in this file say. A region that is missing there: yes, if az functionapp list-flexconsumption-locations --zone-redundant=true has it.')
@allowed(['auto', 'yes', 'no'])
param zones string = 'auto'

@description('Memory of an instance, in MB. 2048 comes with one vCPU. 512 has a quarter of that and starts slowly.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('Most instances that run at the same time. It limits the costs of a storm of requests.')
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Instances that are always warm, so that the first call of a provisioning cycle does not wait for a start. With zone redundancy at least 2. -1: 1 in prod, none in dev.')
@minValue(-1)
@maxValue(20)
param alwaysReadyInstances int = -1

@description('Requests that an instance takes at the same time. The default of Flex Consumption for Python is one, but our requests mostly wait for storage.')
@minValue(1)
@maxValue(1000)
param perInstanceConcurrency int = 32

@description('Spread the instances over zones. Needs alwaysReadyInstances of 2 or more.')
param zoneRedundant bool = false

@description('How instances are replaced when the app is deployed or a setting changes. RollingUpdate is a preview: requests end where they started, and with fewer than two instances nobody answers for a moment. Recreate: all instances stop at once, and requests are broken off.')
@allowed(['RollingUpdate', 'Recreate'])
param updateStrategy string = 'RollingUpdate'

@description('Only for a new app, because it changes the host name and so the Tenant URL: how far the name is unique. NoReuse: nobody ever gets the name after you. Empty: func-scim-... without more, as in deployments of version 0.2.')
@allowed(['', 'TenantReuse', 'SubscriptionReuse', 'ResourceGroupReuse', 'NoReuse'])
param hostNameScope string = ''

@description('Scheme and host that clients use, such as https://scim.example.com, if you have a gateway or your own domain. Else empty.')
param publicBaseUrl string = ''

@description('SHA-256, as 64 hex digits, of the bearer token of a deployment with one tenant. While you rotate a token, give two with a comma. Empty leaves the secret in the vault as it is.')
@secure()
param tokenSha256 string = ''

@description('The key that signs access tokens, in base64url. python -m scim_core.admin signing-key makes one. Empty leaves the secret in the vault as it is.')
@secure()
param signingKey string = ''

@description('While you rotate the key: the previous or the next one. Empty leaves the secret in the vault as it is.')
@secure()
param otherSigningKey string = ''

@description('The key that signs backups. python -m scim_core.admin backup-key makes one. Keep it in a second place, too. Empty leaves the secret in the vault as it is.')
@secure()
param backupKey string = ''

@description('The secret that other keys are derived from. python -m scim_core.admin master-key makes one. Empty leaves the secret in the vault as it is.')
@secure()
param masterKey string = ''

@description('SHA-256, as 64 hex digits, of the token that reads the feed of a deployment with one tenant. While you rotate it, give two with a comma. Empty leaves the secret in the vault as it is.')
@secure()
param feedTokenSha256 string = ''

@description('one: a single tenant, whose token tokenSha256 names. registry: tenants that python -m scim_core.admin creates. It needs a signing key.')
@allowed(['one', 'registry'])
param tenants string = 'one'

@description('A table of its own for the registry of tenants, such as scimregistry. Empty: the registry is in the directory\'s table. docs/operate.md says how to move it.')
param registryTableName string = ''

@description('Accept access tokens of the other signing key, too. Turn it on while you rotate the key.')
param useOtherSigningKey bool = false

@description('no: the signing key is a secret that the app reads. accept: as before, and access tokens of the key in the vault are accepted. sign: the key in the vault signs, and never leaves it. Go from no to sign by way of accept. With sign, useOtherSigningKey accepts the secret\'s key, too.')
@allowed(['no', 'accept', 'sign'])
param signingKeyInVault string = 'no'

@description('Lifetime of an access token, in minutes.')
@minValue(60)
@maxValue(360)
param accessTokenMinutes int = 60

@description('Most requests a second of one tenant. Further ones must wait. Entra sends 25.')
@minValue(25)
param tenantRequestsPerSecond int = 250

@description('What a PATCH of a group answers: 204, nothing; 200, the whole group. A tenant can have its own answer.')
@allowed(['204', '200'])
param groupPatchAnswer string = '204'

@description('azure-monitor: spans go to Application Insights, too. The package must have the exporter: make package ARGS=--telemetry.')
@allowed(['', 'azure-monitor'])
param telemetry string = ''

@description('Days that entries of the change feed are kept. A copy that was away for longer begins with a snapshot.')
@minValue(1)
@maxValue(3650)
param feedDays int = 30

@description('Days that the provisioning log is kept.')
@minValue(1)
@maxValue(3650)
param logDays int = 90

@description('Days that who was deleted can be put back. 0 keeps nothing of what is deleted.')
@minValue(0)
@maxValue(3650)
param deletedDays int = 30

@description('A mass change deactivates or deletes more than so many active users of a tenant within an hour, and more than massChangePercent.')
@minValue(1)
@maxValue(1000000)
param massChangeUsers int = 20

@description('Percent of the active users of a tenant. 100: no mass change is seen.')
@minValue(1)
@maxValue(100)
param massChangePercent int = 10

@description('Hold further deactivations and deletions of the single tenant after a mass change, until an operator releases them. Tenants of the registry have their own.')
param massChangeHold bool = false

@description('allow: accept the tokens that Entra sends when its field Secret Token is blank. They are for tests: whoever else gets one from the customer\'s Entra can use it here.')
@allowed(['', 'allow'])
param entraTokens string = stage == 'dev' ? 'allow' : ''

@description('Use the master key in the vault. Give masterKey once before, or together with this.')
param useMasterKey bool = false

@description('Accept the token of the feed whose hash is in the vault. Give feedTokenSha256 once before, or together with this.')
param useFeedToken bool = false

@description('Your own Entra tenant, whose applications with the app role Feed.Read may read the feed of every customer. Empty: none. Give feedEntraAudience, too.')
param feedEntraTenant string = ''

@description('The application id, or the Application ID URI, of this service in that Entra tenant.')
param feedEntraAudience string = ''

@description('A queue in the directory\'s account, such as scim-doorbells: hooks to queue:scim-doorbells ring there when something has changed. Empty: there is none.')
param doorbellQueueName string = ''

@description('Number of proxies in front of the app that append to X-Forwarded-For. 1: Azure\'s own front end. 2: a gateway in front of it, too. Then name the gateway by one of the gateway parameters.')
@minValue(0)
@maxValue(10)
param trustedProxies int = 1

@description('How requests reach the app. grpc: in the host\'s messages. proxy: through its HTTP proxy, so that a body may be sent in chunks. It answers 0.55 to 0.8 times as many requests a second.')
@allowed(['grpc', 'proxy'])
param http string = 'grpc'

@description('When the sweep finishes interrupted changes: NCRONTAB, six fields. Let it run more often than once an hour, or the alert sweep-backlog is raised.')
param sweepSchedule string = '0 */5 * * * *'

@description('The table of the directory. Give another name to let the app use a directory that you have restored.')
param tableName string = 'scim'

@description('Whether the whole directory is exported to a container of immutable blobs on a schedule: tables have no soft delete.')
param backupEnabled bool = stage == 'prod'

@description('The region of the backups\' account, if it is to survive the loss of the region. Empty: the region of all else. Another region makes another account: the backups in the one before stay there until they end.')
param backupLocation string = ''

@description('Sign backups with the key in the vault. Give backupKey once before, or together with this.')
param signBackups bool = false

@description('When the backup runs: NCRONTAB, six fields, UTC.')
param backupSchedule string = '0 15 2 * * *'

@description('Days for which backups are immutable: they cannot be changed or deleted.')
@minValue(1)
@maxValue(365)
param backupImmutableDays int = 14

@description('You have locked the policy of the backups: leave it as it is. Azure refuses any other change of a locked policy than a longer time.')
param backupPolicyLocked bool = false

@description('Days after which a backup is deleted. Must be more than backupImmutableDays.')
@minValue(2)
@maxValue(3650)
param backupRetentionDays int = 35

@description('Keep storage and vault off the Internet, with a network, private endpoints and private DNS.')
param privateNetworking bool = false

@description('Close the app to the Internet: only a private endpoint in the network leads in. Needs privateNetworking. Entra then needs a gateway, or its provisioning agent in a network that is peered.')
param privateInbound bool = false

@description('Attach to the directory of another deployment, for a second region: the resource id of its data account. This deployment then makes no account for the directory, and changes nothing of that one but roles.')
param existingDataAccountId string = ''

@description('Account: tables are encrypted with a key of the account, so that it can be yours. It is chosen when an account is made. Service: for data accounts of version 0.2, which Azure would refuse to change; they are left as they are.')
@allowed(['Account', 'Service'])
param tableKeyScope string = 'Account'

@description('A key of your own that encrypts directory and backups: its URL, without a version. Needs encryptionIdentityId, and tableKeyScope Account. Empty: Microsoft\'s key.')
param encryptionKeyUrl string = ''

@description('Resource id of the user-assigned identity that may wrap and unwrap with encryptionKeyUrl.')
param encryptionIdentityId string = ''

@description('Take requests from Microsoft Entra ID only (service tag AzureActiveDirectory), and from availability tests if there is one. Leave it off if Okta or others provision, too.')
param restrictToEntra bool = false

@description('With Azure Front Door before the app: the profile\'s Front Door ID, a GUID. Only this profile can reach the app. One of the three gateway parameters is required if trustedProxies is 2 or more.')
param gatewayFrontDoorId string = ''

@description('With a gateway in an Azure network: the resource id of its subnet, which needs the service endpoint Microsoft.Web. Only this subnet can reach the app.')
param gatewaySubnetId string = ''

@description('With a gateway elsewhere: its addresses, as one range such as 203.0.113.7/32. Only they can reach the app.')
param gatewayAddressRange string = ''

@description('Who gets alerts and the budget\'s warnings. Empty: alerts are raised, but nobody gets a mail.')
param alertEmail string = ''

@description('Most GB a day that Log Analytics takes in. After that, logs and log alerts stop until the next day.')
@minValue(1)
@maxValue(100)
param logDailyCapGb int = stage == 'prod' ? 5 : 1

@description('Days for which logs are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = stage == 'prod' ? 90 : 30

@description('Budget of a month, in the currency of the bill. It needs budgetStart. 0: none.')
@minValue(0)
param monthlyBudget int = 0

@description('First day of the month in which the budget was first deployed, as yyyy-MM-dd. Azure cannot move it later: keep it.')
param budgetStart string = ''

@description('Alert when more than this share of requests, in percent, fails with 5xx within 15 minutes.')
@minValue(1)
@maxValue(100)
param alertServerErrorPercent int = 2

@description('Alert when the p95 of the latency over 15 minutes, in ms, is above this. Entra gives up after 60,000.')
@minValue(100)
param alertLatencyMs int = 3000

@description('Alert when more than this number of requests within 15 minutes is refused for the credential.')
@minValue(1)
param alertAuthenticationFailures int = 50

@description('Alert when more than this number of requests within 15 minutes is refused because of a rate limit.')
@minValue(1)
param alertRateLimited int = 500

@description('Alert when more than this number of changes of one tenant is refused within an hour.')
@minValue(1)
param alertRefusals int = 100

@description('Ask /health from five places all the time, and alert when there is no good answer, or when no request is answered at all. auto: in prod. A gateway without publicBaseUrl, and privateInbound, keep the test out: then there is none.')
@allowed(['auto', 'yes', 'no'])
param availabilityTest string = 'auto'

@description('Object id of the group or user that may read and write the directory from their own machine (export, import, administration). Empty: nobody.')
param operatorPrincipalId string = ''

@description('The kind of operatorPrincipalId.')
@allowed(['Group', 'User', 'ServicePrincipal'])
param operatorPrincipalType string = 'Group'

@description('Object id of whoever deploys: azd knows it. In dev, and if it is a person, it is the operator unless operatorPrincipalId names another one.')
param deployerPrincipalId string = ''

@description('The kind of deployerPrincipalId.')
@allowed(['User', 'ServicePrincipal'])
param deployerPrincipalType string = 'User'

@description('Delete locks on the directory, the backups and the vault. auto: in prod, where the pipeline has the roles of infra/pipeline.bicep. An owner can say yes.')
@allowed(['auto', 'yes', 'no'])
param locks string = 'auto'

@description('Whether infra/pipeline.bicep was deployed for this environment: the app then gets its roles, which are narrower than Azure\'s own.')
param customRoles bool = false

@description('A vault of this name was deleted and is still there to be recovered: recover it, with its secrets. For one deployment.')
param recoverVault bool = false

@description('Send the platform\'s logs of the function app itself to Log Analytics. Off: Flex Consumption does not offer it in every region.')
param siteDiagnostics bool = false

@description('Further tags for everything.')
param extraTags { *: string } = {}

var token = toLower(uniqueString(subscription().id, environmentName, location))
// azd passes on what it is given or a default of its own, so "as the stage has it" has to be a value.
var stageReadyInstances = stage == 'prod' ? 1 : 0
var readyInstances = alwaysReadyInstances < 0 ? stageReadyInstances : alwaysReadyInstances
var tags = { ...extraTags, 'azd-env-name': environmentName, stage: stage }
var keySigns = tenants == 'registry' && signingKeyInVault == 'sign'
var keyIsAccepted = tenants == 'registry' && signingKeyInVault == 'accept'
var locksByThemselves = stage == 'prod' && customRoles
var hasLocks = locks == 'auto' ? locksByThemselves : locks == 'yes'
// While the vault's key signs, the other key is the one that signed before.
var secretOfOtherKey = keySigns ? vault.outputs.signingKeySecretUri : vault.outputs.otherSigningKeySecretUri
// Never a pipeline, and never in prod: there the operator is named.
var deployerOperates = empty(operatorPrincipalId) && stage == 'dev' && deployerPrincipalType == 'User'
var appName = 'func-scim-${token}'

// Regions in which storage can be zone-redundant. Source: includes/storage-redundancy-standard-zrs.md of
// MicrosoftDocs/azure-docs, of 7 March 2024. Newer regions are missing: zones=yes.
var regionsWithZones = [
  'southafricanorth'
  'australiaeast'
  'centralindia'
  'chinanorth3'
  'eastasia'
  'japaneast'
  'koreacentral'
  'southeastasia'
  'francecentral'
  'germanywestcentral'
  'italynorth'
  'northeurope'
  'norwayeast'
  'polandcentral'
  'swedencentral'
  'switzerlandnorth'
  'uksouth'
  'westeurope'
  'israelcentral'
  'qatarcentral'
  'uaenorth'
  'canadacentral'
  'centralus'
  'eastus'
  'eastus2'
  'southcentralus'
  'usgovvirginia'
  'westus2'
  'westus3'
  'brazilsouth'
]
// Regions in which Flex Consumption can be zone-redundant. Source: skills/azure-reliability/references/
// zone-redundancy-checks.md of microsoft/azure-skills, read on 26 November 2026. It is the common ones only, and Microsoft
// publishes no other list: az functionapp list-flexconsumption-locations --zone-redundant=true has those of today.
var flexRegionsWithZones = [
  'eastus'
  'eastus2'
  'westus2'
  'westus3'
  'centralus'
  'southcentralus'
  'northeurope'
  'westeurope'
  'uksouth'
  'francecentral'
  'germanywestcentral'
  'swedencentral'
  'southeastasia'
  'japaneast'
  'australiaeast'
]
var region = toLower(replace(location, ' ', ''))
var backupRegion = empty(backupLocation) ? region : toLower(replace(backupLocation, ' ', ''))
var hasZones = zones == 'auto' ? contains(regionsWithZones, region) : zones == 'yes'
var backupHasZones = backupRegion == region ? hasZones : contains(regionsWithZones, backupRegion)
var flexHasZones = zones == 'auto' ? contains(flexRegionsWithZones, region) : zones == 'yes'
var zonal = stage == 'prod' && hasZones ? 'Standard_ZRS' : 'Standard_LRS'
var backupZonal = stage == 'prod' && backupHasZones ? 'Standard_ZRS' : 'Standard_LRS'
var redundancy = empty(dataRedundancy) ? zonal : dataRedundancy
// In another region the directory's redundancy can be impossible. There the region's own counts.
var backupRedundancy = backupRegion == region ? redundancy : backupZonal
// An account cannot move. So each region has its own name.
var tokenThere = toLower(uniqueString(subscription().id, environmentName, backupRegion))
var backupToken = backupRegion == region ? token : tokenThere

// The directory is in this deployment's account, or in that of another one.
var attached = !empty(existingDataAccountId)
var ownDataAccountId = '${subscription().id}/resourceGroups/rg-${environmentName}/providers/Microsoft.Storage/storageAccounts/stscim${token}'
var dataAccountId = attached ? existingDataAccountId : ownDataAccountId
// /subscriptions/<2>/resourceGroups/<4>/providers/Microsoft.Storage/storageAccounts/<8>
var dataParts = split(dataAccountId, '/')
var dataAccountName = dataParts[8]
var dataTableEndpoint = 'https://${dataAccountName}.table.${environment().suffixes.storage}/'
var dataQueueEndpoint = 'https://${dataAccountName}.queue.${environment().suffixes.storage}/'

// The test comes from the Internet: by a gateway it must know its name, and a private endpoint keeps it out.
var namesGateway = !empty(gatewayFrontDoorId) || !empty(gatewaySubnetId) || !empty(gatewayAddressRange)
var closed = namesGateway || privateInbound
var canTest = !closed || !empty(publicBaseUrl)
var wantsTest = availabilityTest == 'auto' ? stage == 'prod' : availabilityTest == 'yes'
var tested = wantsTest && canTest
var testedDirectly = tested && !closed

// Whoever reaches the app without the gateway chooses the source of each request.
var gatewayIsClear = (trustedProxies > 1) == namesGateway && !(namesGateway && restrictToEntra)
var withoutGateway = restrictToEntra ? 'entra' : 'everybody'
var gatewayUnclear = 'With trustedProxies of 2 or more, and only then, set gatewayFrontDoorId, gatewaySubnetId or gatewayAddressRange, and leave restrictToEntra off.'
var noZones = 'zoneRedundant needs a region in which Flex Consumption has zones. If yours has them, set zones to yes.'
var keyUnclear = 'encryptionKeyUrl and encryptionIdentityId need each other, and tableKeyScope must be Account.'
var inboundUnclear = 'privateInbound needs privateNetworking, and restrictToEntra must be off: Entra\'s addresses are not in your network.'
var keyIsClear = empty(encryptionKeyUrl) == empty(encryptionIdentityId) && (empty(encryptionKeyUrl) || tableKeyScope == 'Account')
var inboundIsClear = !privateInbound || (privateNetworking && !restrictToEntra)
var forGateway = gatewayIsClear ? [] : [gatewayUnclear]
var forZones = zoneRedundant && !flexHasZones ? [noZones] : []
var forKey = keyIsClear ? [] : [keyUnclear]
var forInbound = inboundIsClear ? [] : [inboundUnclear]
var reasons = concat(forGateway, forZones, forKey, forInbound)
var ingress = empty(reasons) ? (namesGateway ? 'gateway' : withoutGateway) : fail(join(reasons, ' '))
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

// The host's account: its locks, its keys, and the package that it runs. If it is lost, deploy again.
module hostStorage 'modules/storage-account.bicep' = {
  name: 'host-storage'
  scope: group
  params: {
    name: 'sthost${token}'
    location: location
    tags: tags
    redundancy: zonal
    publicNetworkAccess: publicNetworkAccess
    containerName: 'package'
    workspaceId: monitoring.outputs.workspaceId
  }
}

// The directory's account. It holds only the directory.
module dataStorage 'modules/storage-account.bicep' = if (!attached) {
  name: 'data-storage'
  scope: group
  params: {
    name: 'stscim${token}'
    location: location
    tags: tags
    redundancy: redundancy
    tableKeyScope: tableKeyScope
    encryptionKeyUrl: encryptionKeyUrl
    encryptionIdentityId: encryptionIdentityId
    publicNetworkAccess: publicNetworkAccess
    tableName: tableName
    registryTableName: registryTableName
    queueName: doorbellQueueName
    workspaceId: monitoring.outputs.workspaceId
  }
}

// Backups, in their own account. They survive a mistake with the directory's account, and a stolen identity of the app.
// For some days they are immutable. Later the lifecycle deletes them.
module backupStorage 'modules/storage-account.bicep' = if (backupEnabled) {
  name: 'backup-storage'
  scope: group
  params: {
    name: 'stback${backupToken}'
    location: backupRegion
    tags: tags
    redundancy: backupRedundancy
    encryptionKeyUrl: encryptionKeyUrl
    encryptionIdentityId: encryptionIdentityId
    publicNetworkAccess: publicNetworkAccess
    containerName: 'exports'
    immutableDays: backupImmutableDays
    policyLocked: backupPolicyLocked
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
    hasSigningKey: keySigns || keyIsAccepted
    purgeProtection: stage == 'prod'
    recover: recoverVault
    backupKey: backupKey
    masterKey: masterKey
    feedTokenSha256: feedTokenSha256
    workspaceId: monitoring.outputs.workspaceId
  }
}

module access 'modules/access.bicep' = {
  name: 'access'
  scope: group
  params: {
    principalId: identity.outputs.principalId
    hostAccountName: hostStorage.outputs.name
    backupAccountName: backupEnabled ? backupStorage!.outputs.name : ''
    backupContainerName: backupEnabled ? backupStorage!.outputs.containerName : ''
    vaultName: vault.outputs.name
    keyName: vault.outputs.signingKeyName
    applicationInsightsName: monitoring.outputs.applicationInsightsName
    operatorPrincipalId: deployerOperates ? deployerPrincipalId : operatorPrincipalId
    operatorPrincipalType: deployerOperates ? deployerPrincipalType : operatorPrincipalType
    customRoles: customRoles
  }
}

module dataAccess 'modules/data-access.bicep' = {
  name: 'data-access-${token}'
  scope: resourceGroup(dataParts[2], dataParts[4])
  params: {
    principalId: identity.outputs.principalId
    accountName: dataAccountName
    tableName: tableName
    registryTableName: registryTableName
    queueName: doorbellQueueName
    operatorPrincipalId: deployerOperates ? deployerPrincipalId : operatorPrincipalId
    operatorPrincipalType: deployerOperates ? deployerPrincipalType : operatorPrincipalType
    customRoles: customRoles
  }
  dependsOn: [dataStorage]
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
    dataAccountId: dataAccountId
    hasQueue: !empty(doorbellQueueName)
    backupAccountId: backupEnabled ? backupStorage!.outputs.id : ''
    vaultId: vault.outputs.id
  }
  dependsOn: [dataStorage]
}

module app 'modules/function-app.bicep' = {
  name: 'function-app'
  scope: group
  params: {
    token: token
    name: appName
    location: location
    tags: tags
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    subnetId: privateNetworking ? network!.outputs.appSubnetId : ''
    hostAccountName: hostStorage.outputs.name
    hostBlobEndpoint: hostStorage.outputs.blobEndpoint
    hostQueueEndpoint: hostStorage.outputs.queueEndpoint
    hostTableEndpoint: hostStorage.outputs.tableEndpoint
    packageContainerName: hostStorage.outputs.containerName
    dataTableEndpoint: dataTableEndpoint
    queueEndpoint: empty(doorbellQueueName) ? '' : dataQueueEndpoint
    tableName: tableName
    registryTableName: registryTableName
    backupContainerUrl: backupEnabled ? backupStorage!.outputs.containerUrl : ''
    backupSchedule: backupSchedule
    sweepSchedule: sweepSchedule
    tenants: tenants
    tokenSecretUri: tenants == 'one' ? vault.outputs.tokenSecretUri : ''
    signingKeySecretUri: tenants == 'registry' && !keySigns ? vault.outputs.signingKeySecretUri : ''
    signingKeyUrl: keySigns ? vault.outputs.signingKeyUrl : ''
    otherSigningKeySecretUri: useOtherSigningKey ? secretOfOtherKey : ''
    otherSigningKeyUrl: keyIsAccepted ? vault.outputs.signingKeyUrl : ''
    backupKeySecretUri: backupEnabled && signBackups ? vault.outputs.backupKeySecretUri : ''
    masterKeySecretUri: useMasterKey ? vault.outputs.masterKeySecretUri : ''
    feedTokenSecretUri: useFeedToken ? vault.outputs.feedTokenSecretUri : ''
    feedEntraTenant: feedEntraTenant
    feedEntraAudience: feedEntraAudience
    accessTokenMinutes: accessTokenMinutes
    tenantRequestsPerSecond: tenantRequestsPerSecond
    groupPatchAnswer: groupPatchAnswer
    telemetry: telemetry
    feedDays: feedDays
    logDays: logDays
    deletedDays: deletedDays
    massChangeUsers: massChangeUsers
    massChangePercent: massChangePercent
    massChangeHold: massChangeHold
    entraTokens: entraTokens
    trustedProxies: trustedProxies
    http: http
    publicBaseUrl: publicBaseUrl
    applicationInsightsConnectionString: monitoring.outputs.applicationInsightsConnectionString
    workspaceId: monitoring.outputs.workspaceId
    siteDiagnostics: siteDiagnostics
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    alwaysReadyInstances: readyInstances
    perInstanceConcurrency: perInstanceConcurrency
    zoneRedundant: zoneRedundant
    updateStrategy: updateStrategy
    hostNameScope: hostNameScope
    privateInbound: privateInbound
    testedDirectly: testedDirectly
    ingress: ingress
    gatewayFrontDoorId: gatewayFrontDoorId
    gatewaySubnetId: gatewaySubnetId
    gatewayAddressRange: gatewayAddressRange
  }
  // The app needs its roles and its names in DNS at its first start. Without them it looks like a broken package.
  dependsOn: [access, dataAccess, endpoints]
}

module inboundEndpoint 'modules/inbound-endpoint.bicep' = if (privateInbound && privateNetworking) {
  name: 'inbound-endpoint'
  scope: group
  params: {
    location: location
    tags: tags
    subnetId: network!.outputs.endpointSubnetId
    networkId: network!.outputs.networkId
    siteId: app.outputs.id
  }
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  scope: group
  params: {
    token: token
    location: location
    tags: tags
    appName: appName
    email: alertEmail
    workspaceId: monitoring.outputs.workspaceId
    dataAccountId: attached ? '' : dataStorage!.outputs.id
    serverErrorPercent: alertServerErrorPercent
    latencyMs: alertLatencyMs
    authenticationFailures: alertAuthenticationFailures
    rateLimited: alertRateLimited
    backupEnabled: backupEnabled
    tested: tested
  }
}

module tenantAlerts 'modules/tenant-alerts.bicep' = {
  name: 'tenant-alerts'
  scope: group
  params: {
    location: location
    tags: tags
    appName: appName
    workspaceId: monitoring.outputs.workspaceId
    actionGroupId: alerts.outputs.actionGroupId
    refusals: alertRefusals
  }
}

module availability 'modules/availability.bicep' = if (tested) {
  name: 'availability'
  scope: group
  params: {
    token: token
    location: location
    tags: tags
    baseUrl: empty(publicBaseUrl) ? app.outputs.uri : publicBaseUrl
    applicationInsightsId: monitoring.outputs.applicationInsightsId
    actionGroupId: alerts.outputs.actionGroupId
  }
}

module workbook 'modules/workbook.bicep' = {
  name: 'workbook'
  scope: group
  params: { location: location, tags: tags, workspaceId: monitoring.outputs.workspaceId, appName: appName }
}

module budget 'modules/budget.bicep' = if (monthlyBudget > 0) {
  name: 'budget'
  scope: group
  params: {
    amount: monthlyBudget
    budgetStart: budgetStart
    email: alertEmail
    actionGroupId: alerts.outputs.actionGroupId
  }
}

module deleteLocks 'modules/locks.bicep' = if (hasLocks) {
  name: 'locks'
  scope: group
  params: {
    dataAccountName: attached ? '' : dataStorage!.outputs.name
    backupAccountName: backupEnabled ? backupStorage!.outputs.name : ''
    vaultName: vault.outputs.name
  }
}

output AZURE_LOCATION string = location
output AZURE_TENANT_ID string = tenant().tenantId
output AZURE_RESOURCE_GROUP string = group.name
output SERVICE_API_NAME string = app.outputs.name
output SERVICE_API_URI string = app.outputs.uri
@description('Paste this into Entra\'s field Tenant URL.')
output TENANT_URL string = empty(publicBaseUrl) ? '${app.outputs.uri}/scim/v2' : '${publicBaseUrl}/scim/v2'
output AZURE_KEY_VAULT_NAME string = vault.outputs.name
output SCIM_STORAGE_ACCOUNT_URL string = dataTableEndpoint
output SCIM_TABLE_NAME string = tableName
output SCIM_QUEUE_ACCOUNT_URL string = empty(doorbellQueueName) ? '' : dataQueueEndpoint
output SCIM_REGISTRY_TABLE_NAME string = registryTableName
output SCIM_BACKUP_CONTAINER_URL string = backupEnabled ? backupStorage!.outputs.containerUrl : ''
