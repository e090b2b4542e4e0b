// A deployment for real users: az deployment sub create --parameters infra/prod.bicepparam. docs/deploy.md says more.
using 'main.bicep'

param environmentName = 'scim-prod'
param location = 'westeurope'
param stage = 'prod'
param backupEnabled = true
