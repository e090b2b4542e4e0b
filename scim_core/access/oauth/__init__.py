"""OAuth 2.0: the token endpoint, the tokens it issues, the tokens of Entra it trusts. Only here is PyJWT imported.

Read first: `clients` (who may have a token), `access_tokens` (what a token says), `entra` (what Entra signs),
`verification` (every check of a signed token).

To change what a token holds, go to `access_tokens`; to change its keys, go to `signing_keys`. The texts of refusals are
in `clients` and `answers`. The HTTP side is scim_core/endpoint/oauth_endpoint.py.
"""
