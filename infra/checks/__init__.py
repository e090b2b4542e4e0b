"""Checks of the Bicep files that run without Azure and without the Bicep CLI: `make check-infra`."""
