// Roles that are narrower than Azure's own, and those of the pipeline on the resource group. access.bicep knows the names.
param pipelinePrincipalId string
param assignablePrincipalIds string[]

var scope = resourceGroup().id
var hasPipeline = !empty(pipelinePrincipalId)
var suffix = ' (${resourceGroup().name})'
var builtIn = loadJsonContent('../roles.json')

// Every role that main.bicep assigns, and no other.
var assignableIds = [
  builtIn.storageBlobDataOwner
  builtIn.storageBlobDataContributor
  builtIn.storageBlobDataReader
  builtIn.storageTableDataContributor
  builtIn.storageQueueDataMessageSender
  builtIn.keyVaultSecretsUser
  builtIn.keyVaultCryptoUser
  builtIn.monitoringMetricsPublisher
  guid(scope, 'backupWriter')
  guid(scope, 'registryUser')
  guid(scope, 'keySigner')
]
var assignable = join(assignableIds, ', ')
var ofRequest = '@Request[Microsoft.Authorization/roleAssignments'
var onlyThese = '${ofRequest}:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {${assignable}}'
var principals = join(assignablePrincipalIds, ', ')
var theirIds = ' AND ${ofRequest}:PrincipalId] ForAnyOfAnyValues:GuidEquals {${principals}}'
var toThem = empty(assignablePrincipalIds) ? '' : theirIds

// A blob that grows block by block needs "write": "add" is enough only for a blob that is sent in one call. So the app can
// also replace a blob, but not while it is immutable. It can read, list and delete none.
resource backupWriter 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(scope, 'backupWriter')
  properties: {
    roleName: 'SCIM backup writer${suffix}'
    description: 'Writes blobs. Reads, lists and deletes none.'
    type: 'CustomRole'
    assignableScopes: [scope]
    permissions: [
      {
        actions: []
        notActions: []
        dataActions: ['Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write']
        notDataActions: []
      }
    ]
  }
}

// What the app does in the registry's own table: it reads, and it notes the day on which a credential was last used.
resource registryUser 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(scope, 'registryUser')
  properties: {
    roleName: 'SCIM registry user${suffix}'
    description: 'Reads rows, and changes rows that are there. Adds and deletes none.'
    type: 'CustomRole'
    assignableScopes: [scope]
    permissions: [
      {
        actions: []
        notActions: []
        dataActions: [
          'Microsoft.Storage/storageAccounts/tableServices/tables/entities/read'
          'Microsoft.Storage/storageAccounts/tableServices/tables/entities/update/action'
        ]
        notDataActions: []
      }
    ]
  }
}

// Azure's own Key Vault Crypto User may also encrypt, decrypt, wrap, back up and change a key.
resource keySigner 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(scope, 'keySigner')
  properties: {
    roleName: 'SCIM key signer${suffix}'
    description: 'Reads the public part of keys, and signs with keys.'
    type: 'CustomRole'
    assignableScopes: [scope]
    permissions: [
      {
        actions: []
        notActions: []
        dataActions: ['Microsoft.KeyVault/vaults/keys/read', 'Microsoft.KeyVault/vaults/keys/sign/action']
        notDataActions: []
      }
    ]
  }
}

// What the files make, and no more: nothing is deleted, no key or password is read, no secret is written, and no policy is
// locked. It has no access to data.
resource provisioner 'Microsoft.Authorization/roleDefinitions@2022-04-01' = if (hasPipeline) {
  name: guid(scope, 'provisioner')
  properties: {
    roleName: 'SCIM provisioner${suffix}'
    description: 'Creates and changes the resources of a SCIM deployment.'
    type: 'CustomRole'
    assignableScopes: [scope]
    permissions: [
      {
        actions: [
          'Microsoft.Resources/deployments/*'
          'Microsoft.Resources/subscriptions/resourceGroups/read'
          'Microsoft.Resources/subscriptions/resourceGroups/write'
          'Microsoft.Resources/subscriptions/resourceGroups/resources/read'
          'Microsoft.Authorization/locks/read'
          'Microsoft.Authorization/locks/write'
          'Microsoft.Authorization/roleAssignments/read'
          'Microsoft.Authorization/roleDefinitions/read'
          'Microsoft.Consumption/budgets/*'
          'Microsoft.Insights/*'
          'Microsoft.KeyVault/vaults/*'
          'Microsoft.ManagedIdentity/userAssignedIdentities/*'
          'Microsoft.Network/networkSecurityGroups/*'
          'Microsoft.Network/privateDnsZones/*'
          'Microsoft.Network/privateEndpoints/*'
          'Microsoft.Network/virtualNetworks/*'
          'Microsoft.OperationalInsights/workspaces/*'
          'Microsoft.Storage/storageAccounts/*'
          'Microsoft.Web/serverfarms/*'
          'Microsoft.Web/sites/*'
        ]
        notActions: [
          'Microsoft.Consumption/*/delete'
          'Microsoft.Insights/*/delete'
          'Microsoft.KeyVault/*/delete'
          'Microsoft.KeyVault/vaults/accessPolicies/*'
          'Microsoft.KeyVault/vaults/secrets/*'
          'Microsoft.ManagedIdentity/*/delete'
          'Microsoft.Network/*/delete'
          'Microsoft.OperationalInsights/*/delete'
          'Microsoft.Storage/*/delete'
          'Microsoft.Storage/storageAccounts/listkeys/action'
          'Microsoft.Storage/storageAccounts/regeneratekey/action'
          'Microsoft.Storage/storageAccounts/ListAccountSas/action'
          'Microsoft.Storage/storageAccounts/ListServiceSas/action'
          'Microsoft.Storage/storageAccounts/localUsers/*'
          'Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies/lock/action'
          'Microsoft.Web/*/delete'
          'Microsoft.Web/sites/host/listkeys/action'
          'Microsoft.Web/sites/functions/listkeys/action'
          'Microsoft.Web/sites/publishxml/action'
        ]
        dataActions: []
        notDataActions: []
      }
    ]
  }
}

// Apart, because the condition is on this assignment: a condition limits nothing else.
resource roleGiver 'Microsoft.Authorization/roleDefinitions@2022-04-01' = if (hasPipeline) {
  name: guid(scope, 'roleGiver')
  properties: {
    roleName: 'SCIM role giver${suffix}'
    description: 'Assigns roles. It is to be given with a condition that names them.'
    type: 'CustomRole'
    assignableScopes: [scope]
    permissions: [
      {
        actions: ['Microsoft.Authorization/roleAssignments/read', 'Microsoft.Authorization/roleAssignments/write']
        notActions: []
        dataActions: []
        notDataActions: []
      }
    ]
  }
}

resource provisions 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (hasPipeline) {
  name: guid(scope, pipelinePrincipalId, 'provisioner')
  properties: {
    roleDefinitionId: provisioner.id
    principalId: pipelinePrincipalId
    principalType: 'ServicePrincipal'
  }
}

resource givesRoles 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (hasPipeline) {
  name: guid(scope, pipelinePrincipalId, 'roleGiver')
  properties: {
    roleDefinitionId: roleGiver.id
    principalId: pipelinePrincipalId
    principalType: 'ServicePrincipal'
    conditionVersion: '2.0'
    condition: '((!(ActionMatches{\'Microsoft.Authorization/roleAssignments/write\'})) OR (${onlyThese}${toThem}))'
  }
}
