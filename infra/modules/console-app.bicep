// The function app of the console on Flex Consumption: main.bicep's app, as far as a console needs it, behind Entra's sign-in.
param token string
param location string
param tags { *: string }
param identityId string
param identityClientId string
param hostAccountName string
param hostBlobEndpoint string
param hostQueueEndpoint string
param hostTableEndpoint string
param packageContainerName string
param dataTableEndpoint string
param tableName string
param registryTableName string
param applicationInsightsName string
param clientId string
param entraTenant string
@description('allow: operators can change something.')
param changes string
@description('The address of the SCIM endpoint. Empty: no setup link can be made.')
param publicBaseUrl string
param massChangeUsers int
param massChangePercent int
param massChangeHold bool
param callerAddressRanges string[]

var signIn = environment().authentication.loginEndpoint
var authority = endsWith(signIn, '/') ? take(signIn, length(signIn) - 1) : signIn
var callers = [
  for (range, number) in callerAddressRanges: {
    name: 'caller-${number}'
    description: 'Where people look at the console'
    priority: 100 + number
    action: 'Allow'
    ipAddress: range
  }
]

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: 'plan-console-${token}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true }
}

resource site 'Microsoft.Web/sites@2025-03-01' = {
  name: 'func-console-${token}'
  location: location
  tags: tags
  kind: 'functionapp,linux'
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: 'Enabled'
    sshEnabled: false
    clientAffinityEnabled: false
    keyVaultReferenceIdentity: identityId
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${hostBlobEndpoint}${packageContainerName}'
          authentication: { type: 'UserAssignedIdentity', userAssignedIdentityResourceId: identityId }
        }
      }
      runtime: { name: 'python', version: '3.13' }
      // One instance: the platform keeps the sign-ins of people in the files of the instance.
      scaleAndConcurrency: {
        instanceMemoryMB: 2048
        maximumInstanceCount: 1
        triggers: { http: { perInstanceConcurrency: 16 } }
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      http20Enabled: true
      remoteDebuggingEnabled: false
      ipSecurityRestrictions: callers
      ipSecurityRestrictionsDefaultAction: empty(callers) ? 'Allow' : 'Deny'
      scmIpSecurityRestrictionsUseMain: false
    }
  }
}

// A password for publishing is a key that never expires.
resource noFtp 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: site
  name: 'ftp'
  properties: { allow: false }
}

resource noBasicPublishing 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: site
  name: 'scm'
  properties: { allow: false }
}

resource settings 'Microsoft.Web/sites/config@2025-03-01' = {
  parent: site
  name: 'appsettings'
  properties: {
    AzureWebJobsStorage__accountName: hostAccountName
    AzureWebJobsStorage__blobServiceUri: hostBlobEndpoint
    AzureWebJobsStorage__queueServiceUri: hostQueueEndpoint
    AzureWebJobsStorage__tableServiceUri: hostTableEndpoint
    AzureWebJobsStorage__credential: 'managedidentity'
    AzureWebJobsStorage__clientId: identityClientId
    AzureWebJobsDisableHomepage: 'true'
    APPLICATIONINSIGHTS_CONNECTION_STRING: applicationInsights.properties.ConnectionString
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
    // App Service proves by this identity that it is the application: there is no client secret.
    OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID: identityClientId
    SCIM_APP: 'console'
    SCIM_STORAGE_ACCOUNT_URL: dataTableEndpoint
    SCIM_STORAGE_IDENTITY_CLIENT_ID: identityClientId
    SCIM_TABLE_NAME: tableName
    SCIM_REGISTRY_TABLE_NAME: registryTableName
    SCIM_SCHEMA_DIRECTORY: ''
    SCIM_ENTRA_AUTHORITY: authority
    SCIM_CONSOLE_ENTRA_TENANT: entraTenant
    SCIM_CONSOLE_CLIENT_ID: clientId
    SCIM_CONSOLE_CHANGES: changes
    SCIM_PUBLIC_BASE_URL: publicBaseUrl
    SCIM_MASS_CHANGE_USERS: string(massChangeUsers)
    SCIM_MASS_CHANGE_PERCENT: string(massChangePercent)
    SCIM_MASS_CHANGE_HOLD: massChangeHold ? 'true' : ''
  }
}

// Whoever is not signed in is sent to Entra. The app verifies the ID token again, which the token store passes on.
resource authentication 'Microsoft.Web/sites/config@2025-03-01' = {
  parent: site
  name: 'authsettingsV2'
  properties: {
    platform: { enabled: true, runtimeVersion: '~1' }
    globalValidation: {
      requireAuthentication: true
      unauthenticatedClientAction: 'RedirectToLoginPage'
      redirectToProvider: 'azureactivedirectory'
    }
    httpSettings: { requireHttps: true }
    identityProviders: {
      azureActiveDirectory: {
        enabled: true
        registration: {
          openIdIssuer: '${authority}/${entraTenant}/v2.0'
          clientId: clientId
          clientSecretSettingName: 'OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID'
        }
      }
    }
    login: { tokenStore: { enabled: true } }
  }
  dependsOn: [settings]
}

output name string = site.name
output host string = site.properties.defaultHostName
