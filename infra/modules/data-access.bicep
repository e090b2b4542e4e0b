// Who may do what in the directory's account. It is in this deployment's resource group, or in that of the deployment that
// owns the account.
@description('Object id of the app\'s identity.')
param principalId string
param accountName string
param tableName string
@description('The registry\'s own table. Empty: it is in the directory\'s.')
param registryTableName string
@description('The queue into which hooks ring. Empty: there is none.')
param queueName string
@description('Empty if nobody operates the directory from their own machine.')
param operatorPrincipalId string
param operatorPrincipalType string
@description('Whether pipeline.bicep has made its roles in the account\'s resource group. They are narrower than Azure\'s own.')
param customRoles bool

var definitions = 'Microsoft.Authorization/roleDefinitions'
var roles = loadJsonContent('../roles.json')
// The name that custom-roles.bicep gives its role.
var ofRegistry = customRoles ? guid(resourceGroup().id, 'registryUser') : roles.storageTableDataContributor
var hasRegistryTable = !empty(registryTableName)
var hasQueue = !empty(queueName)
var hasOperator = !empty(operatorPrincipalId)

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: accountName
}

resource table 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-06-01' existing = {
  name: '${accountName}/default/${tableName}'
}

resource registryTable 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-06-01' existing = {
  name: hasRegistryTable ? '${accountName}/default/${registryTableName}' : 'none/default/none'
}

resource queue 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' existing = {
  name: hasQueue ? '${accountName}/default/${queueName}' : 'none/default/none'
}

// On the table alone: other tables of the account are closed to the app. Sweep and backup need nothing more.
resource directory 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(table.id, principalId, roles.storageTableDataContributor)
  scope: table
  properties: {
    roleDefinitionId: subscriptionResourceId(definitions, roles.storageTableDataContributor)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

// The app notes uses of credentials. Tenants and credentials are made by operators, from their own machine.
resource registry 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (hasRegistryTable) {
  name: guid(registryTable.id, principalId, ofRegistry)
  scope: registryTable
  properties: {
    roleDefinitionId: subscriptionResourceId(definitions, ofRegistry)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

// The app rings, and reads nothing in the queue. Who takes the doorbells out gets a role from their owner.
resource doorbells 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (hasQueue) {
  name: guid(queue.id, principalId, roles.storageQueueDataMessageSender)
  scope: queue
  properties: {
    roleDefinitionId: subscriptionResourceId(definitions, roles.storageQueueDataMessageSender)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

// On the account: whoever restores a directory makes a new table for it.
resource operator 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (hasOperator) {
  name: guid(account.id, operatorPrincipalId, roles.storageTableDataContributor)
  scope: account
  properties: {
    roleDefinitionId: subscriptionResourceId(definitions, roles.storageTableDataContributor)
    principalId: operatorPrincipalId
    principalType: operatorPrincipalType
  }
}
