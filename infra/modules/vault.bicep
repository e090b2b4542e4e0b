// The secrets that the app reads by reference. A secret in the vault stays as it is unless a value is given.
@minLength(3)
@maxLength(24)
param name string
param location string
param tags object
@description('Enabled, or Disabled with private endpoints.')
param publicNetworkAccess string
@secure()
param tokenSha256 string = ''
@secure()
param signingKey string = ''
@secure()
param otherSigningKey string = ''
@secure()
param backupKey string = ''
param workspaceId string

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  // checkov:skip=CKV_AZURE_109: the default is Deny with privateNetworking; Flex Consumption without a network has no address to allow
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: subscription().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    enablePurgeProtection: true
    publicNetworkAccess: publicNetworkAccess
    networkAcls: { defaultAction: publicNetworkAccess == 'Enabled' ? 'Allow' : 'Deny', bypass: 'AzureServices' }
  }
}

resource tokenSecret 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (!empty(tokenSha256)) {
  // checkov:skip=CKV_AZURE_114: the content type is given; checkov does not see into a resource that has a condition
  // checkov:skip=CKV_AZURE_41: the hash of a token ends when its token is replaced; docs/operate.md has the rotation
  parent: vault
  name: 'scim-token-sha256'
  properties: { value: tokenSha256, contentType: 'text/plain' }
}

resource signingSecret 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (!empty(signingKey)) {
  // checkov:skip=CKV_AZURE_114: the content type is given; checkov does not see into a resource that has a condition
  // checkov:skip=CKV_AZURE_41: a key ends when its successor signs; an expiry would stop every client at once on a day nobody watches
  parent: vault
  name: 'scim-signing-key'
  properties: { value: signingKey, contentType: 'text/plain' }
}

resource otherSigningSecret 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (!empty(otherSigningKey)) {
  // checkov:skip=CKV_AZURE_114: the content type is given; checkov does not see into a resource that has a condition
  // checkov:skip=CKV_AZURE_41: a key ends when its successor signs; an expiry would stop every client at once on a day nobody watches
  parent: vault
  name: 'scim-signing-key-other'
  properties: { value: otherSigningKey, contentType: 'text/plain' }
}

resource backupSecret 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (!empty(backupKey)) {
  // checkov:skip=CKV_AZURE_114: the content type is given; checkov does not see into a resource that has a condition
  // checkov:skip=CKV_AZURE_41: a backup must be verifiable for as long as it is kept; docs/operate.md has the rotation
  parent: vault
  name: 'scim-backup-key'
  properties: { value: backupKey, contentType: 'text/plain' }
}

resource audit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: vault
  properties: {
    workspaceId: workspaceId
    logs: [{ category: 'AuditEvent', enabled: true }]
    metrics: [{ category: 'AllMetrics', enabled: true }]
  }
}

output id string = vault.id
output name string = vault.name
// The reference has no version, so the platform takes a new one within a day, or at a restart.
output tokenSecretUri string = '${vault.properties.vaultUri}secrets/scim-token-sha256'
output signingKeySecretUri string = '${vault.properties.vaultUri}secrets/scim-signing-key'
output backupKeySecretUri string = '${vault.properties.vaultUri}secrets/scim-backup-key'
output otherSigningKeySecretUri string = '${vault.properties.vaultUri}secrets/scim-signing-key-other'
