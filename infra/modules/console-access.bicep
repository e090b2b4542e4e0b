// What the console's identity may do: each role is on one resource, and each is the least that works.
param principalId string
param hostAccountName string
param dataAccountName string
param tableName string
@description('The registry\'s own table. Empty: it is in the directory\'s.')
param registryTableName string
param applicationInsightsName string
@description('allow: it may also write to the tables. Empty: it only reads them.')
param changes string

var definitions = 'Microsoft.Authorization/roleDefinitions'
var roles = loadJsonContent('../roles.json')
var tableRole = changes == 'allow' ? roles.storageTableDataContributor : roles.storageTableDataReader
var hasRegistryTable = !empty(registryTableName)

resource table 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-06-01' existing = {
  name: '${dataAccountName}/default/${tableName}'
}

resource registryTable 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-06-01' existing = {
  name: hasRegistryTable ? '${dataAccountName}/default/${registryTableName}' : 'none/default/none'
}

resource hostAccount 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: hostAccountName
}

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

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

resource telemetry 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(applicationInsights.id, principalId, roles.monitoringMetricsPublisher)
  scope: applicationInsights
  properties: {
    roleDefinitionId: subscriptionResourceId(definitions, roles.monitoringMetricsPublisher)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

// On the tables alone, and no more than the console does.
resource directory 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(table.id, principalId, tableRole)
  scope: table
  properties: {
    roleDefinitionId: subscriptionResourceId(definitions, tableRole)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource registry 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (hasRegistryTable) {
  name: guid(registryTable.id, principalId, tableRole)
  scope: registryTable
  properties: {
    roleDefinitionId: subscriptionResourceId(definitions, tableRole)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}
