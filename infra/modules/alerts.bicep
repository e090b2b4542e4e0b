// What wakes a person. docs/operate.md says what each one means and what to do.
param token string
param location string
param tags { *: string }
@description('The app\'s name, which is the cloud role in its telemetry.')
param appName string
@description('Empty: alerts are raised, but nobody gets a mail.')
param email string
param workspaceId string
@description('Empty if the directory is another deployment\'s: that one watches its account.')
param dataAccountId string
param serverErrorPercent int
param latencyMs int
param authenticationFailures int
param rateLimited int
param backupEnabled bool
@description('Whether an availability test asks the app all the time: then silence is a failure.')
param tested bool

var receivers = empty(email) ? [] : [{ name: 'operators', emailAddress: email, useCommonAlertSchema: true }]
// The workspace can hold other apps' records, too.
var ours = 'AppRequests | where AppRoleName =~ "${appName}"'
var traces = 'AppTraces | where AppRoleName =~ "${appName}"'
// The functions that timers start are not SCIM requests.
var requests = '${ours} | where Name !in ("sweep", "feeds", "backup", "health")'
// With fewer requests than this, a percentage is only chance.
var fewest = 20
var hasAccount = !empty(dataAccountId)

// One entry for each alert over logs: how often it runs, over how long a time, and above which value of its query it is
// raised.
var logAlerts = [
  {
    name: 'server-errors'
    description: 'More than ${serverErrorPercent} % of the requests of 15 minutes were answered 5xx.'
    severity: 1
    query: '${requests} | summarize total = count(), failed = countif(toint(ResultCode) >= 500) | where total >= ${fewest} | project measured = 100.0 * failed / total'
    threshold: serverErrorPercent
    frequency: 'PT5M'
    window: 'PT15M'
  }
  {
    name: 'not-serving'
    description: 'A setting or a schema file is unusable: the app answers 503 to everything.'
    severity: 0
    query: '${traces} | where Message startswith "the app does not serve: " | summarize measured = count()'
    threshold: 0
    frequency: 'PT5M'
    window: 'PT15M'
  }
  {
    name: 'latency'
    description: 'The 95th percentile of the latency of 15 minutes is above ${latencyMs} ms. Entra gives up at 60,000.'
    severity: 2
    query: '${requests} | summarize total = count(), p95 = percentile(DurationMs, 95) | where total >= ${fewest} | project measured = p95'
    threshold: latencyMs
    frequency: 'PT5M'
    window: 'PT15M'
  }
  {
    name: 'authentication-failures'
    description: 'More than ${authenticationFailures} requests of 15 minutes were refused for their credential: one that ended, or somebody who guesses.'
    severity: 2
    query: '${requests} | where ResultCode in ("401", "403") | summarize measured = count()'
    threshold: authenticationFailures
    frequency: 'PT5M'
    window: 'PT15M'
  }
  {
    name: 'rate-limited'
    description: 'More than ${rateLimited} requests of 15 minutes were refused because of a rate limit: a tenant that sends too much, or an address that guesses.'
    severity: 2
    query: '${traces} | where Message startswith "audit event=rate-limited " | extend refused = tolong(extract(" count=([0-9]+)", 1, Message)) | summarize measured = sum(refused)'
    threshold: rateLimited
    frequency: 'PT5M'
    window: 'PT15M'
  }
  {
    name: 'sweep-backlog'
    description: 'Changes that were interrupted have stayed unfinished for an hour, or the sweep fails or does not run.'
    severity: 2
    query: '${traces} | where Message startswith "sweep: " | extend left = tolong(extract("([0-9]+) left", 1, Message)) | summarize unfinished = min(left) | union (${ours} | where Name == "sweep" and Success == false | summarize unfinished = count()) | union (${ours} | where Name == "sweep" | summarize runs = count() | project unfinished = tolong(iff(runs == 0, 1, 0))) | summarize measured = max(unfinished)'
    threshold: 0
    frequency: 'PT15M'
    window: 'PT1H'
  }
  {
    name: 'hooks-blocked'
    description: 'For half an hour a receiver of a hook has not taken what it was sent, or a batch is dead.'
    severity: 2
    query: '${traces} | where Message startswith "hooks: " | extend blocked = tolong(extract("([0-9]+) blocked", 1, Message)), dead = tolong(extract("([0-9]+) dead", 1, Message)) | summarize measured = sum(blocked) + sum(dead)'
    threshold: 0
    frequency: 'PT15M'
    window: 'PT15M'
  }
  {
    name: 'mass-change'
    description: 'A tenant has lost many of its active users within an hour: perhaps a wrong scope in the identity provider.'
    severity: 1
    query: '${traces} | where Message startswith "mass change: " | extend count_ = tolong(extract("^mass change: ([0-9]+) ", 1, Message)), tenant = extract(" of the tenant ([^ ]+) were ", 1, Message), credential = extract(" by the credential (.+)[.] Further ones are ", 1, Message) | summarize measured = max(count_) by tenant, credential'
    threshold: 0
    frequency: 'PT5M'
    window: 'PT15M'
  }
  {
    name: 'logs-stopped'
    description: 'The daily cap of Log Analytics is reached: until tomorrow there are no logs and no alerts over them.'
    severity: 2
    query: '_LogOperation | where Category =~ "Ingestion" and Detail has "OverQuota" | summarize measured = count()'
    threshold: 0
    frequency: 'PT15M'
    window: 'PT1H'
  }
]

// The columns that the mail of an alert names: a row of other values is an alert of its own.
var namedBy = { 'mass-change': ['tenant', 'credential'] }

// The query covers two days, because a run may start late. One run a day must have succeeded.
var backupQuery = '${ours} | where Name == "backup" and Success == true | summarize succeeded = count() | project measured = iff(succeeded == 0, 1, 0)'

// A share of no requests is no share: if the app has no functions or cannot be reached, the alerts above see nothing. A
// count without a group has a row for nothing, too. The availability test asks twenty times an hour.
var silenceQuery = '${ours} | where Name !in ("sweep", "feeds", "backup") | summarize answered = count() | project measured = iff(answered == 0, 1, 0)'

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-scim-${token}'
  location: 'global'
  tags: tags
  properties: { groupShortName: 'scim', enabled: true, emailReceivers: receivers }
}

resource overLogs 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = [
  for alert in logAlerts: {
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
            dimensions: map(namedBy[?alert.name] ?? [], column => { name: column, operator: 'Include', values: ['*'] })
            operator: 'GreaterThan'
            threshold: alert.threshold
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      autoMitigate: true
      actions: { actionGroups: [people.id] }
    }
  }
]

resource backupMissing 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = if (backupEnabled) {
  name: 'scim-backup-missing'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'SCIM: backup-missing'
    description: 'No backup has succeeded within two days.'
    severity: 2
    enabled: true
    // A new workspace has no table yet that a query could be checked against.
    skipQueryValidation: true
    scopes: [workspaceId]
    evaluationFrequency: 'P1D'
    windowSize: 'P2D'
    criteria: {
      allOf: [
        {
          query: backupQuery
          timeAggregation: 'Maximum'
          metricMeasureColumn: 'measured'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
        }
      ]
    }
    autoMitigate: false
    actions: { actionGroups: [people.id] }
  }
}

resource silent 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = if (tested) {
  name: 'scim-no-requests'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'SCIM: no-requests'
    description: 'For half an hour no request was answered, not even those of the availability test.'
    severity: 1
    enabled: true
    // A new workspace has no table yet that a query could be checked against.
    skipQueryValidation: true
    scopes: [workspaceId]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT30M'
    criteria: {
      allOf: [
        {
          query: silenceQuery
          timeAggregation: 'Maximum'
          metricMeasureColumn: 'measured'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
        }
      ]
    }
    autoMitigate: true
    actions: { actionGroups: [people.id] }
  }
}

resource throttled 'Microsoft.Insights/metricAlerts@2026-01-01' = if (hasAccount) {
  name: 'scim-storage-throttling'
  location: 'global'
  tags: tags
  properties: {
    description: 'Table Storage sends requests away: a tenant does more than its partition takes, about 2,000 rows a second.'
    severity: 2
    enabled: true
    scopes: ['${dataAccountId}/tableServices/default']
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'throttled'
          metricNamespace: 'Microsoft.Storage/storageAccounts/tableServices'
          metricName: 'Transactions'
          dimensions: [
            {
              name: 'ResponseType'
              operator: 'Include'
              values: [
                'ClientThrottlingError'
                'ClientAccountRequestThrottlingError'
                'ClientAccountBandwidthThrottlingError'
                'ServerBusyError'
                'SuccessWithThrottling'
              ]
            }
          ]
          timeAggregation: 'Total'
          operator: 'GreaterThan'
          threshold: 10
        }
      ]
    }
    autoMitigate: true
    actions: [{ actionGroupId: people.id }]
  }
}

resource unavailable 'Microsoft.Insights/metricAlerts@2026-01-01' = if (hasAccount) {
  name: 'scim-storage-availability'
  location: 'global'
  tags: tags
  properties: {
    description: 'Less than 99.9 % of the calls to Table Storage were answered.'
    severity: 1
    enabled: true
    scopes: ['${dataAccountId}/tableServices/default']
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'availability'
          metricNamespace: 'Microsoft.Storage/storageAccounts/tableServices'
          metricName: 'Availability'
          timeAggregation: 'Average'
          operator: 'LessThan'
          threshold: json('99.9')
        }
      ]
    }
    autoMitigate: true
    actions: [{ actionGroupId: people.id }]
  }
}

output actionGroupId string = people.id
