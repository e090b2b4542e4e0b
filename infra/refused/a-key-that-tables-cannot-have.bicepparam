// Refused: tableKeyScope must be Account
using '../main.bicep'

param environmentName = 'scim-refused'
param location = 'northcentralus'
param tableKeyScope = 'Service'
param encryptionKeyUrl = 'https://kv-keys.vault.azure.net/keys/scim-data'
param encryptionIdentityId = '/subscriptions/00000000-0000-4000-8000-000000000000/resourceGroups/rg-scim-refused/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-scim-data'
