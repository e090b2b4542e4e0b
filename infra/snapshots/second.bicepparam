// Not to be deployed: a second region that is attached to the directory of prod, for the snapshot.
using '../main.bicep'

param environmentName = 'scim-second'
param location = 'North Central US'
param stage = 'prod'
param existingDataAccountId = '/subscriptions/00000000-0000-4000-8000-000000000009/resourceGroups/rg-scim-prod/providers/Microsoft.Storage/storageAccounts/stscimprod'
param doorbellQueueName = 'scim-doorbells'
param backupEnabled = false
param restrictToEntra = true
param operatorPrincipalId = '00000000-0000-4000-8000-000000000001'
param locks = 'yes'
