// Refused: encryptionKeyUrl and encryptionIdentityId need each other
using '../main.bicep'

param environmentName = 'scim-refused'
param location = 'northcentralus'
param encryptionKeyUrl = 'https://kv-keys.vault.azure.net/keys/scim-data'
