// A budget of the resource group. It only warns: it does not stop anything.
param amount int
@description('First day of a month, as yyyy-MM-dd.')
param startDate string
@description('Empty: only the action group gets the warnings.')
param email string
param actionGroupId string

var emails = empty(email) ? [] : [email]

resource budget 'Microsoft.Consumption/budgets@2024-08-01' = {
  name: 'monthly'
  properties: {
    category: 'Cost'
    amount: amount
    timeGrain: 'Monthly'
    timePeriod: { startDate: startDate }
    notifications: {
      eighty: { enabled: true, operator: 'GreaterThan', threshold: 80, thresholdType: 'Actual', contactEmails: emails, contactGroups: [actionGroupId] }
      forecast: { enabled: true, operator: 'GreaterThan', threshold: 100, thresholdType: 'Forecasted', contactEmails: emails, contactGroups: [actionGroupId] }
    }
  }
}
