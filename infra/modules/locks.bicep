// Locks on what must not be deleted by mistake. A lock also stops owners: to delete the resource, first remove its lock.
@description('Empty if the directory is another deployment\'s.')
param dataAccountName string
@description('Empty without a backup.')
param backupAccountName string
param vaultName string

var notes = 'Holds identities of customers. docs/operate.md says how to take this deployment down.'

resource dataAccount 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: empty(dataAccountName) ? 'none' : dataAccountName
}

resource backupAccount 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: empty(backupAccountName) ? 'none' : backupAccountName
}

resource vault 'Microsoft.KeyVault/vaults@2025-05-01' existing = {
  name: vaultName
}

resource dataLock 'Microsoft.Authorization/locks@2020-05-01' = if (!empty(dataAccountName)) {
  name: 'keep'
  scope: dataAccount
  properties: { level: 'CanNotDelete', notes: notes }
}

resource backupLock 'Microsoft.Authorization/locks@2020-05-01' = if (!empty(backupAccountName)) {
  name: 'keep'
  scope: backupAccount
  properties: { level: 'CanNotDelete', notes: notes }
}

resource vaultLock 'Microsoft.Authorization/locks@2020-05-01' = {
  name: 'keep'
  scope: vault
  properties: { level: 'CanNotDelete', notes: notes }
}
