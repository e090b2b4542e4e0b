// A budget of the resource group. It only warns: it does not stop anything.
param amount int
@description('First day of the month of the first deployment, as yyyy-MM-dd. Azure refuses to move it, so there is no default.')
@minLength(10)
param budgetStart string
@description('Empty: only the action group gets the warnings.')
param email string
param actionGroupId string

var emails = empty(email) ? [] : [email]

resource budget 'Microsoft.Consumption/budgets@2026-06-01' = {
  name: 'monthly'
  properties: {
    category: 'Cost'
    amount: amount
    timeGrain: 'Monthly'
    timePeriod: { startDate: budgetStart }
    notifications: {
      eighty: {
        enabled: true
        operator: 'GreaterThan'
        threshold: 80
        thresholdType: 'Actual'
        contactEmails: emails
        contactGroups: [actionGroupId]
      }
      forecast: {
        enabled: true
        operator: 'GreaterThan'
        threshold: 100
        thresholdType: 'Forecasted'
        contactEmails: emails
        contactGroups: [actionGroupId]
      }
    }
  }
}
