// A private endpoint for one service of one resource, and its name in a private zone.
param name string
param location string
param tags { *: string }
param subnetId string
param resourceId string
@description('Which service of the resource: blob, queue, table, vault or sites.')
param service string
param zoneId string

resource endpoint 'Microsoft.Network/privateEndpoints@2025-07-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    subnet: { id: subnetId }
    privateLinkServiceConnections: [
      { name: name, properties: { privateLinkServiceId: resourceId, groupIds: [service] } }
    ]
  }
}

resource names 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-07-01' = {
  parent: endpoint
  name: 'default'
  properties: { privateDnsZoneConfigs: [{ name: service, properties: { privateDnsZoneId: zoneId } }] }
}
