// Private endpoints for the services that the app calls, and the zones that resolve their names within the network.
param location string
param tags { *: string }
param subnetId string
param networkId string
param hostAccountId string
param dataAccountId string
@description('Whether there is a queue in the directory\'s account.')
param hasQueue bool
@description('Empty without a backup.')
param backupAccountId string
param vaultId string

module blobZone 'private-zone.bicep' = {
  name: 'zone-blob'
  params: { name: 'privatelink.blob.${environment().suffixes.storage}', tags: tags, networkId: networkId }
}

module queueZone 'private-zone.bicep' = {
  name: 'zone-queue'
  params: { name: 'privatelink.queue.${environment().suffixes.storage}', tags: tags, networkId: networkId }
}

module tableZone 'private-zone.bicep' = {
  name: 'zone-table'
  params: { name: 'privatelink.table.${environment().suffixes.storage}', tags: tags, networkId: networkId }
}

module vaultZone 'private-zone.bicep' = {
  name: 'zone-vault'
  // The suffix of the cloud starts with a full stop: .vault.azure.net, whose private zone is vaultcore.
  params: {
    name: 'privatelink${replace(environment().suffixes.keyvaultDns, 'vault.', 'vaultcore.')}'
    tags: tags
    networkId: networkId
  }
}

module hostBlob 'private-endpoint.bicep' = {
  name: 'endpoint-host-blob'
  params: {
    name: 'pep-host-blob'
    location: location
    tags: tags
    subnetId: subnetId
    resourceId: hostAccountId
    service: 'blob'
    zoneId: blobZone.outputs.id
  }
}

module hostQueue 'private-endpoint.bicep' = {
  name: 'endpoint-host-queue'
  params: {
    name: 'pep-host-queue'
    location: location
    tags: tags
    subnetId: subnetId
    resourceId: hostAccountId
    service: 'queue'
    zoneId: queueZone.outputs.id
  }
}

module hostTable 'private-endpoint.bicep' = {
  name: 'endpoint-host-table'
  params: {
    name: 'pep-host-table'
    location: location
    tags: tags
    subnetId: subnetId
    resourceId: hostAccountId
    service: 'table'
    zoneId: tableZone.outputs.id
  }
}

module dataTable 'private-endpoint.bicep' = {
  name: 'endpoint-data-table'
  params: {
    name: 'pep-data-table'
    location: location
    tags: tags
    subnetId: subnetId
    resourceId: dataAccountId
    service: 'table'
    zoneId: tableZone.outputs.id
  }
}

module dataQueue 'private-endpoint.bicep' = if (hasQueue) {
  name: 'endpoint-data-queue'
  params: {
    name: 'pep-data-queue'
    location: location
    tags: tags
    subnetId: subnetId
    resourceId: dataAccountId
    service: 'queue'
    zoneId: queueZone.outputs.id
  }
}

module backupBlob 'private-endpoint.bicep' = if (!empty(backupAccountId)) {
  name: 'endpoint-backup-blob'
  params: {
    name: 'pep-backup-blob'
    location: location
    tags: tags
    subnetId: subnetId
    resourceId: backupAccountId
    service: 'blob'
    zoneId: blobZone.outputs.id
  }
}

module vault 'private-endpoint.bicep' = {
  name: 'endpoint-vault'
  params: {
    name: 'pep-vault'
    location: location
    tags: tags
    subnetId: subnetId
    resourceId: vaultId
    service: 'vault'
    zoneId: vaultZone.outputs.id
  }
}
