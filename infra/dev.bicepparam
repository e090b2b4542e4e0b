// The least that works: az deployment sub create --parameters infra/dev.bicepparam. docs/deploy.md says more.
using 'main.bicep'

param environmentName = 'scim-dev'
param location = 'westeurope'
param stage = 'dev'
