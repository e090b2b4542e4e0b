// Not to be deployed: prod with every choice that makes one more resource, for the snapshot.
using '../main.bicep'

param environmentName = 'scim-all'
param location = 'westeurope'
param stage = 'prod'
param dataRedundancy = 'Standard_GZRS'
param alwaysReadyInstances = 2
param zoneRedundant = true
param tenants = 'registry'
param registryTableName = 'scimregistry'
param doorbellQueueName = 'scim-doorbells'
param signingKeyInVault = 'sign'
param useOtherSigningKey = true
param signBackups = true
param useMasterKey = true
param useFeedToken = true
param feedEntraTenant = '00000000-0000-4000-8000-00000000eeee'
param feedEntraAudience = 'api://scim.example.com'
param privateNetworking = true
param trustedProxies = 2
param gatewayFrontDoorId = '00000000-0000-4000-8000-00000000fd1d'
param publicBaseUrl = 'https://scim.example.com'
param alertEmail = 'ops@example.com'
param monthlyBudget = 100
param budgetStart = '2026-11-01'
param operatorPrincipalId = '00000000-0000-4000-8000-000000000001'
param deployerPrincipalId = '00000000-0000-4000-8000-000000000002'
param siteDiagnostics = true
param customRoles = true
param updateStrategy = 'Recreate'
param hostNameScope = 'NoReuse'
param privateInbound = true
param backupLocation = 'northeurope'
param encryptionKeyUrl = 'https://kv-keys.vault.azure.net/keys/scim-data'
param encryptionIdentityId = '/subscriptions/00000000-0000-4000-8000-000000000000/resourceGroups/rg-scim-all/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-scim-data'
