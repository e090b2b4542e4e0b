"""Checks of the Bicep files that need neither Azure nor the Bicep CLI: `make check-infra`."""
