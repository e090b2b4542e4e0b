// Who may do what here: each role is on one resource, and each is the least that works. Those on the directory's account
// are in data-access.bicep, because another deployment can own it.
@description('Object id of the app\'s identity.')
param principalId string
param hostAccountName string
@description('Empty without a backup.')
param backupAccountName string
param backupContainerName string
param vaultName string
@description('The key in the vault that signs access tokens. Empty: there is none.')
param keyName string
param applicationInsightsName string
@description('Empty if nobody operates the directory from their own machine.')
param operatorPrincipalId string
param operatorPrincipalType string
@description('Whether pipeline.bicep has made its roles in this resource group. They are narrower than Azure\'s own.')
param customRoles bool

var definitions = 'Microsoft.Authorization/roleDefinitions'
var roles = loadJsonContent('../roles.json')
// The names that custom-roles.bicep gives its roles.
var ofBackups = customRoles ? guid(resourceGroup().id, 'backupWriter') : roles.storageBlobDataContributor
var ofKey = customRoles ? guid(resourceGroup().id, 'keySigner') : roles.keyVaultCryptoUser
var hasBackup = !empty(backupAccountName)
var hasKey = !empty(keyName)
var hasOperator = !empty(operatorPrincipalId)

resource hostAccount 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: hostAccountName
}

resource backupContainer 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' existing = {
  name: hasBackup ? '${backupAccountName}/default/${backupContainerName}' : 'none/default/none'
}

resource vault 'Microsoft.KeyVault/vaults@2025-05-01' existing = {
  name: vaultName
}

resource key 'Microsoft.KeyVault/vaults/keys@2025-05-01' existing = {
  name: hasKey ? '${vaultName}/${keyName}' : 'none/none'
}

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

// The host's own: leases on blobs keep a timer on one instance, and its keys and the package are blobs. It puts events of
// its own health into a table. It has no use for queues here, so it has no role for them.
resource hostBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(hostAccount.id, principalId, roles.storageBlobDataOwner)
  scope: hostAccount
  properties: {
    roleDefinitionId: subscriptionResourceId(definitions, roles.storageBlobDataOwner)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource hostTables 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(hostAccount.id, principalId, roles.storageTableDataContributor)
  scope: hostAccount
  properties: {
    roleDefinitionId: subscriptionResourceId(definitions, roles.storageTableDataContributor)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource backups 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (hasBackup) {
  name: guid(backupContainer.id, principalId, ofBackups)
  scope: backupContainer
  properties: {
    roleDefinitionId: subscriptionResourceId(definitions, ofBackups)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource signatures 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (hasKey) {
  name: guid(key.id, principalId, ofKey)
  scope: key
  properties: {
    roleDefinitionId: subscriptionResourceId(definitions, ofKey)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource secrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, principalId, roles.keyVaultSecretsUser)
  scope: vault
  properties: {
    roleDefinitionId: subscriptionResourceId(definitions, roles.keyVaultSecretsUser)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource telemetry 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(applicationInsights.id, principalId, roles.monitoringMetricsPublisher)
  scope: applicationInsights
  properties: {
    roleDefinitionId: subscriptionResourceId(definitions, roles.monitoringMetricsPublisher)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

// To fetch a backup. Only the app writes backups.
resource operatorBackups 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (hasOperator && hasBackup) {
  name: guid(backupContainer.id, operatorPrincipalId, roles.storageBlobDataReader)
  scope: backupContainer
  properties: {
    roleDefinitionId: subscriptionResourceId(definitions, roles.storageBlobDataReader)
    principalId: operatorPrincipalId
    principalType: operatorPrincipalType
  }
}
