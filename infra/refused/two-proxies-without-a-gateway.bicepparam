// Refused: With trustedProxies of 2 or more, and only then, set gatewayFrontDoorId
using '../main.bicep'

param environmentName = 'scim-no'
param location = 'westeurope'
param trustedProxies = 2
