"""What must hold of the infrastructure, seen at what would be deployed. `make check-infra` needs no Azure.

The Bicep compiler judges the files (`compiler`). What no compiler knows are rules over its snapshots (`rules`).
"""
