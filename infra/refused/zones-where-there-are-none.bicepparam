// Refused: zoneRedundant needs a region in which Flex Consumption has zones
using '../main.bicep'

param environmentName = 'scim-refused'
param location = 'northcentralus'
param zoneRedundant = true
