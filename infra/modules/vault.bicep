// The secrets that the app reads by reference. A secret in the vault stays as it is unless a value is given. None has an
// expiry: it ends when its successor is there (docs/operate.md), and not on a day that nobody watches.
@minLength(3)
@maxLength(24)
param name string
param location string
param tags { *: string }
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
@secure()
param masterKey string = ''
@secure()
param feedTokenSha256 string = ''
@description('Whether the vault has a key that signs access tokens. Its private part never leaves the vault.')
param hasSigningKey bool = false
@description('Whether a deleted vault keeps its name for 90 days, or for 7 days and can be purged.')
param purgeProtection bool
@description('Whether a deleted vault of this name is recovered.')
param recover bool = false
param workspaceId string

resource vault 'Microsoft.KeyVault/vaults@2025-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: subscription().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    // A vault that is there keeps its days and its protection, whatever is said here.
    softDeleteRetentionInDays: purgeProtection ? 90 : 7
    enablePurgeProtection: purgeProtection ? true : null
    createMode: recover ? 'recover' : 'default'
    publicNetworkAccess: publicNetworkAccess
    networkAcls: { defaultAction: publicNetworkAccess == 'Enabled' ? 'Allow' : 'Deny', bypass: 'AzureServices' }
  }
}

resource tokenSecret 'Microsoft.KeyVault/vaults/secrets@2025-05-01' = if (!empty(tokenSha256)) {
  parent: vault
  name: 'scim-token-sha256'
  properties: { value: tokenSha256, contentType: 'text/plain' }
}

resource signingSecret 'Microsoft.KeyVault/vaults/secrets@2025-05-01' = if (!empty(signingKey)) {
  parent: vault
  name: 'scim-signing-key'
  properties: { value: signingKey, contentType: 'text/plain' }
}

resource otherSigningSecret 'Microsoft.KeyVault/vaults/secrets@2025-05-01' = if (!empty(otherSigningKey)) {
  parent: vault
  name: 'scim-signing-key-other'
  properties: { value: otherSigningKey, contentType: 'text/plain' }
}

// A deployment makes the first version only: it never changes a key that is there. docs/operate.md has the rotation.
resource signingKeyOfVault 'Microsoft.KeyVault/vaults/keys@2025-05-01' = if (hasSigningKey) {
  parent: vault
  name: 'scim-signing-key'
  properties: {
    kty: 'EC'
    curveName: 'P-256'
    keyOps: ['sign', 'verify']
    attributes: { enabled: true, exportable: false }
  }
}

resource backupSecret 'Microsoft.KeyVault/vaults/secrets@2025-05-01' = if (!empty(backupKey)) {
  parent: vault
  name: 'scim-backup-key'
  properties: { value: backupKey, contentType: 'text/plain' }
}

resource masterSecret 'Microsoft.KeyVault/vaults/secrets@2025-05-01' = if (!empty(masterKey)) {
  parent: vault
  name: 'scim-master-key'
  properties: { value: masterKey, contentType: 'text/plain' }
}

resource feedTokenSecret 'Microsoft.KeyVault/vaults/secrets@2025-05-01' = if (!empty(feedTokenSha256)) {
  parent: vault
  name: 'scim-feed-token-sha256'
  properties: { value: feedTokenSha256, contentType: 'text/plain' }
}

// The only version without preview is one of 2016.
#disable-next-line use-recent-api-versions
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
output signingKeyName string = hasSigningKey ? signingKeyOfVault.name : ''
output signingKeyUrl string = hasSigningKey ? '${vault.properties.vaultUri}keys/scim-signing-key' : ''
output backupKeySecretUri string = '${vault.properties.vaultUri}secrets/scim-backup-key'
output masterKeySecretUri string = '${vault.properties.vaultUri}secrets/scim-master-key'
output feedTokenSecretUri string = '${vault.properties.vaultUri}secrets/scim-feed-token-sha256'
output otherSigningKeySecretUri string = '${vault.properties.vaultUri}secrets/scim-signing-key-other'
