// Where backups lie: an account of its own, so that neither a mistake with the directory's account nor a stolen identity
// of the app takes them along. For some days nobody can change or delete one, then the lifecycle does.
@minLength(3)
@maxLength(24)
param name string
param location string
param tags object
param redundancy string
param publicNetworkAccess string
param immutableDays int
param retentionDays int
param workspaceId string

var containerName = 'exports'
// Cool storage costs half; an access costs more, and a backup is read when all else is lost. It bills 30 days at least.
var coolAfterDays = 1

module base 'storage-account.bicep' = {
  name: 'backup-account'
  params: {
    name: name
    location: location
    tags: tags
    redundancy: redundancy
    publicNetworkAccess: publicNetworkAccess
    containerName: containerName
    workspaceId: workspaceId
  }
}

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: name
  dependsOn: [base]
}

resource immutability 'Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies@2025-06-01' = {
  name: '${name}/default/${containerName}/default'
  properties: { immutabilityPeriodSinceCreationInDays: immutableDays, allowProtectedAppendWrites: false }
  dependsOn: [base]
}

resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2025-06-01' = {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: 'exports'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: { blobTypes: ['blockBlob'], prefixMatch: ['${containerName}/'] }
            actions: {
              baseBlob: {
                tierToCool: { daysAfterCreationGreaterThan: coolAfterDays }
                // Never before the immutability has ended, whatever the parameters say.
                delete: { daysAfterCreationGreaterThan: max(retentionDays, immutableDays + 1) }
              }
            }
          }
        }
      ]
    }
  }
}

output id string = base.outputs.id
output name string = base.outputs.name
output containerName string = containerName
output containerUrl string = '${base.outputs.blobEndpoint}${containerName}'
