// Not to be deployed: the hosted console beside a deployment with a registry's table, for the snapshot.
using '../console.bicep'

param environmentName = 'scim-all'
param location = 'westeurope'
param clientId = '00000000-0000-4000-8000-0000000c0501'
param entraTenant = '00000000-0000-4000-8000-00000000eeee'
param dataAccountName = 'stscimabcdefghijklm'
param registryTableName = 'scimregistry'
param applicationInsightsName = 'appi-scim-abcdefghijklm'
param workspaceName = 'log-scim-abcdefghijklm'
param publicBaseUrl = 'https://scim.example.com'
param callerAddressRanges = ['203.0.113.0/24']
