// A private way in: the app's own name is answered within the network, and nobody comes in from the Internet.
param location string
param tags { *: string }
param subnetId string
param networkId string
param siteId string

module zone 'private-zone.bicep' = {
  name: 'zone-sites'
  params: { name: 'privatelink.azurewebsites.net', tags: tags, networkId: networkId }
}

module site 'private-endpoint.bicep' = {
  name: 'endpoint-site'
  params: {
    name: 'pep-site'
    location: location
    tags: tags
    subnetId: subnetId
    resourceId: siteId
    service: 'sites'
    zoneId: zone.outputs.id
  }
}
