"""Who may come in: tenants, their credentials, rate limits, and the audit of failures.

Read first: `authenticator` (the Authorization header to a tenant), `tenant_cache` (what an instance remembers of the
registry for a minute), `administration` (what an operator does), `oauth/` (access tokens and what Entra signs). A new
kind of credential begins in scim_core/registry.py, at CredentialKind.
"""
