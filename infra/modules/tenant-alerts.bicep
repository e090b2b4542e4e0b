// What wakes a person because of one tenant, whose name the mail has. docs/operate.md says what each one means.
param location string
param tags { *: string }
@description('The app\'s name, which is the cloud role in its telemetry.')
param appName string
param workspaceId string
param actionGroupId string
param refusals int

// The workspace can hold other apps' records, too.
var traces = 'AppTraces | where AppRoleName =~ "${appName}"'
var ofTenants = 'extend fields = parse_json(extract(@"(\\{.*\\})$", 1, Message)) | extend tenant = tostring(fields.tenant), operation = tostring(fields.operation), status = toint(fields.status) | where isnotempty(tenant)'
// The line of each request.
var requests = '${traces} | where Message matches regex @"-> [0-9]+ \\{" | ${ofTenants}'
var silentHours = 3

// One entry for each alert. Its query has a row for each tenant.
var tenantAlerts = [
  {
    // The vendor's own programs read the feed and the log. They are no contact with the identity provider.
    name: 'tenant-silent'
    description: 'A tenant has sent no request for more than ${silentHours} hours, though it had some in each hour of the day before.'
    severity: 2
    query: '${requests} | where operation !startswith "feed_" and operation !startswith "log_" | summarize contact = max(TimeGenerated) by tenant, hour = bin(TimeGenerated, 1h) | summarize contact = max(contact), newest = max(hour), hours = make_set(hour) by tenant | mv-expand hour = hours to typeof(datetime) | where hour > newest - 24h | summarize present = count() by tenant, contact | where present == 24 | project tenant, measured = datetime_diff("minute", now(), contact) / 60.0'
    threshold: silentHours
    frequency: 'PT1H'
    window: 'P2D'
    by: ['tenant']
  }
  {
    name: 'tenant-refusals'
    description: 'More than ${refusals} changes of a tenant were refused within an hour.'
    severity: 3
    query: '${requests} | where operation in ("create", "replace", "patch", "delete") and status between (400 .. 499) and status !in (401, 403, 429) | summarize measured = count() by tenant'
    threshold: refusals
    frequency: 'PT15M'
    window: 'PT1H'
    by: ['tenant']
  }
  {
    name: 'credential-ends'
    description: 'A credential ends within 30 days, and none that goes on has been used in its place.'
    severity: 2
    query: '${traces} | where Message startswith "a credential ends soon " | ${ofTenants} | extend credential = tostring(fields.credential_id) | summarize measured = count() by tenant, credential'
    threshold: 0
    frequency: 'PT1H'
    window: 'PT3H'
    by: ['tenant', 'credential']
  }
  {
    name: 'attributes-ignored'
    description: 'A tenant sends attributes that no schema declares, so they are not stored: a mapping is wrong.'
    severity: 3
    query: '${traces} | where Message startswith "attributes that no schema declares were ignored " | ${ofTenants} | summarize measured = sum(tolong(fields["count"])) by tenant'
    threshold: 0
    frequency: 'PT1H'
    window: 'P1D'
    by: ['tenant']
  }
]

resource overTenants 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = [
  for alert in tenantAlerts: {
    name: 'scim-${alert.name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: 'SCIM: ${alert.name}'
      description: alert.description
      severity: alert.severity
      enabled: true
      // A new workspace has no table yet that a query could be checked against.
      skipQueryValidation: true
      scopes: [workspaceId]
      evaluationFrequency: alert.frequency
      windowSize: alert.window
      criteria: {
        allOf: [
          {
            query: alert.query
            timeAggregation: 'Maximum'
            metricMeasureColumn: 'measured'
            // An alert for each tenant, so that the mail names it.
            dimensions: [for name in alert.by: { name: name, operator: 'Include', values: ['*'] }]
            operator: 'GreaterThan'
            threshold: alert.threshold
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      autoMitigate: true
      actions: { actionGroups: [actionGroupId] }
    }
  }
]
