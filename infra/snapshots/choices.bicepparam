// Not to be deployed: dev with the choices that `everything` cannot make at the same time, for the snapshot.
using '../main.bicep'

param environmentName = 'scim-choices'
param location = 'westeurope'
param stage = 'dev'
param tenants = 'registry'
param signingKeyInVault = 'accept'
param useOtherSigningKey = true
param http = 'proxy'
param restrictToEntra = true
param backupEnabled = true
param backupPolicyLocked = true
param recoverVault = true
param locks = 'yes'
param deployerPrincipalId = '00000000-0000-4000-8000-000000000002'
param extraTags = { team: 'identity' }
