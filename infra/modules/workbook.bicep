// Provisioning activity per tenant, as a workbook under the resource group's monitoring.
param location string
param tags { *: string }
param workspaceId string

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, 'scim-provisioning')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'SCIM provisioning'
    category: 'workbook'
    sourceId: workspaceId
    serializedData: loadTextContent('../workbook.json')
    version: '1.0'
  }
}
