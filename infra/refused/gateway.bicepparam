// Refused: With trustedProxies of 2 or more, and only then, set gatewayFrontDoorId
using '../main.bicep'

param environmentName = 'scim-refused'
param location = 'northcentralus'
param trustedProxies = 2
