// Provisioning activity per tenant, as a workbook under the resource group's monitoring.
param location string
param tags { *: string }
param workspaceId string
@description('The app\'s name, which is the cloud role in its telemetry.')
param appName string

var panels = replace(loadTextContent('../workbook.json'), '{app}', appName)

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, 'scim-provisioning')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'SCIM provisioning'
    category: 'workbook'
    sourceId: workspaceId
    serializedData: replace(panels, '{workspace}', workspaceId)
    version: '1.0'
  }
}
