// Refused: and leave restrictToEntra off
using '../main.bicep'

param environmentName = 'scim-no'
param location = 'westeurope'
param trustedProxies = 2
param gatewayAddressRange = '203.0.113.7/32'
param restrictToEntra = true
