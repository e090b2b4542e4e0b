// Asks /health from five places of the world, and wakes a person if three of them get no good answer.
param token string
param location string
param tags { *: string }
@description('Scheme and host that clients use.')
param baseUrl string
param applicationInsightsId string
param actionGroupId string

// Ids of places: https://learn.microsoft.com/azure/azure-monitor/app/availability#location-population-tags
var places = ['emea-nl-ams-azr', 'emea-gb-db3-azr', 'emea-se-sto-edge', 'us-va-ash-azr', 'apac-sg-sin-azr']
// Each place asks so often. A test costs money: infra/costs.py.
var seconds = 900
// The portal shows a test with its component by this tag.
var shownWith = { 'hidden-link:${applicationInsightsId}': 'Resource' }

resource test 'Microsoft.Insights/webtests@2022-06-15' = {
  name: 'health-scim-${token}'
  location: location
  tags: { ...tags, ...shownWith }
  kind: 'standard'
  properties: {
    SyntheticMonitorId: 'health-scim-${token}'
    Name: 'SCIM: health'
    Description: 'The app answers, and its tables answer it.'
    Kind: 'standard'
    Enabled: true
    Frequency: seconds
    Timeout: 30
    RetryEnabled: true
    Locations: [for place in places: { Id: place }]
    Request: { RequestUrl: '${baseUrl}/health', HttpVerb: 'GET', ParseDependentRequests: false, FollowRedirects: false }
    ValidationRules: {
      ExpectedHttpStatusCode: 200
      SSLCheck: true
      SSLCertRemainingLifetimeCheck: 7
      // Without its tables the app answers 200 all the same, with another status.
      ContentValidation: { ContentMatch: '"status": "ok"', IgnoreCase: false, PassIfTextFound: true }
    }
  }
}

resource unavailable 'Microsoft.Insights/metricAlerts@2026-01-01' = {
  name: 'scim-availability'
  location: 'global'
  tags: tags
  properties: {
    description: 'Three of five places got no good answer from /health within 15 minutes.'
    severity: 1
    enabled: true
    scopes: [test.id, applicationInsightsId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.WebtestLocationAvailabilityCriteria'
      webTestId: test.id
      componentId: applicationInsightsId
      failedLocationCount: 3
    }
    autoMitigate: true
    actions: [{ actionGroupId: actionGroupId }]
  }
}
