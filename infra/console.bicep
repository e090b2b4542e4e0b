// The hosted console, beside a deployment that is there: a second function app of the same package, behind Entra's
// sign-in. docs/console.md says how to deploy it. It is no part of main.bicep: it needs a registration in Entra.
targetScope = 'subscription'

@description('The name of the deployment, as in main.bicep: the console comes into its resource group.')
@minLength(1)
@maxLength(40)
param environmentName string

@description('The region.')
@minLength(1)
param location string

@description('The application id that people sign in to. It has the app roles viewer and operator.')
@minLength(36)
@maxLength(36)
param clientId string

@description('The Entra tenant whose people sign in.')
@minLength(36)
@maxLength(36)
param entraTenant string = tenant().tenantId

@description('The account of the directory, in this resource group.')
param dataAccountName string

@description('The table of the directory, as in main.bicep.')
param tableName string = 'scim'

@description('The registry\'s own table, as in main.bicep. Empty: it is in the directory\'s.')
param registryTableName string = ''

@description('The component of Application Insights that main.bicep has made.')
param applicationInsightsName string

@description('The workspace of Log Analytics that main.bicep has made.')
param workspaceName string

@description('allow: operators can change what the console can change, and the console\'s identity may write to the tables. Empty: the console only shows, and its identity only reads.')
@allowed(['', 'allow'])
param changes string = ''

@description('The address of the SCIM endpoint, such as https://scim.example.com: setup links begin with it. Empty: the console makes none, and no customer.')
param publicBaseUrl string = ''

@description('A mass change deactivates or deletes more than so many active users of a tenant within an hour, as in main.bicep.')
@minValue(1)
@maxValue(1000000)
param massChangeUsers int = 20

@description('And more than so many percent of its active users, as in main.bicep.')
@minValue(1)
@maxValue(100)
param massChangePercent int = 10

@description('Whether the single tenant is held after a mass change, as in main.bicep.')
param massChangeHold bool = false

@description('Addresses that may reach the console, such as 203.0.113.0/24. Empty: everybody reaches the sign-in.')
param callerAddressRanges string[] = []

@description('Further tags for everything.')
param extraTags { *: string } = {}

var token = toLower(uniqueString(subscription().id, environmentName, 'console'))
var tags = { ...extraTags, 'azd-env-name': environmentName, part: 'console' }

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' existing = {
  name: 'rg-${environmentName}'
}

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' existing = {
  name: workspaceName
  scope: group
}

module identity 'modules/identity.bicep' = {
  name: 'console-identity'
  scope: group
  params: { name: 'id-console-${token}', location: location, tags: tags }
}

// The host's account, of its own: whoever can write into that of the SCIM app can replace its package.
module hostStorage 'modules/storage-account.bicep' = {
  name: 'console-storage'
  scope: group
  params: {
    name: 'stcons${token}'
    location: location
    tags: tags
    redundancy: 'Standard_LRS'
    publicNetworkAccess: 'Enabled'
    containerName: 'package'
    workspaceId: workspace.id
  }
}

module access 'modules/console-access.bicep' = {
  name: 'console-access'
  scope: group
  params: {
    principalId: identity.outputs.principalId
    hostAccountName: hostStorage.outputs.name
    dataAccountName: dataAccountName
    tableName: tableName
    registryTableName: registryTableName
    applicationInsightsName: applicationInsightsName
    changes: changes
  }
}

module app 'modules/console-app.bicep' = {
  name: 'console-app'
  scope: group
  params: {
    token: token
    location: location
    tags: tags
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    hostAccountName: hostStorage.outputs.name
    hostBlobEndpoint: hostStorage.outputs.blobEndpoint
    hostQueueEndpoint: hostStorage.outputs.queueEndpoint
    hostTableEndpoint: hostStorage.outputs.tableEndpoint
    packageContainerName: hostStorage.outputs.containerName
    dataTableEndpoint: 'https://${dataAccountName}.table.${environment().suffixes.storage}/'
    tableName: tableName
    registryTableName: registryTableName
    applicationInsightsName: applicationInsightsName
    clientId: clientId
    entraTenant: entraTenant
    changes: changes
    publicBaseUrl: publicBaseUrl
    massChangeUsers: massChangeUsers
    massChangePercent: massChangePercent
    massChangeHold: massChangeHold
    callerAddressRanges: callerAddressRanges
  }
  // The app needs its roles at its first start.
  dependsOn: [access]
}

output CONSOLE_NAME string = app.outputs.name
output CONSOLE_URI string = 'https://${app.outputs.host}/console'
@description('The redirect URI of the registration in Entra.')
output CONSOLE_REDIRECT_URI string = 'https://${app.outputs.host}/.auth/login/aad/callback'
@description('The object id of the identity: the federated credential of the registration names it.')
output CONSOLE_IDENTITY string = identity.outputs.principalId
