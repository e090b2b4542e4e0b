// Not to be deployed: the roles of an owner, for the snapshot.
using '../pipeline.bicep'

param environmentName = 'scim-all'
param pipelinePrincipalId = '00000000-0000-4000-8000-000000000003'
param assignablePrincipalIds = ['00000000-0000-4000-8000-000000000001']
