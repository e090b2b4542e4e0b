// Refused: privateInbound needs privateNetworking
using '../main.bicep'

param environmentName = 'scim-refused'
param location = 'northcentralus'
param privateInbound = true
