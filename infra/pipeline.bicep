// What an owner runs once, before the first deployment: roles that are narrower than Azure's own, and the assignments
// of the pipeline. It makes nothing else. docs/deploy.md says how, and what each role is for.
targetScope = 'subscription'

@description('The name of the deployment, as in main.bicep. Its resource group must be there: az group create.')
@minLength(1)
@maxLength(40)
param environmentName string

@description('Object id of the pipeline\'s service principal. Empty: only the roles for the app are made.')
param pipelinePrincipalId string = ''

@description('Object ids of those to whom the pipeline may give roles: the app\'s identity and the operators. Empty, for the first deployment: anybody, but only the roles of this deployment in its resource group.')
param assignablePrincipalIds string[] = []

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' existing = {
  name: 'rg-${environmentName}'
}

module roles 'modules/custom-roles.bicep' = {
  name: 'custom-roles'
  scope: group
  params: { pipelinePrincipalId: pipelinePrincipalId, assignablePrincipalIds: assignablePrincipalIds }
}

// main.bicep is a deployment of the subscription, because it states the resource group. This role lets the pipeline start
// it, and look at its progress. It creates and changes no resource: that needs the role on the resource group.
resource deployer 'Microsoft.Authorization/roleDefinitions@2022-04-01' = if (!empty(pipelinePrincipalId)) {
  name: guid(group.id, 'deployer')
  properties: {
    roleName: 'SCIM deployer (${environmentName})'
    description: 'Starts deployments of the subscription, and reads their progress.'
    type: 'CustomRole'
    assignableScopes: [subscription().id]
    permissions: [
      {
        actions: [
          'Microsoft.Resources/deployments/read'
          'Microsoft.Resources/deployments/write'
          'Microsoft.Resources/deployments/validate/action'
          'Microsoft.Resources/deployments/whatIf/action'
          'Microsoft.Resources/deployments/cancel/action'
          'Microsoft.Resources/deployments/operations/read'
          'Microsoft.Resources/deployments/operationstatuses/read'
          'Microsoft.Resources/providers/read'
          'Microsoft.Resources/subscriptions/read'
          'Microsoft.Resources/subscriptions/locations/read'
          'Microsoft.Resources/subscriptions/operationresults/read'
          'Microsoft.Resources/subscriptions/resourceGroups/read'
        ]
        notActions: []
        dataActions: []
        notDataActions: []
      }
    ]
  }
}

resource deploys 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(pipelinePrincipalId)) {
  name: guid(subscription().id, group.id, pipelinePrincipalId, 'deployer')
  properties: {
    roleDefinitionId: deployer.id
    principalId: pipelinePrincipalId
    principalType: 'ServicePrincipal'
  }
}
