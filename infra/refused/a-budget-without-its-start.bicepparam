// Refused: 'budgetStart' is not valid
using '../main.bicep'

param environmentName = 'scim-no'
param location = 'westeurope'
param monthlyBudget = 100
