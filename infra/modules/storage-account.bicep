// A storage account without keys. Blobs are recoverable for a week; tables are not, hence the backup.
@minLength(3)
@maxLength(24)
param name string
param location string
param tags { *: string }
param redundancy string
@description('Enabled, or Disabled with private endpoints.')
param publicNetworkAccess string
@description('A blob container in it. Empty: none.')
param containerName string = ''
@description('Days for which blobs of the container cannot be changed or deleted. 0: none.')
param immutableDays int = 0
@description('The policy for these days was locked by hand. It is left as it is.')
param policyLocked bool = false
@description('Days after which blobs of the container are deleted. It needs immutableDays, and must be more than them.')
param retentionDays int = 0
@description('A table in it. Empty: none.')
param tableName string = ''
@description('One more table, for the registry. Empty: none.')
param registryTableName string = ''
@description('A queue in it. Empty: none.')
param queueName string = ''
@description('Account: tables are encrypted with the account\'s key, and that one can be the customer\'s. It is chosen when the account is made. Service: nothing is said of it.')
@allowed(['Account', 'Service'])
param tableKeyScope string = 'Service'
@description('URL of the customer\'s key that encrypts the account, without a version. Empty: Microsoft\'s key does.')
param encryptionKeyUrl string = ''
@description('Resource id of the identity that may use this key. Empty without a key.')
param encryptionIdentityId string = ''
param workspaceId string

var recoverableDays = 7
// Cool storage costs half. Reads cost more, but a backup is read only in an emergency.
var coolAfterDays = 1
var hasOwnKey = !empty(encryptionKeyUrl)
// https://<vault>/keys/<name>
var keyParts = split(hasOwnKey ? encryptionKeyUrl : 'https://none/keys/none', '/')
var tableServices = { table: { enabled: true, keyType: 'Account' } }
var blobServices = { blob: { enabled: true, keyType: 'Account' } }
var services = tableKeyScope == 'Account' ? tableServices : blobServices
var byOwnKey = {
  services: services
  keySource: 'Microsoft.Keyvault'
  identity: { userAssignedIdentity: encryptionIdentityId }
  keyvaultproperties: { keyvaulturi: 'https://${keyParts[2]}', keyname: keyParts[4] }
}
var byMicrosoftsKey = { services: services, keySource: 'Microsoft.Storage' }
var withoutOwnKey = tableKeyScope == 'Account' ? byMicrosoftsKey : null

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: redundancy }
  identity: hasOwnKey ? { type: 'UserAssigned', userAssignedIdentities: { '${encryptionIdentityId}': {} } } : null
  properties: {
    encryption: hasOwnKey ? byOwnKey : withoutOwnKey
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    isLocalUserEnabled: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    accessTier: 'Hot'
    publicNetworkAccess: publicNetworkAccess
    networkAcls: { defaultAction: publicNetworkAccess == 'Enabled' ? 'Allow' : 'Deny', bypass: 'AzureServices' }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' = {
  parent: account
  name: 'default'
  properties: {
    deleteRetentionPolicy: { enabled: true, days: recoverableDays }
    containerDeleteRetentionPolicy: { enabled: true, days: recoverableDays }
  }
}

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = if (!empty(containerName)) {
  parent: blobs
  name: empty(containerName) ? 'none' : containerName
  properties: { publicAccess: 'None' }
}

resource immutability 'Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies@2025-06-01' = if (immutableDays > 0 && !policyLocked) {
  parent: container
  name: 'default'
  properties: { immutabilityPeriodSinceCreationInDays: immutableDays, allowProtectedAppendWrites: false }
}

resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2025-06-01' = if (immutableDays > 0) {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: 'retention'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: { blobTypes: ['blockBlob'], prefixMatch: ['${containerName}/'] }
            actions: {
              baseBlob: {
                tierToCool: { daysAfterCreationGreaterThan: coolAfterDays }
                delete: { daysAfterCreationGreaterThan: max(retentionDays, immutableDays + 1) }
              }
            }
          }
        }
      ]
    }
  }
}

resource tables 'Microsoft.Storage/storageAccounts/tableServices@2025-06-01' = {
  parent: account
  name: 'default'
}

resource table 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-06-01' = if (!empty(tableName)) {
  parent: tables
  name: empty(tableName) ? 'none' : tableName
}

resource registryTable 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-06-01' = if (!empty(registryTableName)) {
  parent: tables
  name: empty(registryTableName) ? 'none' : registryTableName
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices@2025-06-01' = if (!empty(queueName)) {
  parent: account
  name: 'default'
}

resource queue 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' = if (!empty(queueName)) {
  parent: queues
  name: empty(queueName) ? 'none' : queueName
}

// Only writes and deletes. Every SCIM request reads, so reads would be the most expensive part of the logs.
// The only version without preview is one of 2016.
#disable-next-line use-recent-api-versions
resource blobLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: blobs
  properties: {
    workspaceId: workspaceId
    logs: [{ category: 'StorageWrite', enabled: true }, { category: 'StorageDelete', enabled: true }]
    metrics: [{ category: 'Transaction', enabled: true }]
  }
}

// The only version without preview is one of 2016.
#disable-next-line use-recent-api-versions
resource tableLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: tables
  properties: {
    workspaceId: workspaceId
    logs: [{ category: 'StorageDelete', enabled: true }]
    metrics: [{ category: 'Transaction', enabled: true }]
  }
}

output id string = account.id
output name string = account.name
output blobEndpoint string = account.properties.primaryEndpoints.blob
output queueEndpoint string = account.properties.primaryEndpoints.queue
output tableEndpoint string = account.properties.primaryEndpoints.table
output containerName string = containerName
output containerUrl string = '${account.properties.primaryEndpoints.blob}${containerName}'
