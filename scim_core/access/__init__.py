"""Who may come in: tenants, their credentials, rate limits, and the audit of failures.

Read first: `authenticator` (the Authorization header to a tenant), `tenant_cache` (what an instance remembers of the
registry for a minute), `administration` (what an operator does), `oauth/` (access tokens and what Entra signs).

To add a kind of credential, begin in scim_core/registry.py, at CredentialKind. `administration` makes it;
`authenticator` or `oauth/` checks it. To change how often something may happen, go to `rate_limits`.
"""
